// Reading and writing slots of the common case as code of any processor: see generator.h,
// slot_reader.h, slot_writer.h. Emitter: the one of a processor, see a64_emitter.h.
//
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_SLOT_CODE_H_
#define QSPLIT_DATAPLANE_BURST_SLOT_CODE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/burst/generator.h"
#include "dataplane/burst/number_code.h"
#include "dataplane/burst/walk_code.h"

namespace qsplit::dataplane::burst {

template <typename Emitter>
class SlotReadMaker {
 public:
  SlotReadMaker(Emitter* emitter, const SlotReadPlan& plan) : emitter_(emitter), plan_(plan) {}

  absl::StatusOr<SlotReadCode> Make() {
    std::vector<asmjit::FuncNode*> functions{EmitRead(false)};
    if (plan_.has_phase()) functions.push_back(EmitRead(true));
    SlotReadCode code;
    absl::StatusOr<std::vector<std::byte>> bytes = emitter_->Finish(functions, code.read);
    if (!bytes.ok()) return bytes.status();
    code.bytes = *std::move(bytes);
    if (!plan_.has_phase()) code.read[1] = code.read[0];
    return code;
  }

 private:
  using Reg = typename Emitter::Reg;
  using Walk = WalkCode<Emitter>;

  asmjit::FuncNode* EmitRead(bool phase) {
    Walk walk(emitter_, {.slot_count = plan_.slot_count,
                         .slot_bytes = plan_.slot_bytes,
                         .state_bytes = sizeof(uint32_t),
                         .element_bytes = sizeof(PlainBuffer),
                         .numbered = true});
    walk.Run([&] { EmitSlot(walk, phase); });
    return walk.function();
  }
  void EmitSlot(const Walk& walk, bool phase);
  Reg NumberIn(const std::vector<Piece>& pieces, std::span<const Reg> words) {
    return GetNumber(emitter_, std::span(pieces), words, false);
  }

  Emitter* emitter_;
  const SlotReadPlan& plan_;
};

template <typename Emitter>
void SlotReadMaker<Emitter>::EmitSlot(const Walk& walk, bool phase) {
  std::array<Reg, kMaxWords> words;
  const auto test = [&](uint32_t w) {
    const uint64_t turned = phase ? plan_.phase[w] : 0;
    emitter_->JumpUnless(words[w], {plan_.tests[w].mask, plan_.tests[w].value ^ turned},
                         walk.stop());
  };
  const uint32_t first = plan_.first_word;
  words[first] = emitter_->New();
  emitter_->LoadAcquire(words[first], walk.Slot(size_t{8} * first));
  test(first);
  for (uint32_t w = 0; w < kMaxWords; ++w) {
    if (w == first || (plan_.Words() >> w & 1) == 0) continue;
    words[w] = emitter_->New();
    emitter_->Load(words[w], walk.Slot(size_t{8} * w), 8);
    test(w);
  }
  Reg bytes;
  if (plan_.length.empty()) {
    bytes = emitter_->New();
    emitter_->Set(bytes, plan_.bytes_each);
  } else {
    bytes = NumberIn(plan_.length, words);
  }
  emitter_->JumpUnlessUpTo(bytes, plan_.most_bytes, walk.stop());
  emitter_->Store(walk.Element(offsetof(PlainBuffer, address)), NumberIn(plan_.address, words), 8);
  emitter_->Store(walk.Element(offsetof(PlainBuffer, bytes)), bytes, 4);
  emitter_->Store(walk.Element(offsetof(PlainBuffer, slot)), walk.Number(), 4);
  if (plan_.notes_length) {
    emitter_->Store(walk.State(), bytes, 4);
    return;
  }
  const Reg note = NumberIn(plan_.note, words);
  emitter_->Or(note, uint64_t{plan_.note_bits});
  emitter_->Store(walk.State(), note, 4);
}

template <typename Emitter>
class SlotWriteMaker {
 public:
  SlotWriteMaker(Emitter* emitter, const SlotWritePlan& plan) : emitter_(emitter), plan_(plan) {}

  absl::StatusOr<SlotWriteCode> Make() {
    Walk walk(emitter_, {.slot_count = plan_.slot_count,
                         .slot_bytes = plan_.slot_bytes,
                         .state_bytes = plan_.has_rooms ? uint32_t{sizeof(uint32_t)} : 0,
                         .element_bytes = plan_.element_bytes});
    walk.Run([&] { EmitSlot(walk); });
    asmjit::FuncNode* const functions[] = {walk.function()};
    SlotWriteCode code;
    absl::StatusOr<std::vector<std::byte>> bytes =
        emitter_->Finish(functions, std::span(&code.write, 1));
    if (!bytes.ok()) return bytes.status();
    code.bytes = *std::move(bytes);
    return code;
  }

 private:
  using Reg = typename Emitter::Reg;
  using Spot = typename Emitter::Spot;
  using Walk = WalkCode<Emitter>;
  // In a register that has no more than `most`.
  struct Loaded {
    const std::vector<Piece>& pieces;
    Reg value;
    uint64_t most;
  };
  using Numbers = std::vector<Loaded>;

  Reg Load(const Spot& from, uint32_t bytes) {
    const Reg reg = emitter_->New();
    emitter_->Load(reg, from, bytes);
    return reg;
  }
  void EmitSlot(const Walk& walk);
  // A word of the descriptor.
  Reg Word(const Walk& walk, uint32_t which, const Numbers& numbers);

  Emitter* emitter_;
  const SlotWritePlan& plan_;
};

template <typename Emitter>
typename Emitter::Reg SlotWriteMaker<Emitter>::Word(const Walk& walk, uint32_t which,
                                                    const Numbers& numbers) {
  const Spot constant = walk.More(size_t{8} * which);
  std::optional<Reg> word;
  for (const Loaded& number : numbers) {
    for (const Piece& piece : number.pieces) {
      if (piece.word != which) continue;
      const bool alone = number.pieces.size() == 1 && number.most <= piece.mask;
      const Reg bits = emitter_->Put(piece, number.value, alone);
      if (word.has_value()) {
        emitter_->Or(*word, bits);
      } else {
        word = bits;
      }
    }
  }
  if (!word.has_value()) return Load(constant, 8);
  emitter_->Or(*word, constant);
  return *word;
}

template <typename Emitter>
void SlotWriteMaker<Emitter>::EmitSlot(const Walk& walk) {
  const Reg length = Load(walk.Element(plan_.length.offset), 4);
  if (plan_.has_rooms) {
    const Reg room = Load(walk.State(), 4);
    const Reg wanted = emitter_->Plus(length, plan_.prefix_bytes);
    emitter_->JumpIf(wanted, Emitter::kAbove, room, walk.stop());
  }
  emitter_->Add(length, plan_.length_more);
  emitter_->JumpIf(length, Emitter::kAbove, plan_.most_length, walk.stop());
  Numbers numbers{{plan_.length.pieces, length, plan_.most_length}};
  for (const SlotWritePlan::Number& other : plan_.others) {
    const uint64_t most = other.bytes == 4 ? UINT32_MAX : UINT64_MAX;
    numbers.push_back({other.pieces, Load(walk.Element(other.offset), other.bytes), most});
  }
  for (uint32_t w = 0; w < plan_.word_count; ++w) {
    if (w == plan_.last_word) continue;
    emitter_->Store(walk.Slot(size_t{8} * w), Word(walk, w, numbers), 8);
  }
  const uint32_t last = plan_.last_word;
  emitter_->HandOver(walk.Slot(size_t{8} * last), Word(walk, last, numbers));
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_SLOT_CODE_H_
