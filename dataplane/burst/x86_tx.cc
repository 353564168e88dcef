// Bursts of a transmit ring for x86-64: see generator.h, tx_burst.h.
#include <cstddef>

#include "dataplane/burst/generator.h"
#include "dataplane/burst/x86_walk.h"

namespace qsplit::dataplane::burst {
namespace {

namespace asm86 = asmjit::x86;
using x86::Gp;
using x86::Walk;

bool Speaks(const std::vector<Piece>& pieces, uint32_t word) {
  for (const Piece& piece : pieces) {
    if (piece.word == word) return true;
  }
  return false;
}

asmjit::FuncNode* EmitPush(x86::Emitter* emitter, const TxBurstPlan& plan, bool with_total) {
  asm86::Compiler& cc = emitter->cc();
  const Walk walk = Walk::Begin(emitter, plan.slot_count, plan.slot_bytes);
  const Gp address = cc.newUInt64("address");
  const Gp bytes = cc.newUInt64("bytes");
  cc.mov(address, asm86::qword_ptr(walk.element, offsetof(TxPacket, address)));
  cc.mov(bytes.r32(), asm86::dword_ptr(walk.element, offsetof(TxPacket, bytes)));
  if (plan.max_address != UINT64_MAX) {
    cc.cmp(address, emitter->Constant(plan.max_address));
    cc.ja(walk.stop);
  }
  const Gp less = cc.newUInt32();
  cc.lea(less, asm86::ptr(bytes, -1));
  cc.cmp(less, plan.max_bytes);
  cc.jae(walk.stop);
  for (uint32_t w = 0; w < plan.slot_bytes / 8; ++w) {
    const auto at = static_cast<int32_t>(8 * w);
    const Gp word = cc.newUInt64();
    cc.mov(word, asm86::qword_ptr(walk.more, at));
    if (Speaks(plan.address, w)) emitter->Put(plan.address, w, address, word);
    if (Speaks(plan.length, w)) emitter->Put(plan.length, w, bytes, word);
    if (with_total) emitter->Put(plan.total_length, w, bytes, word);
    cc.mov(asm86::qword_ptr(walk.slot, at), word);
  }
  static_assert(offsetof(TxImage, words) == 0 && offsetof(SentSlot, cookie) == 0);
  const Gp cookie = cc.newUInt64();
  cc.mov(cookie.r32(), asm86::dword_ptr(walk.element, offsetof(TxPacket, cookie)));
  cc.or_(cookie, asm86::qword_ptr(walk.more, offsetof(TxImage, state)));  // its cookie is 0
  cc.mov(asm86::qword_ptr(walk.state), cookie);
  walk.End(emitter, plan.slot_bytes, sizeof(TxPacket));
  return walk.function;
}

}  // namespace

absl::StatusOr<TxCode> GenerateTx(const TxBurstPlan& plan) {
  x86::Emitter emitter;
  asmjit::FuncNode* const functions[] = {EmitPush(&emitter, plan, false),
                                         EmitPush(&emitter, plan, true)};
  TxCode code;
  absl::StatusOr<std::vector<std::byte>> bytes = emitter.Finish(functions, code.push);
  if (!bytes.ok()) return bytes.status();
  code.bytes = *std::move(bytes);
  return code;
}

}  // namespace qsplit::dataplane::burst
