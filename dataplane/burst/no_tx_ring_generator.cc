// For processors that no code for rings of any protocol is generated for: plans are interpreted
// there.
#if !defined(__x86_64__)

#include "absl/status/status.h"
#include "dataplane/burst/generator.h"

namespace qsplit::dataplane::burst {

absl::StatusOr<TxRingCode> GenerateTxRing(const TxRingPlan&, const TxDonePlan&) {
  return absl::UnimplementedError(
      "compiled access: this build makes no code for such rings on this processor; descriptors are "
      "interpreted");
}

}  // namespace qsplit::dataplane::burst

#endif
