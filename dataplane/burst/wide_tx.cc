#include "dataplane/burst/wide_tx.h"

#include <bit>
#include <cstddef>

namespace qsplit::dataplane::burst {
namespace {

constexpr uint32_t kWord = 8;
constexpr uint32_t kPair = 2;  // words
// As many as there are registers for.
constexpr size_t kMaxMoves = 3;

bool IsEmpty(const WidePush::Move& move, uint32_t word) { return move.bits[word] == 0; }

// Adds a part of that word to a move. False: it has no place there.
bool AddTo(const TxWord::Part& part, uint32_t word, WidePush::Move* move) {
  const Piece& piece = part.piece;
  const uint32_t left = piece.shift % 8;
  if (!IsEmpty(*move, word) && move->left[word] != left) return false;
  const bool is_bytes = part.source == TxSource::kBytes;
  static_assert(offsetof(TxPacket, address) == 0 && sizeof(TxPacket::address) == kWord);
  const uint32_t from = is_bytes ? offsetof(TxPacket, bytes) : 0;
  const uint32_t from_bytes = is_bytes ? sizeof(TxPacket::bytes) : kWord;
  const auto bits = static_cast<uint32_t>(std::bit_width(piece.mask));
  ByteMoves bytes = move->bytes;
  for (uint32_t byte = 0; byte < (bits + 7) / 8; ++byte) {
    const uint32_t number = piece.place / 8u + byte;
    if (number >= from_bytes) break;  // it has no such byte
    const uint32_t at = piece.shift / 8u + byte;
    if (at >= kWord) return false;
    uint8_t& to = bytes[kWord * word + (piece.byte_swap ? kWord - 1 - at : at)];
    if (to != kNoByte) return false;
    to = static_cast<uint8_t>(from + number);
  }
  move->bytes = bytes;
  move->left[word] = left;
  move->bits[word] |= piece.Put(~uint64_t{0});
  // Of a number that is not whole, some bits beside the piece's may be in its bytes.
  move->has_others = move->has_others || !part.whole;
  return true;
}

bool Add(const TxWord::Part& part, uint32_t word, WidePush* wide) {
  const Piece& piece = part.piece;
  if (part.source != TxSource::kBytes && part.source != TxSource::kAddress) return false;
  if (piece.place % 8 != 0 || (piece.byte_swap && piece.shift % 8 != 0)) return false;
  for (WidePush::Move& move : wide->moves) {
    if (AddTo(part, word, &move)) return true;
  }
  if (wide->moves.size() == kMaxMoves) return false;
  return AddTo(part, word, &wide->moves.emplace_back());
}

}  // namespace

std::optional<WidePush> PlanWidePush(const TxRingPlan& plan) {
  if (plan.slot_bytes != kPair * kWord || plan.packet_slots != 1 || plan.words.size() != kPair ||
      plan.held_word != TxRingPlan::kNone || plan.has_prefix || plan.memory == TxMemory::kId ||
      plan.max_bytes == 0) {
    return std::nullopt;
  }
  WidePush wide;
  for (uint32_t w = 0; w < kPair; ++w) {
    if (plan.words[w].offset != kWord * w) return std::nullopt;
    for (const TxWord::Part& part : plan.words[w].parts) {
      if (!Add(part, w, &wide)) return std::nullopt;
    }
  }
  return wide;
}

}  // namespace qsplit::dataplane::burst
