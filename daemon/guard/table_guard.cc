#include "daemon/guard/table_guard.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "daemon/guard/descriptor_mask.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::guard {

using dataplane::QueueScope;
using dataplane::QueueShape;
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
  for (const bool real : {false, true}) {
    absl::StatusOr<QueueShape> shape =
        dataplane::ShapeQueue(parts.layout, real ? parts.real : parts.shadow, parts.direction);
    if (!shape.ok()) return shape.status();
    (real ? guard->real_ : guard->shadow_) = *std::move(shape);
  }
  const Rings shadow = Rings::Of(guard->shadow_);
  const Rings real = Rings::Of(guard->real_);
  const v1::Queue& queue = *guard->shadow_.queue;
  guard->device_writes_ = parts.direction == v1::DIRECTION_RECEIVE;
  guard->prefix_bytes_ = queue.packet().prefix_bytes();
  guard->min_bytes_ = std::max<uint64_t>(queue.limits().min_bytes_per_packet(), 1);
  guard->max_bytes_ = LongestPacket(queue.limits(), parts.options);
  guard->max_descriptors_ =
      MostDescriptors(queue.limits(), parts.options, shadow.table->slot_count);
  for (absl::Status status :
       {guard->CompileNames(shadow, real), guard->CompileTable(shadow, real, parts.options),
        guard->CompileDone(shadow, real)}) {
    if (!status.ok()) return status;
  }
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
  const QueueScope scope = dataplane::ScopeOf(shadow_);
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
  shadow_names_ = {ring.slots, ring.ring->slot_bytes()};
  real_names_ = {real.names->slots, ring.ring->slot_bytes()};
  names_at_ = ring.Begin();
  return status;
}

absl::Status TableGuard::CompileTable(const Rings& shadow, const Rings& real,
                                      const GuardOptions& options) {
  const QueueScope scope = dataplane::ScopeOf(shadow_);
  for (const RingShape* ring : {shadow.table, real.table}) {
    if (ring->slots.word_bytes() == sizeof(uint64_t) &&
        ring->ring->slot_bytes() == kChainWords * sizeof(uint64_t)) {
      continue;
    }
    return absl::UnimplementedError(
        absl::StrCat(ring->Where(), ": slots of ", ring->ring->slot_bytes(),
                     " bytes; a guard takes tables of 16, aligned to 8"));
  }
  for (const uint32_t index : shadow.table->post_forms) {
    absl::StatusOr<BufferForm> form =
        BufferForm::Compile(scope, index, shadow_.queue->direction(), options, regions_);
    if (!form.ok()) return form.status();
    if (form->has_next_present() != form->has_next_index() || form->has_tag()) {
      return absl::UnimplementedError(absl::StrCat("form ", scope.Form(index).name(),
                                                   ": a guard follows chains by next.present and "
                                                   "next.index, without tags"));
    }
    forms_.push_back(*std::move(form));
  }
  shadow_table_ = WordSlots<kChainWords>(shadow.table->view.slots);
  real_table_ = WordSlots<kChainWords>(real.table->view.slots);
  slots_.resize(shadow.table->slot_count);
  return absl::OkStatus();
}

absl::Status TableGuard::CompileDone(const Rings& shadow, const Rings& real) {
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
  const uint32_t form = ring.complete_forms.front();
  const QueueScope scope = dataplane::ScopeOf(shadow_);
  absl::StatusOr<DescriptorMask> kept = DescriptorMask::OfCompletion(scope, form);
  absl::Status status = kept.status();
  if (status.ok()) status = RoleInWord(scope, form, Role::kTableIndex, true, &done_name_);
  if (status.ok()) status = RoleInWord(scope, form, Role::kPacketLength, false, &done_length_);
  if (status.ok()) {
    status = Into(dataplane::ProgressReader::OfCell(*real.done, cell), &completed_);
  }
  if (status.ok()) {
    status = Into(dataplane::ProgressWriter::OfCell(ring, cell), &shadow_completed_);
  }
  if (!status.ok()) return status;
  done_kept_ = kept->words[0];
  shadow_done_ = {ring.slots, ring.ring->slot_bytes()};
  real_done_ = {real.done->slots, ring.ring->slot_bytes()};
  done_at_ = real.done->Begin();
  told_at_ = ring.Begin();
  return absl::OkStatus();
}

