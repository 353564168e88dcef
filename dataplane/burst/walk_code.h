// The loop that burst code is in, as code of any processor: over slots of a ring, what the driver
// remembers of each of them, and the elements of an array that the caller hands in. Emitter: the
// one of a processor, see a64_emitter.h.
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
  uint32_t state_bytes = 0;    // that the driver remembers of a slot: 4 or 8
  uint32_t element_bytes = 0;  // of the array that is handed in
};

template <typename Emitter>
class WalkCode {
 public:
  using Reg = typename Emitter::Reg;
  using Spot = typename Emitter::Spot;
  using Label = typename Emitter::Label;

  // Begins a function of (slots, states, first slot, most, elements, more) that returns how many
  // slots it went over.
  WalkCode(Emitter* emitter, const Strides& strides);
  // Emits the loop, several times what `body` emits for one slot, and the function's end. Where all
  // slots are done, `last` emits what is still to do; Slot() is the one behind the last one then.
  void Run(const std::function<void()>& body, const std::function<void()>& last = nullptr);

  asmjit::FuncNode* function() const { return function_; }
  // In `body`: memory of this slot, of what is remembered of it, of its element.
  Spot Slot(size_t offset = 0) const { return At(with_.slots, strides_.slot_bytes, offset); }
  Spot State(size_t offset = 0) const { return At(with_.states, strides_.state_bytes, offset); }
  Spot Element(size_t offset = 0) const {
    return At(with_.elements, strides_.element_bytes, offset);
  }
  // What the last argument points to.
  Spot More(size_t offset) const { return {with_.more, static_cast<int32_t>(offset)}; }
  // Whether `last` may follow on this slot.
  bool may_be_last() const { return !together_ || ahead_ + 1 == kTogether; }
  // Leaves the loop before this slot is done.
  const Label& stop() const { return stop_; }

 private:
  Spot At(const Reg& base, uint32_t stride, size_t offset) const {
    return {base, static_cast<int32_t>(ahead_ * stride + offset)};
  }
  void Advance(uint32_t slots);

  Emitter* emitter_;
  Strides strides_;
  asmjit::FuncNode* function_ = nullptr;
  typename Emitter::Arguments with_;
  Reg left_;
  Label stop_;
  // Slots in each turn of the loop, until fewer are left.
  static constexpr uint32_t kTogether = 4;
  bool together_ = false;  // in such a turn
  uint32_t ahead_ = 0;     // slots from the registers' on
};

template <typename Emitter>
WalkCode<Emitter>::WalkCode(Emitter* emitter, const Strides& strides)
    : emitter_(emitter), strides_(strides) {
  function_ = emitter->Begin(&with_);
  // As many as there are slots up to the ring's end: none if the first one is beyond.
  const Reg room = emitter->New();
  const Label inside = emitter->NewLabel();
  emitter->Set(room, strides.slot_count);
  emitter->SubJumpIf(room, with_.first, Emitter::kAbove, inside);
  emitter->Set(room, 0);
  emitter->Bind(inside);
  emitter->Least(with_.most, room);
  left_ = emitter->New();
  emitter->Move(left_, with_.most);
  emitter->AddShifted(with_.states, with_.first, strides.state_bytes == 8 ? 3 : 2);
  emitter->AddProduct(with_.slots, with_.first, strides.slot_bytes);
}

template <typename Emitter>
void WalkCode<Emitter>::Advance(uint32_t slots) {
  emitter_->Add(with_.slots, slots * strides_.slot_bytes);
  emitter_->Add(with_.states, slots * strides_.state_bytes);
  emitter_->Add(with_.elements, slots * strides_.element_bytes);
}

template <typename Emitter>
void WalkCode<Emitter>::Run(const std::function<void()>& body, const std::function<void()>& last) {
  const Label together = emitter_->NewLabel();
  const Label rest = emitter_->NewLabel();
  const Label one = emitter_->NewLabel();
  const Label all = emitter_->NewLabel();
  const Label out = emitter_->NewLabel();
  Label stops[kTogether];
  // While there are more than kTogether - 1; that many less stand in left_.
  emitter_->SubJumpIf(left_, kTogether - 1, Emitter::kNotAbove, rest);
  emitter_->AlignCode();
  emitter_->Bind(together);
  together_ = true;
  for (ahead_ = 0; ahead_ < kTogether; ++ahead_) {
    stop_ = stops[ahead_] = emitter_->NewLabel();
    body();
  }
  ahead_ = 0;
  together_ = false;
  Advance(kTogether);
  emitter_->SubJumpIf(left_, kTogether, Emitter::kAbove, together);

  emitter_->Bind(rest);
  emitter_->AddJumpIf(left_, kTogether - 1, Emitter::kZero, all);
  emitter_->Bind(one);
  stop_ = out;
  body();
  Advance(1);
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
