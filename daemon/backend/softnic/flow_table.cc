#include "daemon/backend/softnic/flow_table.h"

#include <algorithm>
#include <map>
#include <random>

namespace qsplit::softnic {
namespace {

// So many masks are all hashed; of more, those that so many rules have. The bitmap takes as long as
// three tables, and longer with each 1,024 rules.
constexpr size_t kFewMasks = 2;
constexpr size_t kManyRules = 256;

uint64_t RandomSeed() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

}  // namespace

FlowTable::FlowTable(std::span<const device::FlowRule> rules) : FlowTable(rules, RandomSeed()) {}

FlowTable::FlowTable(std::span<const device::FlowRule> rules, uint64_t seed) {
  std::vector<const device::FlowRule*> sorted;
  for (const device::FlowRule& rule : rules) sorted.push_back(&rule);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->location < b->location; });
  std::map<FlowWords, std::vector<MaskTable::Rule>> by_mask;
  entries_.clear();
  for (const device::FlowRule* rule : sorted) {
    const FlowWords mask = WordsOf(rule->match.mask);
    FlowWords value = WordsOf(rule->match.value);
    for (size_t i = 0; i < value.size(); ++i) value[i] &= mask[i];
    by_mask[mask].push_back({value, static_cast<uint32_t>(entries_.size())});
    entries_.push_back({rule->location, rule->action});
  }
  entries_.emplace_back();
  std::vector<RuleBitmap::Rule> all(rules.size());
  for (const auto& [mask, members] : by_mask) {
    const bool hashed = by_mask.size() <= kFewMasks || members.size() >= kManyRules;
    for (size_t at = 0; hashed && at < members.size(); at += MaskTable::kMostRules) {
      const size_t count = std::min(MaskTable::kMostRules, members.size() - at);
      tables_.emplace_back(mask, std::span(members).subspan(at, count), seed);
    }
    for (const MaskTable::Rule& rule : members) {
      all[rule.place] = {rule.value, mask, hashed ? MaskTable::kNone : rule.place};
    }
  }
  std::erase_if(all, [](const auto& rule) { return rule.place == MaskTable::kNone; });
  rest_ = RuleBitmap(all);
}

const FlowTable::Entry& FlowTable::Find(const device::FlowKey& key) const {
  uint32_t best = rest_.empty() ? MaskTable::kNone : rest_.Find(key);
  for (const MaskTable& table : tables_) best = std::min(best, table.Find(key));
  return entries_[std::min<size_t>(best, entries_.size() - 1)];
}

}  // namespace qsplit::softnic
