#include "daemon/backend/softnic/run_table.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

namespace qsplit::softnic {
namespace {

constexpr size_t kMostRunBlocks = 65536;
constexpr size_t kRun = RunTable::kRun;

using KeyBytes = std::array<uint8_t, KeyPacking::kBytes>;

size_t SlotIn(const RunTable& table, size_t words, const FlowWords& key) {
  switch (words) {
    case 2:
      return table.SlotOf<2>(key);
    case 4:
      return table.SlotOf<4>(key);
    case 6:
      return table.SlotOf<6>(key);
    default:
      return table.SlotOf<8>(key);
  }
}

}  // namespace

KeyPacking::KeyPacking(const FlowWords& compared) {
  std::vector<uint8_t> used;
  const auto bytes = std::bit_cast<KeyBytes>(compared);
  for (size_t i = 0; i < kBytes; ++i) {
    if (bytes[i] != 0) used.push_back(static_cast<uint8_t>(i));
  }
  while (words * sizeof(uint64_t) < used.size()) words += 2;
  used.resize(words * sizeof(uint64_t));
  // A whole key stays as it is.
  if (used.size() == kBytes) std::iota(used.begin(), used.end(), uint8_t{0});
  for (size_t i = 0; i < used.size(); ++i) {
    from[i] = used[i];
    for (size_t lane = 0; lane < kBytes / 8; ++lane)
      from_by_word[i / 8][8 * lane + i % 8] = used[i];
    for (size_t quarter = 0; quarter < from_quarter.size(); ++quarter) {
      const bool here = used[i] / 16 == quarter;
      from_quarter[quarter][i] = here ? static_cast<uint8_t>(used[i] % 16) : kNotHere;
    }
  }
}

FlowWords KeyPacking::Pack(const FlowWords& key) const {
  const auto bytes = std::bit_cast<KeyBytes>(key);
  KeyBytes packed{};
  for (size_t i = 0; i < words * sizeof(uint64_t); ++i) packed[i] = bytes[from[i]];
  return std::bit_cast<FlowWords>(packed);
}

bool RunTable::Fill(size_t key_words, const FlowWords& bits, const FlowWords& secret,
                    size_t slot_count, std::span<const PackedRule> rules) {
  common = bits;
  seeds = secret;
  slots.assign(slot_count, 0);
  last_slot = slot_count - 1;
  // By slot, and in it by place.
  std::vector<std::pair<size_t, uint32_t>> by_slot;
  for (const PackedRule& rule : rules) {
    by_slot.emplace_back(SlotIn(*this, key_words, rule.value),
                         static_cast<uint32_t>(by_slot.size()));
  }
  std::sort(by_slot.begin(), by_slot.end());
  // Runs by their first rule: neighbours in the order of rules share blocks, and cache lines.
  std::vector<std::span<const std::pair<size_t, uint32_t>>> runs;
  for (auto run = by_slot.begin(); run != by_slot.end();) {
    const auto end = std::find_if(run, by_slot.end(),
                                  [&](const auto& other) { return other.first != run->first; });
    runs.emplace_back(run, end);
    run = end;
  }
  std::sort(runs.begin(), runs.end(), [](const auto& one, const auto& other) {
    return one.front().second < other.front().second;
  });
  // Blocks by how many rules they still have room for, at their end.
  std::array<std::vector<size_t>, kRun + 1> room;
  for (const auto& run : runs) {
    size_t free = run.size();
    while (free < kRun && room[free].empty()) ++free;
    if (room[free].empty()) {
      room[free].push_back(places.size());
      places.emplace_back();
      words.resize(words.size() + key_words);
    }
    const size_t block = room[free].back();
    if (block >= kMostRunBlocks) return false;
    room[free].pop_back();
    slots[run.front().first] = static_cast<uint16_t>(block);
    for (const auto& [slot, number] : run) {
      const PackedRule& rule = rules[number];
      const size_t lane = kRun - free--;
      for (size_t i = 0; i < key_words; ++i) {
        words[block * key_words + i].mask[lane] = rule.mask[i];
        words[block * key_words + i].value[lane] = rule.value[i];
      }
      places[block].of[lane] = rule.place;
    }
    if (free != 0) room[free].push_back(block);
  }
  return true;
}

}  // namespace qsplit::softnic
