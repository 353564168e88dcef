#include "daemon/guard/table_guard.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "daemon/guard/descriptor_mask.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::guard {

using dataplane::QueueScope;
using dataplane::QueueShape;
using dataplane::RingCursor;
using dataplane::RingShape;
using device::FaultKind;
using layout::Role;

TableGuard::Rings TableGuard::Rings::Of(const QueueShape& queue) {
  Rings rings;
  for (const RingShape& ring : queue.rings) {
    if (ring.ring->kind() == v1::RING_KIND_TABLE) {
      rings.table = &ring;
    } else if (ring.complete_forms.empty()) {
      rings.names = &ring;
    } else if (ring.post_forms.empty()) {
      rings.done = &ring;
    }
  }
  return rings;
}

bool TableGuard::Fits(const QueueShape& queue) {
  const Rings rings = Rings::Of(queue);
  return queue.rings.size() == 3 && rings.table != nullptr && rings.names != nullptr &&
         rings.done != nullptr;
}

absl::StatusOr<std::unique_ptr<QueueGuard>> TableGuard::Create(QueueParts parts) {
  std::unique_ptr<TableGuard> guard(new TableGuard(std::move(parts.regions)));
  absl::Status status = guard->ShapeQueues(parts);
  if (!status.ok()) return status;
  const Rings shadow = Rings::Of(guard->shadow_shape_);
  const Rings real = Rings::Of(guard->real_shape_);
  status = guard->CompileNames(shadow, real);
  if (status.ok()) status = guard->CompileTable(shadow, real, parts.options);
  if (status.ok()) status = guard->CompileDoneRing(shadow, real);
  if (!status.ok()) return status;
  return guard;
}

absl::Status TableGuard::CompileNames(const Rings& shadow, const Rings& real) {
  const RingShape& ring = *shadow.names;
  if (ring.post_forms.size() != 1 || !ring.ring->posted().has_cell() ||
      ring.ring->slot_bytes() > sizeof(uint64_t) || ring.ring->fills_size() > 0 ||
      ring.slot_count != shadow.table->slot_count) {
    return absl::UnimplementedError(
        absl::StrCat(ring.Where(),
                     ": a guard reads as many names as the table has slots, of at most 8 bytes, "
                     "up to an index cell"));
  }
  const uint32_t cell = ring.ring->posted().cell();
  const QueueScope scope = dataplane::ScopeOf(shadow_shape_);
  // Nothing but the name is kept.
  absl::StatusOr<DescriptorMask> kept =
      DescriptorMask::OfPost(scope, ring.post_forms.front(), true, true);
  absl::Status status = kept.status();
  if (status.ok()) {
    status = RoleInWord(scope, ring.post_forms.front(), Role::kTableIndex, true, &name_);
  }
  if (status.ok()) status = Into(dataplane::ProgressReader::OfCell(ring, cell), &posted_);
  if (status.ok()) status = Into(dataplane::NotificationSwitch::Compile(ring), &notification_);
  if (status.ok()) {
    status = Into(dataplane::ProgressWriter::OfCell(*real.names, cell), &real_posted_);
  }
  if (status.ok()) status = Into(dataplane::Doorbells::OfProducer(*real.names), &doorbells_);
  if (status.ok()) status = Into(dataplane::EventRequest::Compile(*real.names), &interrupts_);
  shadow_names_ = EntrySlots(ring);
  real_names_ = EntrySlots(*real.names);
  names_at_ = ring.Begin();
  return status;
}

absl::Status TableGuard::CompileTable(const Rings& shadow, const Rings& real,
                                      const GuardOptions& options) {
  for (const RingShape* ring : {shadow.table, real.table}) {
    if (ring->slots.word_bytes() == sizeof(uint64_t) &&
        ring->ring->slot_bytes() == sizeof(WordPair)) {
      continue;
    }
    return absl::UnimplementedError(
        absl::StrCat(ring->Where(), ": slots of ", ring->ring->slot_bytes(),
                     " bytes; a guard takes tables of 16, aligned to 8"));
  }
  if (absl::Status status = CompileForms(*shadow.table, options); !status.ok()) return status;
  for (const BufferForm& form : forms_) {
    if (form.has_next_present() == form.has_next_index() && !form.has_tag()) continue;
    return absl::UnimplementedError(
        absl::StrCat(shadow.table->Where(),
                     ": a guard follows chains by next.present and next.index, without tags"));
  }
  shadow_table_ = PairSlots(shadow.table->view.slots);
  real_table_ = PairSlots(real.table->view.slots);
  slots_.resize(shadow.table->slot_count);
  return absl::OkStatus();
}

