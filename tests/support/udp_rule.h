// The rules that most tests of steering have: UDP over IPv4, a port of it or all. Any thread.
#ifndef QSPLIT_TESTS_SUPPORT_UDP_RULE_H_
#define QSPLIT_TESTS_SUPPORT_UDP_RULE_H_

#include <cstdint>

#include "daemon/device/flow_rule.h"

namespace qsplit::testing {

// All of it, as flow type ip4 asks for it. action: a receive queue, or one of FlowAction's.
inline device::FlowRule UdpRule(uint32_t location, uint32_t action) {
  device::FlowRule rule;
  rule.location = location;
  rule.match.type = device::FlowType::kIp4;
  rule.match.value.ip_version = 4;
  rule.match.mask.ip_version = 0xff;
  rule.match.value.l4_protocol = 17;
  rule.match.mask.l4_protocol = 0xff;
  rule.action.queue = action;
  return rule;
}

// One destination port, as flow type udp4 asks for it.
inline device::FlowRule UdpPortRule(uint32_t location, uint16_t port, uint32_t action) {
  device::FlowRule rule = UdpRule(location, action);
  rule.match.type = device::FlowType::kUdp4;
  rule.match.value.has_ports = rule.match.mask.has_ports = 1;
  rule.match.value.dst_port = port;
  rule.match.mask.dst_port = 0xffff;
  return rule;
}

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_UDP_RULE_H_
