// Two words of a packet's descriptors that are written at once.
//
// Plain values. When a queue is opened only; any thread.
#ifndef QSPLIT_DATAPLANE_BURST_TX_WORD_PAIR_H_
#define QSPLIT_DATAPLANE_BURST_TX_WORD_PAIR_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "dataplane/burst/tx_ring.h"

namespace qsplit::dataplane::burst {

// Two words in a row whose bytes are the packet's own, in any order, or the image's: a shuffle of a
// TxPacket, which has them all. Or those of the count of the packet's first slot.
struct TxWordPair {
  static constexpr uint8_t kZero = 0x80;
  static constexpr int kNone = -1;

  // Instead: the first word is made by itself; the second is the image's, but for id_at.
  bool one_word = false;
  bool counts = false;  // of the count, none of the packet
  bool shuffles = false;
  std::array<uint8_t, 16> from{};  // bytes of the packet, or of the count; kZero
  int id_at = kNone;               // a number of 16 bits, too: which of the pair's

  TxWordPair() { from.fill(kZero); }
  // Two words of a plan from this one on as one step, if they can be.
  static std::optional<TxWordPair> At(const TxRingPlan& plan, uint32_t which);
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

inline std::optional<TxWordPair> TxWordPair::At(const TxRingPlan& plan, uint32_t which) {
  // Whether the last packet's word is needed once more.
  const auto is_needed = [&plan](uint32_t word) {
    return word == plan.kept_word || (plan.report_words >> word & 1) != 0;
  };
  const TxWord* const words = &plan.words[which];
  if (which + 1 >= plan.words.size() || words[0].offset % 16 != 0 ||
      words[1].offset != words[0].offset + 8) {
    return std::nullopt;
  }
  TxWordPair counted;
  bool counts = true;
  for (uint32_t i = 0; i < 2; ++i) {
    for (const TxWord::Part& part : words[i].parts) {
      counts = counts && counted.AddCount(part, i, plan.count_mask);
    }
  }
  if (counts && counted.counts) return counted;
  TxWordPair pair;
  bool all = true;
  for (uint32_t i = 0; i < 2; ++i) {
    all = all && (words[i].parts.empty() || !is_needed(which + i));
    for (const TxWord::Part& part : words[i].parts) all = all && pair.Add(part, i);
  }
  if (all) return pair;
  pair = {};
  pair.one_word = true;
  if (words[1].parts.empty()) return pair;
  const bool is_id = words[1].parts.size() == 1 && words[1].parts[0].source == TxSource::kId;
  if (!is_id || is_needed(which + 1) || !pair.Add(words[1].parts[0], 1) || pair.shuffles) {
    return std::nullopt;
  }
  return pair;
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_TX_WORD_PAIR_H_
