#include "dataplane/burst/rx_ring_burst.h"

#include <algorithm>
#include <utility>

#include "dataplane/burst/generator.h"

namespace qsplit::dataplane::burst {
bool RxRingPlan::Varies(uint32_t word) const {
  const auto there = [&](const Piece& piece) { return piece.word == word; };
  return image_phase[word] != 0 || std::any_of(address.begin(), address.end(), there);
}

std::unique_ptr<RxRingBurst> RxRingBurst::Create(RxRingPlan plan, bool compiled,
                                                 Instructions which) {
  std::unique_ptr<RxRingBurst> burst(new RxRingBurst);
  burst->plan_ = std::move(plan);
  const auto generate = [&]() -> absl::Status {
    const absl::StatusOr<RxRingCode> code =
        GenerateInto(&burst->code_, compiled, [&] { return GenerateRxRing(burst->plan_, which); });
    if (!code.ok()) return code.status();
    for (int phase = 0; phase < 2; ++phase) {
      burst->poll_[phase] = burst->code_.At<PollCode>(code->poll[phase]);
      burst->post_[phase] = burst->code_.At<PostCode>(code->post[phase]);
      const auto optional = [&](size_t offset) {
        return offset == RxRingCode::kNone ? nullptr : burst->code_.At<PostCode>(offset);
      };
      burst->again_[phase] = optional(code->again[phase]);
      burst->held_[phase] = optional(code->held[phase]);
    }
    return absl::OkStatus();
  };
  burst->code_status_ = generate();
  return burst;
}

}  // namespace qsplit::dataplane::burst
