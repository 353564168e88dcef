// Rules as steering/ writes them: what the flow type demands stands in value and mask too.
#ifndef QSPLIT_TESTS_UNIT_VFIO_IGB_RULES_H_
#define QSPLIT_TESTS_UNIT_VFIO_IGB_RULES_H_

#include <cstdint>

#include "daemon/device/device.h"

namespace qsplit::test {

inline device::FlowRule Ip4Rule(device::FlowType type, uint32_t location, uint32_t queue) {
  device::FlowRule rule;
  rule.location = location;
  rule.match.type = type;
  rule.match.value.ip_version = 4;
  rule.match.mask.ip_version = 0xff;
  const uint8_t protocol = type == device::FlowType::kTcp4    ? 6
                           : type == device::FlowType::kUdp4  ? 17
                           : type == device::FlowType::kSctp4 ? 132
                           : type == device::FlowType::kAh4   ? 51
                           : type == device::FlowType::kEsp4  ? 50
                                                              : 0;
  if (protocol != 0) {
    rule.match.value.l4_protocol = protocol;
    rule.match.mask.l4_protocol = 0xff;
  }
  rule.action.queue = queue;
  return rule;
}

inline device::FlowRule& DstPort(device::FlowRule& rule, uint16_t port) {
  rule.match.value.dst_port = port;
  rule.match.mask.dst_port = 0xffff;
  rule.match.value.has_ports = rule.match.mask.has_ports = 1;
  return rule;
}

// udp4 dst-port `port` action `queue`
inline device::FlowRule UdpPortRule(uint32_t location, uint16_t port, uint32_t queue) {
  device::FlowRule rule = Ip4Rule(device::FlowType::kUdp4, location, queue);
  return DstPort(rule, port);
}

inline device::FlowRule EtherTypeRule(uint32_t location, uint16_t ether_type, uint32_t queue) {
  device::FlowRule rule;
  rule.location = location;
  rule.match.value.ether_type = ether_type;
  rule.match.mask.ether_type = 0xffff;
  rule.action.queue = queue;
  return rule;
}

inline constexpr device::MacAddress kAllOnes = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

inline device::FlowRule MacRule(uint32_t location, const device::MacAddress& mac, uint32_t queue) {
  device::FlowRule rule;
  rule.location = location;
  rule.match.value.dst_mac = mac;
  rule.match.mask.dst_mac = kAllOnes;
  rule.action.queue = queue;
  return rule;
}

inline device::FlowRule MacVlanRule(uint32_t location, const device::MacAddress& mac, uint16_t vid,
                                    uint32_t queue) {
  device::FlowRule rule = MacRule(location, mac, queue);
  rule.match.value.vlan_tci = vid;
  rule.match.mask.vlan_tci = 0x0fff;
  rule.match.value.has_vlan = rule.match.mask.has_vlan = 1;
  return rule;
}

}  // namespace qsplit::test

#endif  // QSPLIT_TESTS_UNIT_VFIO_IGB_RULES_H_
