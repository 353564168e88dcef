// The rule that most tests of steering have: a UDP destination port over IPv4. Any thread.
#ifndef QSPLIT_TESTS_SUPPORT_UDP_RULE_H_
#define QSPLIT_TESTS_SUPPORT_UDP_RULE_H_

#include <cstdint>

#include "daemon/device/flow_rule.h"

namespace qsplit::testing {

// action: a receive queue, or one of FlowAction's.
inline device::FlowRule UdpPortRule(uint32_t location, uint16_t port, uint32_t action) {
  device::FlowRule rule;
  rule.location = location;
  rule.match.type = device::FlowType::kUdp4;
  rule.match.value.ip_version = 4;
  rule.match.mask.ip_version = 0xff;
  rule.match.value.l4_protocol = 17;
  rule.match.mask.l4_protocol = 0xff;
  rule.match.value.has_ports = rule.match.mask.has_ports = 1;
  rule.match.value.dst_port = port;
  rule.match.mask.dst_port = 0xffff;
  rule.action.queue = action;
  return rule;
}

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_UDP_RULE_H_
