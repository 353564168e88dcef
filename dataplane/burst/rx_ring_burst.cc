#include "dataplane/burst/rx_ring_burst.h"

#include <algorithm>
#include <utility>

#include "dataplane/burst/generator.h"
#include "dataplane/burst/poll_rows.h"
#include "dataplane/burst/post_rows.h"

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
  if (!burst->code_status_.ok()) {
    burst->poll_rows_ = PollRows::Make(burst->plan_, which);
    burst->post_rows_ = PostRows::Make(burst->plan_, which);
  }
  return burst;
}

RxRingBurst::~RxRingBurst() = default;

uint32_t RxRingBurst::InterpretPoll(Completed from, RxCompletion* out) const {
  if (poll_rows_ == nullptr || from.slot >= plan_.slot_count || from.buffer >= plan_.buffer_count ||
      !PollRows::IsAligned(from.slots)) {
    return PollByPlan(plan_, from, out);
  }
  const PollRows::At at = {.slots = from.slots + size_t{from.slot} * plan_.slot_bytes,
                           .number = from.buffer,
                           .phase = from.phase,
                           .most = std::min({from.most, plan_.slot_count - from.slot,
                                             plan_.buffer_count - from.buffer})};
  return poll_rows_->poll_ring(*poll_rows_, at, from.buffers + from.buffer, out);
}

uint32_t RxRingBurst::InterpretPost(Free to, const RxBuffer* buffers) const {
  if (post_rows_ == nullptr) return PostByPlan(plan_, to, buffers);
  const uint32_t count = CountToPost(plan_, to, buffers);
  const PostRows::At at = {.slots = to.slots + size_t{to.slot} * plan_.post_slot_bytes,
                           .number = to.slot,
                           .phase = to.phase,
                           .count = count,
                           .were_posted = to.were_posted};
  if (count != 0) post_rows_->post_ring(*post_rows_, at, buffers, to.buffers + to.slot);
  return count;
}

uint32_t RxRingBurst::InterpretHeld(Free to, const RxBuffer* buffers, uint64_t* held) const {
  if (post_rows_ == nullptr) return PostHeldByPlan(plan_, to, buffers, held);
  const uint32_t count = CountToPost(plan_, to, buffers);
  if (count == 0) return 0;
  PostRows::At at = {.slots = to.slots + size_t{to.slot} * plan_.post_slot_bytes,
                     .number = to.slot,
                     .phase = to.phase,
                     .count = count - 1};
  RxBuffer* const posted = to.buffers + to.slot;
  post_rows_->post_held(*post_rows_, at, *buffers, posted, held);
  if (count == 1) return 1;
  at.slots += plan_.post_slot_bytes;
  ++at.number;
  at.were_posted = to.were_posted;
  post_rows_->post_ring(*post_rows_, at, buffers + 1, posted + 1);
  return count;
}

}  // namespace qsplit::dataplane::burst
