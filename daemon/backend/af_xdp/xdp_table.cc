#include "daemon/backend/af_xdp/xdp_table.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/backend/af_xdp/bpf/steering_plain.h"
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

// A rule over the frame of a plain packet; empty: it takes none.
std::optional<SteeringPlainRule> PlainForm(const device::FlowRule& rule) {
  device::FlowKey mask = rule.match.mask;
  device::FlowKey value = rule.match.value;
  std::array<uint8_t, kPlainEnd> frame_mask{};
  std::array<uint8_t, kPlainEnd> frame_value{};
  bool possible = true;
  // Moves a field from the key to its place in the frame; two fields may ask for the same bytes.
  const auto move = [&](auto* of_mask, auto* of_value, size_t bytes, size_t at) {
    auto* const masks = reinterpret_cast<uint8_t*>(of_mask);
    auto* const values = reinterpret_cast<uint8_t*>(of_value);
    for (size_t i = 0; i < bytes; ++i) {
      const uint8_t wanted = values[i] & masks[i];
      possible &= ((frame_value[at + i] ^ wanted) & frame_mask[at + i] & masks[i]) == 0;
      frame_mask[at + i] |= masks[i];
      frame_value[at + i] |= wanted;
      masks[i] = values[i] = 0;
    }
  };
  for (device::FlowKey* key : {&mask, &value}) {
    key->src_port = htons(key->src_port);
    key->dst_port = htons(key->dst_port);
    key->l4_bytes = htonl(key->l4_bytes);
  }
  move(mask.dst_mac.data(), value.dst_mac.data(), 6, 0);
  move(mask.src_mac.data(), value.src_mac.data(), 6, 6);
  move(&mask.tos, &value.tos, 1, 15);
  move(&mask.l4_protocol, &value.l4_protocol, 1, 23);
  move(mask.src_ip.data(), value.src_ip.data(), 4, 26);
  move(mask.dst_ip.data(), value.dst_ip.data(), 4, 30);
  move(&mask.src_port, &value.src_port, 2, kPlainL4);
  move(&mask.dst_port, &value.dst_port, 2, kPlainL4 + 2);
  move(&mask.l4_bytes, &value.l4_bytes, 4, kPlainL4);
  // What is the same in all of them.
  device::FlowKey rest;
  rest.ether_type = 0x0800;
  rest.ip_version = 4;
  rest.has_ports = 1;
  const auto masks = std::bit_cast<Words>(mask);
  const auto values = std::bit_cast<Words>(value);
  const auto all = std::bit_cast<Words>(rest);
  for (size_t i = 0; i < all.size(); ++i) possible &= ((values[i] ^ all[i]) & masks[i]) == 0;
  if (!possible) return std::nullopt;
  SteeringPlainRule plain{};
  constexpr std::array<size_t, kSteeringPlainWords> kAt = {kPlainWord0, kPlainWord1, kPlainWord2,
                                                           kPlainWord3};
  for (size_t i = 0; i < kAt.size(); ++i) {
    std::memcpy(&plain.mask[i], &frame_mask[kAt[i]], sizeof plain.mask[i]);
    std::memcpy(&plain.value[i], &frame_value[kAt[i]], sizeof plain.value[i]);
  }
  plain.location = rule.location;
  plain.action = rule.action.queue;
  return plain;
}

void FillPlain(std::span<const device::FlowRule> rules, SteeringTable* table) {
  std::vector<SteeringPlainRule> plain;
  for (const device::FlowRule& rule : rules) {
    if (const auto form = PlainForm(rule)) plain.push_back(*form);
  }
  table->plain_used = static_cast<uint32_t>(plain.size());
  if (plain.size() > kSteeringPlainRules) return;
  std::ranges::sort(plain, {}, &SteeringPlainRule::location);
  std::ranges::copy(plain, table->plain);
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
  FillPlain(rules, table);
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

uint64_t CatchAllOf(std::span<const device::FlowRule> rules) {
  const auto first = std::ranges::min_element(rules, {}, &device::FlowRule::location);
  if (first == rules.end() || std::bit_cast<Words>(first->match.mask) != Words{}) {
    return STEERING_NO_CATCH_ALL;
  }
  return STEERING_CATCH_ALL(first->location, first->action.queue);
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
  to->plain_used = from.plain_used;
  std::memcpy(to->plain, from.plain, sizeof to->plain);
  std::memcpy(to->groups, from.groups, from.groups_used * sizeof from.groups[0]);
  std::memcpy(to->rules, from.rules, from.rules_used * sizeof from.rules[0]);
  std::memcpy(to->chains, from.chains, from.chains_used * sizeof from.chains[0]);
  stamp.store(generation, std::memory_order_release);
}

}  // namespace qsplit::af_xdp
