// What no code is generated for on some processor: plans are interpreted there.
#if !defined(__x86_64__)

#include "absl/status/status.h"
#include "dataplane/burst/generator.h"

namespace qsplit::dataplane::burst {
namespace {

absl::Status NotHere() {
  return absl::UnimplementedError(
      "compiled access: this build makes no code for this processor; descriptors are interpreted");
}

}  // namespace

#if !defined(__aarch64__)  // see a64_generator.cc
absl::StatusOr<RxCode> GenerateRx(const RxBurstPlan&, Instructions) { return NotHere(); }
absl::StatusOr<TxCode> GenerateTx(const TxBurstPlan&) { return NotHere(); }
#endif
absl::StatusOr<RxRingCode> GenerateRxRing(const RxRingPlan&, Instructions) { return NotHere(); }
absl::StatusOr<TxRingCode> GenerateTxRing(const TxRingPlan&, const TxDonePlan&) {
  return NotHere();
}

}  // namespace qsplit::dataplane::burst

#endif
