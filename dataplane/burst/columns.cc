#include "dataplane/burst/columns.h"

#include <cstring>

namespace qsplit::dataplane::burst {
namespace {

using Column = uint64_t[kColumn];

// to[i] |= the piece of from[i].
void AddPiece(const Piece& piece, const Column& from, uint32_t count, Column& to) {
  const uint64_t mask = piece.mask;
  const uint32_t shift = piece.shift;
  const uint32_t place = piece.place;
  if (piece.byte_swap) {
    for (uint32_t i = 0; i < count; ++i) {
      to[i] |= ((__builtin_bswap64(from[i]) >> shift) & mask) << place;
    }
    return;
  }
  for (uint32_t i = 0; i < count; ++i) to[i] |= ((from[i] >> shift) & mask) << place;
}

// Gathers the bits of a mask, run by run, to index[i], from bit `place` on.
uint32_t Gather(uint64_t mask, const Column& from, uint32_t count, uint32_t place,
                uint32_t (&index)[kColumn]) {
  for (uint32_t shift = 0; mask != 0;) {
    const auto skip = static_cast<uint32_t>(std::countr_zero(mask));
    mask >>= skip;
    shift += skip;
    const auto run = static_cast<uint32_t>(std::countr_one(mask));
    const uint64_t bits = (uint64_t{1} << run) - 1;
    for (uint32_t i = 0; i < count; ++i) {
      index[i] |= static_cast<uint32_t>((from[i] >> shift) & bits) << place;
    }
    place += run;
    mask >>= run;
    shift += run;
  }
  return place;
}

}  // namespace

void ReadLengths(const RecordPlan& plan, const WordColumns& words, uint32_t count,
                 uint64_t* lengths) {
  Column sum;
  for (uint32_t i = 0; i < count; ++i) sum[i] = 0;
  for (const Piece& piece : plan.length) AddPiece(piece, words.word[piece.word], count, sum);
  for (uint32_t i = 0; i < count; ++i) lengths[i] = sum[i] - plan.length_less;
}

void ReadMetadata(const RecordPlan& plan, const WordColumns& words, uint32_t count,
                  RxCompletion* out) {
  alignas(64) Column meta[kMetaWords];
  for (uint32_t w = 0; w < kMetaWords; ++w) {
    for (uint32_t i = 0; i < count; ++i) meta[w][i] = plan.constant[w];
  }
  alignas(64) Column lanes[kMaxLanes];
  for (size_t l = 0; l < plan.lanes.size(); ++l) {
    for (uint32_t i = 0; i < count; ++i) lanes[l][i] = 0;
    for (const Piece& piece : plan.lanes[l].pieces) {
      AddPiece(piece, words.word[piece.word], count, lanes[l]);
    }
  }
  for (const Table& table : plan.tables) {
    uint32_t index[kColumn];
    for (uint32_t i = 0; i < count; ++i) index[i] = 0;
    uint32_t place = 0;
    for (const Table::Gather& gather : table.gathers) {
      const Column& from = words.word[gather.word];
      if (!gather.is_test) {
        place = Gather(gather.mask, from, count, place, index);
        continue;
      }
      for (uint32_t i = 0; i < count; ++i) {
        index[i] |= static_cast<uint32_t>((from[i] & gather.mask) == gather.value) << place;
      }
      ++place;
    }
    const size_t stride = table.columns.size();
    const uint16_t* entry_of_index = table.entry_of_index.data();
    for (uint32_t i = 0; i < count; ++i) {
      index[i] = static_cast<uint32_t>(entry_of_index[index[i]] * stride);
    }
    const uint64_t* entries = table.entries.data();
    for (const Table::Column& column : table.columns) {
      Column& to = column.is_mask ? lanes[column.target] : meta[column.target];
      if (column.is_mask) {
        for (uint32_t i = 0; i < count; ++i) to[i] &= entries[index[i]];
      } else {
        for (uint32_t i = 0; i < count; ++i) to[i] |= entries[index[i]];
      }
      ++entries;
    }
  }
  for (size_t l = 0; l < plan.lanes.size(); ++l) {
    Column& to = meta[plan.lanes[l].out];
    for (uint32_t i = 0; i < count; ++i) to[i] |= lanes[l][i];
  }
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t record[kMetaWords] = {meta[0][i], meta[1][i], meta[2][i], meta[3][i],
                                         meta[4][i]};
    static_assert(sizeof record == sizeof(RxMetadata));
    std::memcpy(static_cast<void*>(&out[i].meta), record, sizeof record);
  }
}

}  // namespace qsplit::dataplane::burst
