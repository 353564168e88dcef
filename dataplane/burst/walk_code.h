// The loop that burst code is in, as code of any processor: over slots of a ring, what the driver
// remembers of each of them, and the elements of an array that the caller hands in. Emitter: the
// one of a processor, see emitter.h.
//
// Goes over at most as many slots as there are from the first one to the ring's last, by a constant
// in the code: whatever the arguments say of slots, it stays in the ring.
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_WALK_CODE_H_
#define QSPLIT_DATAPLANE_BURST_WALK_CODE_H_

#include <asmjit/core.h>

#include <cstddef>
#include <cstdint>
#include <functional>

namespace qsplit::dataplane::burst {

struct Strides {
  uint32_t slot_count = 0;
  uint32_t slot_bytes = 0;
  uint32_t state_bytes = 0;    // that the driver remembers of a slot; 0: nothing
  uint32_t element_bytes = 0;  // of the array that is handed in
  uint32_t slots_each = 1;     // of an element, 1 or 2
  // Not 0: so many states, of which not the slot's comes first, but the one whose number is the
  // function's last argument; it does not go over more than there are from that one to the last.
  uint32_t state_count = 0;
  bool numbered = false;  // whether Number is called
};

template <typename Emitter>
class WalkCode {
 public:
  using Reg = typename Emitter::Reg;
  using Spot = typename Emitter::Spot;
  using Label = typename Emitter::Label;

  // Slots in each turn of the loop, until fewer are left.
  static constexpr uint32_t kTogether = 4;

  // Begins a function of (slots, states, first slot, most, elements, more) that returns how many
  // slots it went over.
  WalkCode(Emitter* emitter, const Strides& strides);
  // What a turn of kTogether slots is instead of as many bodies. `begin` comes before the first
  // one, `end` behind the last one; `begin` and `turn` go to rest() before they have done anything,
  // where the turn is to be done slot by slot.
  struct Turns {
    std::function<void()> begin, turn, end;
  };
  // Emits the loop, several times what `body` emits for one slot, and the function's end. Where all
  // slots are done, `last` emits what is still to do; Slot() is the one behind the last one then.
  // `advance`: moves registers of the caller's on by so many elements. `first`: what the first
  // slot's body is instead.
  void Run(const std::function<void()>& body, const std::function<void()>& last = nullptr,
           const std::function<void(uint32_t)>& advance = nullptr, const Turns& turns = {},
           const std::function<void()>& first = nullptr);

  asmjit::FuncNode* function() const { return function_; }
  // In `body`: memory of this slot, of what is remembered of it, of its element.
  Spot Slot(size_t offset = 0) const {
    return At(with_.slots, strides_.slots_each * strides_.slot_bytes, offset);
  }
  Spot State(size_t offset = 0) const { return At(with_.states, strides_.state_bytes, offset); }
  Spot Element(size_t offset = 0) const {
    return At(with_.elements, strides_.element_bytes, offset);
  }
  // What the last argument points to.
  Spot More(size_t offset) const { return {with_.more, static_cast<int32_t>(offset)}; }
  // What the second argument points to, where nothing is remembered of slots.
  Spot Other(size_t offset) const { return {with_.states, static_cast<int32_t>(offset)}; }
  // The number of this state (slot), in a register of its own.
  Reg Number() const { return emitter_->Plus(number_, ahead_); }
  // Before Run: the number of the first state (slot).
  const Reg& FirstNumber() const { return strides_.state_count != 0 ? with_.more : with_.first; }
  // Whether the body is one of several that follow each other before registers are moved on.
  bool together() const { return together_; }
  // Elements in front of this one that registers have not been moved on by.
  uint32_t ahead() const { return ahead_; }
  // Leaves the loop before this slot is done.
  const Label& stop() const { return stop_; }
  const Label& rest() const { return rest_; }

 private:
  Spot At(const Reg& base, uint32_t stride, size_t offset) const {
    return {base, static_cast<int32_t>(ahead_ * stride + offset)};
  }
  // No more than from this one to the last of so many: none if it is beyond.
  void Limit(const Reg& index, uint32_t count, uint32_t each);
  void Advance(uint32_t elements, const std::function<void(uint32_t)>& more);

