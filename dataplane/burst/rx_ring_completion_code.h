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

// How a completion's key is tested along with the first word, where both stand in it, apart: the
// word, swapped or not, rotated to the right, & mask is the buffer's number * step + value.
struct KeyTest {
  bool swaps = false;
  uint32_t right = 0;
  uint64_t mask = 0;
  uint64_t value = 0;
  uint32_t step = 0;

  // Whether what is rotated out is looked at.
  bool wraps() const { return mask > UINT64_MAX >> right; }
};

// nullopt: not along with it, or not at all.
inline std::optional<KeyTest> KeyTestOf(const RxRingPlan& plan, uint64_t phase_bits) {
  if (plan.key != RxRingPlan::Key::kNumber || plan.key_pieces.size() != 1) return std::nullopt;
  const Piece& key = plan.key_pieces.front();
  const uint64_t numbers = plan.buffer_count - 1;
  if (key.word != plan.first_word || key.place != 0 || (numbers & ~key.mask) != 0 ||
      key.mask > UINT64_MAX >> key.shift) {
    return std::nullopt;
  }
  const auto seen = [&](uint64_t word) { return key.byte_swap ? __builtin_bswap64(word) : word; };
  const WordTest& test = plan.record.tests[key.word];
  const uint64_t tested = seen(test.mask);
  const uint64_t value = seen(test.value ^ phase_bits);
  const uint64_t named = key.mask << key.shift;
  if ((tested & named) != 0 || (value & ~tested) != 0) return std::nullopt;
  KeyTest to{.swaps = key.byte_swap, .right = key.shift};
  // As 32 bits if they stand so: processors have immediates for those.
  for (const uint32_t right : {0u, 32u}) {
    const uint64_t mask = std::rotr(tested | named, static_cast<int>(right));
    if (mask <= UINT32_MAX && key.shift >= right && key.shift - right <= 16) {
      to.right = right;
      break;
    }
  }
  to.mask = std::rotr(tested | named, static_cast<int>(to.right));
  to.value = std::rotr(value, static_cast<int>(to.right));
  to.step = uint32_t{1} << (key.shift - to.right);
  return to;
}

// One slot that may be completed.
template <typename Emitter>
class RxRingCompletion {
 public:
  using Reg = typename Emitter::Reg;
  using Spot = typename Emitter::Spot;
  using Walk = WalkCode<Emitter>;

  // What is the same in all slots, or moves on with them.
  struct Kept {
    std::optional<KeyTest> key;
    Reg expected;  // of that
    // The words behind the length: the second one is the metadata's first.
    std::optional<typename Emitter::Pair> marks_and_meta;
    std::optional<Reg> marks;  // the first of them alone; neither: they differ

    void Advance(Emitter* emitter, uint32_t slots) const {
      if (key.has_value()) emitter->Add(expected, slots * key->step);
    }
  };
  static Kept Keep(Emitter* emitter, const RxRingPlan& plan, const Walk& walk, uint32_t phase);

  RxRingCompletion(Emitter* emitter, const RxRingPlan& plan, const Walk& walk,
                   RecordCode<Emitter>* record, uint32_t phase, const Kept& kept)
      : emitter_(emitter), plan_(plan), walk_(walk), record_(record), phase_(phase), kept_(kept) {}

  void Emit();

 private:
  static constexpr uint32_t kWord = 8;
  static uint64_t Marks(const RxRingPlan& plan) {
    return uint64_t{0x101} << 32 | plan.prefix_bytes;
  }

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
  const Kept& kept_;
  uint32_t loaded_ = 0;  // bit w: word w
};

template <typename Emitter>
typename RxRingCompletion<Emitter>::Kept RxRingCompletion<Emitter>::Keep(Emitter* emitter,
                                                                         const RxRingPlan& plan,
                                                                         const Walk& walk,
                                                                         uint32_t phase) {
  Kept kept;
  kept.key = KeyTestOf(plan, phase != 0 ? plan.record_phase[plan.first_word] : 0);
  if (kept.key.has_value()) {
    kept.expected = emitter->New();
    emitter->Set(kept.expected, kept.key->value);
    emitter->AddProduct(kept.expected, walk.FirstNumber(), kept.key->step);
  }
  if (plan.key == RxRingPlan::Key::kAddress || !plan.record.offset.empty()) return kept;
  if (!plan.record.Fills(0)) {
    kept.marks_and_meta = emitter->ConstantPair(Marks(plan), plan.record.constant[0]);
  } else {
    kept.marks = emitter->New();
    emitter->Set(*kept.marks, Marks(plan));
  }
  return kept;
}

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
  const Spot behind = walk_.Element(offsetof(RxCompletion, offset));
  const Spot meta = walk_.Element(offsetof(RxCompletion, meta));
  if (kept_.marks_and_meta.has_value()) {
    emitter_->StorePair(behind, *kept_.marks_and_meta);
    record_->Store(meta, 1);
    return;
  }
  if (kept_.marks.has_value()) {
    emitter_->Store(behind, *kept_.marks, 8);
  } else {
    const Reg marks = emitter_->New();
    emitter_->Set(marks, Marks(plan_));
    if (skip.has_value()) emitter_->Add(marks, *skip);
    emitter_->Store(behind, marks, 8);
  }
  record_->Store(meta);
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
  if (!kept_.key.has_value()) {
    record_->TestWord(first, PhaseBits(first), walk_.stop());
    return;
  }
  // What must stand there is one number.
  const KeyTest& key = *kept_.key;
  const bool last = record_->IsOnlyTested(first);
  Reg bits;
  if (key.swaps || key.wraps()) {
    const Piece whole{0, 0, 0, key.swaps, ~uint64_t{0}};
    bits = emitter_->Get(whole, word, false, last);
    if (key.right != 0) emitter_->RotateRight(bits, key.right);
    emitter_->And(bits, key.mask);
  } else {
    const Piece piece{0, static_cast<uint8_t>(key.right), 0, false, key.mask};
    bits = emitter_->Get(piece, word, false, last);
  }
  const uint32_t ahead = walk_.ahead() * key.step;
  emitter_->JumpIf(bits, Emitter::kNotZero,
                   ahead == 0 ? kept_.expected : emitter_->Plus(kept_.expected, ahead),
                   walk_.stop());
}

template <typename Emitter>
std::optional<typename Emitter::Reg> RxRingCompletion<Emitter>::CheckKey() {
  if (plan_.key == RxRingPlan::Key::kNone || kept_.key.has_value()) return std::nullopt;
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
  const Reg offset = record_->Number(plan_.record.offset);
  if (skip.has_value()) emitter_->Add(offset, *skip);
  return offset;
}

template <typename Emitter>
typename Emitter::Reg RxRingCompletion<Emitter>::Length(const std::optional<Reg>& skip) {
  const Reg length = record_->Number(plan_.record.length);
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
    if (record_->IsOnlyTested(w)) {
      record_->TestWord(w, from, bytes, walk_.stop());
    } else {
      record_->LoadWord(w, from, bytes, 0, walk_.stop());
    }
  }
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_RX_RING_COMPLETION_CODE_H_
