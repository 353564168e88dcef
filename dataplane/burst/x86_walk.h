// The loop that burst code is in: over slots of a ring, what the driver remembers of each of them,
// and the elements of an array that the caller hands in.
//
// Goes over at most as many slots as there are from the first one to the ring's last, by a constant
// in the code: whatever the arguments say of slots, it stays in the ring.
// When a queue is opened only.
#ifndef QSPLIT_DATAPLANE_BURST_X86_WALK_H_
#define QSPLIT_DATAPLANE_BURST_X86_WALK_H_

#include <cstdint>
#include <functional>

#include "dataplane/burst/x86_emitter.h"

namespace qsplit::dataplane::burst::x86 {

struct Strides {
  uint32_t slot_count = 0;
  uint32_t slot_bytes = 0;
  uint32_t state_bytes = 0;    // that the driver remembers of a slot; 0: of none
  uint32_t element_bytes = 0;  // of the array that is handed in
  uint32_t slots_each = 1;     // of an element, 1 or 2
  // Not 0: so many states, of which not the slot's comes first, but the one whose number is the
  // function's last argument; it does not go over more than there are from that one to the last.
  uint32_t state_count = 0;
  bool numbered = false;  // whether Number is called
};

class Walk {
 public:
  // Slots in each turn of the loop, until fewer are left.
  static constexpr uint32_t kTogether = 4;

  // Begins a function of (slots, states, first slot, most, elements, more) that returns how many
  // slots it went over.
  Walk(Emitter* emitter, const Strides& strides);
  // Emits the loop, several times what `body` emits for one slot, and the function's end. Where all
  // slots are done, `last` emits what is still to do; Slot() is the one behind the last one then.
  // `advance`: moves registers of the caller's on by so many elements.
  void Run(const std::function<void()>& body, const std::function<void()>& last = nullptr,
           const std::function<void(uint32_t)>& advance = nullptr);

  asmjit::FuncNode* function() const { return function_; }
  // In `body`: memory of this slot, of what is remembered of it, of its element.
  Mem Slot(uint32_t bytes, size_t offset) const {
    return At(slot_, strides_.slots_each * strides_.slot_bytes, bytes, offset);
  }
  Mem State(uint32_t bytes, size_t offset) const {
    return At(state_, strides_.state_bytes, bytes, offset);
  }
  Mem Element(uint32_t bytes, size_t offset) const {
    return At(element_, strides_.element_bytes, bytes, offset);
  }
  // What is remembered of slots; where that is nothing, the second argument as it is.
  const Gp& state() const { return state_; }
  // The last argument.
  const Gp& more() const { return more_; }
  // The number of this state (slot), in a register of its own.
  Gp Number() const;
  // Whether `last` may follow on this slot.
  bool may_be_last() const { return !together_ || ahead_ + 1 == kTogether; }
  // Whether the body is one of several that follow each other before registers are moved on.
  bool together() const { return together_; }
  // Elements in front of this one that registers have not been moved on by.
  uint32_t ahead() const { return ahead_; }
  // Leaves the loop before this slot is done.
  const Label& stop() const { return stop_; }

 private:
  void Limit(const Gp& index, uint32_t count, uint32_t each);
  Mem At(const Gp& base, uint32_t stride, uint32_t bytes, size_t offset) const {
    return asmjit::x86::Mem(base, static_cast<int32_t>(ahead_ * stride + offset), bytes);
  }
  void Advance(uint32_t elements, const std::function<void(uint32_t)>& more);

  Emitter* emitter_;
  Strides strides_;
  asmjit::FuncNode* function_ = nullptr;
  Gp slot_, state_, element_, more_, number_;
  Gp left_;
  Gp wanted_;
  Label stop_;
  bool together_ = false;  // in such a turn
  uint32_t ahead_ = 0;     // slots from the registers' on
};

}  // namespace qsplit::dataplane::burst::x86

#endif  // QSPLIT_DATAPLANE_BURST_X86_WALK_H_
