// One posted buffer of a receive queue of several rings as code of any processor: see
// rx_ring_code.h.
//
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_RX_RING_POSTING_CODE_H_
#define QSPLIT_DATAPLANE_BURST_RX_RING_POSTING_CODE_H_

#include <cstddef>
#include <cstdint>
#include <optional>

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
    kHeld,   // the first slot's word that hands over goes elsewhere
  };
  // A word of the slots but for the buffers' own pieces: the number stands in it.
  struct Running {
    std::optional<uint32_t> word;  // none: there is no such word
    Reg sum, step;
  };
  static Running Begin(Emitter* emitter, const RxRingPlan& plan, const Walk& walk, uint32_t phase,
                       How how);

  RxRingPosting(Emitter* emitter, const RxRingPlan& plan, const Walk& walk, uint32_t phase, How how,
                const Running& running)
      : emitter_(emitter),
        plan_(plan),
        walk_(walk),
        phase_(phase),
        again_(how == How::kAgain),
        held_(how == How::kHeld),
        running_(running) {}

  void Emit();

 private:
  // Where each slot begins a cache line, its stores wait for the line one after the other, and what
  // is stored after them waits with them: in the slots of four bodies side by side a processor that
  // watches how far apart one instruction stores sees no lines that follow each other. So they are
  // asked for two turns before.
  static constexpr uint32_t kLineBytes = 64;
  static constexpr uint32_t kSlotsAhead = 2 * Walk::kTogether;

  void CheckAddress(const Reg& address);
  // Bytes and cookie go as one word to what is remembered.
  bool KeepsBoth() const { return !again_ && plan_.buffer_bytes == 0; }
  // And where its memory is, as a pair.
  bool KeepsAll() const { return KeepsBoth() && plan_.keeps_memory; }
  static uint64_t Image(const RxRingPlan& plan, uint32_t word, uint32_t phase) {
    return plan.image[word] ^ (phase != 0 ? plan.image_phase[word] : 0);
  }
  Reg CheckBytes();
  void Keep(const Reg& bytes, const Reg& address);

  Emitter* emitter_;
  const RxRingPlan& plan_;
  const Walk& walk_;
  uint32_t phase_;
  bool again_;
  bool held_;
  const Running& running_;
  Reg both_;
};

template <typename Emitter>
typename RxRingPosting<Emitter>::Running RxRingPosting<Emitter>::Begin(Emitter* emitter,
                                                                       const RxRingPlan& plan,
                                                                       const Walk& walk,
                                                                       uint32_t phase, How how) {
  Running running;
  if (!plan.posts || plan.number.size() != 1) return running;
  const Piece& number = plan.number.front();
  const uint64_t image = Image(plan, number.word, phase);
  const uint64_t numbers = plan.buffer_count - 1;
  if (number.byte_swap || number.place != 0 || (numbers & ~number.mask) != 0 ||
      (image & number.mask << number.shift) != 0 ||
      (how == How::kAgain && !plan.Varies(number.word))) {
    return running;
  }
  running.word = number.word;
  running.sum = emitter->New();
  emitter->Set(running.sum, image);
  emitter->Or(running.sum, emitter->Plus(walk.FirstNumber(), 0), number.shift);
  running.step = emitter->New();
  emitter->Set(running.step, uint64_t{1} << number.shift);
  return running;
}

template <typename Emitter>
void RxRingPosting<Emitter>::Emit() {
  if (plan_.post_slot_bytes >= kLineBytes) {
    emitter_->ExpectStore(walk_.Slot(size_t{kSlotsAhead} * plan_.post_slot_bytes));
  }
  const Reg address = emitter_->New();
  emitter_->Load(address, walk_.Element(offsetof(RxBuffer, address)), 8);
  CheckAddress(address);
  const Reg bytes = CheckBytes();
  const Reg memory = emitter_->New();
  if (plan_.needs_memory || (plan_.keeps_memory && !KeepsAll())) {
    emitter_->Load(memory, walk_.Element(offsetof(RxBuffer, memory)), 8);
  }
  if (plan_.needs_memory) emitter_->JumpIf(memory, Emitter::kZero, 0, walk_.stop());
  const bool runs = running_.word.has_value();
  const Reg number = plan_.number.empty() || runs ? Reg() : walk_.Number();
  const bool addressed = plan_.keeps_address;
  const bool bytes_kept = !KeepsBoth() && !again_;
  for (uint32_t w = 0; w < plan_.post_words; ++w) {
    if (again_ && !plan_.Varies(w)) continue;
    const Number<Emitter> of_address{plan_.address, address, !addressed};
    const Number<Emitter> of_bytes{plan_.length, bytes, !bytes_kept};
    Reg word;
    if (runs && w == *running_.word) {
      word = PutNumbers<Emitter>(emitter_, {of_address, of_bytes}, w, running_.sum);
    } else {
      word = PutNumbers<Emitter>(emitter_, {of_address, of_bytes, {plan_.number, number}}, w,
                                 Image(plan_, w, phase_));
    }
    const bool elsewhere = held_ && w == plan_.handover_word;
    emitter_->Store(elsewhere ? walk_.More(0) : walk_.Slot(size_t{8} * w), word, 8);
  }
  Keep(bytes, address);
  if (plan_.keeps_memory && !KeepsAll()) {
    emitter_->Store(walk_.State(offsetof(RxBuffer, memory)), memory, 8);
  }
  if (runs) emitter_->Add(running_.sum, running_.step);
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
    if (!KeepsAll()) emitter_->Load(both_, walk_.Element(offsetof(RxBuffer, bytes)), 8);
    emitter_->Load(bytes, walk_.Element(offsetof(RxBuffer, bytes)), 4);
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
  if (KeepsAll()) {
    static_assert(offsetof(RxBuffer, memory) == offsetof(RxBuffer, bytes) + 8);
    emitter_->StorePair(walk_.State(offsetof(RxBuffer, bytes)),
                        emitter_->LoadPair(walk_.Element(offsetof(RxBuffer, bytes))));
  } else if (KeepsBoth()) {
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
