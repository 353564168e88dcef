// Words that are written into many slots at once, without machine code: those that are the same in
// all of them, and those that are put together of pieces of the slots' own numbers. What to do is
// looked up once for all slots, and each loop has what it needs in registers.
//
// Ring memory is written only, each word once for a call. Never allocates. Any thread.
#ifndef QSPLIT_DATAPLANE_BURST_SLOT_WORDS_H_
#define QSPLIT_DATAPLANE_BURST_SLOT_WORDS_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "dataplane/barriers.h"
#include "dataplane/burst/column.h"
#include "dataplane/burst/record_plan.h"

namespace qsplit::dataplane::burst {

// A word of some slots: where it is in the first one, how far apart, how many.
struct SlotWords {
  std::byte* at = nullptr;
  size_t stride = 0;  // bytes
  uint32_t count = 0;

  SlotWords From(uint32_t slot) const { return {at + slot * stride, stride, count - slot}; }
};

// The word of slot i becomes word_of(i).
template <typename WordOf>
inline void StoreEach(const SlotWords& to, WordOf word_of) {
  std::byte* at = to.at;
  const size_t stride = to.stride;
  ForColumn(to.count, [&](uint32_t i) {
    StoreRelaxed<uint64_t>(at, word_of(i));
    at += stride;
  });
}

// Words in a row, the same in all slots; `to` is the first of them.
template <uint32_t kWords>
inline void StoreSame(const SlotWords& to, const uint64_t* words) {
  uint64_t word[kWords];
  std::copy_n(words, kWords, word);
  std::byte* at = to.at;
  const size_t stride = to.stride;
  ForColumn(to.count, [&](uint32_t) {
#pragma GCC unroll 4
    for (uint32_t w = 0; w < kWords; ++w) StoreRelaxed<uint64_t>(at + size_t{8} * w, word[w]);
    at += stride;
  });
}
inline void StoreSame(SlotWords to, const uint64_t* words, size_t count) {
  for (; count >= 4; count -= 4, words += 4, to.at += 4 * sizeof(uint64_t)) {
    StoreSame<4>(to, words);
  }
  if (count == 3) return StoreSame<3>(to, words);
  if (count == 2) return StoreSame<2>(to, words);
  if (count == 1) StoreSame<1>(to, words);
}

// Calls with(bits_of): bits_of(i) is what a word has of number_of(i) in this piece.
template <typename NumberOf, typename With>
inline void WithBits(const Piece& piece, NumberOf number_of, With&& with) {
  if (piece.mask == ~uint64_t{0}) {
    if (!piece.byte_swap) return with(number_of);
    return with([=](uint32_t i) { return __builtin_bswap64(number_of(i)); });
  }
  // ((number >> place) & mask) << shift, as one mask and one rotation.
  const uint64_t mask = (piece.mask << piece.shift >> piece.shift) << piece.place;
  const int left = piece.shift - piece.place;
  if (!piece.byte_swap)
    return with([=](uint32_t i) { return std::rotl(number_of(i) & mask, left); });
  with([=](uint32_t i) { return __builtin_bswap64(std::rotl(number_of(i) & mask, left)); });
}

// Puts a word of at most kColumn slots together piece by piece; the last one stores it.
class WordsOfPieces {
 public:
  // to: not copied. image: the bits that are the same. pieces: how many will be added, at least
  // one.
  WordsOfPieces(const SlotWords& to, uint64_t image, size_t pieces)
      : to_(to), image_(image), left_(pieces), first_(true) {}

  template <typename NumberOf>
  void Add(const Piece& piece, NumberOf number_of) {
    WithBits(piece, number_of, [this](auto bits_of) { AddBits(bits_of); });
  }

 private:
  template <typename BitsOf>
  void AddBits(BitsOf bits_of) {
    const bool first = first_;
    const uint64_t image = image_;
    uint64_t* const words = words_;
    first_ = false;
    if (--left_ == 0) {
      if (first) return StoreEach(to_, [=](uint32_t i) { return image | bits_of(i); });
      return StoreEach(to_, [=](uint32_t i) { return words[i] | bits_of(i); });
    }
    const uint32_t count = to_.count;
    if (first) {
      ForColumn(count, [=](uint32_t i) { words[i] = image | bits_of(i); });
    } else {
      ForColumn(count, [=](uint32_t i) { words[i] |= bits_of(i); });
    }
  }

  const SlotWords& to_;
  const uint64_t image_;
  size_t left_;
  bool first_;
  alignas(64) uint64_t words_[kColumn];
};

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_SLOT_WORDS_H_
