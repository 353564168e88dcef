#include "dataplane/rx_buffer_ring.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {

namespace {

bool NamedBySlot(const QueueShape& queue, uint32_t ring) {
  for (const RingShape& from : queue.rings) {
    for (const v1::CompletionRule& rule : from.ring->completes()) {
      if (rule.ring() == ring &&
          (rule.key() == v1::COMPLETION_KEY_INDEX || rule.key() == v1::COMPLETION_KEY_IN_PLACE)) {
        return true;
      }
    }
  }
  return false;
}

bool NamedByAddress(const QueueShape& queue, uint32_t ring) {
  for (const RingShape& from : queue.rings) {
    for (const v1::CompletionRule& rule : from.ring->completes()) {
      if (rule.ring() == ring && rule.key() == v1::COMPLETION_KEY_ADDRESS) return true;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<RxBufferRing> RxBufferRing::Create(const QueueShape& queue,
                                                  const RxRings::Lane& lane,
                                                  const RxOptions& options,
                                                  uint32_t most_descriptors) {
  const QueueScope scope = ScopeOf(queue);
  RxBufferRing ring;
  ring.ring_ = lane.buffers->ring_index;
  absl::StatusOr<PostWriter> writer = PostWriter::Create(lane.ordered());
  if (!writer.ok()) return writer.status();
  ring.writer_ = *std::move(writer);
  const RingForms* forms = &ring.writer_->forms();
  if (lane.names != nullptr) {
    absl::StatusOr<TableWriter> table = TableWriter::Create(*lane.buffers);
    if (!table.ok()) return table.status();
    ring.table_ = *std::move(table);
    forms = &ring.table_->forms();
    absl::StatusOr<DescriptorBytes> image = FormImage(*lane.names, ring.writer_->forms()[0].form);
    if (!image.ok()) return image.status();
    ring.name_image_ = *image;
    absl::StatusOr<FieldAccess> name = TableIndexOf(scope, ring.writer_->forms()[0].form);
    if (!name.ok()) return name.status();
    ring.name_ = *std::move(name);
  }
  // The first form that offers a buffer.
  absl::Status why = absl::UnimplementedError(absl::StrCat(lane.buffers->Where(), ": no form"));
  uint32_t form = 0;
  for (; form < forms->size(); ++form) {
    absl::StatusOr<RxPost> post =
        RxPost::Compile(scope, (*forms)[form].form, lane.buffers->slots.slot_bytes(),
                        options.buffer_bytes, queue.view);
    if (post.ok()) {
      ring.post_ = *std::move(post);
      break;
    }
    why = post.status();
  }
  if (!ring.post_.has_value()) return why;
  (ring.table_.has_value() ? ring.table_form_ : ring.form_) = form;
  ring.per_descriptor_ = ring.post_->buffers();
  ring.may_be_partial_ = ring.post_->each_has_length();
  if (ring.may_be_partial_ && options.packet_bytes != 0 && options.buffer_bytes != 0) {
    const v1::PacketRule& packet = queue.queue->packet();
    const uint64_t bytes =
        uint64_t{options.packet_bytes} + packet.prefix_bytes() + packet.length_includes_crc_bytes();
    const uint64_t needed = (bytes + options.buffer_bytes - 1) / options.buffer_bytes;
    ring.per_descriptor_ = static_cast<uint32_t>(std::min<uint64_t>(ring.per_descriptor_, needed));
  }
  ring.writer_slots_ =
      ring.table_.has_value() ? ring.writer_->forms()[0].slots : ring.post_->slots();
  const bool by_slot = NamedBySlot(queue, ring.ring_);
  ring.slots_name_ = by_slot && !ring.table_.has_value();
  uint64_t most = std::min(ring.writer_->Capacity() / ring.writer_slots_, most_descriptors);
  if (ring.table_.has_value()) most = std::min<uint64_t>(most, ring.table_->slot_count());
  most = std::min(most, ring.post_->max_tag());
  if (most == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(lane.buffers->Where(), ": no room for one descriptor"));
  }
  ring.by_address_ = NamedByAddress(queue, ring.ring_);
  // Where a descriptor is a slot, it has that one's number, as long as they come back in order.
  const uint32_t slots = ring.writer_->slot_count();
  const bool slot_by_slot = ring.writer_slots_ == 1 && !ring.table_.has_value() &&
                            !ring.writer_->position().has_link() &&
                            slots - 1 <= ring.post_->max_tag();
  ring.ledger_ = RxLedger({.descriptors = static_cast<uint32_t>(most),
                           .ids = slot_by_slot ? slots : static_cast<uint32_t>(most),
                           .buffers = ring.per_descriptor_,
                           .slots = by_slot ? lane.buffers->slot_count : 0,
                           .buffer_bytes = ring.by_address_ ? options.buffer_bytes : 0,
                           .slot_by_slot = slot_by_slot});
  ring.numbered_from_ = slots;
  DescriptorBytes image;
  ring.post_->Begin(0, 0, image.bytes);
  ring.burst_bytes_ = ring.writer_->forms()[ring.form_].extent.Bytes(image.bytes);
  ring.bursts_ = ring.per_descriptor_ == 1 && !ring.table_.has_value();
  ring.capacity_ = static_cast<uint32_t>(most) * ring.per_descriptor_;
  return ring;
}

uint32_t RxBufferRing::FreeDescriptors() {
  if (!SlotsAreFree()) return 0;
  const uint32_t free = ledger_.Free();
  // The ring may be fuller than the ledger: a device takes out of it when it wants.
  return std::min(free,
                  writer_->HasRoom(free * writer_slots_) ? free : writer_->Room() / writer_slots_);
}

uint32_t RxBufferRing::Room() {
  const uint32_t buffers = FreeDescriptors() * per_descriptor_;
  return buffers - std::min(buffers, waiting_count_);
}

bool RxBufferRing::Put(const RxBuffer& buffer) {
  const uint32_t bytes = post_->Usable(buffer);
  if (bytes == 0 || ledger_.Full() || !writer_->HasRoom(writer_slots_)) return false;
  if (!SlotsAreFree()) return false;
  RxBuffer& to = waiting_[waiting_count_];
  to = buffer;
  to.bytes = bytes;
  ++waiting_count_;
  if (waiting_count_ == per_descriptor_ && !WriteDescriptor()) {
    --waiting_count_;
    return false;
  }
  ++outstanding_;
  return true;
}

inline uint32_t RxBufferRing::PostBurst(std::span<const RxBuffer> buffers) {
  const RingCursor& at = writer_->position();
  const burst::RxRingBurst::Free to = {.slots = writer_->slots().data(),
                                       .phase = at.phase(),
                                       .slot = at.index(),
                                       .buffers = ledger_.buffers(),
                                       .most = static_cast<uint32_t>(buffers.size()),
                                       .were_posted = at.count() >= numbered_from_};
  uint32_t posted;
  if (writer_->HoldsNext()) {
    posted = burst_->PostHeld(to, buffers.data(), writer_->Held(form_));
    if (posted == 0) return 0;
    ledger_.AddInOrder(at.index(), posted);
    writer_->WroteHeld(posted);
  } else {
    posted = burst_->Post(to, buffers.data());
    ledger_.AddInOrder(at.index(), posted);
    writer_->Wrote(posted, nullptr, form_);
  }
  return posted;
}

uint32_t RxBufferRing::PutBurst(std::span<const RxBuffer> buffers) {
  uint32_t taken = 0;
  if (!bursts_) {
    while (taken < buffers.size() && Put(buffers[taken])) ++taken;
    return taken;
  }
  auto most = static_cast<uint32_t>(std::min<size_t>(buffers.size(), ledger_.Free()));
  if (!writer_->HasRoom(most * writer_slots_)) most = writer_->Room() / writer_slots_;
  while (taken < most) {
    if (burst_ != nullptr && ledger_.in_order()) {
      const uint32_t posted = PostBurst(buffers.subspan(taken, most - taken));
      taken += posted;
      if (taken == most) break;
      if (posted != 0 && writer_->position().index() == 0) continue;  // from the first slot on
    }
    if (!PutOne(buffers[taken])) break;
    ++taken;
  }
  unpublished_ += taken;
  outstanding_ += taken;
  return taken;
}

bool RxBufferRing::PutOne(const RxBuffer& from) {
  RxBuffer buffer = from;
  buffer.bytes = post_->Usable(buffer);
  if (buffer.bytes == 0 || !SlotsAreFree()) return false;
  if (burst_ != nullptr && burst_->plan().needs_memory && buffer.memory == nullptr) return false;
  const RingCursor& at = writer_->position();
  const uint32_t id = ledger_.NextId(at.index());
  DescriptorBytes image;
  post_->Begin(id, static_cast<uint32_t>(at.count()), image.bytes);
  post_->Put(0, buffer, image.bytes);
  ledger_.Add(std::span(&buffer, 1), at.index(), writer_slots_);
  if (id != at.index()) numbered_from_ = at.count() + 1 + at.slot_count();
  writer_->Write(form_, image.bytes, burst_bytes_);
  return true;
}

bool RxBufferRing::WriteDescriptor() {
  const RingCursor& at = writer_->position();
  DescriptorBytes image;
  uint32_t slot = at.index();
  if (table_.has_value()) {
    slot = table_->Allocate();
    if (slot == TableWriter::kNone) return false;
  }
  for (uint32_t i = waiting_count_; i < per_descriptor_; ++i) waiting_[i] = RxBuffer();
  post_->Begin(ledger_.NextId(slot), static_cast<uint32_t>(at.count()), image.bytes);
  for (uint32_t i = 0; i < waiting_count_; ++i) post_->Put(i, waiting_[i], image.bytes);
  ledger_.Add(std::span(waiting_, per_descriptor_), slot, table_.has_value() ? 1 : writer_slots_);
  if (table_.has_value()) {
    table_->Write(slot, table_form_, image.bytes);
    image = name_image_;
    name_.Store(image.bytes, slot);
  }
  writer_->Write(form_, image.bytes, writer_->forms()[form_].extent.Bytes(image.bytes));
  ++unpublished_;
  waiting_count_ = 0;
  return true;
}

bool RxBufferRing::Publish() {
  if (waiting_count_ != 0 && may_be_partial_) WriteDescriptor();
  unpublished_ = 0;
  writer_->Commit();
  return writer_->Publish();
}

uint32_t RxBufferRing::Find(const CompletionTarget& target, uint32_t slot, uint64_t* offset) {
  switch (target.key) {
    case v1::COMPLETION_KEY_IN_PLACE:
      return ledger_.BySlot(slot);
    case v1::COMPLETION_KEY_INDEX:
      return ledger_.BySlot(target.value);
    case v1::COMPLETION_KEY_TAG:
      return ledger_.ByTag(target.value);
    case v1::COMPLETION_KEY_ADDRESS:
      return ledger_.ByAddress(target.value, offset);
    default:
      return ledger_.Oldest();
  }
}

std::span<const RxBuffer> RxBufferRing::Buffers(uint32_t id) const {
  const std::span<const RxBuffer> all = ledger_.Buffers(id);
  size_t count = all.size();
  while (count > 1 && all[count - 1].bytes == 0) --count;  // left out
  return all.first(count);
}

void RxBufferRing::Remove(uint32_t id) {
  outstanding_ -= static_cast<uint32_t>(Buffers(id).size());
  if (table_.has_value()) table_->Free(ledger_.Slot(id));
  ledger_.Remove(id);
  writer_->Free(writer_slots_);
  // Named before it was published, by a device that guesses.
  unpublished_ = std::min(unpublished_, ledger_.Count());
}

const RxBuffer* RxBufferRing::Oldest() const {
  const uint32_t id = ledger_.Oldest();
  return id == kNone ? nullptr : &Buffers(id)[taken_of_oldest_];
}

bool RxBufferRing::HasSecond() const {
  const uint32_t id = ledger_.Oldest();
  return id != kNone && (taken_of_oldest_ + 1 < Buffers(id).size() || ledger_.Next(id) != kNone);
}

void RxBufferRing::RemoveOldest() {
  const uint32_t id = ledger_.Oldest();
  const auto buffers = static_cast<uint32_t>(Buffers(id).size());
  if (++taken_of_oldest_ < buffers) {
    --outstanding_;
    return;
  }
  taken_of_oldest_ = 0;
  outstanding_ += buffers - 1;  // counted when they were taken
  Remove(id);
}

}  // namespace qsplit::dataplane
