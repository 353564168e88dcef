// One posted buffer of a receive queue of several rings as code of any processor: see
// rx_ring_code.h.
//
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_RX_RING_POSTING_CODE_H_
#define QSPLIT_DATAPLANE_BURST_RX_RING_POSTING_CODE_H_

#include <cstddef>
#include <cstdint>

#include "dataplane/burst/emitter.h"
#include "dataplane/burst/number_code.h"
#include "dataplane/burst/rx_ring_burst.h"
#include "dataplane/burst/walk_code.h"

namespace qsplit::dataplane::burst {

// One slot to post a buffer in.
template <typename Emitter>
class RxRingPosting {
 public:
  using Reg = typename Emitter::Reg;
  using Walk = WalkCode<Emitter>;

  enum class How : uint8_t {
    kAll,
    kAgain,  // the slot was posted before with as many bytes
    kHeld,   // the word that hands over goes elsewhere
  };
  RxRingPosting(Emitter* emitter, const RxRingPlan& plan, const Walk& walk, uint32_t phase, How how)
      : emitter_(emitter),
        plan_(plan),
        walk_(walk),
        phase_(phase),
        again_(how == How::kAgain),
        held_(how == How::kHeld) {}

  void Emit();

 private:
  void CheckAddress(const Reg& address);
  // Bytes and cookie go as one word to what is remembered.
  bool KeepsBoth() const { return !again_ && plan_.buffer_bytes == 0; }
  Reg CheckBytes();
  void Keep(const Reg& bytes, const Reg& address);

  Emitter* emitter_;
  const RxRingPlan& plan_;
  const Walk& walk_;
  uint32_t phase_;
  bool again_;
  bool held_;
  Reg both_;
};

template <typename Emitter>
void RxRingPosting<Emitter>::Emit() {
  const Reg address = emitter_->New();
  emitter_->Load(address, walk_.Element(offsetof(RxBuffer, address)), 8);
  CheckAddress(address);
  const Reg bytes = CheckBytes();
  const Reg memory = emitter_->New();
  if (plan_.keeps_memory) {
    emitter_->Load(memory, walk_.Element(offsetof(RxBuffer, memory)), 8);
  }
  if (plan_.needs_memory) emitter_->JumpIf(memory, Emitter::kZero, 0, walk_.stop());
  const Reg number = plan_.number.empty() ? Reg() : walk_.Number();
  for (uint32_t w = 0; w < plan_.post_words; ++w) {
    if (again_ && !plan_.Varies(w)) continue;
    const uint64_t image = plan_.image[w] ^ (phase_ != 0 ? plan_.image_phase[w] : 0);
    const Reg word = PutNumbers<Emitter>(
        emitter_, {{plan_.address, address}, {plan_.length, bytes}, {plan_.number, number}}, w,
        image);
    const bool elsewhere = held_ && w == plan_.handover_word;
    emitter_->Store(elsewhere ? walk_.More(0) : walk_.Slot(size_t{8} * w), word, 8);
  }
  Keep(bytes, address);
  if (plan_.keeps_memory) emitter_->Store(walk_.State(offsetof(RxBuffer, memory)), memory, 8);
}

template <typename Emitter>
void RxRingPosting<Emitter>::CheckAddress(const Reg& address) {
  if (plan_.alignment_mask != 0) {
    emitter_->JumpIfAny(address, plan_.alignment_mask, walk_.stop());
  }
  if (plan_.max_address != UINT64_MAX) {
    emitter_->JumpIf(address, Emitter::kAbove, plan_.max_address, walk_.stop());
  }
}

template <typename Emitter>
typename Emitter::Reg RxRingPosting<Emitter>::CheckBytes() {
  const Reg bytes = emitter_->New();
  if (KeepsBoth()) {
    static_assert(offsetof(RxBuffer, bytes) % 8 == 0 &&
                  offsetof(RxBuffer, cookie) == offsetof(RxBuffer, bytes) + 4);
    both_ = emitter_->New();
    emitter_->Load(both_, walk_.Element(offsetof(RxBuffer, bytes)), 8);
    emitter_->Move(bytes, both_);
    emitter_->And(bytes, UINT32_MAX);
    emitter_->JumpUnlessUpTo(bytes, plan_.max_length, walk_.stop());
    return bytes;
  }
  emitter_->Load(bytes, walk_.Element(offsetof(RxBuffer, bytes)), 4);
  if (plan_.buffer_bytes != 0) {
    emitter_->JumpIf(bytes, Emitter::kBelow, plan_.buffer_bytes, walk_.stop());
    emitter_->Set(bytes, plan_.buffer_bytes);
  } else {
    emitter_->JumpIf(bytes, Emitter::kNotZero, walk_.State(offsetof(RxBuffer, bytes)), 4,
                     walk_.stop());
  }
  return bytes;
}

template <typename Emitter>
void RxRingPosting<Emitter>::Keep(const Reg& bytes, const Reg& address) {
  if (KeepsBoth()) {
    emitter_->Store(walk_.State(offsetof(RxBuffer, bytes)), both_, 8);
  } else {
    const Reg cookie = emitter_->New();
    emitter_->Load(cookie, walk_.Element(offsetof(RxBuffer, cookie)), 4);
    emitter_->Store(walk_.State(offsetof(RxBuffer, cookie)), cookie, 4);
    if (!again_) emitter_->Store(walk_.State(offsetof(RxBuffer, bytes)), bytes, 4);
  }
  if (plan_.keeps_address) emitter_->Store(walk_.State(offsetof(RxBuffer, address)), address, 8);
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_RX_RING_POSTING_CODE_H_
