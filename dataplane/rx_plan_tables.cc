// The tables of a plan of an RxProgram: its own Decode fills them, once for each combination of the
// bits that they are looked up by, so that both say the same. See burst/record_plan.h.
#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include "dataplane/rx_program.h"

namespace qsplit::dataplane {
namespace {

using burst::RecordPlan;
using burst::Table;
using Words = std::array<uint64_t, burst::kMetaWords>;

constexpr uint32_t kMostBits = 12;  // of an index

// The lowest bits of `value` at the set bits of `mask`.
uint64_t Deposit(uint64_t value, uint64_t mask) {
  uint64_t result = 0;
  for (; mask != 0; mask &= mask - 1, value >>= 1) {
    if ((value & 1) != 0) result |= mask & (0 - mask);
  }
  return result;
}

using DescriptorWords = std::array<uint64_t, burst::kMaxWords>;

// A pattern of 64 bits in which each bit says something about its place: six of them, and their
// complements, tell all places apart.
constexpr int kPatterns = 12;
uint64_t Pattern(int number) {
  static constexpr uint64_t kPlaces[] = {0xaaaaaaaaaaaaaaaa, 0xcccccccccccccccc,
                                         0xf0f0f0f0f0f0f0f0, 0xff00ff00ff00ff00,
                                         0xffff0000ffff0000, 0xffffffff00000000};
  const uint64_t places = kPlaces[number / 2];
  return number % 2 == 0 ? places : ~places;
}

uint64_t IndexOf(const std::vector<Table::Gather>& gathers, const DescriptorWords& words) {
  uint64_t index = 0;
  uint32_t place = 0;
  for (const Table::Gather& gather : gathers) {
    uint64_t word = words[gather.word];
    if (gather.is_test) {
      index |= uint64_t{(word & gather.mask) == gather.value} << place++;
      continue;
    }
    for (uint64_t mask = gather.mask; mask != 0; mask &= mask - 1) {
      index |= uint64_t{(word & mask & (0 - mask)) != 0} << place++;
    }
  }
  return index;
}

// Changes words so that they have this index, as far as the order of changes allows it.
void SetIndex(const std::vector<Table::Gather>& gathers, bool tests_last, uint64_t index,
              DescriptorWords* words) {
  for (const bool tests : {!tests_last, tests_last}) {
    uint32_t place = 0;
    for (const Table::Gather& gather : gathers) {
      uint64_t& word = (*words)[gather.word];
      const uint64_t bits = index >> place;
      place += gather.bits();
      if (gather.is_test != tests) continue;
      if (!tests) {
        word = (word & ~gather.mask) | Deposit(bits, gather.mask);
      } else if ((bits & 1) != 0) {
        word = (word & ~gather.mask) | gather.value;
      } else if ((word & gather.mask) == gather.value) {
        word ^= gather.mask & (0 - gather.mask);
      }
    }
  }
}

// Drops columns that change nothing, and equal entries. Bits that all rows have go to *constant.
void Shrink(std::vector<std::vector<uint64_t>> rows, Table* table, Words* constant) {
  for (size_t c = 0; c < table->columns.size(); ++c) {
    if (table->columns[c].is_mask) continue;
    uint64_t all = ~uint64_t{0};
    for (const std::vector<uint64_t>& row : rows) all &= row[c];
    for (std::vector<uint64_t>& row : rows) row[c] &= ~all;
    (*constant)[table->columns[c].target] |= all;
  }
  std::vector<Table::Column> kept;
  std::vector<size_t> from;
  for (size_t c = 0; c < table->columns.size(); ++c) {
    const uint64_t idle = table->columns[c].is_mask ? ~uint64_t{0} : 0;
    const bool changes =
        std::any_of(rows.begin(), rows.end(), [&](const auto& row) { return row[c] != idle; });
    if (!changes) continue;
    kept.push_back(table->columns[c]);
    from.push_back(c);
  }
  table->columns = std::move(kept);
  std::map<std::vector<uint64_t>, uint16_t> known;
  for (const std::vector<uint64_t>& row : rows) {
    std::vector<uint64_t> entry;
    entry.reserve(from.size());
    for (const size_t c : from) entry.push_back(row[c]);
    const auto begin = static_cast<uint16_t>(table->entries.size());
    const auto [at, is_new] = known.emplace(entry, begin);
    if (is_new) table->entries.insert(table->entries.end(), entry.begin(), entry.end());
    table->entry_of_index.push_back(at->second);
  }
}

}  // namespace

bool RxProgram::FillRow(const RecordPlan& plan, const std::vector<Table::Gather>& gathers,
                        uint64_t index, const Words& out, const std::vector<uint8_t>& lanes,
                        std::vector<uint64_t>* row) const {
  Words always_one = out;
  Words always_zero = out;
  std::vector<uint64_t> passes;
  passes.reserve(lanes.size());
  for (const uint8_t l : lanes) {
    passes.push_back(plan.lanes[l].Bits() & out[plan.lanes[l].out]);
  }
  // Ask the program, with different numbers in the lanes.
  uint64_t twice = 0;
  for (size_t i = 0; i < lanes.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      const burst::Lane &a = plan.lanes[lanes[i]], &b = plan.lanes[lanes[k]];
      if (a.out == b.out) twice |= a.Bits() & b.Bits();
    }
  }
  // Two that are each other's complements tell what is moved from what is not; all of them, from
  // where.
  const int patterns = lanes.empty() ? 1 : twice == 0 ? 2 : kPatterns;
  for (int number = 0; number < patterns; ++number) {
    DescriptorWords words{};
    for (const burst::Lane& lane : plan.lanes) {
      for (const burst::Piece& piece : lane.pieces) {
        const uint64_t ones = piece.Put(~uint64_t{0});
        words[piece.word] |= ones & std::rotl(Pattern(number), 11 * piece.word);
      }
    }
    const DescriptorWords numbers = words;
    for (const bool tests_last : {false, true}) {
      words = numbers;
      SetIndex(gathers, tests_last, index, &words);
      for (uint32_t w = 0; w < burst::kMaxWords; ++w) {
        words[w] = (words[w] & ~plan.tests[w].mask) | plan.tests[w].value;
      }
      if (IndexOf(gathers, words) == index) break;
    }
    DescriptorBytes descriptor{};
    std::memcpy(descriptor.bytes, words.data(), sizeof words);
    RxMetadata meta;
    Decode(descriptor.bytes, true, true, &meta);
    const Words said = std::bit_cast<Words>(meta);
    for (uint32_t w = 0; w < burst::kMetaWords; ++w) {
      always_one[w] &= said[w];
      always_zero[w] &= ~said[w];
    }
    for (size_t i = 0; i < lanes.size(); ++i) {
      const burst::Lane& lane = plan.lanes[lanes[i]];
      uint64_t moved = 0;
      for (const burst::Piece& piece : lane.pieces) moved |= piece.Get(words[piece.word]);
      passes[i] &= ~(said[lane.out] ^ moved);
    }
  }
  // Each bit is always the same, or some lane's.
  Words explained = always_one;
  for (uint32_t w = 0; w < burst::kMetaWords; ++w) explained[w] |= always_zero[w];
  row->clear();
  for (size_t i = 0; i < lanes.size(); ++i) {
    const burst::Lane& lane = plan.lanes[lanes[i]];
    const uint64_t ours = lane.Bits() & out[lane.out];
    const uint64_t passing = passes[i] & ~explained[lane.out];
    explained[lane.out] |= passing;
    row->push_back(~ours | passing);
  }
  for (uint32_t w = 0; w < burst::kMetaWords; ++w) {
    if (out[w] != 0) row->push_back(always_one[w]);
  }
  return explained == out;
}

