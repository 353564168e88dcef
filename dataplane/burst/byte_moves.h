// Two words side by side, as registers of 16 bytes have them, and how bytes are moved there.
//
// Plain values. When a queue is opened only; any thread.
#ifndef QSPLIT_DATAPLANE_BURST_BYTE_MOVES_H_
#define QSPLIT_DATAPLANE_BURST_BYTE_MOVES_H_

#include <array>
#include <cstdint>

namespace qsplit::dataplane::burst {

using WordPair = std::array<uint64_t, 2>;
// For each of 16 bytes the number of the one that it becomes; kNoByte: 0.
using ByteMoves = std::array<uint8_t, 16>;
inline constexpr uint8_t kNoByte = 0x80;

constexpr ByteMoves NoMoves() {
  ByteMoves moves{};
  moves.fill(kNoByte);
  return moves;
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_BYTE_MOVES_H_