  Emitter* emitter_;
  Strides strides_;
  asmjit::FuncNode* function_ = nullptr;
  typename Emitter::Arguments with_;
  Reg left_, number_;
  Label stop_, rest_;
  bool together_ = false;  // in such a turn
  uint32_t ahead_ = 0;     // slots from the registers' on
};

template <typename Emitter>
WalkCode<Emitter>::WalkCode(Emitter* emitter, const Strides& strides)
    : emitter_(emitter), strides_(strides) {
  function_ = emitter->Begin(&with_);
  Limit(with_.first, strides.slot_count, strides.slots_each);
  if (strides.state_count != 0) Limit(with_.more, strides.state_count, 1);
  left_ = emitter->New();
  emitter->Move(left_, with_.most);
  const Reg& state = FirstNumber();
  if (strides.numbered) {
    number_ = emitter->New();
    emitter->Move(number_, state);
  }
  if (strides.state_bytes != 0) emitter->AddProduct(with_.states, state, strides.state_bytes);
  emitter->AddProduct(with_.slots, with_.first, strides.slot_bytes);
}

template <typename Emitter>
void WalkCode<Emitter>::Limit(const Reg& index, uint32_t count, uint32_t each) {
  const Reg room = emitter_->New();
  const Label inside = emitter_->NewLabel();
  emitter_->Set(room, count);
  emitter_->SubJumpIf(room, index, Emitter::kAbove, inside);
  emitter_->Set(room, 0);
  emitter_->Bind(inside);
  if (each == 2) emitter_->ShiftRight(room, 1);
  emitter_->Least(with_.most, room);
}

template <typename Emitter>
void WalkCode<Emitter>::Advance(uint32_t elements, const std::function<void(uint32_t)>& more) {
  if (more) more(elements);
  emitter_->Add(with_.slots, elements * strides_.slots_each * strides_.slot_bytes);
  emitter_->Add(with_.states, elements * strides_.state_bytes);
  emitter_->Add(with_.elements, elements * strides_.element_bytes);
  if (strides_.numbered) emitter_->Add(number_, elements);
}

template <typename Emitter>
void WalkCode<Emitter>::Run(const std::function<void()>& body, const std::function<void()>& last,
                            const std::function<void(uint32_t)>& advance, const Turns& turns,
                            const std::function<void()>& first) {
  const Label together = emitter_->NewLabel();
  rest_ = emitter_->NewLabel();
  const Label one = emitter_->NewLabel();
  const Label all = emitter_->NewLabel();
  const Label out = emitter_->NewLabel();
  Label stops[kTogether];
  if (first) {
    stop_ = out;
    emitter_->JumpIf(left_, Emitter::kZero, 0, out);
    first();
    Advance(1, advance);
    emitter_->SubJumpIf(left_, 1, Emitter::kZero, all);
  }
  // While there are more than kTogether - 1; that many less stand in left_.
  emitter_->SubJumpIf(left_, kTogether - 1, Emitter::kNotAbove, rest_);
  if (turns.begin) turns.begin();
  emitter_->AlignCode();
  emitter_->Bind(together);
  together_ = true;
  for (ahead_ = 0; ahead_ < kTogether; ++ahead_) {
    stop_ = stops[ahead_] = emitter_->NewLabel();
    if (!turns.turn) body();
  }
  ahead_ = 0;
  if (turns.turn) turns.turn();
  together_ = false;
  Advance(kTogether, advance);
  emitter_->SubJumpIf(left_, kTogether, Emitter::kAbove, together);

  emitter_->Bind(rest_);
  if (turns.end) turns.end();
  emitter_->AddJumpIf(left_, kTogether - 1, Emitter::kZero, all);
  emitter_->Bind(one);
  stop_ = out;
  body();
  Advance(1, advance);
  emitter_->SubJumpIf(left_, 1, Emitter::kNotZero, one);

  emitter_->Bind(all);
  if (last) {
    const Label none = emitter_->NewLabel();
    emitter_->JumpIf(with_.most, Emitter::kZero, 0, none);
    last();
    emitter_->Bind(none);
  }
  emitter_->Bind(out);
  emitter_->Sub(with_.most, left_);
  emitter_->Return(with_.most);
  for (uint32_t done = 0; done < kTogether; ++done) {
    emitter_->Bind(stops[done]);
    if (done + 1 < kTogether) emitter_->Add(left_, kTogether - 1 - done);
    emitter_->Jump(out);
  }
  emitter_->End();
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_WALK_CODE_H_