uint32_t TableGuard::CheckChain(uint64_t head, uint64_t* bytes) {
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
    if (slots_[at].with_device) [[unlikely]] {
      Stop(descriptors == 0 ? FaultKind::kBadIndex : FaultKind::kEndlessChain, at);
      return 0;
    }
    uint64_t words[kChainWords];
    for (size_t i = 0; i < kChainWords; ++i) words[i] = shadow_table_.Load(at, i);
    size_t which = 0;
    while (which < forms_.size() && !forms_[which].Matches(words)) ++which;
    if (which == forms_.size()) [[unlikely]] {
      Stop(FaultKind::kBadDescriptor, at);
      return 0;
    }
    const BufferForm& form = forms_[which];
    const CheckedBuffer buffer = form.Check(words, &regions_);
    if (!buffer.good) [[unlikely]] {
      Stop(buffer.kind, at, buffer.iova, buffer.bytes);
      return 0;
    }
    real_table_.Store(at, words);
    slots_[at] = {true, descriptors == 0, kNone};
    if (before != kNone) slots_[before].next = at;
    before = at;
    *bytes += buffer.bytes;
    if (!form.HasNext(words)) return descriptors + 1;
    slot = form.NextIndex(words);
  }
}

uint32_t TableGuard::Forward(uint32_t budget) {
  uint32_t ahead = 0;
  if (!posted_.Read(names_at_, 0, names_at_.slot_count(), &ahead)) [[unlikely]] {
    Stop(FaultKind::kBadIndex, names_at_.index());
    return 0;
  }
  uint32_t forwarded = 0;
  uint64_t packets = 0;
  uint64_t all_bytes = 0;
  for (; packets < ahead && forwarded < budget && !MustWait(); ++packets) {
    const uint64_t entry = shadow_names_.Load(names_at_.index());
    const uint64_t head = name_.Get(&entry);
    uint64_t bytes = 0;
    const uint32_t descriptors = CheckChain(head, &bytes);
    if (descriptors == 0) [[unlikely]] {
      break;
    }
    if (!device_writes_) {
      if (bytes < prefix_bytes_ + min_bytes_ || bytes - prefix_bytes_ > max_bytes_) [[unlikely]] {
        Stop(FaultKind::kBadPacket, static_cast<uint32_t>(head), 0, bytes);
        break;
      }
      bytes -= prefix_bytes_;
      all_bytes += bytes;
    }
    // As many names as slots of the table are on their way at most, for each has one of its own: no
    // name is written over one that the device may not have read.
    real_names_.Store(names_at_.index(), head << name_.shift);
    names_at_.NextSlot();
    TakeTokens(device_writes_ ? 0 : bytes);
    forwarded += descriptors;
  }
  if (packets == 0) return 0;
  real_posted_.Store(names_at_);
  dataplane::DoorbellState state;
  state.index = names_at_.index();
  state.count = names_at_.count();
  state.added = static_cast<uint32_t>(names_at_.count() - published_count_);
  published_count_ = names_at_.count();
  doorbells_.Ring(state);
  counters_.descriptors.Add(forwarded);
  if (!device_writes_) {
    counters_.packets.Add(packets);
    counters_.bytes.Add(all_bytes);
  }
  return forwarded;
}

bool TableGuard::FreeChain(uint64_t head) {
  if (head >= slots_.size() || !slots_[head].with_device || !slots_[head].head) return false;
  for (auto slot = static_cast<uint32_t>(head); slot != kNone;) {
    const uint32_t next = slots_[slot].next;
    slots_[slot] = {};
    slot = next;
  }
  return true;
}

uint32_t TableGuard::Return(uint32_t budget) {
  uint32_t ahead = 0;
  if (!completed_.Read(done_at_, 0, done_at_.slot_count(), &ahead) || ahead == 0) return 0;
  const uint32_t most = std::min(ahead, budget);
  uint32_t returned = 0;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < most; ++i) {
    const uint64_t entry = real_done_.Load(done_at_.index()) & done_kept_;
    done_at_.NextSlot();
    // A completion of nothing that the device has says nothing to the client.
    if (!FreeChain(done_name_.Get(&entry))) continue;
    bytes += done_length_.Get(&entry);
    shadow_done_.Store(told_at_.index(), entry);
    told_at_.NextSlot();
    ++returned;
  }
  // Release: the entries are there before the cell says so.
  shadow_completed_.Store(told_at_);
  counters_.completions.Add(returned);
  if (device_writes_) {
    counters_.packets.Add(returned);
    counters_.bytes.Add(bytes);
  }
  return returned;
}

void TableGuard::SetNeedWakeup(bool need) {
  interrupts_.Want(need, done_at_.count());
  notification_.Set(need, names_at_.count());
}

bool TableGuard::HasWork() {
  uint32_t ahead = 0;
  // What cannot be is work too: Forward finds it out.
  if (!stopped() && (!posted_.Read(names_at_, 0, names_at_.slot_count(), &ahead) || ahead != 0)) {
    return true;
  }
  return completed_.Read(done_at_, 0, done_at_.slot_count(), &ahead) && ahead != 0;
}

}  // namespace qsplit::guard
