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
// TxPacket, which has them all.
struct TxWordPair {
  static constexpr uint8_t kZero = 0x80;
  static constexpr int kNone = -1;

  bool one_word = false;  // instead: the first word is made by itself, the second is the image's
  bool shuffles = false;
  std::array<uint8_t, 16> from{};  // bytes of the packet; kZero
  int id_at = kNone;               // a number of 16 bits, too: which of the pair's
  // What the emitter has of it.
  int32_t shuffle_at = 0;

  TxWordPair() { from.fill(kZero); }
  // False: it is more than that.
  bool Add(const TxWord::Part& part, uint32_t word);
};
static_assert(sizeof(TxPacket) == 16);

inline bool TxWordPair::Add(const TxWord::Part& part, uint32_t word) {
  const Piece& piece = part.piece;
  const auto bits = static_cast<uint32_t>(std::popcount(piece.mask));
  if (piece.shift % 8 != 0 || piece.place % 8 != 0 || (bits % 8 != 0 && !part.whole)) return false;
  if (part.source == TxSource::kId && !piece.byte_swap && bits == 16 && piece.shift % 16 == 0 &&
      piece.place == 0 && id_at == kNone) {
    id_at = static_cast<int>(4 * word + piece.shift / 16);
    return true;
  }
  if (part.source != TxSource::kBytes && part.source != TxSource::kAddress) return false;
  const size_t first = part.source == TxSource::kBytes ? offsetof(TxPacket, bytes) : 0;
  static_assert(offsetof(TxPacket, address) == 0);
  for (uint32_t i = 0; i < (bits + 7) / 8; ++i) {
    const uint32_t at = piece.shift / 8 + i;
    if (at > 7) return false;
    from[8 * word + (piece.byte_swap ? 7 - at : at)] =
        static_cast<uint8_t>(first + piece.place / 8 + i);
  }
  shuffles = true;
  return true;
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_TX_WORD_PAIR_H_
