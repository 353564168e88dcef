#include "dataplane/burst/byte_moves.h"

#include <cstddef>

namespace qsplit::dataplane::burst {
namespace {

constexpr uint32_t kWord = 8;

}  // namespace

bool AddMove(const Piece& piece, uint32_t from, uint32_t to, ByteMoves* moves) {
  const int apart = int{piece.shift} - int{piece.place};
  if (apart % 8 != 0) return false;
  const uint64_t bits = piece.mask << piece.place;
  for (uint32_t byte = 0; byte < kWord; ++byte) {
    if ((bits >> (8 * byte) & 0xff) == 0) continue;
    const auto at = static_cast<uint32_t>(static_cast<int>(byte) + apart / 8);
    uint8_t& move = (*moves)[to + byte];
    if (move != kNoByte || at >= kWord) return false;
    move = static_cast<uint8_t>(from + (piece.byte_swap ? kWord - 1 - at : at));
  }
  return true;
}

bool AddMoveBack(const Piece& piece, uint32_t from, uint32_t to, ByteMoves* moves) {
  const int apart = int{piece.place} - int{piece.shift};
  if (apart % 8 != 0) return false;
  const uint64_t bits = piece.mask << piece.shift;
  for (uint32_t byte = 0; byte < kWord; ++byte) {
    if ((bits >> (8 * byte) & 0xff) == 0) continue;
    const auto at = static_cast<uint32_t>(static_cast<int>(byte) + apart / 8);
    uint8_t& move = (*moves)[to + (piece.byte_swap ? kWord - 1 - byte : byte)];
    if (move != kNoByte || at >= kWord) return false;
    move = static_cast<uint8_t>(from + at);
  }
  return true;
}

}  // namespace qsplit::dataplane::burst
