// Packets into descriptors: see ring_tx_driver.h.
#include <algorithm>
#include <cstring>

#include "dataplane/ring_tx_driver.h"

namespace qsplit::dataplane {

PushResult RingTxDriver::Check(const Plan& plan, std::span<const TxSegment> segments,
                               Packet* packet, DescriptorBytes* context) const {
  const TxPost& first = *plan.first;
  const TxPost* const rest = program_.Rest();
  if (segments.empty() || segments.size() > max_segments_) return PushResult::kTooLong;
  const uint64_t alignment = AddressAlignment();
  uint64_t total = 0;
  for (const TxSegment& segment : segments) {
    if (segment.bytes == 0) return PushResult::kTooLong;
    total += segment.bytes;
    if (first.max_buffers == 0) {
      if (segment.memory == nullptr) return PushResult::kUnsupported;
    } else if (!first.Takes(segment) || segment.address.value % alignment != 0 ||
               (rest != nullptr && rest != &first && !rest->Takes(segment))) {
      return PushResult::kTooLong;
    }
  }
  if (IsBefore(plan) && segments[0].memory == nullptr) return PushResult::kUnsupported;
  if (total > program_.max_packet_bytes) return PushResult::kTooLong;
  if (first.max_buffers == 0 && total > first.inline_max) return PushResult::kTooLong;
  const bool segmented = plan.request.wants.Has(TxFeature::kSegment);
  packet->plan = &plan;
  packet->segments = segments;
  packet->total = total;
  packet->payload = PayloadBytes(plan.request, total);
  if (segmented && packet->payload == 0) return PushResult::kUnsupported;  // nothing but headers
  const auto cannot_say = [](const std::optional<PacketLengthField>& field, uint64_t bytes) {
    return field.has_value() && !field->field.CanStore(bytes);
  };
  if ((segmented && cannot_say(first.payload_length, packet->payload)) ||
      (!(segmented && first.payload_length) && cannot_say(first.total_length, total))) {
    return PushResult::kTooLong;
  }
  if (NeedsContextDescriptor(*packet)) {
    const auto which = static_cast<size_t>(plan.context);
    if (segmented &&
        cannot_say(program_.requests.contexts[which].payload_length, packet->payload)) {
      return PushResult::kTooLong;
    }
    packet->place = contexts_.Find(program_.requests, plan.context, plan.request, packet->payload,
                                   &packet->emit, context);
  }
  packet->buffers = first.max_buffers == 0 ? 0
                                           : static_cast<uint32_t>(segments.size()) +
                                                 (program_.prefix_bytes != 0 ? 1 : 0);
  if (!Measure(first, packet->buffers, &packet->descriptors, &packet->slots)) {
    return PushResult::kTooLong;
  }
  const uint32_t contexts = packet->emit ? 1 : 0;
  if (packet->emit) {
    const uint32_t form = program_.context_forms[static_cast<size_t>(plan.context)];
    packet->slots += posts_->forms()[form].slots;
  }
  if (packet->descriptors + contexts > program_.max_descriptors || packet->slots > Capacity()) {
    return PushResult::kTooLong;
  }
  return PushResult::kPushed;
}

uint32_t RingTxDriver::OwedFor(const Packet& packet) const {
  if (rings_.completions == nullptr || rings_.CompletesInOwnSlots()) return 0;
  return completion_slots_ * (EachDescriptorReturns() ? packet.descriptors : 1);
}

bool RingTxDriver::HasRoom(const Packet& packet) {
  if (ledger_.Full() || owed_ + OwedFor(packet) > completion_capacity_) return false;
  if (!table_) return posts_->HasRoom(packet.slots);
  return table_->Room() >= packet.descriptors && posts_->HasRoom(1);
}

uint32_t RingTxDriver::ReporterOf(const TxPost& first, uint32_t descriptors) const {
  if (!has_report_) return 0;
  const TxPost& last = descriptors == 1 ? first : *program_.Rest();
  const bool in_last =
      last.report_at.has_value() && SpeaksIn(last.report_at->position, descriptors == 1, true);
  return in_last ? descriptors - 1 : 0;
}

bool RingTxDriver::TakeReport(uint32_t slots, bool always) {
  if (!coalesces_) return true;
  slots_since_report_ += slots;
  if (++since_report_ < report_every_ && slots_since_report_ < most_unreported_ && !always) {
    return false;
  }
  since_report_ = slots_since_report_ = 0;
  return true;
}

void RingTxDriver::WriteContext(const Packet& packet, DescriptorBytes* context) {
  // As it is remembered, before the ring's own bits are in it.
  contexts_.Remember(program_.requests, packet.plan->context, packet.place, packet.plan->request,
                     *context);
  posts_->Write(program_.context_forms[static_cast<size_t>(packet.plan->context)], context->bytes);
}

DescriptorBytes RingTxDriver::RequestImage(const Packet& packet, int context) const {
  const TxContextForm& form = program_.requests.contexts[static_cast<size_t>(context)];
  DescriptorBytes image;
  CopyDescriptor(image.bytes, form.image.bytes, program_.requests.copy_bytes);
  if (packet.plan->request.wants.bits != 0) {
    form.request.Store(packet.plan->request, true, true, image.bytes);
    if (form.payload_length.has_value() && packet.payload != 0) {
      form.payload_length->field.Store(image.bytes, packet.payload);
    }
  }
  return image;
}

void RingTxDriver::WritePrefix(const Packet& packet) {
  const DescriptorBytes image = RequestImage(packet, program_.prefix);
  prefixes_[packet.id] = packet.plan->prefix;
  std::memcpy(shape_.view.scratch + size_t{packet.id} * prefix_stride_, image.bytes,
              program_.prefix_bytes);
}

void RingTxDriver::WriteInline(const Packet& packet) const {
  // The slot is ours until its word says otherwise.
  const RingShape& ring = *rings_.descriptors;
  std::byte* to = ring.view.slots + size_t{posts_->position().index()} * ring.ring->slot_bytes() +
                  packet.plan->first->inline_at;
  for (const TxSegment& segment : packet.segments) {
    std::memcpy(to, segment.memory, segment.bytes);
    to += segment.bytes;
  }
}

void RingTxDriver::Fill(const Packet& packet, const TxPost& post, uint32_t number, uint32_t begin,
                        uint32_t count, std::byte* image) const {
  const Plan& plan = *packet.plan;
  const bool first = number == 0;
  const bool last = number + 1 == packet.descriptors;
  post.Begin(first, last, count, image);
  const uint32_t prefix = program_.prefix_bytes != 0 ? 1 : 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (begin + i < prefix) {
      const Iova at = shape_.view.scratch_iova + uint64_t{packet.id} * prefix_stride_;
      post.Put(i, at, program_.prefix_bytes, image);
    } else {
      const TxSegment& segment = packet.segments[begin + i - prefix];
      post.Put(i, segment.address, segment.bytes, image);
    }
  }
  if (first) {
    if (post.max_buffers == 0) post.inline_length->Store(image, packet.total);
    if (packet.emit && post.first.has_value() &&
        program_.requests.contexts[static_cast<size_t>(plan.context)].begins_packet) {
      post.first->Store(image, 0);
    }
    if (post.descriptor_count.has_value()) {
      post.descriptor_count->Store(image, packet.descriptors + (AfterFirst(packet) ? 1 : 0));
    }
  }
  if (post.tag.has_value() && SpeaksIn(post.tag->position, first, last)) {
    post.tag->field.Store(image, packet.id);
  }
  if (post.slot_count.has_value()) {
    post.slot_count->StoreRaw(image, posts_->position().count() & post.slot_count->MaxRaw());
  }
  if (plan.request.wants.bits != 0) {
    post.request.Store(plan.request, first, last, image);
    if (NeedsContextDescriptor(packet)) {
      if (post.context_index.has_value()) post.context_index->Store(image, packet.place);
      if (post.context_present.has_value()) post.context_present->Store(image, 1);
    } else if (first && IsBefore(plan)) {
      post.context_present->Store(image, 1);
    }
  }
  // Two lengths may share bits, chosen by a flag that stands there by now.
  const auto store_length = [&](const std::optional<PacketLengthField>& field, uint64_t bytes) {
    if (field.has_value() && SpeaksIn(field->position, first, last) && field->valid.Holds(image)) {
      field->field.Store(image, bytes);
    }
  };
  store_length(post.total_length, packet.total);
  store_length(post.payload_length, packet.payload);
  if (has_report_ && packet.report && number == packet.reporter && post.report_at.has_value()) {
    post.report_at->field.Store(image, 1);
  }
}

