#include "daemon/backend/af_xdp/xdp_constants.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <vector>

#include "daemon/backend/af_xdp/bpf/steering_memory.h"

namespace qsplit::af_xdp {
namespace {

using Words = std::array<__u64, kSteeringKeyWords>;

uint64_t CounterOf(const device::FlowRule& rule) {
  return offsetof(SteeringCounts, rules) + rule.location * sizeof(SteeringCount);
}

// A rule over the frame of a plain packet; empty: it takes none.
std::optional<SteeringConstantRule> FormFor(const device::FlowRule& rule) {
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
  SteeringConstantRule plain{};
  constexpr std::array<size_t, kPlainWords> kAt = {kPlainWord0, kPlainWord1, kPlainWord2,
                                                   kPlainWord3};
  for (size_t i = 0; i < kAt.size(); ++i) {
    std::memcpy(&plain.mask[i], &frame_mask[kAt[i]], sizeof plain.mask[i]);
    std::memcpy(&plain.value[i], &frame_value[kAt[i]], sizeof plain.value[i]);
  }
  plain.counter = CounterOf(rule);
  plain.action = rule.action.queue;
  return plain;
}

// Whether a packet that the rule takes is of TCP or UDP, whatever else it is.
bool AsksForTcpOrUdp(const device::FlowRule& rule) {
  const uint8_t protocol = rule.match.value.l4_protocol;
  return rule.match.mask.l4_protocol == 0xff &&
         (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP);
}

}  // namespace

std::optional<SteeringConstants> ConstantsOf(std::span<const device::FlowRule> rules,
                                             uint64_t generation) {
  std::vector<const device::FlowRule*> sorted;
  sorted.reserve(rules.size());
  for (const device::FlowRule& rule : rules) sorted.push_back(&rule);
  std::ranges::sort(sorted, {}, &device::FlowRule::location);
  SteeringConstants constants{};
  constants.generation = generation;
  if (!sorted.empty() && std::bit_cast<Words>(sorted.front()->match.mask) == Words{}) {
    constants.catch_all = 1;
    sorted.resize(1);
  }
  for (const device::FlowRule* rule : sorted) {
    const std::optional<SteeringConstantRule> form = FormFor(*rule);
    if (!form) continue;
    if (constants.rules_used == kSteeringConstantRules) return std::nullopt;
    constants.rules[constants.rules_used++] = *form;
    if (!AsksForTcpOrUdp(*rule)) constants.any_protocol = 1;
  }
  return constants;
}

}  // namespace qsplit::af_xdp
