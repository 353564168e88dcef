#include "dataplane/burst/columns.h"

#include <array>
#include <bit>
#include <cstring>

namespace qsplit::dataplane::burst {
namespace {

using Column = uint64_t[kColumn];
// Two numbers at once; columns hold whole pairs, so that loops may run over the count.
using Pair = uint64_t __attribute__((vector_size(16)));
constexpr uint32_t kPair = 2;

Pair LoadPair(const uint64_t* from) {
  Pair pair;
  std::memcpy(&pair, from, sizeof pair);
  return pair;
}
void StorePair(uint64_t* to, Pair pair) { std::memcpy(to, &pair, sizeof pair); }

// to[i] = or |= the piece of from[i].
template <bool kFirst>
void AddPiece(const Piece& piece, const Column& from, uint32_t count, Column& to) {
  const uint64_t mask = piece.mask;
  const uint32_t shift = piece.shift;
  const uint32_t place = piece.place;
  if (piece.byte_swap) {
    for (uint32_t i = 0; i < count; ++i) {
      to[i] = (kFirst ? 0 : to[i]) | ((__builtin_bswap64(from[i]) >> shift) & mask) << place;
    }
    return;
  }
  for (uint32_t i = 0; i < count; i += kPair) {
    Pair pair = ((LoadPair(from + i) >> shift) & mask) << place;
    if (!kFirst) pair |= LoadPair(to + i);
    StorePair(to + i, pair);
  }
}

// The sum of pieces.
void AddPieces(const std::vector<Piece>& pieces, const WordColumns& words, uint32_t count,
               Column& to) {
  if (pieces.empty()) std::memset(to, 0, sizeof to);
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Column& from = words.word[pieces[i].word];
    if (i == 0) {
      AddPiece<true>(pieces[i], from, count, to);
    } else {
      AddPiece<false>(pieces[i], from, count, to);
    }
  }
}

// Where the entry of each index begins.
void FindEntries(const Table& table, const WordColumns& words, uint32_t count, Column& entry) {
  uint32_t place = 0;
  if (table.gathers.empty()) std::memset(entry, 0, sizeof entry);
  for (const Table::Gather& gather : table.gathers) {
    const Column& from = words.word[gather.word];
    if (gather.is_test) {
      for (uint32_t i = 0; i < count; ++i) {
        const uint64_t bit = (from[i] & gather.mask) == gather.value ? 1 : 0;
        entry[i] = (place == 0 ? 0 : entry[i]) | bit << place;
      }
      ++place;
      continue;
    }
    // Run by run.
    for (uint64_t mask = gather.mask; mask != 0;) {
      const auto shift = static_cast<uint8_t>(std::countr_zero(mask));
      const auto run = static_cast<uint32_t>(std::countr_one(mask >> shift));
      const uint64_t bits = (uint64_t{1} << run) - 1;
      const Piece piece{gather.word, shift, static_cast<uint8_t>(place), false, bits};
      if (place == 0) {
        AddPiece<true>(piece, from, count, entry);
      } else {
        AddPiece<false>(piece, from, count, entry);
      }
      place += run;
      mask &= ~(bits << shift);
    }
  }
  const uint16_t* entry_of_index = table.entry_of_index.data();
  for (uint32_t i = 0; i < count; ++i) {
    // NOLINTNEXTLINE(clang-analyzer-core.uninitialized.ArraySubscript): each way above writes it
    entry[i] = entry_of_index[entry[i]];
  }
}

// to[i] op= entries[at[i]]
template <typename Op>
void Apply(const uint64_t* entries, const Column& at, uint32_t count, Column& to, Op&& op) {
  for (uint32_t i = 0; i < count; ++i) to[i] = op(to[i], entries[at[i]]);
}

}  // namespace

void ReadNumbers(const std::vector<Piece>& pieces, const WordColumns& words, uint32_t count,
                 uint64_t* numbers) {
  AddPieces(pieces, words, count, *reinterpret_cast<Column*>(numbers));
}

void ReadLengths(const RecordPlan& plan, const WordColumns& words, uint32_t count,
                 uint64_t* lengths) {
  ReadNumbers(plan.length, words, count, lengths);
  const uint64_t less = plan.length_less;
  if (less == 0) return;
  for (uint32_t i = 0; i < count; ++i) lengths[i] -= less;
}

void ReadMetadata(const RecordPlan& plan, const WordColumns& words, uint32_t count,
                  RxCompletion* out) {
  alignas(64) Column lanes[kMaxLanes];
  alignas(64) Column values[kMetaWords];
  alignas(64) Column entry;
  for (size_t l = 0; l < plan.lanes.size(); ++l) {
    AddPieces(plan.lanes[l].pieces, words, count, lanes[l]);
  }
  uint32_t valued = 0;  // bit w: values[w] is filled in
  for (const Table& table : plan.tables) {
    FindEntries(table, words, count, entry);
    const uint64_t* entries = table.entries.data();
    for (const Table::Column& column : table.columns) {
      if (column.is_mask) {
        Apply(entries++, entry, count, lanes[column.target],
              [](uint64_t to, uint64_t mask) { return to & mask; });
      } else if ((valued >> column.target & 1) != 0) {
        Apply(entries++, entry, count, values[column.target],
              [](uint64_t to, uint64_t value) { return to | value; });
      } else {
        Apply(entries++, entry, count, values[column.target],
              [](uint64_t, uint64_t value) { return value; });
        valued |= 1u << column.target;
      }
    }
  }
  for (size_t l = 0; l < plan.lanes.size(); ++l) {
    Column& to = values[plan.lanes[l].out];
    if ((valued >> plan.lanes[l].out & 1) == 0) {
      for (uint32_t i = 0; i < count; ++i) to[i] = plan.constant[plan.lanes[l].out];
      valued |= 1u << plan.lanes[l].out;
    }
    for (uint32_t i = 0; i < count; i += kPair) {
      StorePair(to + i, LoadPair(to + i) | LoadPair(lanes[l] + i));
    }
  }
  // All that is the same, in one go; then word by word what is not.
  const std::array<uint64_t, kMetaWords> constant = plan.constant;
  for (uint32_t i = 0; i < count; ++i) {
    std::memcpy(static_cast<void*>(&out[i].meta), constant.data(), sizeof constant);
  }
  for (; valued != 0; valued &= valued - 1) {
    const auto w = static_cast<uint32_t>(std::countr_zero(valued));
    std::byte* to = reinterpret_cast<std::byte*>(&out->meta) + size_t{8} * w;
    for (uint32_t i = 0; i < count; ++i, to += sizeof(RxCompletion)) {
      std::memcpy(to, &values[w][i], sizeof(uint64_t));
    }
  }
}

}  // namespace qsplit::dataplane::burst
