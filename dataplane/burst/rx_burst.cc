#include "dataplane/burst/rx_burst.h"

#include <utility>

#include "dataplane/burst/generator.h"

namespace qsplit::dataplane::burst {
std::unique_ptr<RxBurst> RxBurst::Create(RxBurstPlan plan, bool compiled, Instructions which) {
  std::unique_ptr<RxBurst> burst(new RxBurst);
  burst->plan_ = std::move(plan);
  const auto generate = [&]() -> absl::Status {
    const absl::StatusOr<RxCode> code =
        GenerateInto(&burst->code_, compiled, [&] { return GenerateRx(burst->plan_, which); });
    if (!code.ok()) return code.status();
    burst->poll_ = burst->code_.At<PollCode>(code->poll);
    burst->post_ = burst->code_.At<PostCode>(code->post);
    return absl::OkStatus();
  };
  burst->code_status_ = generate();
  return burst;
}

}  // namespace qsplit::dataplane::burst
