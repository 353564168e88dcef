#include "dataplane/burst/tx_ring.h"

#include <utility>

#include "dataplane/burst/generator.h"

namespace qsplit::dataplane::burst {
std::unique_ptr<TxRingBurst> TxRingBurst::Create(TxRingPlan plan, const TxDonePlan* done,
                                                 bool compiled, Instructions which) {
  std::unique_ptr<TxRingBurst> burst(new TxRingBurst);
  burst->plan_ = std::move(plan);
  if (done != nullptr) burst->done_ = *done;
  for (size_t i = 0; i < burst->done_.tests.size(); ++i) {
    for (size_t phase = 0; phase < 2; ++phase) {
      burst->values_[phase][i] = burst->done_.tests[i].value[phase];
    }
  }
  const auto generate = [&]() -> absl::Status {
    const absl::StatusOr<TxRingCode> code = GenerateInto(
        &burst->code_, compiled, [&] { return GenerateTxRing(burst->plan_, burst->done_, which); });
    if (!code.ok()) return code.status();
    burst->push_ = burst->code_.At<PushCode>(code->push);
    if (burst->takes()) burst->take_ = burst->code_.At<TakeCode>(code->take);
    if (burst->done_.expected_count != 0) {
      burst->take_expected_ = burst->code_.At<TakeExpectedCode>(code->take_expected);
    }
    if (burst->done_.remembers) {
      burst->take_remembered_ = burst->code_.At<TakeRememberedCode>(code->take_remembered);
    }
    return absl::OkStatus();
  };
  burst->code_status_ = generate();
  return burst;
}

}  // namespace qsplit::dataplane::burst
