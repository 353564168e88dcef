// Bursts of a receive ring as code of any processor: see generator.h, rx_burst.h. Emitter: the one
// of a processor, see emitter.h.
//
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_RX_CODE_H_
#define QSPLIT_DATAPLANE_BURST_RX_CODE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "absl/status/statusor.h"
#include "dataplane/burst/generator.h"
#include "dataplane/burst/number_code.h"
#include "dataplane/burst/record_code.h"
#include "dataplane/burst/walk_code.h"

namespace qsplit::dataplane::burst {

// Turns of both loops, where there are other ones than slot by slot.
template <typename Emitter>
struct RxTurns {
  using Walk = WalkCode<Emitter>;
  std::function<typename Walk::Turns(const Walk&)> poll, post;
};

template <typename Emitter>
class RxCodeMaker {
 public:
  RxCodeMaker(Emitter* emitter, const RxBurstPlan& plan, RxTurns<Emitter> turns = {})
      : emitter_(emitter), plan_(plan), turns_(std::move(turns)) {}

  absl::StatusOr<RxCode> Make() {
    asmjit::FuncNode* const functions[] = {EmitPoll(), EmitPost()};
    size_t offsets[2] = {};
    absl::StatusOr<std::vector<std::byte>> bytes = emitter_->Finish(functions, offsets);
    if (!bytes.ok()) return bytes.status();
    return RxCode{*std::move(bytes), offsets[0], offsets[1]};
  }

 private:
  using Reg = typename Emitter::Reg;
  using Walk = WalkCode<Emitter>;

  asmjit::FuncNode* EmitPoll() {
    RecordCode<Emitter> record(emitter_, plan_.record);
    Walk walk(emitter_,
              {plan_.slot_count, plan_.slot_bytes, sizeof(PostedSlot), sizeof(RxCompletion)});
    walk.Run([&] { EmitCompletion(walk, &record); }, nullptr, nullptr,
             turns_.poll ? turns_.poll(walk) : typename Walk::Turns());
    return walk.function();
  }
  asmjit::FuncNode* EmitPost() {
    Walk walk(emitter_, {plan_.slot_count, plan_.slot_bytes, sizeof(PostedSlot), sizeof(RxBuffer)});
    const auto body = [&] {
      if (plan_.posts) {
        EmitBuffer(walk);
      } else {
        emitter_->Jump(walk.stop());
      }
    };
    walk.Run(body, nullptr, nullptr, turns_.post ? turns_.post(walk) : typename Walk::Turns());
    return walk.function();
  }
  // One slot that may be completed.
  void EmitCompletion(const Walk& walk, RecordCode<Emitter>* record);
  // Goes to walk.stop() unless the buffer's address and bytes can be posted.
  void CheckBuffer(const Walk& walk, const Reg& address, const Reg& bytes);
  // One slot to post a buffer in.
  void EmitBuffer(const Walk& walk);

  Emitter* emitter_;
  const RxBurstPlan& plan_;
  RxTurns<Emitter> turns_;
};

template <typename Emitter>
void RxCodeMaker<Emitter>::EmitCompletion(const Walk& walk, RecordCode<Emitter>* record) {
  record->Load(walk.Slot(), plan_.first_word, walk.stop());
  const Reg length = record->Length(walk.stop());
  // More than there is room for is not believed: the engine cuts it.
  emitter_->Add(length, plan_.prefix_bytes);
  if (plan_.buffer_bytes != 0) {
    emitter_->JumpIf(length, Emitter::kAbove, plan_.buffer_bytes, walk.stop());
  } else {
    const Reg bytes = emitter_->New();
    emitter_->Load(bytes, walk.State(offsetof(PostedSlot, bytes)), 4);
    emitter_->JumpIf(length, Emitter::kAbove, bytes, walk.stop());
  }
  emitter_->Sub(length, plan_.prefix_bytes);
  const Reg cookie = emitter_->New();
  emitter_->Load(cookie, walk.State(offsetof(PostedSlot, cookie)), 4);
  emitter_->Store(walk.Element(offsetof(RxCompletion, cookie)), cookie, 4);
  emitter_->Store(walk.Element(offsetof(RxCompletion, length)), length, 4);
  static_assert(offsetof(RxCompletion, offset) == 8 && offsetof(RxCompletion, first) == 12 &&
                offsetof(RxCompletion, last) == 13 && offsetof(RxCompletion, meta) == 16);
  const Reg marks = emitter_->New();
  emitter_->Set(marks, uint64_t{0x101} << 32 | plan_.prefix_bytes);
  emitter_->Store(walk.Element(offsetof(RxCompletion, offset)), marks, 8);
  record->Store(walk.Element(offsetof(RxCompletion, meta)));
}

template <typename Emitter>
void RxCodeMaker<Emitter>::CheckBuffer(const Walk& walk, const Reg& address, const Reg& bytes) {
  if (plan_.alignment_mask != 0) {
    emitter_->JumpIfAny(address, plan_.alignment_mask, walk.stop());
  }
  if (plan_.max_address != UINT64_MAX) {
    emitter_->JumpIf(address, Emitter::kAbove, plan_.max_address, walk.stop());
  }
  if (plan_.buffer_bytes != 0) {
    emitter_->JumpIf(bytes, Emitter::kBelow, plan_.buffer_bytes, walk.stop());
    return;
  }
  emitter_->JumpUnlessUpTo(bytes, plan_.max_length, walk.stop());
}

template <typename Emitter>
void RxCodeMaker<Emitter>::EmitBuffer(const Walk& walk) {
  const Reg address = emitter_->New();
  const Reg bytes = emitter_->New();
  emitter_->Load(address, walk.Element(offsetof(RxBuffer, address)), 8);
  emitter_->Load(bytes, walk.Element(offsetof(RxBuffer, bytes)), 4);
  CheckBuffer(walk, address, bytes);
  if (plan_.buffer_bytes != 0) emitter_->Set(bytes, plan_.buffer_bytes);
  std::vector<Reg> words;
  for (uint32_t w = 0; w < plan_.slot_bytes / 8; ++w) {
    words.push_back(PutNumbers<Emitter>(emitter_, {{plan_.address, address}, {plan_.length, bytes}},
                                        w, plan_.image[w]));
  }
  if (plan_.completed.mask != 0) {
    emitter_->JumpIfTest(words[plan_.first_word], plan_.completed, walk.stop());
  }
  for (uint32_t w = 0; w < words.size(); ++w)
    emitter_->Store(walk.Slot(size_t{8} * w), words[w], 8);
  const Reg cookie = emitter_->New();
  emitter_->Load(cookie, walk.Element(offsetof(RxBuffer, cookie)), 4);
  emitter_->Store(walk.State(offsetof(PostedSlot, cookie)), cookie, 4);
  emitter_->Store(walk.State(offsetof(PostedSlot, bytes)), bytes, 4);
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_RX_CODE_H_
