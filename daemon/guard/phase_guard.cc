#include "daemon/guard/phase_guard.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "dataplane/burst_cache.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::guard {

using dataplane::QueueShape;
using dataplane::RingCursor;
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
  absl::Status status = guard->ShapeQueues(parts);
  if (!status.ok()) return status;
  const RingShape& ring = guard->shadow_shape_.rings.front();
  status = guard->CompileRing();
  if (status.ok()) status = guard->CompileForms(ring, parts.options);
  if (status.ok())
    status = guard->CompileDone(ring, Role::kTag, guard->done_.word, &guard->done_form_);
  if (!status.ok()) return status;
  for (const BufferForm& form : guard->forms_) {
    if (form.has_tag() && !form.has_next_index()) continue;
    return absl::UnimplementedError(absl::StrCat(
        ring.Where(), ": a guard needs a tag in each form, and chains of adjacent slots"));
  }
  guard->slots_of_tag_.resize(ring.slot_count);
  guard->why_no_burst_ = absl::UnimplementedError("descriptors are of several forms");
  if (guard->forms_.size() == 1) {
    const std::string key = dataplane::BurstKey("guard", parts.layout, parts.shadow, {});
    absl::StatusOr<std::unique_ptr<PhaseBurst>> burst =
        PhaseBurst::Make(guard->forms_.front(), guard->posted_, ring.slot_count,
                         {parts.options.checks, parts.options.bursts, key});
    guard->why_no_burst_ = burst.status();
    if (burst.ok()) guard->burst_ = *std::move(burst);
  }
  return guard;
}

std::string PhaseGuard::How() const {
  if (burst_ == nullptr) return absl::StrCat("one by one: ", why_no_burst_.message());
  return burst_->IsCompiled() ? "in bursts, by machine code" : "in bursts, interpreted";
}

