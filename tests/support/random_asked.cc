// Random rules that are made of requests.
#include <algorithm>
#include <array>

#include "daemon/backend/softnic/packet.h"
#include "daemon/steering/flow_match.h"
#include "tests/support/random_steering.h"

namespace qsplit::testing {
namespace {

using device::FlowKey;
using device::FlowMatch;
using device::FlowType;

struct TypeOf {
  FlowType ip4, ip6;
  uint8_t l4_protocol;
};
constexpr std::array<TypeOf, 5> kTransports = {{{FlowType::kTcp4, FlowType::kTcp6, 6},
                                                {FlowType::kUdp4, FlowType::kUdp6, 17},
                                                {FlowType::kSctp4, FlowType::kSctp6, 132},
                                                {FlowType::kEsp4, FlowType::kEsp6, 50},
                                                {FlowType::kAh4, FlowType::kAh6, 51}}};

bool IsIp4(FlowType type) {
  return type == FlowType::kIp4 ||
         std::ranges::any_of(kTransports, [type](const TypeOf& of) { return of.ip4 == type; });
}

// What of a mask a request of the flow type can ask for; what the type demands of itself is the
// daemon's to write.
FlowKey Askable(FlowType type, FlowKey mask) {
  const bool any_protocol = type == FlowType::kIp4 || type == FlowType::kIp6;
  mask.ip_version = mask.has_vlan = mask.has_ports = mask.has_spi = 0;
  if (type == FlowType::kEther) {
    mask.src_ip = mask.dst_ip = {};
    mask.tos = 0;
  } else {
    mask.src_mac = {};
    mask.ether_type = 0;
  }
  if (IsIp4(type)) {
    for (auto* address : {&mask.src_ip, &mask.dst_ip}) std::fill_n(address->data() + 4, 12, 0);
  }
  if (!any_protocol) {
    mask.l4_protocol = 0;
    mask.l4_bytes = 0;
  }
  if (any_protocol || type == FlowType::kEther) mask.src_port = mask.dst_port = 0;
  return mask;
}

template <typename Number>
void Trim(Number& value, Number mask) {
  value &= mask;
}
template <size_t kBytes>
void Trim(std::array<uint8_t, kBytes>& value, const std::array<uint8_t, kBytes>& mask) {
  for (size_t i = 0; i < kBytes; ++i) value[i] &= mask[i];
}

// Requests have no bit outside of their masks.
FlowKey Trimmed(FlowKey value, const FlowKey& mask) {
  Trim(value.dst_mac, mask.dst_mac);
  Trim(value.src_mac, mask.src_mac);
  Trim(value.ether_type, mask.ether_type);
  Trim(value.vlan_tci, mask.vlan_tci);
  Trim(value.vlan_ether_type, mask.vlan_ether_type);
  Trim(value.tos, mask.tos);
  Trim(value.l4_protocol, mask.l4_protocol);
  Trim(value.src_ip, mask.src_ip);
  Trim(value.dst_ip, mask.dst_ip);
  Trim(value.src_port, mask.src_port);
  Trim(value.dst_port, mask.dst_port);
  Trim(value.l4_bytes, mask.l4_bytes);
  return value;
}

}  // namespace

// One that takes packets with this key, mostly; by Ethernet alone where they are not IP.
FlowType RandomSteering::TypeFor(const FlowKey& key) {
  if (OneIn(20)) return static_cast<FlowType>(Below(13));
  if (key.ip_version == 0) return FlowType::kEther;
  const bool ip4 = key.ip_version == 4;
  for (const TypeOf& type : kTransports) {
    if (key.l4_protocol == type.l4_protocol && !OneIn(6)) return ip4 ? type.ip4 : type.ip6;
  }
  return ip4 ? FlowType::kIp4 : FlowType::kIp6;
}

std::vector<device::FlowRule> RandomSteering::AskedRules(uint32_t count, uint32_t queues) {
  std::vector<FlowKey> masks;  // few, so that groups get large
  for (uint32_t i = 0; i < 20; ++i) masks.push_back(Mask(OneIn(4)));
  std::vector<device::FlowRule> rules;
  while (rules.size() < count) {
    softnic::Packet packet;
    const Bytes frame = Frame();
    softnic::Parse(frame, &packet);
    FlowMatch wanted;
    wanted.type = TypeFor(packet.key);
    wanted.mask = Askable(wanted.type, OneIn(20) ? Mask(true) : masks[Below(masks.size() & 0xff)]);
    // Rules that take all of a type leave little to the others.
    if (wanted.mask == FlowKey{} && !OneIn(40)) continue;
    wanted.value = Trimmed(packet.key, wanted.mask);
    const v1::FlowMatch request = steering::FromMatch(wanted);
    rules.push_back({0, steering::ToMatch(request).value(), Action(queues)});
  }
  std::vector<uint32_t> locations = Locations();
  locations.resize(count);
  if (!OneIn(4)) {
    // As people write them: those that take more stand behind those that take less.
    std::ranges::sort(locations);
    std::ranges::stable_sort(rules, {}, [](const device::FlowRule& rule) {
      return rule.match.mask.l4_protocol != 0 ? 0 : rule.match.type != FlowType::kEther ? 1 : 2;
    });
  }
  for (uint32_t i = 0; i < count; ++i) rules[i].location = locations[i];
  return rules;
}

}  // namespace qsplit::testing