void RingTxDriver::WriteRing(const Packet& packet, DescriptorBytes* context,
                             TxLedger::Packet* record) {
  record->first = posts_->position().index();
  const bool after_first = AfterFirst(packet);
  if (packet.emit && !after_first) WriteContext(packet, context);
  if (packet.plan->first->max_buffers == 0) WriteInline(packet);
  DescriptorBytes image;
  uint32_t begin = 0;
  for (uint32_t number = 0; number < packet.descriptors; ++number) {
    const TxPost& post = PostOf(packet, number);
    const uint32_t count = std::min(packet.buffers - begin, post.max_buffers);
    Fill(packet, post, number, begin, count, image.bytes);
    begin += count;
    const RingCursor at = posts_->position();
    const uint32_t bytes = post.Bytes(count);
    posts_->Write(post.ring_form, image.bytes, bytes);
    record->last_count = at.count();
    if (has_report_ && number == packet.reporter) {
      unreported_.field = packet.report ? nullptr : &post.report_at->field;
      if (!packet.report) {
        unreported_.at = at;
        unreported_.form = post.ring_form;
        unreported_.bytes = bytes;
        unreported_.id = packet.id;
        std::memcpy(unreported_.image.bytes, image.bytes, (bytes + 7) / 8 * 8);
      }
    }
    if (number == 0 && after_first) WriteContext(packet, context);
  }
  record->slots = packet.slots;
  record->end_count = posts_->position().count();
}

