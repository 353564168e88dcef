// One completion of a receive queue of several rings as code of any processor: see
// rx_ring_code.h.
//
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_RX_RING_COMPLETION_CODE_H_
#define QSPLIT_DATAPLANE_BURST_RX_RING_COMPLETION_CODE_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/burst/emitter.h"
#include "dataplane/burst/number_code.h"
#include "dataplane/burst/record_code.h"
#include "dataplane/burst/rx_ring_burst.h"
#include "dataplane/burst/walk_code.h"

namespace qsplit::dataplane::burst {

// Whether a completion's key is tested along with the first word: both stand in it, apart.
inline bool KeyIsTested(const RxRingPlan& plan) {
  if (plan.key != RxRingPlan::Key::kNumber || plan.key_pieces.size() != 1) return false;
  const Piece& key = plan.key_pieces.front();
  const uint64_t numbers = plan.buffer_count - 1;
  return key.word == plan.first_word && key.place == 0 && !key.byte_swap &&
         (numbers & ~key.mask) == 0 &&
         (plan.record.tests[key.word].mask & key.mask << key.shift) == 0;
}

// One slot that may be completed.
template <typename Emitter>
class RxRingCompletion {
 public:
  using Reg = typename Emitter::Reg;
  using Spot = typename Emitter::Spot;
  using Walk = WalkCode<Emitter>;

  RxRingCompletion(Emitter* emitter, const RxRingPlan& plan, const Walk& walk,
                   RecordCode<Emitter>* record, uint32_t phase)
      : emitter_(emitter), plan_(plan), walk_(walk), record_(record), phase_(phase) {}

  void Emit();

 private:
  static constexpr uint32_t kWord = 8;

  uint64_t PhaseBits(uint32_t word) const { return phase_ != 0 ? plan_.record_phase[word] : 0; }
  // If it is not there yet.
  void Load(uint32_t word);
  void Load(const std::vector<Piece>& pieces) {
    for (const Piece& piece : pieces) Load(piece.word);
  }
  void LoadFirst();
  Reg BufferBytes() {
    const Reg bytes = emitter_->New();
    emitter_->Load(bytes, walk_.State(offsetof(RxBuffer, bytes)), 4);
    return bytes;
  }
  // Checks the key. How far behind the buffer's first byte the completion says that the packet
  // begins; nullopt: it does not say.
  std::optional<Reg> Skip();
  std::optional<Reg> CheckKey();
  // packet.length, of the packet alone.
  Reg Length(const std::optional<Reg>& skip);
  // number -= less; leaves the loop where that is less than 0.
  void Take(const Reg& number, uint32_t less) {
    if (less != 0) emitter_->SubJumpIf(number, less, Emitter::kBelow, walk_.stop());
  }
  void ReadPrefix();

