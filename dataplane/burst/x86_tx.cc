// Bursts of a transmit ring for x86-64: see generator.h, tx_burst.h.
#include <cstddef>

#include "dataplane/burst/generator.h"
#include "dataplane/burst/x86_walk.h"

namespace qsplit::dataplane::burst {
namespace {

namespace asm86 = asmjit::x86;
using x86::Gp;
using x86::Mem;
using x86::Walk;

asmjit::FuncNode* EmitPush(x86::Emitter* emitter, const TxBurstPlan& plan, bool with_total) {
  asm86::Compiler& cc = emitter->cc();
  Walk walk(emitter, {plan.slot_count, plan.slot_bytes, sizeof(uint32_t), sizeof(TxPacket)});
  const uint32_t word_count = plan.slot_bytes / 8;
  static const std::vector<Piece> kNone;
  // Words that a report may be asked for in, of the slot before.
  std::array<Gp, kMaxWords> before;
  for (uint32_t w = 0; w < word_count; ++w) {
    if ((plan.report_words >> w & 1) == 0) continue;
    before[w] = cc.newUInt64();
    emitter->Set(before[w], 0);
  }
  const auto image_at = [&](size_t offset, uint32_t w) {
    return asm86::qword_ptr(walk.more(), static_cast<int32_t>(offset + size_t{8} * w));
  };
  const auto packet = [&] {
    const Gp address = cc.newUInt64("address");
    const Gp bytes = cc.newUInt64("bytes");
    cc.mov(address, walk.Element(8, offsetof(TxPacket, address)));
    cc.mov(bytes.r32(), walk.Element(4, offsetof(TxPacket, bytes)));
    if (plan.max_address != UINT64_MAX) {
      cc.cmp(address, emitter->Constant(plan.max_address));
      cc.ja(walk.stop());
    }
    const Gp less = cc.newUInt32();
    cc.lea(less, asm86::ptr(bytes, -1));
    cc.cmp(less, plan.max_bytes);
    cc.jae(walk.stop());
    for (uint32_t w = 0; w < word_count; ++w) {
      const Gp word = cc.newUInt64();
      emitter->Sum({{plan.address, address},
                    {plan.length, bytes},
                    {with_total ? plan.total_length : kNone, bytes}},
                   w, image_at(offsetof(TxImage, words), w), word);
      cc.mov(walk.Slot(8, size_t{8} * w), word);
      if (before[w].isValid() && walk.may_be_last()) cc.mov(before[w], word);
    }
    const Gp cookie = cc.newUInt32();
    cc.mov(cookie, walk.Element(4, offsetof(TxPacket, cookie)));
    cc.mov(walk.State(4, 0), cookie);
  };
  walk.Run(packet, [&] {
    // The last one once more, with the report: it is not the device's yet.
    for (uint32_t w = 0; w < word_count; ++w) {
      if (!before[w].isValid()) continue;
      cc.or_(before[w], image_at(offsetof(TxImage, report), w));
      Mem last = walk.Slot(8, size_t{8} * w);
      last.addOffset(-static_cast<int64_t>(plan.slot_bytes));
      cc.mov(last, before[w]);
    }
  });
  return walk.function();
}

}  // namespace

absl::StatusOr<TxCode> GenerateTx(const TxBurstPlan& plan) {
  x86::Emitter emitter(Instructions::kOfThisProcessor);
  asmjit::FuncNode* const functions[] = {EmitPush(&emitter, plan, false),
                                         EmitPush(&emitter, plan, true)};
  TxCode code;
  absl::StatusOr<std::vector<std::byte>> bytes = emitter.Finish(functions, code.push);
  if (!bytes.ok()) return bytes.status();
  code.bytes = *std::move(bytes);
  return code;
}

}  // namespace qsplit::dataplane::burst
