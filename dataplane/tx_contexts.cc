#include "dataplane/tx_contexts.h"

#include <cstring>

namespace qsplit::dataplane {
namespace {

// One that lasts until the next of its kind comes, whatever that one's form is.
bool GivesWay(const TxContextForm& form) {
  return form.lifetime == v1::CONTEXT_LIFETIME_STICKY ||
         form.lifetime == v1::CONTEXT_LIFETIME_CACHED;
}

}  // namespace

TxContextPlaces::TxContextPlaces(const TxProgram& program) {
  for (const TxContextForm& context : program.contexts) {
    states_.push_back({CacheLineVector<Place>(context.places), 0});
  }
}

uint32_t TxContextPlaces::Find(const TxProgram& program, int context, const TxRequest& request,
                               uint64_t payload, bool* emit, DescriptorBytes* image) const {
  const TxContextForm& form = program.contexts[static_cast<size_t>(context)];
  const State& state = states_[static_cast<size_t>(context)];
  *emit = false;
  const bool each_packet = form.lifetime == v1::CONTEXT_LIFETIME_PACKET;
  const bool has_payload =
      form.payload_length.has_value() && request.wants.Has(TxFeature::kSegment);
  if (!each_packet && !has_payload) {
    for (uint32_t i = 0; i < state.places.size(); ++i) {
      if (state.places[i].set && state.places[i].request == request) return i;
    }
  }
  CopyDescriptor(image->bytes, form.image.bytes, program.copy_bytes);
  form.request.Store(request, true, true, image->bytes);
  if (has_payload) form.payload_length->field.Store(image->bytes, payload);
  // Two requests may need the same context.
  for (uint32_t i = 0; !each_packet && i < state.places.size(); ++i) {
    if (form.index.has_value()) form.index->Store(image->bytes, i);
    if (state.places[i].set &&
        std::memcmp(state.places[i].image.bytes, image->bytes, program.copy_bytes) == 0) {
      return i;
    }
  }
  *emit = true;
  if (form.index.has_value()) form.index->Store(image->bytes, state.next);
  return state.next;
}

void TxContextPlaces::Remember(const TxProgram& program, int context, uint32_t place,
                               const TxRequest& request, const DescriptorBytes& image) {
  ++changes_;
  if (GivesWay(program.contexts[static_cast<size_t>(context)])) {
    for (size_t i = 0; i < states_.size(); ++i) {
      if (GivesWay(program.contexts[i])) states_[i].places[0].set = false;
    }
  }
  State& state = states_[static_cast<size_t>(context)];
  Place& to = state.places[place];
  to.set = true;
  to.request = request;
  CopyDescriptor(to.image.bytes, image.bytes, program.copy_bytes);
  state.next = place + 1 == state.places.size() ? 0 : place + 1;
}

TxContextMemory::TxContextMemory(const TxProgram& program) {
  for (const TxContextForm& context : program.contexts) places_.emplace_back(context.places);
}

RingFault TxContextMemory::Take(const TxProgram& program, size_t context,
                                const std::byte* descriptor) {
  const TxContextForm& form = program.contexts[context];
  uint64_t index = 0;
  if (form.index.has_value()) index = form.index->Load(descriptor);
  if (index >= places_[context].size()) return RingFault::kUndefinedContext;
  if (GivesWay(form)) {
    for (size_t i = 0; i < places_.size(); ++i) {
      if (GivesWay(program.contexts[i])) places_[i][0].set = false;
    }
  }
  Place& place = places_[context][index];
  place.set = true;
  place.draft = RequestDraft();
  form.request.Load(descriptor, true, true, &place.draft);
  return RingFault::kNone;
}

RingFault TxContextMemory::Use(const TxProgram& program, const TxDataForm& data,
                               const std::byte* descriptor, RequestDraft* draft) {
  // What the descriptor itself asks for and cannot say alone.
  RequestDraft own;
  data.request.Load(descriptor, true, true, &own);
  const TxFeatures lacking = own.request.wants & data.needs_context;
  for (size_t i = 0; i < places_.size(); ++i) {
    const TxContextForm& form = program.contexts[i];
    const bool operands = (lacking & form.request.Operands()).bits != 0;
    // A context that belongs to this packet alone enables by its own bits.
    const bool enables = form.Triggers().bits != 0 && places_[i][0].set;
    if (!operands && !enables) continue;
    uint64_t index = 0;
    if (form.index.has_value() && data.context_index.has_value()) {
      index = data.context_index->Load(descriptor);
    }
    if (index >= places_[i].size() || !places_[i][index].set) continue;
    *draft = places_[i][index].draft;
    // Where the packet's own descriptor has the same bit, it alone decides.
    draft->request.wants.bits &= form.Triggers().bits & ~data.request.Triggers().bits;
    if (form.lifetime == v1::CONTEXT_LIFETIME_PACKET) places_[i][index].set = false;
    return RingFault::kNone;
  }
  return lacking.bits == 0 ? RingFault::kNone : RingFault::kUndefinedContext;
}

}  // namespace qsplit::dataplane
