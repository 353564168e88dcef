// Bursts of a receive ring for x86-64: see generator.h, rx_burst.h.
#include <cstddef>

#include "dataplane/burst/generator.h"
#include "dataplane/burst/x86_walk.h"

namespace qsplit::dataplane::burst {
namespace {

namespace asm86 = asmjit::x86;
using x86::Gp;
using x86::Walk;

// One slot that may be completed.
void EmitCompletion(x86::Emitter* emitter, const RxBurstPlan& plan, const Walk& walk,
                    x86::Record* record) {
  asm86::Compiler& cc = emitter->cc();
  record->Load([&](uint32_t w) { return walk.Slot(8, size_t{8} * w); }, plan.first_word,
               walk.stop());
  const Gp length = record->Length(walk.stop());
  if (plan.prefix_bytes != 0) cc.add(length, plan.prefix_bytes);
  // More than there is room for is not believed: the engine cuts it.
  if (plan.buffer_bytes != 0) {
    cc.cmp(length, plan.buffer_bytes);
  } else {
    const Gp bytes = cc.newUInt64();
    cc.mov(bytes.r32(), walk.State(4, offsetof(PostedSlot, bytes)));
    cc.cmp(length, bytes);
  }
  cc.ja(walk.stop());
  if (plan.prefix_bytes != 0) cc.sub(length, plan.prefix_bytes);
  const Gp cookie = cc.newUInt32();
  cc.mov(cookie, walk.State(4, offsetof(PostedSlot, cookie)));
  cc.mov(walk.Element(4, offsetof(RxCompletion, cookie)), cookie);
  cc.mov(walk.Element(4, offsetof(RxCompletion, length)), length.r32());
  static_assert(offsetof(RxCompletion, offset) == 8 && offsetof(RxCompletion, first) == 12 &&
                offsetof(RxCompletion, last) == 13 && offsetof(RxCompletion, meta) == 16);
  const Gp marks = cc.newUInt64();
  emitter->Set(marks, uint64_t{0x101} << 32 | plan.prefix_bytes);
  cc.mov(walk.Element(8, offsetof(RxCompletion, offset)), marks);
  record->Store([&](uint32_t bytes, size_t offset) {
    return walk.Element(bytes, offsetof(RxCompletion, meta) + offset);
  });
}

asmjit::FuncNode* EmitPoll(x86::Emitter* emitter, const RxBurstPlan& plan) {
  x86::Record record(emitter, plan.record);
  Walk walk(emitter, {plan.slot_count, plan.slot_bytes, sizeof(PostedSlot), sizeof(RxCompletion)});
  walk.Run([&] { EmitCompletion(emitter, plan, walk, &record); });
  return walk.function();
}

// Goes to walk.stop() unless the buffer's address and bytes can be posted.
void CheckBuffer(x86::Emitter* emitter, const RxBurstPlan& plan, const Walk& walk,
                 const Gp& address, const Gp& bytes) {
  asm86::Compiler& cc = emitter->cc();
  if (plan.alignment_mask != 0) {
    cc.test(emitter->Constant(plan.alignment_mask), address);
    cc.jnz(walk.stop());
  }
  if (plan.max_address != UINT64_MAX) {
    cc.cmp(address, emitter->Constant(plan.max_address));
    cc.ja(walk.stop());
  }
  if (plan.buffer_bytes != 0) {
    cc.cmp(walk.Element(4, offsetof(RxBuffer, bytes)), plan.buffer_bytes);
    cc.jb(walk.stop());
    return;
  }
  cc.mov(bytes.r32(), walk.Element(4, offsetof(RxBuffer, bytes)));
  const Gp less = cc.newUInt32();
  cc.lea(less, asm86::ptr(bytes, -1));
  cc.cmp(less, plan.max_length);
  cc.jae(walk.stop());
}

// One slot to post a buffer in.
void EmitBuffer(x86::Emitter* emitter, const RxBurstPlan& plan, const Walk& walk) {
  asm86::Compiler& cc = emitter->cc();
  const Gp address = cc.newUInt64("address");
  const Gp bytes = cc.newUInt64("bytes");
  cc.mov(address, walk.Element(8, offsetof(RxBuffer, address)));
  CheckBuffer(emitter, plan, walk, address, bytes);
  if (plan.buffer_bytes != 0) emitter->Set(bytes, plan.buffer_bytes);
  std::vector<Gp> words;
  for (uint32_t w = 0; w < plan.slot_bytes / 8; ++w) {
    const Gp word = words.emplace_back(cc.newUInt64());
    emitter->Sum({{plan.address, address}, {plan.length, bytes}}, w, plan.image[w], word);
  }
  if (plan.completed.mask != 0) {
    const asmjit::Label free = cc.newLabel();
    emitter->Test(words[plan.first_word], plan.completed, free);
    cc.jmp(walk.stop());
    cc.bind(free);
  }
  for (uint32_t w = 0; w < words.size(); ++w) cc.mov(walk.Slot(8, size_t{8} * w), words[w]);
  const Gp cookie = cc.newUInt32();
  cc.mov(cookie, walk.Element(4, offsetof(RxBuffer, cookie)));
  cc.mov(walk.State(4, offsetof(PostedSlot, cookie)), cookie);
  cc.mov(walk.State(4, offsetof(PostedSlot, bytes)), bytes.r32());
}

asmjit::FuncNode* EmitPost(x86::Emitter* emitter, const RxBurstPlan& plan) {
  Walk walk(emitter, {plan.slot_count, plan.slot_bytes, sizeof(PostedSlot), sizeof(RxBuffer)});
  walk.Run([&] {
    if (plan.posts) {
      EmitBuffer(emitter, plan, walk);
    } else {
      emitter->cc().jmp(walk.stop());
    }
  });
  return walk.function();
}

}  // namespace

absl::StatusOr<RxCode> GenerateRx(const RxBurstPlan& plan, Instructions which) {
  x86::Emitter emitter(which);
  asmjit::FuncNode* const functions[] = {EmitPoll(&emitter, plan), EmitPost(&emitter, plan)};
  size_t offsets[2] = {};
  absl::StatusOr<std::vector<std::byte>> bytes = emitter.Finish(functions, offsets);
  if (!bytes.ok()) return bytes.status();
  return RxCode{*std::move(bytes), offsets[0], offsets[1]};
}

}  // namespace qsplit::dataplane::burst
