// The steps of plans of x86_emitter.h: pieces of numbers, indices and entries of tables.
#include <bit>

#include "dataplane/burst/x86_emitter.h"

namespace qsplit::dataplane::burst::x86 {

namespace asm86 = asmjit::x86;

Emitter::Reg Emitter::Get(const Piece& piece, const Reg& word, bool mask_later, bool last) {
  const Reg number = last ? word : New();
  const auto move_right = [&](int by) {
    if (!last && can_rotate_) {
      cc_.rorx(number, word, by);
      return;
    }
    if (!last) cc_.mov(number, word);
    cc_.shr(number, by);
  };
  if (piece.mask == UINT32_MAX && piece.place == 0 && piece.byte_swap) {
    if (piece.shift == 0) {
      move_right(32);
      cc_.bswap(number.r32());
      return number;
    }
  } else if (piece.mask <= UINT32_MAX && piece.shift == piece.place && !piece.byte_swap &&
             piece.place == 0 && !mask_later) {
    const Reg low = New();
    cc_.mov(low.r32(), word.r32());
    if (piece.mask != UINT32_MAX) And(low, piece.mask);
    return low;
  } else if (std::popcount(piece.mask) == 1 && piece.shift < piece.place && !piece.byte_swap &&
             !mask_later) {
    if (!last) cc_.mov(number, word);
    And(number, piece.mask << piece.shift);
    cc_.shl(number, piece.place - piece.shift);
    return number;
  } else if (can_rotate_ && !last && !piece.byte_swap && piece.shift > piece.place &&
             (mask_later || piece.mask < UINT64_MAX >> piece.shift)) {
    cc_.rorx(number, word, piece.shift - piece.place);
    const uint64_t mask = piece.mask << piece.place;
    if (mask_later) return number;
    if (mask < UINT32_MAX) {
      cc_.and_(number.r32(),
               static_cast<int32_t>(mask));  // clears the others: it is in no memory yet
    } else {
      And(number, mask);
    }
    return number;
  }
  if (!last) cc_.mov(number, word);
  if (piece.byte_swap) cc_.bswap(number);
  const int bits = std::popcount(piece.mask);
  bool clean = false;  // no bits beside the piece's
  if (piece.shift > piece.place) {
    cc_.shr(number, piece.shift - piece.place);
    clean = piece.place == 0 && piece.shift + bits == 64;
  } else if (piece.shift < piece.place) {
    cc_.shl(number, piece.place - piece.shift);
    clean = piece.shift == 0 && piece.place + bits == 64;
  }
  if (!clean && !mask_later) And(number, piece.mask << piece.place);
  return number;
}

Emitter::Reg Emitter::Put(const Piece& piece, const Reg& number, bool alone, bool last) {
  const Reg word = last ? number : New();
  if (can_rotate_ && !last && alone && piece.place == 0 && piece.shift > 0) {
    cc_.rorx(word, number, 64 - piece.shift);  // nothing of it comes back on the other side
    if (piece.byte_swap) cc_.bswap(word);
    return word;
  }
  if (!last) cc_.mov(word, number);
  if (piece.place > 0) cc_.shr(word, piece.place);
  if (!alone) And(word, piece.mask);
  if (piece.shift > 0) cc_.shl(word, piece.shift);
  if (piece.byte_swap) cc_.bswap(word);
  return word;
}

Emitter::Reg Emitter::Bit(const Reg& word, const WordTest& test) {
  const Reg bit = New();
  Set(bit, 0);
  Compare(word, test);
  cc_.sete(bit.r8());
  return bit;
}

std::optional<Emitter::Reg> Emitter::Extract(const Reg& word, uint64_t mask) {
  if (!can_extract_) return std::nullopt;
  const Reg bits = New();
  cc_.pext(bits, word, Constant(mask));
  return bits;
}

Emitter::Spot Emitter::Entry(int32_t offsets_at, int32_t entries_at,
                             const std::optional<Reg>& index) {
  const Reg entry = New();
  asm86::Mem at = index.has_value() ? asm86::word_ptr(block_, *index, 1, offsets_at)
                                    : asm86::word_ptr(block_, offsets_at);
  cc_.movzx(entry.r32(), at);
  return {block_, entries_at, entry};
}

}  // namespace qsplit::dataplane::burst::x86
