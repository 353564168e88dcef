// Bursts of a receive queue of several rings as code of any processor: see generator.h,
// rx_ring_burst.h.
//
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_RX_RING_CODE_H_
#define QSPLIT_DATAPLANE_BURST_RX_RING_CODE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/burst/emitter.h"
#include "dataplane/burst/generator.h"
#include "dataplane/burst/record_code.h"
#include "dataplane/burst/rx_ring_completion_code.h"
#include "dataplane/burst/rx_ring_posting_code.h"
#include "dataplane/burst/walk_code.h"

namespace qsplit::dataplane::burst {

template <typename Emitter>
class RxRingCodeMaker {
 public:
  RxRingCodeMaker(Emitter* emitter, const RxRingPlan& plan)
      : emitter_(emitter), plan_(plan), record_(emitter, plan.record) {}

  absl::StatusOr<RxRingCode> Make();

 private:
  using Walk = WalkCode<Emitter>;
  using Posting = RxRingPosting<Emitter>;

  asmjit::FuncNode* EmitPoll(uint32_t phase);
  asmjit::FuncNode* EmitPost(uint32_t phase, typename Posting::How how);
  // Whether there is anything to leave out of slots that were posted before.
  bool LeavesOut() const;

  Emitter* emitter_;
  const RxRingPlan& plan_;
  RecordCode<Emitter> record_;
};

template <typename Emitter>
asmjit::FuncNode* RxRingCodeMaker<Emitter>::EmitPoll(uint32_t phase) {
  Walk walk(emitter_, {.slot_count = plan_.slot_count,
                       .slot_bytes = plan_.slot_bytes,
                       .state_bytes = sizeof(RxBuffer),
                       .element_bytes = sizeof(RxCompletion),
                       .state_count = plan_.buffer_count,
                       .numbered = plan_.key == RxRingPlan::Key::kNumber});
  using Completion = RxRingCompletion<Emitter>;
  const typename Completion::Kept kept = Completion::Keep(emitter_, plan_, walk, phase);
  walk.Run([&] { Completion(emitter_, plan_, walk, &record_, phase, kept).Emit(); }, nullptr,
           [&](uint32_t slots) { kept.Advance(emitter_, slots); });
  return walk.function();
}

template <typename Emitter>
asmjit::FuncNode* RxRingCodeMaker<Emitter>::EmitPost(uint32_t phase, typename Posting::How how) {
  Walk walk(emitter_, {.slot_count = plan_.buffer_count,
                       .slot_bytes = plan_.post_slot_bytes,
                       .state_bytes = sizeof(RxBuffer),
                       .element_bytes = sizeof(RxBuffer),
                       .numbered = !plan_.number.empty()});
  const typename Posting::Running running = Posting::Begin(emitter_, plan_, walk, phase, how);
  const auto body = [&](typename Posting::How each) {
    return [&, each] {
      if (plan_.posts) {
        Posting(emitter_, plan_, walk, phase, each, running).Emit();
      } else {
        emitter_->Jump(walk.stop());
      }
    };
  };
  if (how == Posting::How::kHeld) {
    walk.Run(body(Posting::How::kAll), nullptr, nullptr, {}, body(how));
  } else {
    walk.Run(body(how));
  }
  return walk.function();
}

template <typename Emitter>
bool RxRingCodeMaker<Emitter>::LeavesOut() const {
  if (!plan_.posts || !plan_.words_stay) return false;
  for (uint32_t w = 0; w < plan_.post_words; ++w) {
    if (!plan_.Varies(w)) return true;
  }
  return false;
}

template <typename Emitter>
absl::StatusOr<RxRingCode> RxRingCodeMaker<Emitter>::Make() {
  std::vector<asmjit::FuncNode*> functions;
  const uint32_t phases = plan_.has_phase() ? 2 : 1;
  const bool again = LeavesOut();
  for (uint32_t phase = 0; phase < phases; ++phase) {
    functions.push_back(EmitPoll(phase));
    functions.push_back(EmitPost(phase, Posting::How::kAll));
    if (again) functions.push_back(EmitPost(phase, Posting::How::kAgain));
    if (plan_.holds) functions.push_back(EmitPost(phase, Posting::How::kHeld));
  }
  std::vector<size_t> offsets(functions.size());
  absl::StatusOr<std::vector<std::byte>> bytes = emitter_->Finish(functions, offsets);
  if (!bytes.ok()) return bytes.status();
  RxRingCode code;
  code.bytes = *std::move(bytes);
  for (uint32_t phase = 0; phase < 2; ++phase) {
    const size_t* of = &offsets[phase % phases * (functions.size() / phases)];
    code.poll[phase] = of[0];
    code.post[phase] = of[1];
    if (again) code.again[phase] = of[2];
    if (plan_.holds) code.held[phase] = of[again ? 3 : 2];
  }
  return code;
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_RX_RING_CODE_H_
