#include "dataplane/burst/x86_walk.h"

namespace qsplit::dataplane::burst::x86 {

namespace asm86 = asmjit::x86;

Walk Walk::Begin(Emitter* emitter, uint32_t slot_count, uint32_t slot_bytes) {
  asm86::Compiler& cc = emitter->cc();
  Walk walk;
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
  emitter->Set(room, slot_count);
  cc.sub(room, index);
  cc.jbe(walk.none);
  cc.cmp(walk.wanted, room);
  cc.cmova(walk.wanted, room);
  cc.test(walk.wanted, walk.wanted);
  cc.jz(walk.none);
  cc.mov(walk.left, walk.wanted);
  static_assert(kStateBytes == 1 << 3);
  cc.lea(walk.state, asm86::ptr(walk.state, index, 3));
  cc.imul(index, index, slot_bytes);
  cc.add(walk.slot, index);
  cc.bind(walk.loop);
  return walk;
}

void Walk::End(Emitter* emitter, uint32_t slot_bytes, uint32_t element_bytes) const {
  asm86::Compiler& cc = emitter->cc();
  cc.add(slot, slot_bytes);
  cc.add(state, kStateBytes);
  cc.add(element, element_bytes);
  cc.dec(left);
  cc.jnz(loop);
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
