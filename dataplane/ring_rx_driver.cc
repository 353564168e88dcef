#include "dataplane/ring_rx_driver.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "dataplane/burst_cache.h"

namespace qsplit::dataplane {
namespace {

constexpr uint32_t kNoLane = UINT32_MAX;

// Whether the device learns how far completions were read; else no more may be outstanding than
// the ring of completions holds.
bool TellsProgress(const RingShape& ring) {
  if (ring.ring->consumer_doorbells_size() > 0) return true;
  const RingCells cells = RingCells::Of(ring);
  return cells.consumer != RingCells::kNone && !ring.ring->cells(cells.consumer).device_writes();
}

}  // namespace

absl::StatusOr<std::unique_ptr<RingRxDriver>> RingRxDriver::Create(
    const layout::VerifiedLayout& layout, const QueueView& view, const RxOptions& options) {
  absl::StatusOr<QueueShape> shape = ShapeQueue(layout, view, v1::DIRECTION_RECEIVE);
  if (!shape.ok()) return shape.status();
  auto driver = std::unique_ptr<RingRxDriver>(new RingRxDriver);
  driver->shape_ = *std::move(shape);
  absl::StatusOr<RxRings> rings = FindRxRings(driver->shape_);
  if (!rings.ok()) return rings.status();
  const RingShape& completions = *rings->completions;
  driver->own_slots_ = rings->InOwnSlots();
  driver->in_place_ = driver->own_slots_ && completions.ring->completes_size() > 0 &&
                      completions.ring->completes(0).key() == v1::COMPLETION_KEY_IN_PLACE;
  const QueueScope scope = ScopeOf(driver->shape_);

  absl::StatusOr<CompletionReader> reader = CompletionReader::Create(completions);
  if (!reader.ok()) return reader.status();
  driver->reader_ = *std::move(reader);
  const RingForms& forms = driver->reader_->forms();
  absl::StatusOr<CompletionRules> rules =
      CompletionRules::Compile(driver->shape_, completions, forms);
  if (!rules.ok()) return rules.status();
  driver->rules_ = *std::move(rules);
  absl::StatusOr<RxPacketRules> packet = RxPacketRules::Compile(scope, options.wanted);
  if (!packet.ok()) return packet.status();
  absl::StatusOr<std::vector<RxCompletionForm>> compiled =
      CompileRxCompletions(scope, completions, forms, *packet, options.wanted);
  if (!compiled.ok()) return compiled.status();
  driver->forms_ = *std::move(compiled);
  if (completions.ring->has_compressed()) {
    absl::StatusOr<CompressedCompletions> compressed =
        CompressedCompletions::Compile(scope, completions, forms);
    if (!compressed.ok()) return compressed.status();
    driver->compressed_ = *std::move(compressed);
  }
  if (absl::Status status = driver->MakeLanes(*rings, options); !status.ok()) return status;

  for (const RxCompletionForm& form : driver->forms_) {
    if (form.is_packet) driver->available_ |= form.program.Fields();
  }
  if (packet->prefix.has_value()) driver->available_ |= packet->prefix->Fields();
  driver->needs_memory_ = packet->PrefixSays();
  driver->delivery_.emplace(*std::move(packet), driver->Capacity());
  driver->burst_ = BurstCache::Get<burst::RxRingBurst>(
      options.bursts,
      BurstKey("ring rx", layout, view,
               {static_cast<uint64_t>(options.access), options.wanted.bits, options.buffer_bytes,
                options.packet_bytes, view.memory_key, view.queue_number.value}),
      [&] { return driver->MakeBurst(options.access); });
  if (driver->burst_ != nullptr && driver->burst_->plan().posts && driver->lanes_.size() == 1) {
    driver->posts_in_bursts_ = true;
    driver->lanes_.front().UseBurst(driver->burst_.get());
  }
  return driver;
}

absl::Status RingRxDriver::MakeLanes(const RxRings& rings, const RxOptions& options) {
  lane_of_ring_.assign(static_cast<size_t>(shape_.queue->rings_size()), kNoLane);
  uint64_t most = UINT64_MAX;  // descriptors in all rings together
  if (!own_slots_ && !TellsProgress(*rings.completions)) {
    uint32_t slots = 1;
    for (uint32_t i = 0; i < reader_->forms().size(); ++i) {
      slots = std::max(slots, reader_->forms()[i].slots);
    }
    most = (rings.completions->slot_count - rings.completions->ring->reserved_slots()) / slots;
  }
  uint64_t posted = 0;
  for (const RxRings::Lane& lane : rings.lanes) posted += lane.ordered().slot_count;
  for (const RxRings::Lane& lane : rings.lanes) {
    uint64_t here = lane.ordered().slot_count;
    if (posted > most) here = std::max<uint64_t>(here * most / posted, 1);
    absl::StatusOr<RxBufferRing> ring =
        RxBufferRing::Create(shape_, lane, options, static_cast<uint32_t>(here));
    if (!ring.ok()) return ring.status();
    lane_of_ring_[ring->ring()] = static_cast<uint32_t>(lanes_.size());
    lanes_.push_back(*std::move(ring));
  }
  return absl::OkStatus();
}

uint32_t RingRxDriver::Capacity() const {
  uint32_t buffers = 0;
  for (const RxBufferRing& lane : lanes_) buffers += lane.Capacity();
  return buffers;
}

uint32_t RingRxDriver::Room() {
  uint32_t buffers = 0;
  for (RxBufferRing& lane : lanes_) buffers += lane.Room();
  // What waits for the next Poll is not back yet.
  return std::min(buffers, Capacity() - Outstanding());
}

uint32_t RingRxDriver::Outstanding() const {
  uint32_t buffers = delivery_->Waiting();
  for (const RxBufferRing& lane : lanes_) buffers += lane.Outstanding();
  return buffers;
}

RxBufferRing* RingRxDriver::LaneToFill() {
  RxBufferRing* best = nullptr;
  for (RxBufferRing& lane : lanes_) {
    if (lane.Room() == 0) continue;
    if (best == nullptr || uint64_t{lane.Outstanding()} * best->Capacity() <
                               uint64_t{best->Outstanding()} * lane.Capacity()) {
      best = &lane;
    }
  }
  return best;
}

uint32_t RingRxDriver::Post(std::span<const RxBuffer> buffers) {
  if (posts_in_bursts_ && delivery_->Waiting() == 0) [[likely]] {
    return lanes_.front().PutBurst(buffers);
  }
  buffers = buffers.first(std::min<size_t>(buffers.size(), Room()));
  if (needs_memory_) {
    size_t with_memory = 0;
    while (with_memory < buffers.size() && buffers[with_memory].memory != nullptr) ++with_memory;
    buffers = buffers.first(with_memory);
  }
  if (lanes_.size() == 1) return lanes_.front().PutBurst(buffers);
  uint32_t done = 0;
  for (const RxBuffer& buffer : buffers) {
    RxBufferRing* lane = LaneToFill();
    if (lane == nullptr || !lane->Put(buffer)) break;
    ++done;
  }
  return done;
}

bool RingRxDriver::Publish() {
  bool wake = false;
  for (RxBufferRing& lane : lanes_) wake = lane.Publish() || wake;
  return wake;
}

inline bool RingRxDriver::PollBurst(uint64_t end) {
  RxBufferRing& lane = lanes_[burst_->plan().lane];
  if (delivery_->in_packet() || !lane.InOrder()) return false;
  const std::span<RxCompletion> out = delivery_->Rest();
  const RingCursor& at = reader_->position();
  // Only published buffers can come back.
  uint64_t most = std::min<uint64_t>({out.size(), lane.Published(), end - at.count()});
  if (most == 0) return false;
  most = std::min<uint64_t>(most, reader_->ReadyInBurst());
  most = std::min<uint64_t>(most, burst_->plan().buffer_count - lane.OldestNumber());
  const uint32_t done = burst_->Poll({.slots = reader_->slots().data(),
                                      .phase = at.phase(),
                                      .slot = at.index(),
                                      .buffers = lane.BuffersByNumber(),
                                      .buffer = lane.OldestNumber(),
                                      .most = static_cast<uint32_t>(most)},
                                     out.data());
  if (done == 0) return false;
  delivery_->DeliveredWhole(done);
  reader_->Skip(done, 1);
  lane.RemoveInOrder(done);
  return done == most;
}

uint32_t RingRxDriver::Poll(std::span<RxCompletion> out) {
  delivery_->Open(out);
  // A device that writes without end gets no further than a turn of the ring.
  const uint64_t end = reader_->position().count() + reader_->slot_count();
  while (reader_->position().count() < end && !delivery_->Full()) {
    if (burst_ != nullptr && PollBurst(end)) continue;
    if (!TakeOne()) break;
  }
  // The device needs no waking to learn that there is room: it looks when it has a packet.
  static_cast<void>(reader_->Publish());
  return delivery_->Close();
}

bool RingRxDriver::TakeOne() {
  // A slot of one's own that was never given to the device may look like anything.
  if (own_slots_ && lanes_.front().Published() == 0) return false;
  DescriptorBytes copy;
  ReadCompletion read;
  switch (reader_->Read(copy.bytes, &read, !delivery_->in_packet())) {
    case RingFault::kNone:
      break;
    case RingFault::kUndefinedForm: {
      // Bytes that the layout does not know: if it stands in its descriptor's slot, the packet ends
      // here, marked as damaged.
      uint32_t slots = 1;
      CompletionTarget target;
      target.key = v1::COMPLETION_KEY_IN_PLACE;
      if (in_place_) {
        RxBufferRing& lane = lanes_.front();
        const uint32_t id = lane.Find(target, reader_->position().index(), nullptr);
        if (id != RxBufferRing::kNone) {
          slots = lane.Slots(id);
          delivery_->DeliverDamaged(lane.Buffers(id));
          lane.Remove(id);
        }
      }
      reader_->Take(slots);
      return true;
    }
    default:
      return false;
  }
  if (compressed_.has_value() && compressed_->IsTitle(read.form, copy.bytes)) [[unlikely]] {
    TakeBlock(copy.bytes);
    return true;
  }
  const uint32_t slots = Deliver(read.form, copy.bytes);
  reader_->Take(own_slots_ ? slots : read.slots);
  return true;
}

void RingRxDriver::TakeBlock(const std::byte* title) {
  const uint32_t count = compressed_->Count(title);
  compressed_->Expand(*reader_, title, count,
                      [&](const std::byte* full) { Deliver(compressed_->title_form(), full); });
  reader_->Take(std::max(count, 1u));
}

uint64_t RingRxDriver::LengthSaid(const RxCompletionForm& form, const std::byte* copy,
                                  const RxDelivery::Prefix& prefix) const {
  if (form.program.HasLength()) return form.program.Length(copy);
  return prefix.there ? delivery_->rules().prefix->Length(prefix.bytes.bytes) : 0;
}

bool RingRxDriver::IsLast(const RxCompletionForm& form, const std::byte* copy,
                          const RxDelivery::Prefix& prefix, bool first) {
  switch (delivery_->rules().span) {
    case v1::SPAN_ADJACENT_UNTIL_LAST:
      return form.program.IsLast(copy);
    case v1::SPAN_COMPLETIONS:
    case v1::SPAN_COUNT_IN_FIRST: {
      const std::optional<FieldAccess>& in_prefix = delivery_->rules().prefix_count;
      if (first) {
        completions_left_ = form.count.has_value() ? form.count->Load(copy)
                            : prefix.there && in_prefix.has_value()
                                ? in_prefix->Load(prefix.bytes.bytes)
                                : 1;
        completions_left_ = std::max<uint64_t>(completions_left_, 1);
      }
      return --completions_left_ == 0;
    }
    default:
      return true;
  }
}

void RingRxDriver::Describe(const RxCompletionForm& form, const std::byte* copy,
                            const RxDelivery::Prefix& prefix, bool first, bool last,
                            RxMetadata* meta) const {
  if (prefix.there) delivery_->rules().prefix->Decode(prefix.bytes.bytes, first, last, meta);
  form.program.Decode(copy, first, last, meta);
}

uint32_t RingRxDriver::Deliver(uint32_t form_number, const std::byte* copy) {
  const RxCompletionForm& form = forms_[form_number];
  const RingCursor& at = reader_->position();
  CompletionTarget target;
  if (!rules_.Find(form_number, copy, at, &target)) return 1;  // an event
  const uint32_t number = lane_of_ring_[target.ring];
  if (number == kNoLane) return 1;
  RxBufferRing& lane = lanes_[number];
  if (delivery_->rules().span == v1::SPAN_BY_LENGTH) {
    DeliverByLength(&lane, form, copy);
    return 1;
  }
  uint64_t offset = 0;
  const uint32_t id = lane.Find(target, at.index(), &offset);
  if (id == RxBufferRing::kNone) return 1;  // what was never posted, or came back already
  const std::span<const RxBuffer> buffers = lane.Buffers(id);
  const uint32_t slots = lane.Slots(id);
  if (!form.is_packet) {
    delivery_->DeliverDamaged(buffers);
    lane.Remove(id);
    return slots;
  }
  const RxPacketRules& rules = delivery_->rules();
  const bool first = !delivery_->in_packet();
  RxDelivery::Prefix prefix;
  if (first) delivery_->ReadPrefix(buffers.front(), &prefix);
  const bool last = IsLast(form, copy, prefix, first);
  if (first && last && lane.one_each() && !delivery_->Full()) [[likely]] {
    DeliverWhole(form, copy, prefix, lane.OneBuffer(id), offset);
    lane.RemoveOne(id);
    return slots;
  }
  RxMetadata meta;
  Describe(form, copy, prefix, first, last, &meta);
  offset += form.program.Offset(copy);
  if (first && !rules.length_includes_prefix) offset += rules.prefix_bytes;
  offset = std::min<uint64_t>(offset, buffers.front().bytes);
  uint64_t room = 0;
  for (const RxBuffer& buffer : buffers) room += buffer.bytes;
  room = std::min<uint64_t>(room - offset, UINT32_MAX);
  const uint32_t bytes = delivery_->LengthHere(LengthSaid(form, copy, prefix), first, last,
                                               static_cast<uint32_t>(room));
  delivery_->Deliver(buffers, bytes, offset, last, meta);
  lane.Remove(id);
  return slots;
}

void RingRxDriver::DeliverWhole(const RxCompletionForm& form, const std::byte* copy,
                                const RxDelivery::Prefix& prefix, const RxBuffer& buffer,
                                uint64_t offset) {
  const RxPacketRules& rules = delivery_->rules();
  RxCompletion& to = delivery_->DeliverWhole();
  to.meta = RxMetadata();
  Describe(form, copy, prefix, true, true, &to.meta);
  offset += form.program.Offset(copy);
  if (!rules.length_includes_prefix) offset += rules.prefix_bytes;
  auto skip = static_cast<uint32_t>(std::min<uint64_t>(offset, buffer.bytes));
  uint32_t bytes = delivery_->WholeLength(LengthSaid(form, copy, prefix), buffer.bytes - skip);
  if (rules.length_includes_prefix) {
    const uint32_t counted = std::min(bytes, rules.prefix_bytes);
    skip += counted;
    bytes -= counted;
  }
  to.cookie = buffer.cookie;
  to.length = bytes;
  to.offset = skip;
}

void RingRxDriver::DeliverByLength(RxBufferRing* lane, const RxCompletionForm& form,
                                   const std::byte* copy) {
  const RxBuffer* buffer = lane->Oldest();
  if (buffer == nullptr) return;
  RxDelivery::Prefix prefix;
  delivery_->ReadPrefix(*buffer, &prefix);
  RxMetadata meta;
  Describe(form, copy, prefix, true, true, &meta);
  const RxPacketRules& rules = delivery_->rules();
  uint64_t left = LengthSaid(form, copy, prefix);
  left -= std::min<uint64_t>(left, rules.crc_bytes);
  uint64_t offset = rules.length_includes_prefix ? 0 : rules.prefix_bytes;
  while (true) {
    offset = std::min<uint64_t>(offset, buffer->bytes);
    const auto here = static_cast<uint32_t>(std::min<uint64_t>(left, buffer->bytes - offset));
    left -= here;
    const bool last = left == 0 || !lane->HasSecond();
    delivery_->Deliver(std::span(buffer, 1), here, offset, last, meta);
    lane->RemoveOldest();
    if (last) return;
    buffer = lane->Oldest();
    offset = 0;
  }
}

}  // namespace qsplit::dataplane
