#include "daemon/backend/softnic/flow_table.h"

#include <algorithm>
#include <array>
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
  for (const device::FlowRule* rule : sorted) {
    const FlowWords mask = WordsOf(rule->match.mask);
    FlowWords value = WordsOf(rule->match.value);
    for (size_t i = 0; i < value.size(); ++i) value[i] &= mask[i];
    by_mask[mask].push_back({value, static_cast<uint32_t>(entries_.size())});
    entries_.push_back({rule->location, rule->action});
  }
  std::vector<RuleBitmap::Rule> all(entries_.size());
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
  std::sort(tables_.begin(), tables_.end(),
            [](const MaskTable& a, const MaskTable& b) { return a.lowest() < b.lowest(); });
  std::erase_if(all, [](const auto& rule) { return rule.place == MaskTable::kNone; });
  rest_ = RuleBitmap(all);
}

const FlowTable::Entry* FlowTable::Lookup(const device::FlowKey& key) const {
  uint32_t best = MaskTable::kNone;
  for (const MaskTable& table : tables_) {
    if (best < table.lowest()) break;
    best = std::min(best, table.Find(key));
  }
  if (rest_.lowest() < best) best = std::min(best, rest_.Find(key));
  return At(best);
}

void FlowTable::LookupBurst(std::span<const device::FlowKey> keys, const Entry** entries) const {
  if (keys.empty()) return;
  std::array<uint32_t, kBurst> best;
  best.fill(MaskTable::kNone);
  const auto worst = [&] {
    return *std::max_element(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(keys.size()));
  };
  bool found = false;
  for (const MaskTable& table : tables_) {
    if (found && worst() < table.lowest()) break;
    table.FindBurst(keys, best.data());
    found = true;
  }
  if (rest_.lowest() != MaskTable::kNone && (!found || rest_.lowest() < worst())) {
    rest_.FindBurst(keys, best.data());
  }
  for (size_t i = 0; i < keys.size(); ++i) entries[i] = At(best[i]);
}

}  // namespace qsplit::softnic