absl::Status TableGuard::CompileDoneRing(const Rings& shadow, const Rings& real) {
  const RingShape& ring = *shadow.done;
  if (ring.complete_forms.size() != 1 || !ring.ring->completed().has_cell() ||
      ring.ring->slot_bytes() > sizeof(uint64_t) || ring.ring->fills_size() > 0 ||
      ring.ring->consumer_doorbells_size() > 0 || ring.slot_count < shadow.table->slot_count ||
      !CompletesBy(ring, v1::COMPLETION_KEY_INDEX, shadow.table->ring_index)) {
    return absl::UnimplementedError(
        absl::StrCat(ring.Where(),
                     ": a guard reads completions of at most 8 bytes, up to an index cell, which "
                     "name slots of the table, as many as that has, and are not acknowledged"));
  }
  const uint32_t cell = ring.ring->completed().cell();
  absl::Status status = CompileDone(ring, Role::kTableIndex, 0, &done_form_);
  if (status.ok()) {
    status = Into(dataplane::ProgressReader::OfCell(*real.done, cell), &completed_);
  }
  if (status.ok()) {
    status = Into(dataplane::ProgressWriter::OfCell(ring, cell), &shadow_completed_);
  }
  if (!status.ok()) return status;
  shadow_done_ = EntrySlots(ring);
  real_done_ = EntrySlots(*real.done);
  done_at_ = real.done->Begin();
  told_at_ = ring.Begin();
  return absl::OkStatus();
}

inline uint32_t TableGuard::CheckChain(uint64_t head, uint64_t* bytes) {
  uint64_t slot = head;
  uint32_t before = kNone;
  for (uint32_t descriptors = 0;; ++descriptors) {
    if (slot >= slots_.size()) [[unlikely]] {
      Stop(FaultKind::kBadIndex, static_cast<uint32_t>(std::min<uint64_t>(slot, UINT32_MAX)));
      return 0;
    }
    const auto at = static_cast<uint32_t>(slot);
    if (descriptors == max_descriptors_) [[unlikely]] {
      Stop(FaultKind::kEndlessChain, at, 0, *bytes);
      return 0;
    }
    // In this chain already, or in another one.
    if (slots_[at].holder != Holder::kClient) [[unlikely]] {
      Stop(descriptors == 0 ? FaultKind::kBadIndex : FaultKind::kEndlessChain, at);
      return 0;
    }
    WordPair words = shadow_table_.Load(at);
    uint64_t buffer_bytes = 0;
    const BufferForm* const form = Check(at, &words, &buffer_bytes);
    if (form == nullptr) [[unlikely]] {
      return 0;
    }
    real_table_.Store(at, words);
    slots_[at] = {kNone, descriptors == 0 ? Holder::kHead : Holder::kBehind};
    if (before != kNone) slots_[before].next = at;
    before = at;
    *bytes += buffer_bytes;
    if (!form->HasNext(words)) [[likely]] {
      return descriptors + 1;
    }
    slot = form->NextIndex(words);
  }
}

inline void TableGuard::LoadHeads(RingCursor at, uint64_t count, uint64_t* heads) const {
  const EntrySlots names = shadow_names_;
  const PairSlots shadow = shadow_table_;
  const PairSlots real = real_table_;
  const WordField name = name_;
  const uint64_t slot_count = slots_.size();
  const auto together = static_cast<uint32_t>(std::min<uint64_t>(count, kTogether));
  for (uint32_t i = 0; i < together; ++i) {
    const uint64_t head = name.In(names.Load(at.index()));
    heads[i] = head;
    at.NextSlot();
    // No number of the client's is a place before it is checked, not even for a hint.
    if (head >= slot_count) [[unlikely]] {
      continue;
    }
    shadow.WillRead(static_cast<uint32_t>(head));
    real.WillWrite(static_cast<uint32_t>(head));
  }
}

