// Two words of a packet's descriptors that are written at once.
//
// Plain values. When a queue is opened only; any thread.
#ifndef QSPLIT_DATAPLANE_BURST_TX_WORD_PAIR_H_
#define QSPLIT_DATAPLANE_BURST_TX_WORD_PAIR_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "dataplane/burst/tx_ring.h"

namespace qsplit::dataplane::burst {

// Two words in a row whose bytes are the packet's own, in any order, or the image's: a shuffle of a
// TxPacket, which has them all. Or those of the count of the packet's first slot.
struct TxWordPair {
  static constexpr uint8_t kZero = 0x80;
  static constexpr int kNone = -1;

  bool one_word = false;  // instead: the first word is made by itself, the second is the image's
  bool counts = false;    // of the count, none of the packet
  bool shuffles = false;
  std::array<uint8_t, 16> from{};  // bytes of the packet, or of the count; kZero
  int id_at = kNone;               // a number of 16 bits, too: which of the pair's

  TxWordPair() { from.fill(kZero); }
  // False: it is more than that.
  bool Add(const TxWord::Part& part, uint32_t word);
  // The same for pairs of nothing but counts.
  bool AddCount(const TxWord::Part& part, uint32_t word, uint64_t count_mask);

 private:
  // Bytes of a number from this one on; limit: of its bytes, others are 0. False: they do not stand
  // in bytes.
  bool AddBytes(const TxWord::Part& part, uint32_t word, size_t first, size_t limit);
};
static_assert(sizeof(TxPacket) == 16);

inline bool TxWordPair::Add(const TxWord::Part& part, uint32_t word) {
  const Piece& piece = part.piece;
  const auto bits = static_cast<uint32_t>(std::popcount(piece.mask));
  if (part.source == TxSource::kId && !piece.byte_swap && bits == 16 && piece.shift % 16 == 0 &&
      piece.place == 0 && id_at == kNone) {
    id_at = static_cast<int>(4 * word + piece.shift / 16);
    return true;
  }
  if (part.source != TxSource::kBytes && part.source != TxSource::kAddress) return false;
  static_assert(offsetof(TxPacket, address) == 0);
  return AddBytes(part, word, part.source == TxSource::kBytes ? offsetof(TxPacket, bytes) : 0, 8);
}

inline bool TxWordPair::AddCount(const TxWord::Part& part, uint32_t word, uint64_t count_mask) {
  const int bits = std::countr_one(count_mask);
  if (part.source != TxSource::kCount || part.slot != 0 || bits % 8 != 0 ||
      std::popcount(count_mask) != bits) {
    return false;
  }
  counts = true;
  return AddBytes(part, word, 0, static_cast<size_t>(bits) / 8);
}

inline bool TxWordPair::AddBytes(const TxWord::Part& part, uint32_t word, size_t first,
                                 size_t limit) {
  const Piece& piece = part.piece;
  const auto bits = static_cast<uint32_t>(std::popcount(piece.mask));
  if (piece.shift % 8 != 0 || piece.place % 8 != 0 || (bits % 8 != 0 && !part.whole)) return false;
  for (uint32_t i = 0; i < (bits + 7) / 8; ++i) {
    const uint32_t at = piece.shift / 8 + i;
    if (at > 7) return false;
    const size_t byte = piece.place / 8 + i;
    if (byte >= limit) continue;
    from[8 * word + (piece.byte_swap ? 7 - at : at)] = static_cast<uint8_t>(first + byte);
  }
  shuffles = true;
  return true;
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_TX_WORD_PAIR_H_
