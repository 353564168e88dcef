// What an ntuple rule cannot say is refused by name, and what no steering rule can say as well. The
// rest, byte for byte, is in tests/netns/linux/ethtool_flow_types_test.cc.
#include <gmock/gmock.h>
#include <linux/ethtool.h>

#include <functional>
#include <string>

#include "daemon/backend/af_xdp/ntuple.h"

namespace qsplit::af_xdp {
namespace {

using absl::StatusCode;
using device::FlowMatch;
using device::FlowRule;
using device::FlowType;
using linux_sys::NtupleRule;
using ::testing::HasSubstr;

// A checked rule: UDP over IPv4 to port 53.
FlowRule Udp4() {
  FlowRule rule{.location = 3};
  rule.match.type = FlowType::kUdp4;
  FlowMatch& match = rule.match;
  match.value.ip_version = 4;
  match.value.l4_protocol = 17;
  match.value.dst_port = 53;
  match.value.has_ports = match.mask.has_ports = 1;
  match.mask.ip_version = match.mask.l4_protocol = 0xff;
  match.mask.dst_port = 0xffff;
  rule.action.queue = 2;
  return rule;
}

TEST(Ntuple, GoesThereAndBack) {
  const auto ntuple = ToNtuple(Udp4());
  ASSERT_TRUE(ntuple.ok()) << ntuple.status();
  EXPECT_EQ(ntuple->flow_type, uint32_t{UDP_V4_FLOW});
  EXPECT_EQ(ntuple->location, 3u);
  EXPECT_EQ(ntuple->ring_cookie, 2u);
  EXPECT_EQ(FromNtuple(*ntuple).value(), Udp4());
  FlowRule drop = Udp4();
  drop.action = {};
  drop.location = RX_CLS_LOC_ANY;
  EXPECT_EQ(ToNtuple(drop)->ring_cookie, RX_CLS_FLOW_DISC);
  EXPECT_EQ(FromNtuple(*ToNtuple(drop)).value(), drop);
}

struct Unsayable {
  std::string name;
  std::function<void(FlowMatch&)> change;
};

TEST(Ntuple, WhatItHasNoPlaceForIsUnimplementedByName) {
  const Unsayable cases[] = {
      {"src-mac", [](FlowMatch& m) { m.mask.src_mac[0] = m.value.src_mac[0] = 2; }},
      {"ether-type", [](FlowMatch& m) { m.mask.ether_type = 0xffff; }},
      {"l4-bytes", [](FlowMatch& m) { m.mask.l4_bytes = 0xff; }},
      {"l4-protocol", [](FlowMatch& m) { m.value.l4_protocol = 6; }},
      {"l4-protocol", [](FlowMatch& m) { m.mask.l4_protocol = m.value.l4_protocol = 0x11; }},
      {"src-ip", [](FlowMatch& m) { m.mask.src_ip[4] = 1; }},
      {"the IP version", [](FlowMatch& m) { m.mask.ip_version = m.value.ip_version = 0; }},
      {"whether there is a VLAN tag", [](FlowMatch& m) { m.mask.has_vlan = 1; }},
      {"whether there are ports", [](FlowMatch& m) { m.value.has_ports = 0; }},
      {"whether there is a security parameters index",
       [](FlowMatch& m) { m.mask.has_spi = m.value.has_spi = 1; }},
  };
  for (const Unsayable& one : cases) {
    FlowRule rule = Udp4();
    one.change(rule.match);
    const absl::Status status = ToNtuple(rule).status();
    EXPECT_EQ(status.code(), StatusCode::kUnimplemented) << one.name;
    EXPECT_THAT(std::string(status.message()), HasSubstr("rule 3"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("udp4"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("compare " + one.name));
  }
}

TEST(Ntuple, ValueBitsOutsideOfTheMaskAreRefused) {
  FlowRule rule = Udp4();
  rule.match.mask.dst_port = 0xfff0;
  EXPECT_EQ(ToNtuple(rule).status().code(), StatusCode::kInvalidArgument);
}

TEST(Ntuple, AnAdministratorsRuleThatNoSteeringRuleSaysIsUnimplementedByName) {
  struct Case {
    std::string name;
    std::function<void(NtupleRule&)> change;
  };
  const Case cases[] = {
      {"flow type 4", [](NtupleRule& r) { r.flow_type = AH_ESP_V4_FLOW; }},  // for RSS alone
      {"RSS context", [](NtupleRule& r) { r.flow_type |= FLOW_RSS; }},
      {"user-defined bytes",
       [](NtupleRule& r) {
         r.flow_type |= FLOW_EXT;
         r.m_ext.data[1] = 1;
       }},
      {"virtual function",
       [](NtupleRule& r) { r.ring_cookie = uint64_t{1} << ETHTOOL_RX_FLOW_SPEC_RING_VF_OFF; }},
      {"wakes", [](NtupleRule& r) { r.ring_cookie = RX_CLS_FLOW_WAKE; }},
  };
  for (const Case& one : cases) {
    NtupleRule rule = *ToNtuple(Udp4());
    one.change(rule);
    const absl::Status status = FromNtuple(rule).status();
    EXPECT_EQ(status.code(), StatusCode::kUnimplemented) << one.name;
    EXPECT_THAT(std::string(status.message()), HasSubstr(one.name));
  }
}

// An administrator's, whose NIC ignores these bits as well.
TEST(Ntuple, BitsThatAreNotComparedAreNotRead) {
  NtupleRule rule = *ToNtuple(Udp4());
  rule.h_u.udp_ip4_spec.psrc = 0xffff;
  rule.h_u.udp_ip4_spec.tos = 0x55;
  rule.h_u.udp_ip4_spec.ip4src = 0x01020304;
  EXPECT_EQ(FromNtuple(rule).value(), Udp4());
}

TEST(Ntuple, FieldsThatNoFlagAnnouncesAreNotRead) {
  NtupleRule rule = *ToNtuple(Udp4());
  rule.m_ext.vlan_tci = 0xffff;
  rule.m_ext.data[0] = 1;
  rule.m_ext.h_dest[0] = 0xff;
  EXPECT_EQ(FromNtuple(rule).value(), Udp4());
}

}  // namespace
}  // namespace qsplit::af_xdp