// Where they are stands in registers while both directions run: compilers read members again after
// each store into a ring.

uint32_t TableGuard::Forward(uint32_t budget) {
  RingCursor at = names_at_;
  const EntrySlots real_names = real_names_;
  uint32_t ahead = 0;
  if (!posted_.Read(at, 0, at.slot_count(), &ahead)) [[unlikely]] {
    Stop(FaultKind::kBadIndex, at.index());
    return 0;
  }
  uint32_t forwarded = 0;
  uint64_t packets = 0;
  uint64_t all_bytes = 0;
  uint64_t heads[kTogether];
  for (; packets < ahead && forwarded < budget && !MustWait(); ++packets) {
    if (packets % kTogether == 0) LoadHeads(at, ahead - packets, heads);
    const uint64_t head = heads[packets % kTogether];
    uint64_t bytes = 0;
    const uint32_t descriptors = CheckChain(head, &bytes);
    if (descriptors == 0) [[unlikely]] {
      break;
    }
    if (!IsLength(bytes)) [[unlikely]] {
      Stop(FaultKind::kBadPacket, static_cast<uint32_t>(head), 0, bytes);
      break;
    }
    // As many names as slots of the table are on their way at most, for each has one of its own: no
    // name is written over one that the device may not have read.
    real_names.Store(at.index(), head << name_.shift);
    at.NextSlot();
    TakePacketTokens(bytes);
    all_bytes += bytes;
    forwarded += descriptors;
  }
  if (packets == 0) return 0;
  names_at_ = at;
  real_posted_.Store(at);
  dataplane::DoorbellState state;
  state.index = at.index();
  state.count = at.count();
  state.added = static_cast<uint32_t>(at.count() - published_count_);
  published_count_ = at.count();
  doorbells_.Ring(state);
  CountForwarded(forwarded, packets, all_bytes);
  return forwarded;
}

inline bool TableGuard::FreeChain(uint64_t head) {
  if (head >= slots_.size() || slots_[head].holder != Holder::kHead) return false;
  for (auto slot = static_cast<uint32_t>(head); slot != kNone;) {
    const uint32_t next = slots_[slot].next;
    slots_[slot] = {};
    slot = next;
  }
  return true;
}

uint32_t TableGuard::Return(uint32_t budget) {
  RingCursor at = done_at_;
  RingCursor told_at = told_at_;
  uint32_t ahead = 0;
  if (!completed_.Read(at, 0, at.slot_count(), &ahead) || ahead == 0) return 0;
  const EntrySlots real = real_done_;
  const EntrySlots shadow = shadow_done_;
  const DoneForm form = done_form_;
  const uint32_t most = std::min(ahead, budget);
  uint32_t returned = 0;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < most; ++i) {
    real.WalkToRead(at.index());
    shadow.WalkToWrite(told_at.index());
    const uint64_t entry = real.Load(at.index()) & form.kept.low;
    at.NextSlot();
    // A completion of nothing that the device has says nothing to the client.
    if (!FreeChain(form.key.In(entry))) continue;
    bytes += form.length.In(entry);
    shadow.Store(told_at.index(), entry);
    told_at.NextSlot();
    ++returned;
  }
  done_at_ = at;
  told_at_ = told_at;
  // Release: the entries are there before the cell says so.
  shadow_completed_.Store(told_at);
  CountReturned(returned, bytes);
  return returned;
}

void TableGuard::SetNeedWakeup(bool need) {
  interrupts_.Want(need, done_at_.count());
  notification_.Set(need, names_at_.count());
}

bool TableGuard::HasPosted() {
  uint32_t ahead = 0;
  // What cannot be is work too: Forward finds it out.
  return !posted_.Read(names_at_, 0, names_at_.slot_count(), &ahead) || ahead != 0;
}

bool TableGuard::HasDone() {
  uint32_t ahead = 0;
  return completed_.Read(done_at_, 0, done_at_.slot_count(), &ahead) && ahead != 0;
}

}  // namespace qsplit::guard
