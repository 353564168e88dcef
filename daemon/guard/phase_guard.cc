#include "daemon/guard/phase_guard.h"

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

bool PhaseGuard::Fits(const QueueShape& queue) {
  if (queue.rings.size() != 1) return false;
  const RingShape& ring = queue.rings.front();
  return ring.CompletesInOwnSlots() && ring.ring->has_phase() && ring.ring->posted().has_when() &&
         ring.ring->completed().has_when();
}

absl::StatusOr<std::unique_ptr<QueueGuard>> PhaseGuard::Create(QueueParts parts) {
  std::unique_ptr<PhaseGuard> guard(new PhaseGuard(std::move(parts.regions)));
  for (const bool real : {false, true}) {
    absl::StatusOr<QueueShape> shape =
        dataplane::ShapeQueue(parts.layout, real ? parts.real : parts.shadow, parts.direction);
    if (!shape.ok()) return shape.status();
    (real ? guard->real_shape_ : guard->shadow_shape_) = *std::move(shape);
  }
  const v1::Queue& queue = *guard->shadow_shape_.queue;
  const uint32_t slots = guard->shadow_shape_.rings.front().slot_count;
  guard->device_writes_ = parts.direction == v1::DIRECTION_RECEIVE;
  guard->prefix_bytes_ = queue.packet().prefix_bytes();
  guard->min_bytes_ = std::max<uint64_t>(queue.limits().min_bytes_per_packet(), 1);
  guard->max_bytes_ = LongestPacket(queue.limits(), parts.options);
  guard->max_descriptors_ = MostDescriptors(queue.limits(), parts.options, slots);
  for (absl::Status status : {guard->CompileRing(), guard->CompileForms(parts.options)}) {
    if (!status.ok()) return status;
  }
  guard->slots_of_tag_.resize(slots);
  return guard;
}

absl::Status PhaseGuard::CompileRing() {
  const RingShape& shadow = shadow_shape_.rings.front();
  const RingShape& real = real_shape_.rings.front();
  const v1::Ring& ring = *shadow.ring;
  if (ring.slot_bytes() != kChainWords * sizeof(uint64_t) ||
      shadow.slots.word_bytes() != sizeof(uint64_t) ||
      real.slots.word_bytes() != sizeof(uint64_t) || ring.fills_size() > 0 ||
      ring.wrap().has_link_form() || ring.wrap().has_last_slot_field() ||
      ring.phase().flip() != v1::PHASE_FLIP_EACH_PASS || ring.has_sequence() ||
      ring.has_compressed() || ring.consumer_doorbells_size() > 0 || ring.reserved_slots() != 0 ||
      shadow.complete_forms.size() != 1 ||
      !CompletesBy(shadow, v1::COMPLETION_KEY_TAG, shadow.ring_index)) {
    return absl::UnimplementedError(
        absl::StrCat(shadow.Where(),
                     ": a guard takes slots of 16 bytes, all in use, with a phase that flips each "
                     "pass, and completions of one form that name tags"));
  }
  shadow_ = WordSlots<kChainWords>(shadow.view.slots);
  real_ = WordSlots<kChainWords>(real.view.slots);
  at_ = done_at_ = shadow.Begin();
  const v1::Layout& layout = *shadow_shape_.layout;
  absl::Status status =
      Into(WordCondition::Compile(layout, ring.posted().when(), shadow.Where()), &posted_);
  if (status.ok()) {
    status = Into(WordCondition::Compile(layout, ring.completed().when(), shadow.Where()), &done_);
  }
  if (status.ok()) status = Into(dataplane::NotificationSwitch::Compile(shadow), &notification_);
  if (status.ok()) status = Into(dataplane::Doorbells::OfProducer(real), &doorbells_);
  if (status.ok()) status = Into(dataplane::EventRequest::Compile(real), &interrupts_);
  return status;
}

absl::Status PhaseGuard::CompileForms(const GuardOptions& options) {
  const RingShape& shadow = shadow_shape_.rings.front();
  const QueueScope scope = dataplane::ScopeOf(shadow_shape_);
  for (const uint32_t index : shadow.post_forms) {
    absl::StatusOr<BufferForm> form =
        BufferForm::Compile(scope, index, shadow_shape_.queue->direction(), options, regions_);
    if (!form.ok()) return form.status();
    if (!form->has_tag() || form->has_next_index()) {
      return absl::UnimplementedError(
          absl::StrCat("form ", scope.Form(index).name(),
                       ": a guard needs a tag in it, and chains of adjacent slots"));
    }
    forms_.push_back(*std::move(form));
  }
  const uint32_t complete = shadow.complete_forms.front();
  absl::StatusOr<DescriptorMask> kept = DescriptorMask::OfCompletion(scope, complete);
  if (!kept.ok()) return kept.status();
  std::copy_n(kept->words.begin(), kChainWords, done_kept_.begin());
  absl::Status status = RoleInWord(scope, complete, Role::kTag, true, &done_tag_);
  if (status.ok()) status = RoleInWord(scope, complete, Role::kPacketLength, false, &done_length_);
  return status;
}

