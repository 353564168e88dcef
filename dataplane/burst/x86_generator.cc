// Bursts for x86-64: see generator.h.
#include "dataplane/burst/emitter.h"
#include "dataplane/burst/generator.h"
#include "dataplane/burst/rx_code.h"
#include "dataplane/burst/rx_ring_code.h"
#include "dataplane/burst/slot_code.h"
#include "dataplane/burst/tx_ring_code.h"
#include "dataplane/burst/x86_emitter.h"
#include "dataplane/burst/x86_wide_rx.h"
#include "dataplane/burst/x86_wide_tx.h"

namespace qsplit::dataplane::burst {

static_assert(EmitsBursts<x86::Emitter>);

absl::StatusOr<RxCode> GenerateRx(const RxBurstPlan& plan, Instructions which) {
  x86::Emitter emitter(which);
  return RxCodeMaker<x86::Emitter>(&emitter, plan, x86::WideTurns(&emitter, plan, which)).Make();
}

absl::StatusOr<RxRingCode> GenerateRxRing(const RxRingPlan& plan, Instructions which) {
  x86::Emitter emitter(which);
  return RxRingCodeMaker<x86::Emitter>(&emitter, plan).Make();
}

absl::StatusOr<TxRingCode> GenerateTxRing(const TxRingPlan& plan, const TxDonePlan& done,
                                          Instructions which) {
  x86::Emitter emitter(which);
  return TxRingCodeMaker<x86::Emitter>(&emitter, plan, done, x86::WideTurns(&emitter, plan, which))
      .Make();
}

absl::StatusOr<SlotReadCode> GenerateSlotRead(const SlotReadPlan& plan, Instructions which) {
  x86::Emitter emitter(which);
  return SlotReadMaker<x86::Emitter>(&emitter, plan).Make();
}

absl::StatusOr<SlotWriteCode> GenerateSlotWrite(const SlotWritePlan& plan, Instructions which) {
  x86::Emitter emitter(which);
  return SlotWriteMaker<x86::Emitter>(&emitter, plan).Make();
}

}  // namespace qsplit::dataplane::burst