  Emitter* emitter_;
  const RxRingPlan& plan_;
  const Walk& walk_;
  RecordCode<Emitter>* record_;
  uint32_t phase_;
  uint32_t loaded_ = 0;  // bit w: word w
};

template <typename Emitter>
void RxRingCompletion<Emitter>::Emit() {
  // What decides whether it is of the common case, first.
  LoadFirst();
  for (uint32_t w = 0; w < plan_.prefix_word; ++w) {
    if (plan_.record.tests[w].mask != 0) Load(w);
  }
  for (const auto* pieces : {&plan_.key_pieces, &plan_.record.length, &plan_.record.offset}) {
    Load(*pieces);
  }
  const std::optional<Reg> skip = Skip();
  const Reg length = Length(skip);
  ReadPrefix();
  for (uint32_t w = 0; w < plan_.prefix_word; ++w) {
    if ((plan_.record.words >> w & 1) != 0) Load(w);
  }

  // As one word: fewer stores.
  const Reg head = emitter_->New();
  emitter_->Load(head, walk_.State(offsetof(RxBuffer, cookie)), 4);
  emitter_->Or(head, length, 32);
  emitter_->Store(walk_.Element(offsetof(RxCompletion, cookie)), head, 8);
  static_assert(offsetof(RxCompletion, cookie) == 0 && offsetof(RxCompletion, length) == 4 &&
                offsetof(RxCompletion, offset) == 8 && offsetof(RxCompletion, first) == 12 &&
                offsetof(RxCompletion, last) == 13 && offsetof(RxCompletion, meta) == 16);
  const Reg marks = emitter_->New();
  emitter_->Set(marks, uint64_t{0x101} << 32 | plan_.prefix_bytes);
  if (skip.has_value()) emitter_->Add(marks, *skip);
  emitter_->Store(walk_.Element(offsetof(RxCompletion, offset)), marks, 8);
  record_->Store(walk_.Element(offsetof(RxCompletion, meta)));
}

template <typename Emitter>
void RxRingCompletion<Emitter>::Load(uint32_t word) {
  if ((loaded_ >> word & 1) != 0) return;
  loaded_ |= 1u << word;
  record_->LoadWord(word, walk_.Slot(size_t{kWord} * word), kWord, PhaseBits(word), walk_.stop());
}

template <typename Emitter>
void RxRingCompletion<Emitter>::LoadFirst() {
  const uint32_t first = plan_.first_word;
  const Reg& word = record_->LoadFirst(first, walk_.Slot(size_t{kWord} * first));
  loaded_ |= 1u << first;
  if (!KeyIsTested(plan_)) {
    record_->TestWord(first, PhaseBits(first), walk_.stop());
    return;
  }
  // With the key's bits lowest, both at once: what must stand there is the buffer's number plus a
  // constant.
  const Piece& key = plan_.key_pieces.front();
  const WordTest& test = plan_.record.tests[first];
  const Reg bits = emitter_->New();
  emitter_->Move(bits, word);
  if (key.shift != 0) emitter_->RotateRight(bits, key.shift);
  emitter_->And(bits, std::rotr(test.mask | key.mask << key.shift, key.shift));
  emitter_->Sub(bits, std::rotr(test.value ^ PhaseBits(first), key.shift));
  emitter_->JumpIf(bits, Emitter::kNotZero, walk_.Number(), walk_.stop());
}

template <typename Emitter>
std::optional<typename Emitter::Reg> RxRingCompletion<Emitter>::CheckKey() {
  if (plan_.key == RxRingPlan::Key::kNone || KeyIsTested(plan_)) return std::nullopt;
  const Reg key = GetNumber(emitter_, std::span(plan_.key_pieces), record_->words(), false);
  if (plan_.key == RxRingPlan::Key::kNumber) {
    emitter_->JumpIf(key, Emitter::kNotZero, walk_.Number(), walk_.stop());
    return std::nullopt;
  }
  const Reg address = emitter_->New();
  emitter_->Load(address, walk_.State(offsetof(RxBuffer, address)), 8);
  if (plan_.key_inside) {
    emitter_->Sub(key, address);
    emitter_->JumpIf(key, Emitter::kNotBelow, BufferBytes(), walk_.stop());
  } else {
    emitter_->SubJumpIf(key, address, Emitter::kNotZero, walk_.stop());
  }
  return key;
}

template <typename Emitter>
std::optional<typename Emitter::Reg> RxRingCompletion<Emitter>::Skip() {
  std::optional<Reg> skip = CheckKey();
  if (plan_.record.offset.empty()) return skip;
  const Reg offset = GetNumber(emitter_, std::span(plan_.record.offset), record_->words(), false);
  if (skip.has_value()) emitter_->Add(offset, *skip);
  return offset;
}

template <typename Emitter>
typename Emitter::Reg RxRingCompletion<Emitter>::Length(const std::optional<Reg>& skip) {
  const Reg length = GetNumber(emitter_, std::span(plan_.record.length), record_->words(), false);
  // With the prefix, as far as it is counted.
  const uint32_t less = plan_.record.length_less;
  const bool counted = less >= plan_.prefix_bytes;
  Take(length, counted ? less - plan_.prefix_bytes : less);
  // More than there is room for is not believed: the engine cuts it.
  if (counted && !skip.has_value()) {
    emitter_->JumpIf(length, Emitter::kAbove, walk_.State(offsetof(RxBuffer, bytes)), 4,
                     walk_.stop());
  } else {
    const Reg bytes = BufferBytes();
    if (skip.has_value()) emitter_->SubJumpIf(bytes, *skip, Emitter::kBelow, walk_.stop());
    const Reg whole = counted ? length : emitter_->Plus(length, plan_.prefix_bytes);
    emitter_->JumpIf(whole, Emitter::kAbove, bytes, walk_.stop());
  }
  if (counted) Take(length, plan_.prefix_bytes);
  return length;
}

template <typename Emitter>
void RxRingCompletion<Emitter>::ReadPrefix() {
  if (plan_.prefix_word == kMaxWords) return;
  const Reg memory = emitter_->New();
  emitter_->Load(memory, walk_.State(offsetof(RxBuffer, memory)), 8);
  for (uint32_t w = plan_.prefix_word; w < kMaxWords; ++w) {
    if ((plan_.record.words >> w & 1) == 0) continue;
    const uint32_t offset = kWord * (w - plan_.prefix_word);
    const uint32_t bytes = offset + kWord <= plan_.prefix_bytes ? kWord : kWord / 2;
    const Spot from{memory, static_cast<int32_t>(offset)};
    record_->LoadWord(w, from, bytes, 0, walk_.stop());
  }
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_RX_RING_COMPLETION_CODE_H_
