// Bursts for aarch64: see generator.h.
#include "dataplane/burst/a64_emitter.h"
#include "dataplane/burst/emitter.h"
#include "dataplane/burst/generator.h"
#include "dataplane/burst/rx_code.h"
#include "dataplane/burst/rx_ring_code.h"
#include "dataplane/burst/slot_code.h"
#include "dataplane/burst/tx_ring_code.h"

namespace qsplit::dataplane::burst {
namespace a64 {

static_assert(EmitsBursts<Emitter>);

absl::StatusOr<RxCode> GenerateRx(const RxBurstPlan& plan) {
  Emitter emitter;
  return RxCodeMaker<Emitter>(&emitter, plan).Make();
}

absl::StatusOr<RxRingCode> GenerateRxRing(const RxRingPlan& plan) {
  Emitter emitter;
  return RxRingCodeMaker<Emitter>(&emitter, plan).Make();
}

absl::StatusOr<TxRingCode> GenerateTxRing(const TxRingPlan& plan, const TxDonePlan& done) {
  Emitter emitter;
  return TxRingCodeMaker<Emitter>(&emitter, plan, done).Make();
}

absl::StatusOr<SlotReadCode> GenerateSlotRead(const SlotReadPlan& plan) {
  Emitter emitter;
  return SlotReadMaker<Emitter>(&emitter, plan).Make();
}

absl::StatusOr<SlotWriteCode> GenerateSlotWrite(const SlotWritePlan& plan) {
  Emitter emitter;
  return SlotWriteMaker<Emitter>(&emitter, plan).Make();
}

}  // namespace a64

#if defined(__aarch64__)
// Nothing that only some of these processors have is used.
absl::StatusOr<RxCode> GenerateRx(const RxBurstPlan& plan, Instructions) {
  return a64::GenerateRx(plan);
}
absl::StatusOr<RxRingCode> GenerateRxRing(const RxRingPlan& plan, Instructions) {
  return a64::GenerateRxRing(plan);
}
absl::StatusOr<TxRingCode> GenerateTxRing(const TxRingPlan& plan, const TxDonePlan& done,
                                          Instructions) {
  return a64::GenerateTxRing(plan, done);
}
absl::StatusOr<SlotReadCode> GenerateSlotRead(const SlotReadPlan& plan, Instructions) {
  return a64::GenerateSlotRead(plan);
}
absl::StatusOr<SlotWriteCode> GenerateSlotWrite(const SlotWritePlan& plan, Instructions) {
  return a64::GenerateSlotWrite(plan);
}
#endif

}  // namespace qsplit::dataplane::burst
