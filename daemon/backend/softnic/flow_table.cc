#include "daemon/backend/softnic/flow_table.h"

#include <algorithm>
#include <bit>
#include <map>

namespace qsplit::softnic {
namespace {

using Words = std::array<uint64_t, 8>;

Words WordsOf(const device::FlowKey& key) { return std::bit_cast<Words>(key); }

Words Masked(const Words& words, const Words& mask) {
  Words out;
  for (size_t i = 0; i < out.size(); ++i) out[i] = words[i] & mask[i];
  return out;
}

}  // namespace

uint64_t FlowTable::HashOf(const Words& words) {
  uint64_t hash = 0;
  for (const uint64_t word : words) {
    hash = (std::rotl(hash, 23) ^ word) * 0x9e3779b97f4a7c15u;
  }
  return hash ^ hash >> 32;
}

FlowTable::FlowTable(std::span<const device::FlowRule> rules) {
  std::map<Words, std::vector<const device::FlowRule*>> by_mask;
  for (const device::FlowRule& rule : rules) {
    by_mask[WordsOf(rule.match.mask)].push_back(&rule);
  }
  for (auto& [mask, members] : by_mask) {
    // Lowest first, so that the first of several with one value stays.
    std::sort(members.begin(), members.end(),
              [](const auto* a, const auto* b) { return a->location < b->location; });
    Group group;
    group.mask = mask;
    group.lowest_location = members.front()->location;
    group.slots.resize(std::bit_ceil(2 * members.size()));
    for (const device::FlowRule* rule : members) {
      const Words value = Masked(WordsOf(rule->match.value), mask);
      size_t at = HashOf(value) & (group.slots.size() - 1);
      while (group.slots[at].used && group.slots[at].value != value) {
        at = (at + 1) & (group.slots.size() - 1);
      }
      if (!group.slots[at].used) group.slots[at] = {value, {rule->location, rule->action}, true};
    }
    groups_.push_back(std::move(group));
  }
  std::sort(groups_.begin(), groups_.end(),
            [](const Group& a, const Group& b) { return a.lowest_location < b.lowest_location; });
}

const FlowTable::Entry* FlowTable::Lookup(const device::FlowKey& key) const {
  const Entry* best = nullptr;
  const Words words = WordsOf(key);
  for (const Group& group : groups_) {
    if (best != nullptr && best->location < group.lowest_location) break;
    const Words value = Masked(words, group.mask);
    for (size_t at = HashOf(value) & (group.slots.size() - 1); group.slots[at].used;
         at = (at + 1) & (group.slots.size() - 1)) {
      const Slot& slot = group.slots[at];
      if (slot.value != value) continue;
      if (best == nullptr || slot.entry.location < best->location) best = &slot.entry;
      break;
    }
  }
  return best;
}

}  // namespace qsplit::softnic