bool RxProgram::AddTable(const std::vector<Table::Gather>& gathers, const Words& out,
                         RecordPlan* plan) const {
  Table table;
  table.gathers = gathers;
  if (table.bits() > kMostBits || plan->tables.size() == burst::kMaxTables) return false;
  std::vector<uint8_t> lanes;
  for (size_t l = 0; l < plan->lanes.size(); ++l) {
    const burst::Lane& lane = plan->lanes[l];
    if ((lane.Bits() & out[lane.out]) == 0) continue;
    lanes.push_back(static_cast<uint8_t>(l));
    table.columns.push_back({true, static_cast<uint8_t>(l)});
  }
  for (uint8_t w = 0; w < burst::kMetaWords; ++w) {
    if (out[w] != 0) table.columns.push_back({false, w});
  }
  std::vector<std::vector<uint64_t>> rows(size_t{1} << table.bits());
  for (uint64_t index = 0; index < rows.size(); ++index) {
    if (!FillRow(*plan, gathers, index, out, lanes, &rows[index])) return false;
  }
  Shrink(std::move(rows), &table, &plan->constant);
  if (table.entries.size() * sizeof(uint64_t) > UINT16_MAX) return false;
  if (!table.columns.empty()) plan->tables.push_back(std::move(table));
  return true;
}

}  // namespace qsplit::dataplane
