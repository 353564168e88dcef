// Numbers of whole bytes, moved by one shuffle of 16 bytes.
//
// Plain values; when a queue is opened only; any thread.
#ifndef QSPLIT_DATAPLANE_BURST_BYTE_MOVES_H_
#define QSPLIT_DATAPLANE_BURST_BYTE_MOVES_H_

#include <array>
#include <cstdint>

#include "dataplane/burst/record_plan.h"

namespace qsplit::dataplane::burst {

using WordPair = std::array<uint64_t, 2>;
// For each of 16 bytes the number of the one that it becomes; kNoByte: 0.
using ByteMoves = std::array<uint8_t, 16>;
inline constexpr uint8_t kNoByte = 0x80;
inline constexpr ByteMoves kNoMoves = [] {
  ByteMoves moves{};
  moves.fill(kNoByte);
  return moves;
}();

// Adds the bytes of a number: a piece of the word that begins at byte `from`, to a place that
// begins at byte `to`. False: they are no whole bytes apart, or meet others there.
bool AddMove(const Piece& piece, uint32_t from, uint32_t to, ByteMoves* moves);
// The other way round: the bytes of a number at byte `from` that a piece of the word at byte `to`
// carries.
bool AddMoveBack(const Piece& piece, uint32_t from, uint32_t to, ByteMoves* moves);

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_BYTE_MOVES_H_
