#include "dataplane/burst/record_pair.h"

#include <algorithm>
#include <bit>

namespace qsplit::dataplane::burst {
namespace {

constexpr size_t kColumns = 4;  // of an entry
constexpr size_t kMostEntries = UINT16_MAX / (kColumns * sizeof(uint64_t));

}  // namespace

bool RecordPair::Add(const Lane& lane) {
  if (lane.out > 1) return false;
  for (const Piece& piece : lane.pieces) {
    const int bits = std::popcount(piece.mask);
    if (bits != std::countr_one(piece.mask) || bits % 8 != 0 || piece.shift % 8 != 0 ||
        piece.place % 8 != 0 || piece.shift + bits > 64 || piece.place + bits > 64) {
      return false;
    }
    uint32_t which = 0;
    while (which < word_count && words[which] != piece.word) ++which;
    if (which == words.size()) return false;
    if (which == word_count) words[word_count++] = piece.word;
    for (int i = 0; i < bits / 8; ++i) {
      const int byte = piece.shift / 8 + i;
      uint8_t& to = from[size_t{8} * lane.out + piece.place / 8 + static_cast<size_t>(i)];
      if (to != kNone) return false;
      to = static_cast<uint8_t>(8 * which +
                                static_cast<uint32_t>(piece.byte_swap ? 7 - byte : byte));
    }
  }
  return true;
}

std::optional<RecordPair> RecordPair::Of(const RecordPlan& plan) {
  if (plan.tables.size() != 1 || plan.lanes.empty() || !plan.Fills(0) || !plan.Fills(1)) {
    return std::nullopt;
  }
  const Table& table = plan.tables.front();
  RecordPair pair;
  pair.from.fill(kNone);
  for (const Lane& lane : plan.lanes) {
    if (!pair.Add(lane)) return std::nullopt;
  }
  if (pair.word_count == 0) return std::nullopt;
  const size_t stride = table.columns.size();
  if (stride == 0 || table.entries.size() / stride > kMostEntries) return std::nullopt;
  for (const Table::Column& column : table.columns) {
    if (!column.is_mask && column.target > 1) return std::nullopt;
  }

  pair.table.gathers = table.gathers;
  pair.table.columns.resize(kColumns);
  for (const uint16_t entry : table.entry_of_index) {
    pair.table.entry_of_index.push_back(static_cast<uint16_t>(entry / stride * kColumns));
  }
  for (size_t at = 0; at + stride <= table.entries.size(); at += stride) {
    uint64_t entry[kColumns] = {0, 0, plan.constant[0], plan.constant[1]};
    for (size_t l = 0; l < plan.lanes.size(); ++l) {
      uint64_t kept = plan.lanes[l].Bits();
      for (size_t c = 0; c < stride; ++c) {
        const Table::Column& column = table.columns[c];
        if (column.is_mask && column.target == l) kept &= table.entries[at + c];
      }
      entry[plan.lanes[l].out] |= kept;
    }
    for (size_t c = 0; c < stride; ++c) {
      const Table::Column& column = table.columns[c];
      if (!column.is_mask) entry[2 + column.target] |= table.entries[at + c];
    }
    pair.table.entries.insert(pair.table.entries.end(), entry, entry + kColumns);
  }
  return pair;
}

}  // namespace qsplit::dataplane::burst
