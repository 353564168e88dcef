#include "daemon/backend/softnic/flow_table.h"

#include <algorithm>
#include <map>
#include <random>

namespace qsplit::softnic {
namespace {

// So many masks have a hash table each; of more, of those that no few tables hold together, masks
// that so many rules have. The bitmap takes as long as three tables, and longer with each 1,024
// rules.
constexpr size_t kFewMasks = 2;
constexpr size_t kManyRules = 256;

uint64_t RandomSeed() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

std::map<FlowWords, std::vector<MaskTable::Rule>> ByMask(std::span<const RuleBitmap::Rule> rules) {
  std::map<FlowWords, std::vector<MaskTable::Rule>> by_mask;
  for (const RuleBitmap::Rule& rule : rules) by_mask[rule.mask].push_back({rule.value, rule.place});
  return by_mask;
}

}  // namespace

FlowTable::FlowTable(std::span<const device::FlowRule> rules) : FlowTable(rules, RandomSeed()) {}

FlowTable::FlowTable(std::span<const device::FlowRule> rules, uint64_t seed) {
  std::vector<const device::FlowRule*> sorted;
  for (const device::FlowRule& rule : rules) sorted.push_back(&rule);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->location < b->location; });
  std::vector<RuleBitmap::Rule> all;
  for (const device::FlowRule* rule : sorted) {
    const FlowWords mask = WordsOf(rule->match.mask);
    FlowWords value = WordsOf(rule->match.value);
    for (size_t i = 0; i < value.size(); ++i) value[i] &= mask[i];
    all.push_back({value, mask, static_cast<uint32_t>(entries_.size() - 1)});
    entries_.push_back({rule->location, rule->action});
  }
  std::map<FlowWords, std::vector<MaskTable::Rule>> by_mask = ByMask(all);
  if (by_mask.size() > kFewMasks) {
    runs_ = RunTables(&all, seed);
    by_mask = ByMask(all);
  }
  for (const auto& [mask, members] : by_mask) {
    if (by_mask.size() > kFewMasks && members.size() < kManyRules) continue;
    for (size_t at = 0; at < members.size(); at += MaskTable::kMostRules) {
      const size_t count = std::min(MaskTable::kMostRules, members.size() - at);
      tables_.emplace_back(mask, std::span(members).subspan(at, count), seed);
    }
    std::erase_if(all, [&mask = mask](const auto& rule) { return rule.mask == mask; });
  }
  rest_ = RuleBitmap(all);
}

const FlowTable::Entry& FlowTable::Find(const device::FlowKey& key) const {
  uint32_t best = runs_.empty() ? MaskTable::kNone : runs_.Find(key);
  if (!rest_.empty()) best = std::min(best, rest_.Find(key));
  for (const MaskTable& table : tables_) best = std::min(best, table.Find(key));
  static_assert(MaskTable::kNone + 1 == 0);
  return entries_[best + 1];
}

}  // namespace qsplit::softnic
