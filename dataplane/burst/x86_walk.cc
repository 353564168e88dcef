#include "dataplane/burst/x86_walk.h"

namespace qsplit::dataplane::burst::x86 {

namespace asm86 = asmjit::x86;

Walk::Walk(Emitter* emitter, const Strides& strides) : emitter_(emitter), strides_(strides) {
  asm86::Compiler& cc = emitter->cc();
  function_ =
      cc.addFunc(asmjit::FuncSignatureT<uint32_t, const void*, const void*, uint32_t, uint32_t,
                                        const void*, const void*>(asmjit::CallConvId::kHost));
  slot_ = cc.newUIntPtr("slot");
  state_ = cc.newUIntPtr("state");
  element_ = cc.newUIntPtr("element");
  more_ = cc.newUIntPtr("more");
  wanted_ = cc.newUInt64("wanted");
  left_ = cc.newUInt64("left");
  const Gp index = cc.newUInt64("index");
  function_->setArg(0, slot_);
  function_->setArg(1, state_);
  function_->setArg(2, index.r32());
  function_->setArg(3, wanted_.r32());
  function_->setArg(4, element_);
  function_->setArg(5, more_);

  emitter->BeginConstants();
  cc.mov(index.r32(), index.r32());
  cc.mov(wanted_.r32(), wanted_.r32());
  const Gp first_state = strides.state_count != 0 ? more_ : index;
  Limit(index, strides.slot_count, strides.slots_each);
  if (strides.state_count != 0) Limit(more_, strides.state_count, 1);
  cc.mov(left_, wanted_);
  if (strides.numbered) {
    number_ = cc.newUInt64("number");
    cc.mov(number_, first_state);
  }
  if (strides.state_bytes != 0) {
    const Gp offset = cc.newUInt64("offset");
    cc.imul(offset, first_state, strides.state_bytes);
    cc.add(state_, offset);
  }
  cc.imul(index, index, strides.slot_bytes);
  cc.add(slot_, index);
}

// As many as there are up to the end: none if the index is beyond.
void Walk::Limit(const Gp& index, uint32_t count, uint32_t each) {
  asm86::Compiler& cc = emitter_->cc();
  const Gp room = cc.newUInt64("room");
  const Label inside = cc.newLabel();
  emitter_->Set(room, count);
  cc.sub(room, index);
  cc.ja(inside);
  emitter_->Set(room, 0);
  cc.bind(inside);
  if (each == 2) cc.shr(room, 1);
  cc.cmp(wanted_, room);
  cc.cmova(wanted_, room);
}

Gp Walk::Number() const {
  asm86::Compiler& cc = emitter_->cc();
  const Gp number = cc.newUInt64();
  cc.lea(number, asm86::ptr(number_, static_cast<int32_t>(ahead_)));
  return number;
}

void Walk::Advance(uint32_t elements, const std::function<void(uint32_t)>& more) {
  asm86::Compiler& cc = emitter_->cc();
  if (more) more(elements);
  cc.add(slot_, elements * strides_.slots_each * strides_.slot_bytes);
  if (strides_.state_bytes != 0) cc.add(state_, elements * strides_.state_bytes);
  cc.add(element_, elements * strides_.element_bytes);
  if (strides_.numbered) cc.add(number_, elements);
}

void Walk::Run(const std::function<void()>& body, const std::function<void()>& last,
               const std::function<void(uint32_t)>& advance) {
  asm86::Compiler& cc = emitter_->cc();
  const Label together = cc.newLabel();
  const Label rest = cc.newLabel();
  const Label one = cc.newLabel();
  const Label all = cc.newLabel();
  const Label out = cc.newLabel();
  Label stops[kTogether];
  // While there are more than kTogether - 1; that many less stand in left_.
  cc.sub(left_, kTogether - 1);
  cc.jbe(rest);
  cc.align(asmjit::AlignMode::kCode, 64);
  cc.bind(together);
  together_ = true;
  for (ahead_ = 0; ahead_ < kTogether; ++ahead_) {
    stop_ = stops[ahead_] = cc.newLabel();
    body();
  }
  ahead_ = 0;
  together_ = false;
  Advance(kTogether, advance);
  cc.sub(left_, kTogether);
  cc.ja(together);

  cc.bind(rest);
  cc.add(left_, kTogether - 1);
  cc.jz(all);
  cc.bind(one);
  stop_ = out;
  body();
  Advance(1, advance);
  cc.dec(left_);
  cc.jnz(one);

  cc.bind(all);
  if (last) {
    const Label none = cc.newLabel();
    cc.test(wanted_, wanted_);
    cc.jz(none);
    last();
    cc.bind(none);
  }
  cc.bind(out);
  cc.sub(wanted_, left_);
  cc.ret(wanted_.r32());
  for (uint32_t done = 0; done < kTogether; ++done) {
    cc.bind(stops[done]);
    cc.add(left_, static_cast<int32_t>(kTogether - 1) - static_cast<int32_t>(done));
    cc.jmp(out);
  }
  cc.endFunc();
}

}  // namespace qsplit::dataplane::burst::x86
