#include "dataplane/burst/x86_walk.h"

namespace qsplit::dataplane::burst::x86 {

namespace asm86 = asmjit::x86;

Walk Walk::Begin(Emitter* emitter, const Strides& strides) {
  asm86::Compiler& cc = emitter->cc();
  Walk walk;
  walk.strides = strides;
  walk.function =
      cc.addFunc(asmjit::FuncSignatureT<uint32_t, const void*, const void*, uint32_t, uint32_t,
                                        const void*, const void*>(asmjit::CallConvId::kHost));
  walk.slot = cc.newUIntPtr("slot");
  walk.state = cc.newUIntPtr("state");
  walk.element = cc.newUIntPtr("element");
  walk.more = cc.newUIntPtr("more");
  walk.wanted = cc.newUInt64("wanted");
  walk.left = cc.newUInt64("left");
  const Gp index = cc.newUInt64("index");
  walk.function->setArg(0, walk.slot);
  walk.function->setArg(1, walk.state);
  walk.function->setArg(2, index.r32());
  walk.function->setArg(3, walk.wanted.r32());
  walk.function->setArg(4, walk.element);
  walk.function->setArg(5, walk.more);
  walk.loop = cc.newLabel();
  walk.stop = cc.newLabel();
  walk.none = cc.newLabel();

  emitter->BeginConstants();
  cc.mov(index.r32(), index.r32());
  cc.mov(walk.wanted.r32(), walk.wanted.r32());
  // As many as there are slots up to the ring's end: none if the index is beyond.
  const Gp room = cc.newUInt64("room");
  emitter->Set(room, strides.slot_count);
  cc.sub(room, index);
  cc.jbe(walk.none);
  cc.cmp(walk.wanted, room);
  cc.cmova(walk.wanted, room);
  cc.test(walk.wanted, walk.wanted);
  cc.jz(walk.none);
  cc.mov(walk.left, walk.wanted);
  cc.lea(walk.state, asm86::ptr(walk.state, index, strides.state_bytes == 8 ? 3 : 2));
  cc.imul(index, index, strides.slot_bytes);
  cc.add(walk.slot, index);
  cc.bind(walk.loop);
  return walk;
}

void Walk::End(Emitter* emitter, const std::function<void()>& last) const {
  asm86::Compiler& cc = emitter->cc();
  const Label out = cc.newLabel();
  if (last) {
    cc.dec(left);
    cc.jz(out);
  }
  cc.add(slot, strides.slot_bytes);
  cc.add(state, strides.state_bytes);
  cc.add(element, strides.element_bytes);
  if (last) {
    cc.jmp(loop);
    cc.bind(out);
    last();
  } else {
    cc.dec(left);
    cc.jnz(loop);
  }
  cc.bind(stop);
  cc.sub(wanted, left);
  cc.ret(wanted.r32());
  cc.bind(none);
  const Gp zero = cc.newUInt32();
  cc.xor_(zero, zero);
  cc.ret(zero);
  cc.endFunc();
}

}  // namespace qsplit::dataplane::burst::x86
