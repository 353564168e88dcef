// For processors that no code is generated for: plans are interpreted there.
#if !defined(__x86_64__) && !defined(__aarch64__)

#include "absl/status/status.h"
#include "dataplane/burst/generator.h"

namespace qsplit::dataplane::burst {
namespace {

absl::Status NotHere() {
  return absl::UnimplementedError("compiled access: this build makes no code for this processor");
}

}  // namespace

absl::StatusOr<RxCode> GenerateRx(const RxBurstPlan&, Instructions) { return NotHere(); }
absl::StatusOr<RxRingCode> GenerateRxRing(const RxRingPlan&, Instructions) { return NotHere(); }
absl::StatusOr<TxRingCode> GenerateTxRing(const TxRingPlan&, const TxDonePlan&, Instructions) {
  return NotHere();
}
absl::StatusOr<SlotReadCode> GenerateSlotRead(const SlotReadPlan&, Instructions) {
  return NotHere();
}
absl::StatusOr<SlotWriteCode> GenerateSlotWrite(const SlotWritePlan&, Instructions) {
  return NotHere();
}

}  // namespace qsplit::dataplane::burst

#endif