PhaseGuard::Step PhaseGuard::Check(uint64_t* words) {
  size_t which = 0;
  while (which < forms_.size() && !forms_[which].Matches(words)) ++which;
  if (which == forms_.size()) [[unlikely]] {
    Stop(FaultKind::kBadDescriptor, at_.index());
    return Step::kStopped;
  }
  const BufferForm& form = forms_[which];
  const CheckedBuffer buffer = form.Check(words, &regions_);
  if (!buffer.good) [[unlikely]] {
    Stop(buffer.kind, at_.index(), buffer.iova, buffer.bytes);
    return Step::kStopped;
  }
  ++descriptors_;
  bytes_ += buffer.bytes;
  if (!form.HasNext(words)) return EndPacket(form.Tag(words));
  if (descriptors_ >= max_descriptors_) [[unlikely]] {
    Stop(FaultKind::kEndlessChain, at_.index(), buffer.iova, bytes_);
    return Step::kStopped;
  }
  return Step::kMore;
}

PhaseGuard::Step PhaseGuard::EndPacket(uint64_t tag) {
  // The device's books may be by tag.
  if (tag >= slots_of_tag_.size() || slots_of_tag_[tag] != 0) [[unlikely]] {
    Stop(FaultKind::kBadIndex, at_.index());
    return Step::kStopped;
  }
  if (!device_writes_ &&
      (bytes_ < prefix_bytes_ + min_bytes_ || bytes_ - prefix_bytes_ > max_bytes_)) [[unlikely]] {
    Stop(FaultKind::kBadPacket, at_.index(), 0, bytes_);
    return Step::kStopped;
  }
  slots_of_tag_[tag] = descriptors_;
  with_device_ += descriptors_;
  return Step::kWhole;
}

void PhaseGuard::Store(const uint64_t* words, bool whole) {
  const uint64_t marked = posted_.Sign(words[posted_.word], at_.phase());
  real_.StoreAllBut(at_.index(), words, posted_.word);
  if (descriptors_ == 1) {
    first_slot_ = at_.index();
    first_marked_ = marked;
  } else {
    real_.StoreRelease(at_.index(), posted_.word, marked);
  }
  // Release: all of the packet is there before its first slot is the device's.
  if (whole) real_.StoreRelease(first_slot_, posted_.word, first_marked_);
}

uint32_t PhaseGuard::Forward(uint32_t budget) {
  uint32_t forwarded = 0;
  uint64_t packets = 0;
  uint64_t bytes = 0;
  dataplane::DoorbellState whole;
  while (forwarded < budget && !(descriptors_ == 0 && MustWait())) {
    uint64_t words[kChainWords];
    uint64_t marked = 0;
    // Acquire: pairs with the client's store of that word.
    if (!IsPosted(&marked)) break;
    for (size_t i = 0; i < kChainWords; ++i) {
      words[i] = i == posted_.word ? marked : shadow_.Load(at_.index(), i);
    }
    const Step step = Check(words);
    if (step == Step::kStopped) [[unlikely]] {
      break;
    }
    Store(words, step == Step::kWhole);
    at_.NextSlot();
    ++in_use_;
    ++forwarded;
    if (step == Step::kMore) continue;
    ++packets;
    const uint64_t sent = device_writes_ ? 0 : bytes_ - prefix_bytes_;
    bytes += sent;
    TakeTokens(sent);
    descriptors_ = 0;
    bytes_ = 0;
    whole.index = at_.index();
    whole.count = at_.count();
    whole.phase = at_.phase();
  }
  if (packets != 0) {
    whole.added = static_cast<uint32_t>(whole.count - published_count_);
    published_count_ = whole.count;
    doorbells_.Ring(whole);
  }
  if (forwarded != 0) counters_.descriptors.Add(forwarded);
  if (packets != 0 && !device_writes_) {
    counters_.packets.Add(packets);
    counters_.bytes.Add(bytes);
  }
  return forwarded;
}

uint32_t PhaseGuard::Return(uint32_t budget) {
  uint32_t returned = 0;
  uint64_t bytes = 0;
  uint64_t marked = 0;
  // Acquire: pairs with the device's store of that word; the rest is its as well.
  while (returned < budget && IsDone(&marked)) {
    uint64_t words[kChainWords];
    for (size_t i = 0; i < kChainWords; ++i) {
      words[i] = (i == done_.word ? marked : real_.Load(done_at_.index(), i)) & done_kept_[i];
    }
    const uint64_t tag = done_tag_.Get(words);
    // A completion of nothing that the device has: it goes no further.
    if (tag >= slots_of_tag_.size() || slots_of_tag_[tag] == 0) break;
    const uint32_t slots = slots_of_tag_[tag];
    slots_of_tag_[tag] = 0;
    with_device_ -= slots;
    in_use_ -= slots;
    bytes += done_length_.Get(words);
    words[done_.word] = done_.Sign(words[done_.word], done_at_.phase());
    shadow_.StoreWithLast(done_at_.index(), words, done_.word);
    done_at_.SkipSlots(slots);
    ++returned;
  }
  if (returned == 0) return 0;
  counters_.completions.Add(returned);
  if (device_writes_) {
    counters_.packets.Add(returned);
    counters_.bytes.Add(bytes);
  }
  return returned;
}

void PhaseGuard::SetNeedWakeup(bool need) {
  interrupts_.Want(need, done_at_.count());
  notification_.Set(need, at_.count());
}

bool PhaseGuard::HasWork() {
  uint64_t marked = 0;
  return (!stopped() && IsPosted(&marked)) || IsDone(&marked);
}

}  // namespace qsplit::guard
