#include "daemon/backend/af_xdp/xdp_table.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/backend/af_xdp/bpf/steering_search.h"

namespace qsplit::af_xdp {
namespace {

using Words = std::array<__u64, kSteeringKeyWords>;
static_assert(sizeof(Words) == sizeof(device::FlowKey));
static_assert(STEERING_DROP == device::FlowAction::kDrop);
static_assert(STEERING_PASS == device::FlowAction::kPass);
static_assert(STEERING_REFLECT == device::FlowAction::kReflect);

constexpr int kSeeds = 256;

// All rules with one mask: the lowest location of each value.
struct Group {
  Words mask{};
  uint32_t lowest_location = STEERING_NONE;
  std::map<Words, const device::FlowRule*> rules;
};

std::vector<Group> GroupsOf(std::span<const device::FlowRule> rules) {
  std::map<Words, Group> by_mask;
  for (const device::FlowRule& rule : rules) {
    const auto mask = std::bit_cast<Words>(rule.match.mask);
    auto value = std::bit_cast<Words>(rule.match.value);
    for (size_t i = 0; i < value.size(); ++i) value[i] &= mask[i];
    Group& group = by_mask[mask];
    group.mask = mask;
    group.lowest_location = std::min(group.lowest_location, rule.location);
    const device::FlowRule*& lowest = group.rules[value];
    if (lowest == nullptr || rule.location < lowest->location) lowest = &rule;
  }
  std::vector<Group> groups;
  groups.reserve(by_mask.size());
  for (auto& [mask, group] : by_mask) groups.push_back(std::move(group));
  std::sort(groups.begin(), groups.end(),
            [](const Group& a, const Group& b) { return a.lowest_location < b.lowest_location; });
  return groups;
}

class Filler {
 public:
  explicit Filler(SteeringTable* table) : table_(*table) {
    table_.groups_used = 0;
    table_.rules_used = 0;
    table_.chains_used = 0;
  }

  // False: a chain got too long with this seed.
  bool Add(const Group& group) {
    SteeringGroup& to = table_.groups[table_.groups_used++];
    std::copy(group.mask.begin(), group.mask.end(), to.mask);
    to.lowest_location = group.lowest_location;
    to.reserved = 0;
    const auto rules = static_cast<uint32_t>(group.rules.size());
    if (rules <= kSteeringShortGroup) {
      to.chains = 0;
      to.first = STEERING_NONE;
      for (const auto& [value, rule] : group.rules) Hang(value, *rule, &to.first);
      return true;
    }
    to.chains = std::bit_ceil(2 * rules);
    to.first = table_.chains_used;
    uint32_t* const chains = table_.chains + table_.chains_used;
    table_.chains_used += to.chains;
    std::fill_n(chains, to.chains, STEERING_NONE);
    std::vector<uint8_t> lengths(to.chains, 0);
    for (const auto& [value, rule] : group.rules) {
      const uint32_t chain = SteeringHash(value.data(), table_.seed) & (to.chains - 1);
      if (++lengths[chain] > kSteeringChainRules) return false;
      Hang(value, *rule, &chains[chain]);
    }
    return true;
  }

 private:
  void Hang(const Words& value, const device::FlowRule& rule, uint32_t* first) {
    SteeringRule& to = table_.rules[table_.rules_used];
    std::copy(value.begin(), value.end(), to.value);
    to.location = rule.location;
    to.action = rule.action.queue;
    to.next = *first;
    to.reserved = 0;
    *first = table_.rules_used++;
  }

  SteeringTable& table_;
};

}  // namespace

absl::Status FillTable(std::span<const device::FlowRule> rules, uint64_t seed,
                       SteeringTable* table) {
  if (rules.size() > kSteeringRules) {
    return absl::ResourceExhaustedError(
        absl::StrCat(rules.size(), " rules; the program has room for ", int{kSteeringRules}));
  }
  const std::vector<Group> groups = GroupsOf(rules);
  for (int attempt = 0; attempt < kSeeds; ++attempt) {
    table->seed = seed + static_cast<uint64_t>(attempt) * 0x9e3779b97f4a7c15u;
    Filler filler(table);
    if (std::all_of(groups.begin(), groups.end(),
                    [&filler](const Group& group) { return filler.Add(group); })) {
      return absl::OkStatus();
    }
  }
  return absl::InternalError(
      absl::StrCat("no hash of ", kSeeds, " kept the chains of ", rules.size(), " rules short"));
}

void Overwrite(const SteeringTable& from, uint64_t generation, SteeringTable* to) {
  const std::atomic_ref<__u64> stamp(to->generation);
  stamp.store(0, std::memory_order_relaxed);
  // Whoever reads a word of what follows and then looks at the generation finds 0 or the new one:
  // pairs with the program's LoadsInOrder before its second look.
  std::atomic_thread_fence(std::memory_order_release);
  to->seed = from.seed;
  to->groups_used = from.groups_used;
  to->rules_used = from.rules_used;
  to->chains_used = from.chains_used;
  std::memcpy(to->groups, from.groups, from.groups_used * sizeof from.groups[0]);
  std::memcpy(to->rules, from.rules, from.rules_used * sizeof from.rules[0]);
  std::memcpy(to->chains, from.chains, from.chains_used * sizeof from.chains[0]);
  stamp.store(generation, std::memory_order_release);
}

}  // namespace qsplit::af_xdp
