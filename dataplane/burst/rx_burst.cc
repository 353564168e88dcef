#include "dataplane/burst/rx_burst.h"

#include <algorithm>
#include <utility>

#include "dataplane/burst/generator.h"
#include "dataplane/burst/poll_rows.h"
#include "dataplane/burst/post_rows.h"

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
  if (!burst->code_status_.ok()) {
    burst->poll_rows_ = PollRows::Make(burst->plan_, which);
    burst->post_rows_ = PostRows::Make(burst->plan_, which);
  }
  return burst;
}

RxBurst::~RxBurst() = default;

uint32_t RxBurst::InterpretPoll(const std::byte* slots, const PostedSlot* posted, uint32_t slot,
                                uint32_t most, RxCompletion* out) const {
  if (poll_rows_ == nullptr || slot >= plan_.slot_count || !PollRows::IsAligned(slots)) {
    return PollByPlan(plan_, slots, posted, slot, most, out);
  }
  const PollRows::At at = {.slots = slots + size_t{slot} * plan_.slot_bytes,
                           .most = std::min(most, plan_.slot_count - slot)};
  return poll_rows_->poll_own_slots(*poll_rows_, at, posted + slot, out);
}

uint32_t RxBurst::InterpretPost(std::byte* slots, PostedSlot* posted, uint32_t slot, uint32_t most,
                                const RxBuffer* buffers) const {
  if (post_rows_ == nullptr) return PostByPlan(plan_, slots, posted, slot, most, buffers);
  const uint32_t count = CountToPost(plan_, slot, most, buffers);
  const PostRows::At at = {.slots = slots + size_t{slot} * plan_.slot_bytes, .count = count};
  if (count != 0) post_rows_->post_own_slots(*post_rows_, at, buffers, posted + slot);
  return count;
}

}  // namespace qsplit::dataplane::burst