void RingTxDriver::WriteChain(const Packet& packet, TxLedger::Packet* record) {
  DescriptorBytes image;
  uint32_t begin = 0;
  uint32_t slot = table_->Allocate();
  record->first = slot;
  record->slots = 1;  // of the ring that names it
  for (uint32_t number = 0; number < packet.descriptors; ++number) {
    const TxPost& post = PostOf(packet, number);
    const uint32_t count = std::min(packet.buffers - begin, post.max_buffers);
    Fill(packet, post, number, begin, count, image.bytes);
    begin += count;
    const bool last = number + 1 == packet.descriptors;
    const uint32_t next = last ? TableWriter::kNone : table_->Allocate();
    if (!last) post.next_index->Store(image.bytes, next);
    table_->Write(slot, post.ring_form, image.bytes);
    table_next_[slot] = next;
    slot = next;
  }
  chain_head_.Store(chain_image_.bytes, record->first);
  record->last_count = posts_->position().count();
  posts_->Write(0, chain_image_.bytes);
  record->end_count = posts_->position().count();
}

PushResult RingTxDriver::PushAny(std::span<const TxSegment> segments, const TxRequest& request,
                                 uint32_t cookie) {
  const Plan& plan = PlanFor(request);
  if (plan.first == nullptr) return PushResult::kUnsupported;
  Packet packet;
  DescriptorBytes context;
  const PushResult checked = Check(plan, segments, &packet, &context);
  if (checked != PushResult::kPushed) return checked;
  if (!HasRoom(packet)) return PushResult::kNoRoom;
  easy_ = 0;

  packet.id = ledger_.NextId();
  packet.report = TakeReport(packet.slots, plan.timed);
  packet.reporter = ReporterOf(*plan.first, packet.descriptors);
  if (program_.prefix_bytes != 0) WritePrefix(packet);
  if (IsBefore(plan)) {
    std::memcpy(segments[0].memory - program_.before_bytes,
                RequestImage(packet, program_.before).bytes, program_.before_bytes);
  }
  TxLedger::Packet record;
  record.cookie = cookie;
  record.begin_count = posts_->position().count();
  if (table_) {
    WriteChain(packet, &record);
  } else {
    WriteRing(packet, &context, &record);
  }
  record.reported = packet.report;
  record.owed = packet.report ? OwedFor(packet) : 0;
  owed_ += record.owed;
  record.pending = EachDescriptorReturns() ? packet.descriptors : 1;
  ledger_.Add(record);
  if (plan.timed) {
    times_.Want(packet.id, IsBefore(plan) ? segments[0].memory - program_.before_bytes : nullptr);
  }
  if (rings_.key == v1::COMPLETION_KEY_INDEX && !NamesPositions()) {
    ledger_.SetSlots(packet.id, record.first, record.slots);
  }
  if (rings_.how == TxReturn::kAddress) {
    for (const TxSegment& segment : segments)
      addresses_.Add({segment.address.value, AddressLedger::kFirstId + packet.id, 0});
  }
  return PushResult::kPushed;
}

}  // namespace qsplit::dataplane
