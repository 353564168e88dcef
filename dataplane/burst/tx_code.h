// Bursts of a transmit ring as code of any processor: see generator.h, tx_burst.h. Emitter: the one
// of a processor, see emitter.h.
//
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_TX_CODE_H_
#define QSPLIT_DATAPLANE_BURST_TX_CODE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/burst/generator.h"
#include "dataplane/burst/number_code.h"
#include "dataplane/burst/walk_code.h"

namespace qsplit::dataplane::burst {

template <typename Emitter>
class TxCodeMaker {
 public:
  TxCodeMaker(Emitter* emitter, const TxBurstPlan& plan) : emitter_(emitter), plan_(plan) {}

  absl::StatusOr<TxCode> Make() {
    asmjit::FuncNode* const functions[] = {EmitPush(false), EmitPush(true)};
    TxCode code;
    absl::StatusOr<std::vector<std::byte>> bytes = emitter_->Finish(functions, code.push);
    if (!bytes.ok()) return bytes.status();
    code.bytes = *std::move(bytes);
    return code;
  }

 private:
  using Reg = typename Emitter::Reg;
  using Walk = WalkCode<Emitter>;
  // Words that a report may be asked for in.
  using ReportWords = std::array<std::optional<Reg>, kMaxWords>;

  asmjit::FuncNode* EmitPush(bool with_total);
  // One packet; what it writes is remembered in `written`.
  void EmitPacket(const Walk& walk, bool with_total, const ReportWords& written);

  Emitter* emitter_;
  const TxBurstPlan& plan_;
};

template <typename Emitter>
void TxCodeMaker<Emitter>::EmitPacket(const Walk& walk, bool with_total,
                                      const ReportWords& written) {
  static const std::vector<Piece> kNone;
  const Reg address = emitter_->New();
  const Reg bytes = emitter_->New();
  emitter_->Load(address, walk.Element(offsetof(TxPacket, address)), 8);
  emitter_->Load(bytes, walk.Element(offsetof(TxPacket, bytes)), 4);
  if (plan_.max_address != UINT64_MAX) {
    emitter_->JumpIf(address, Emitter::kAbove, plan_.max_address, walk.stop());
  }
  emitter_->JumpUnlessUpTo(bytes, plan_.max_bytes, walk.stop());
  for (uint32_t w = 0; w < plan_.slot_bytes / 8; ++w) {
    const Reg word = PutNumbers<Emitter>(emitter_,
                                         {{plan_.address, address},
                                          {plan_.length, bytes},
                                          {with_total ? plan_.total_length : kNone, bytes}},
                                         w, walk.More(offsetof(TxImage, words) + size_t{8} * w));
    emitter_->Store(walk.Slot(size_t{8} * w), word, 8);
    if (written[w].has_value() && walk.may_be_last()) emitter_->Move(*written[w], word);
  }
  const Reg cookie = emitter_->New();
  emitter_->Load(cookie, walk.Element(offsetof(TxPacket, cookie)), 4);
  emitter_->Store(walk.State(), cookie, 4);
}

template <typename Emitter>
asmjit::FuncNode* TxCodeMaker<Emitter>::EmitPush(bool with_total) {
  Walk walk(emitter_, {plan_.slot_count, plan_.slot_bytes, sizeof(uint32_t), sizeof(TxPacket)});
  ReportWords written;
  for (uint32_t w = 0; w < plan_.slot_bytes / 8; ++w) {
    if ((plan_.report_words >> w & 1) == 0) continue;
    written[w] = emitter_->New();
    emitter_->Set(*written[w], 0);
  }
  walk.Run([&] { EmitPacket(walk, with_total, written); },
           [&] {
             // The last one once more, with the report: it is not the device's yet.
             for (uint32_t w = 0; w < kMaxWords; ++w) {
               if (!written[w].has_value()) continue;
               emitter_->Or(*written[w], walk.More(offsetof(TxImage, report) + size_t{8} * w));
               auto last = walk.Slot(size_t{8} * w);
               last.offset -= static_cast<int32_t>(plan_.slot_bytes);
               emitter_->Store(last, *written[w], 8);
             }
           });
  return walk.function();
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_TX_CODE_H_
