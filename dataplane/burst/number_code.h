// Numbers that stand in pieces of words, and indices that are gathered from words, as code of any
// processor. Emitter: the one of a processor, see emitter.h.
//
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_NUMBER_CODE_H_
#define QSPLIT_DATAPLANE_BURST_NUMBER_CODE_H_

#include <bit>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/burst/record_plan.h"

namespace qsplit::dataplane::burst {

// The sum of pieces of words. mask_later: bits around them need not be 0. left: of each word, how
// many times it will still be looked at, this time included; the last time uses it up.
template <typename Emitter, typename Reg = typename Emitter::Reg>
Reg GetNumber(Emitter* emitter, std::span<const Piece> pieces, std::span<const Reg> words,
              bool mask_later, uint32_t* left = nullptr) {
  std::optional<Reg> sum;
  for (const Piece& piece : pieces) {
    const bool last = left != nullptr && --left[piece.word] == 0;
    const Reg one = emitter->Get(piece, words[piece.word], mask_later && pieces.size() == 1, last);
    if (sum.has_value()) {
      emitter->Or(*sum, one);
    } else {
      sum = one;
    }
  }
  if (sum.has_value()) return *sum;
  const Reg zero = emitter->New();
  emitter->Set(zero, 0);
  return zero;
}

// A number that is written into words by these pieces, and has no bits beside theirs.
template <typename Emitter>
struct Number {
  const std::vector<Piece>& pieces;
  const typename Emitter::Reg& value;
  bool is_last = false;  // whether it may be used up, if it has one piece
};

// A register with the pieces of word `which` that carry numbers | constant: a value, a register or
// a Spot.
template <typename Emitter, typename Constant>
typename Emitter::Reg PutNumbers(Emitter* emitter, std::initializer_list<Number<Emitter>> numbers,
                                 uint32_t which, const Constant& constant) {
  using Reg = typename Emitter::Reg;
  std::optional<Reg> word;
  for (const Number<Emitter>& number : numbers) {
    for (const Piece& piece : number.pieces) {
      if (piece.word != which) continue;
      const bool alone = number.pieces.size() == 1;
      const Reg bits = emitter->Put(piece, number.value, alone, alone && number.is_last);
      if (word.has_value()) {
        emitter->Or(*word, bits);
      } else {
        word = bits;
      }
    }
  }
  if (word.has_value()) {
    emitter->Or(*word, constant);
    return *word;
  }
  const Reg alone = emitter->New();
  if constexpr (std::is_same_v<Constant, typename Emitter::Spot>) {
    emitter->Load(alone, constant, 8);
  } else if constexpr (std::is_same_v<Constant, Reg>) {
    emitter->Move(alone, constant);
  } else {
    emitter->Set(alone, constant);
  }
  return alone;
}

// Bits of an index.
template <typename Emitter, typename Reg = typename Emitter::Reg>
Reg GatherBits(Emitter* emitter, const Reg& word, const Table::Gather& gather) {
  if (gather.is_test) return emitter->Bit(word, {gather.mask, gather.value});
  std::vector<Piece> runs;
  uint8_t place = 0;
  for (uint64_t mask = gather.mask; mask != 0;) {
    const auto from = static_cast<uint8_t>(std::countr_zero(mask));
    const auto run = static_cast<uint8_t>(std::countr_one(mask >> from));
    const uint64_t bits = run == 64 ? ~uint64_t{0} : (uint64_t{1} << run) - 1;
    runs.push_back({0, from, place, false, bits});
    place = static_cast<uint8_t>(place + run);
    mask &= ~(bits << from);
  }
  if (runs.size() > 1) {
    if (std::optional<Reg> bits = emitter->Extract(word, gather.mask)) return *bits;
  }
  return GetNumber(emitter, std::span<const Piece>(runs), std::span(&word, 1), false);
}

// The index of a table; none: it has one entry. left: as GetNumber.
template <typename Emitter, typename Reg = typename Emitter::Reg>
std::optional<Reg> GatherIndex(Emitter* emitter, const Table& table, std::span<const Reg> words,
                               uint32_t* left = nullptr) {
  std::optional<Reg> index;
  uint32_t place = 0;
  for (const Table::Gather& gather : table.gathers) {
    const Reg bits = GatherBits(emitter, words[gather.word], gather);
    if (index.has_value()) {
      emitter->Or(*index, bits, place);
    } else {
      index = bits;
    }
    place += gather.bits();
    if (left != nullptr) --left[gather.word];
  }
  return index;
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_NUMBER_CODE_H_
