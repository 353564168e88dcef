#include "dataplane/burst/wide_rx.h"

#include <algorithm>
#include <utility>

namespace qsplit::dataplane::burst {
namespace {

constexpr uint32_t kWord = 8;
constexpr uint32_t kPair = 2;  // words
// As many as there are registers for.
constexpr size_t kMaxMoves = 4;

bool AddLength(const RxBurstPlan& plan, WidePoll* wide) {
  const RecordPlan& record = plan.record;
  if (record.length.size() != 1 || record.length_less != 0 || !record.offset.empty()) return false;
  const Piece& piece = record.length[0];
  if (piece.mask << piece.place > UINT32_MAX) return false;
  // Room is compared with a constant, or with what was posted.
  if (plan.buffer_bytes == 0 ? plan.prefix_bytes != 0 : plan.buffer_bytes < plan.prefix_bytes) {
    return false;
  }
  wide->length_word = piece.word;
  wide->length_mask = static_cast<uint32_t>(piece.mask << piece.place);
  wide->length = kNoMoves;
  return AddMove(piece, 0, 4, &wide->length) && AddMove(piece, kWord, kWord + 4, &wide->length);
}

// Which move a piece of a lane became.
struct Moved {
  size_t lane;
  size_t move;
  WordPair bits;
};

bool AddLanes(const RecordPlan& record, WidePoll* wide, std::vector<Moved>* moved) {
  for (size_t l = 0; l < record.lanes.size(); ++l) {
    const Lane& lane = record.lanes[l];
    if (lane.out >= kPair) return false;
    for (const Piece& piece : lane.pieces) {
      const auto from = static_cast<uint8_t>(piece.word / kPair);
      const uint32_t byte = piece.word % kPair * kWord;
      const uint32_t to = lane.out * kWord;
      // With others of these words, unless they meet.
      size_t number = 0;
      for (; number < wide->moves.size(); ++number) {
        ByteMoves together = wide->moves[number].bytes;
        if (wide->moves[number].from != from || !AddMove(piece, byte, to, &together)) continue;
        wide->moves[number].bytes = together;
        break;
      }
      if (number == wide->moves.size()) {
        if (number == kMaxMoves) return false;
        WidePoll::Move move{from, kNoMoves, {}};
        if (!AddMove(piece, byte, to, &move.bytes)) return false;
        wide->moves.push_back(move);
      }
      WordPair bits{};
      bits[lane.out] = piece.mask << piece.place;
      wide->moves[number].bits[lane.out] |= bits[lane.out];
      moved->push_back({l, number, bits});
    }
  }
  return true;
}

bool AddLookup(const Table& table, const std::vector<Moved>& moved, WidePoll* wide) {
  WidePoll::Lookup lookup;
  const auto masks = [&](const Table::Column& column, size_t move) {
    return column.is_mask && std::any_of(moved.begin(), moved.end(), [&](const Moved& m) {
             return m.lane == column.target && m.move == move;
           });
  };
  for (const Table::Column& column : table.columns) {
    if (!column.is_mask && column.target >= kPair) return false;
    lookup.has_values = lookup.has_values || !column.is_mask;
    for (size_t move = 0; move < wide->moves.size(); ++move) {
      if (masks(column, move)) lookup.masks |= 1u << move;
    }
  }
  const size_t columns = table.columns.size();
  const size_t entries = columns == 0 ? 0 : table.entries.size() / columns;
  for (size_t e = 0; e < entries; ++e) {
    const uint64_t* const entry = &table.entries[e * columns];
    for (size_t move = 0; move < wide->moves.size(); ++move) {
      if ((lookup.masks >> move & 1) == 0) continue;
      WordPair mask = wide->moves[move].bits;
      for (size_t c = 0; c < columns; ++c) {
        for (const Moved& m : moved) {
          if (!table.columns[c].is_mask || m.lane != table.columns[c].target || m.move != move) {
            continue;
          }
          for (size_t w = 0; w < kPair; ++w) mask[w] &= entry[c] | ~m.bits[w];
        }
      }
      lookup.entries.push_back(mask);
    }
    if (!lookup.has_values) continue;
    WordPair values{};
    for (size_t c = 0; c < columns; ++c) {
      if (!table.columns[c].is_mask) values[table.columns[c].target] |= entry[c];
    }
    lookup.entries.push_back(values);
  }
  const size_t stride = entries == 0 ? 0 : lookup.entries.size() / entries * sizeof(WordPair);
  for (const uint16_t entry : table.entry_of_index) {
    const size_t number = columns == 0 ? 0 : entry / columns;
    if (number * stride > UINT16_MAX) return false;
    lookup.entry_of_index.push_back(static_cast<uint16_t>(number * stride));
  }
  wide->lookups.push_back(std::move(lookup));
  return true;
}

bool HasWholePairs(const RxBurstPlan& plan) {
  return plan.slot_bytes == 2 * kWord || plan.slot_bytes == 4 * kWord;
}

}  // namespace

bool WidePoll::IsMasked(size_t move) const {
  return std::any_of(lookups.begin(), lookups.end(),
                     [&](const Lookup& lookup) { return (lookup.masks >> move & 1) != 0; });
}

std::optional<WidePoll> PlanWidePoll(const RxBurstPlan& plan) {
  const RecordPlan& record = plan.record;
  if (!HasWholePairs(plan) || record.words >> (plan.slot_bytes / kWord) != 0) return std::nullopt;
  WidePoll wide;
  std::vector<Moved> moved;
  if (!AddLength(plan, &wide) || !AddLanes(record, &wide, &moved)) return std::nullopt;
  for (const Table& table : record.tables) {
    if (!AddLookup(table, moved, &wide)) return std::nullopt;
  }
  wide.values = {record.constant[0], record.constant[1]};
  return wide;
}

std::optional<uint32_t> PlanWidePost(const RxBurstPlan& plan) {
  if (!HasWholePairs(plan) || !plan.posts || plan.buffer_bytes == 0) return std::nullopt;
  if (!plan.length.empty() || plan.completed.mask != 0) return std::nullopt;
  if (plan.max_address != UINT64_MAX) return std::nullopt;
  if (plan.address.size() != 1 || !plan.address[0].IsWord()) return std::nullopt;
  if (plan.address[0].shift != 0 || plan.address[0].place != 0) return std::nullopt;
  const uint32_t word = plan.address[0].word;
  if (word >= plan.slot_bytes / kWord || plan.image[word] != 0) return std::nullopt;
  return word;
}

}  // namespace qsplit::dataplane::burst