absl::Status PhaseGuard::CompileRing() {
  const RingShape& shadow = shadow_shape_.rings.front();
  const RingShape& real = real_shape_.rings.front();
  const v1::Ring& ring = *shadow.ring;
  if (ring.slot_bytes() != sizeof(WordPair) || shadow.slots.word_bytes() != sizeof(uint64_t) ||
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
  shadow_ = PairSlots(shadow.view.slots);
  real_ = PairSlots(real.view.slots);
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

inline PhaseGuard::Step PhaseGuard::EndPacket(uint32_t slot, uint64_t tag, const Packet& packet) {
  // The device's books may be by tag.
  if (tag >= slots_of_tag_.size() || slots_of_tag_[tag] != 0) [[unlikely]] {
    Stop(FaultKind::kBadIndex, slot);
    return Step::kStopped;
  }
  if (!IsLength(packet.bytes)) [[unlikely]] {
    Stop(FaultKind::kBadPacket, slot, 0, packet.bytes);
    return Step::kStopped;
  }
  slots_of_tag_[tag] = packet.descriptors;
  return Step::kWhole;
}

inline PhaseGuard::Step PhaseGuard::CheckNext(uint32_t slot, WordPair* words, Packet* packet) {
  uint64_t bytes = 0;
  const BufferForm* const form = Check(slot, words, &bytes);
  if (form == nullptr) [[unlikely]] {
    return Step::kStopped;
  }
  ++packet->descriptors;
  packet->bytes += bytes;
  if (!form->HasNext(*words)) [[likely]] {
    return EndPacket(slot, form->Tag(*words), *packet);
  }
  if (packet->descriptors >= max_descriptors_) [[unlikely]] {
    Stop(FaultKind::kEndlessChain, slot, 0, packet->bytes);
    return Step::kStopped;
  }
  return Step::kMore;
}

inline void PhaseGuard::Store(const RingCursor& at, const WordPair& words, Packet* packet) {
  const uint64_t marked = posted_.Sign(words.At(posted_.word), at.phase());
  real_.StoreUnmarked(at.index(), posted_.word, words);
  if (packet->descriptors == 1) {
    packet->first = {at.index(), marked};
  } else {
    real_.StoreMark(at.index(), posted_.word, marked);
  }
}

uint32_t PhaseGuard::ForwardRun(const RingCursor& at, uint32_t most, uint64_t* bytes) {
  const uint32_t read = burst_->Read(shadow_.first(), at, most);
  uint32_t good = 0;
  for (; good < read; ++good) {
    const uint32_t tag = burst_->tag(good);
    if (tag >= slots_of_tag_.size() || slots_of_tag_[tag] != 0 || !IsLength(burst_->bytes(good)) ||
        !burst_->Translate(good, &regions_)) {
      break;  // what is wrong with it is found one by one
    }
    slots_of_tag_[tag] = 1;
    *bytes += burst_->bytes(good);
  }
  if (good != 0) burst_->Write(real_.first(), at, good);
  return good;
}

// Where they are stands in registers while both directions run: compilers read members again after
// each store into a ring.

uint32_t PhaseGuard::Forward(uint32_t budget) {
  RingCursor at = at_;
  Packet packet = packet_;
  const uint32_t most = std::min(budget, at.slot_count() - in_use_);
  uint32_t forwarded = 0;
  uint64_t packets = 0;
  uint64_t bytes = 0;
  HeldMark first;
  bool held = false;
  dataplane::DoorbellState whole;
  // Each packet is asked for its tokens one by one.
  bool in_runs = burst_ != nullptr && !has_rate_limit();
  if (in_runs && calls_without_ != 0) {
    --calls_without_;
    in_runs = false;
  }
  while (forwarded < most && !(packet.descriptors == 0 && MustWait())) {
    if (in_runs && packet.descriptors == 0) {
      const uint32_t run = ForwardRun(at, most - forwarded, &bytes);
      at.SkipSlots(run);
      forwarded += run;
      packets += run;
      with_device_ += run;
      if (run != 0) {
        whole = {.index = at.index(), .count = at.count(), .phase = at.phase()};
        continue;
      }
      in_runs = false;
      // One that was not posted yet says nothing.
      if (packets == 0 && HasPosted()) calls_without_ = kCallsWithout;
    }
    shadow_.WalkToRead(at.index());
    real_.WalkToWrite(at.index());
    // Acquire: pairs with the client's store of that word.
    const uint64_t marked = shadow_.LoadMark(at.index(), posted_.word);
    if (!posted_.Holds(marked, at.phase())) break;
    WordPair words = shadow_.LoadBehind(marked, at.index(), posted_.word);
    const Step step = CheckNext(at.index(), &words, &packet);
    if (step == Step::kStopped) [[unlikely]] {
      break;
    }
    Store(at, words, &packet);
    at.NextSlot();
    ++forwarded;
    if (step == Step::kMore) continue;
    // Release: all of the packet is there before its first slot is the device's.
    if (packets == 0) {
      first = packet.first;
      held = true;
    } else {
      real_.StoreMark(packet.first.slot, posted_.word, packet.first.marked);
    }
    ++packets;
    bytes += packet.bytes;
    TakePacketTokens(packet.bytes);
    with_device_ += packet.descriptors;
    packet = {};
    whole = {.index = at.index(), .count = at.count(), .phase = at.phase()};
  }
  at_ = at;
  packet_ = packet;
  in_use_ += forwarded;
  if (packets != 0) {
    if (held) real_.StoreMark(first.slot, posted_.word, first.marked);
    whole.added = static_cast<uint32_t>(whole.count - published_count_);
    published_count_ = whole.count;
    doorbells_.Ring(whole);
  }
  CountForwarded(forwarded, packets, bytes);
  return forwarded;
}

uint32_t PhaseGuard::Return(uint32_t budget) {
  RingCursor at = done_at_;
  // An unused slot may read as completed: only as long as the device has something.
  uint32_t with_device = with_device_;
  const uint32_t mark = done_.word;
  HeldMark first;
  uint32_t returned = 0;
  uint64_t bytes = 0;
  for (; returned < budget && with_device != 0; ++returned) {
    real_.WalkToRead(at.index());
    shadow_.WalkToWrite(at.index());
    // Acquire: pairs with the device's store of that word; the rest is its as well.
    const uint64_t marked = real_.LoadMark(at.index(), mark);
    if (!done_.Holds(marked, at.phase())) break;
    const WordPair words = real_.LoadBehind(marked, at.index(), mark) & done_form_.kept;
    const uint64_t tag = done_form_.key.In(words.At(mark));
    // A completion of nothing that the device has: it goes no further.
    if (tag >= slots_of_tag_.size() || slots_of_tag_[tag] == 0) break;
    const uint32_t slots = slots_of_tag_[tag];
    slots_of_tag_[tag] = 0;
    bytes += done_form_.length.In(words.At(mark));
    shadow_.StoreUnmarked(at.index(), mark, words);
    const uint64_t signed_mark = done_.Sign(words.At(mark), at.phase());
    if (returned == 0) {
      first = {at.index(), signed_mark};
    } else {
      shadow_.StoreMark(at.index(), mark, signed_mark);
    }
    // Predicted, and not waited for: the next slot's load does not depend on this one's.
    if (slots == 1) [[likely]] {
      --with_device;
      at.NextSlot();
    } else {
      with_device -= slots;
      at.SkipSlots(slots);
    }
  }
  if (returned == 0) return 0;
  // Release: all of them are there before the client sees the first one.
  shadow_.StoreMark(first.slot, mark, first.marked);
  done_at_ = at;
  in_use_ -= with_device_ - with_device;
  with_device_ = with_device;
  CountReturned(returned, bytes);
  return returned;
}

void PhaseGuard::SetNeedWakeup(bool need) {
  interrupts_.Want(need, done_at_.count());
  notification_.Set(need, at_.count());
}

bool PhaseGuard::HasPosted() {
  return in_use_ != at_.slot_count() &&
         posted_.Holds(shadow_.LoadMark(at_.index(), posted_.word), at_.phase());
}

bool PhaseGuard::HasDone() {
  return with_device_ != 0 &&
         done_.Holds(real_.LoadMark(done_at_.index(), done_.word), done_at_.phase());
}

}  // namespace qsplit::guard
