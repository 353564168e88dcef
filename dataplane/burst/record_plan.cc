#include "dataplane/burst/record_plan.h"

#include <algorithm>
#include <cstring>

namespace qsplit::dataplane::burst {
namespace {

uint64_t LowBits(uint32_t bits) { return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1; }

// Part of a little-endian number that begins at this bit of the descriptor, word by word.
bool AddLittle(uint32_t bit, uint32_t bits, uint32_t place, std::vector<Piece>* pieces) {
  while (bits > 0) {
    const uint32_t here = std::min(bits, 64 - bit % 64);
    if (bit / 64 >= kMaxWords) return false;
    pieces->push_back({static_cast<uint8_t>(bit / 64), static_cast<uint8_t>(bit % 64),
                       static_cast<uint8_t>(place), false, LowBits(here)});
    bit += here;
    place += here;
    bits -= here;
  }
  return true;
}

// A big-endian one, whose lowest bit is `shift` bits up in the 8 bytes at `offset`.
bool AddBig(uint32_t offset, uint32_t shift, uint32_t bits, uint32_t place,
            std::vector<Piece>* pieces) {
  const uint32_t low = offset + 7 - shift / 8;                // byte of the lowest bit
  const uint32_t high = offset + 7 - (shift + bits - 1) / 8;  // and of the highest
  if (low == high) return AddLittle(8 * low + shift % 8, bits, place, pieces);
  if (low / 8 >= kMaxWords) return false;
  if (low / 8 == high / 8) {
    pieces->push_back({static_cast<uint8_t>(low / 8),
                       static_cast<uint8_t>(8 * (7 - low % 8) + shift % 8),
                       static_cast<uint8_t>(place), true, LowBits(bits)});
    return true;
  }
  // Over the end of a word: what stands in its later one, then the rest.
  const uint32_t later = 8 * (low % 8 + 1) - shift % 8;
  return AddBig(offset, shift, later, place, pieces) &&
         AddBig(offset, shift + later, bits - later, place + later, pieces);
}

}  // namespace

bool AddPieces(const FieldPart& part, std::vector<Piece>* pieces) {
  const auto bits = static_cast<uint32_t>(std::popcount(part.mask));
  return part.byte_swap ? AddBig(part.offset, part.shift, bits, part.place, pieces)
                        : AddLittle(8u * part.offset + part.shift, bits, part.place, pieces);
}

bool AddPieces(const FieldAccess& field, uint32_t width, uint8_t place,
               std::vector<Piece>* pieces) {
  if (!field.IsIdentity()) return false;
  for (const FieldPart& part : field.Parts()) {
    if (part.place >= width) continue;
    const auto bits = std::min(static_cast<uint32_t>(std::popcount(part.mask)), width - part.place);
    const uint32_t to = place + part.place;
    if (!(part.byte_swap ? AddBig(part.offset, part.shift, bits, to, pieces)
                         : AddLittle(8u * part.offset + part.shift, bits, to, pieces))) {
      return false;
    }
  }
  return true;
}

bool RecordPlan::Require(const DescriptorBytes& mask, const DescriptorBytes& value) {
  for (uint32_t w = 0; w < kMaxDescriptorBytes / 8; ++w) {
    uint64_t bits, wanted;
    std::memcpy(&bits, mask.bytes + size_t{8} * w, 8);
    std::memcpy(&wanted, value.bytes + size_t{8} * w, 8);
    if (bits == 0) continue;
    if (w >= kMaxWords) return false;
    WordTest& test = tests[w];
    if (((test.value ^ wanted) & test.mask & bits) != 0) return false;
    test.mask |= bits;
    test.value |= wanted & bits;
  }
  return true;
}

void RecordPlan::Finish() {
  for (Table& table : tables) {
    const size_t stride = table.columns.size();
    for (size_t c = 0; c < stride; ++c) {
      const Table::Column& column = table.columns[c];
      if (column.is_mask) continue;
      for (size_t at = c; at < table.entries.size(); at += stride) {
        table.entries[at] |= constant[column.target];
      }
      constant[column.target] = 0;
    }
  }
  words = 0;
  for (uint32_t w = 0; w < kMaxWords; ++w) words |= tests[w].mask != 0 ? 1u << w : 0;
  for (const Piece& piece : length) words |= 1u << piece.word;
  for (const Piece& piece : offset) words |= 1u << piece.word;
  for (const Lane& lane : lanes) {
    for (const Piece& piece : lane.pieces) words |= 1u << piece.word;
  }
  for (const Table& table : tables) {
    for (const Table::Gather& gather : table.gathers) words |= 1u << gather.word;
  }
}

bool RecordPlan::Append(const RecordPlan& other, uint32_t words_before) {
  const auto says = [](const RecordPlan& plan) {
    return !plan.lanes.empty() || !plan.tables.empty() ||
           plan.constant != std::array<uint64_t, kMetaWords>{};
  };
  if ((says(*this) && says(other)) || !other.offset.empty()) return false;
  const auto moved = [&](std::vector<Piece> pieces) {
    for (Piece& piece : pieces) piece.word = static_cast<uint8_t>(piece.word + words_before);
    return pieces;
  };
  for (uint32_t w = 0; w < kMaxWords; ++w) {
    if ((other.words >> w & 1) == 0) continue;
    if (w + words_before >= kMaxWords) return false;
    tests[w + words_before] = other.tests[w];
  }
  words |= other.words << words_before;
  if (length.empty()) length = moved(other.length);
  if (!says(other)) return true;
  constant = other.constant;
  lanes = other.lanes;
  for (Lane& lane : lanes) lane.pieces = moved(lane.pieces);
  tables = other.tables;
  for (Table& table : tables) {
    for (Table::Gather& gather : table.gathers) {
      gather.word = static_cast<uint8_t>(gather.word + words_before);
    }
  }
  return true;
}

bool RecordPlan::LooksAt(uint32_t word, uint64_t bits) const {
  const auto reads = [&](const std::vector<Piece>& pieces) {
    return std::any_of(pieces.begin(), pieces.end(), [&](const Piece& piece) {
      return piece.word == word && (piece.Put(~uint64_t{0}) & bits) != 0;
    });
  };
  if (reads(length) || reads(offset)) return true;
  for (const Lane& lane : lanes) {
    if (reads(lane.pieces)) return true;
  }
  return std::any_of(tables.begin(), tables.end(), [&](const Table& table) {
    return std::any_of(table.gathers.begin(), table.gathers.end(), [&](const Table::Gather& g) {
      return g.word == word && (g.mask & bits) != 0;
    });
  });
}

bool RecordPlan::Fills(uint32_t out) const {
  const auto goes_there = [&](const Lane& lane) { return lane.out == out; };
  if (std::any_of(lanes.begin(), lanes.end(), goes_there)) return true;
  return std::any_of(tables.begin(), tables.end(), [&](const Table& table) {
    return std::any_of(table.columns.begin(), table.columns.end(),
                       [&](const Table::Column& c) { return !c.is_mask && c.target == out; });
  });
}

}  // namespace qsplit::dataplane::burst
