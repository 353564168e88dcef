// Rules as drivers show them, and those of others in their places.
#include "daemon/backend/af_xdp/shown_rule.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include "daemon/backend/af_xdp/ntuple.h"
#include "tests/support/udp_rule.h"

namespace qsplit::af_xdp {
namespace {

using linux_sys::NtupleRule;

NtupleRule Asked() { return *ToNtuple(testing::UdpPortRule(5, 4242, 3)); }

NtupleRule AskedByProtocol() {
  device::FlowRule rule = testing::UdpPortRule(5, 0, 3);
  rule.match.type = device::FlowType::kIp4;
  rule.match.value.dst_port = rule.match.mask.dst_port = 0;
  rule.match.value.has_ports = rule.match.mask.has_ports = 0;
  return *ToNtuple(rule);
}

TEST(ShownRule, TheSameWords) {
  EXPECT_TRUE(MayShow(Asked(), Asked()));
  EXPECT_TRUE(MayShow(AskedByProtocol(), AskedByProtocol()));
}

TEST(ShownRule, WordsThatSayNoMore) {
  NtupleRule shown = Asked();
  shown.flow_type |= FLOW_EXT;
  EXPECT_TRUE(MayShow(shown, Asked()));
  // As its flow type alone.
  shown = NtupleRule{};
  shown.flow_type = UDP_V4_FLOW;
  shown.location = 5;
  shown.ring_cookie = 3;
  EXPECT_TRUE(MayShow(shown, AskedByProtocol()));
  NtupleRule less = AskedByProtocol();
  less.m_u.usr_ip4_spec.proto = less.h_u.usr_ip4_spec.proto = 0;
  EXPECT_FALSE(MayShow(less, AskedByProtocol()));
}

TEST(ShownRule, AnotherPlaceOrQueue) {
  NtupleRule shown = Asked();
  shown.location = 4;
  EXPECT_FALSE(MayShow(shown, Asked()));
  shown = Asked();
  shown.ring_cookie = 2;
  EXPECT_FALSE(MayShow(shown, Asked()));
}

TEST(ShownRule, OtherPackets) {
  NtupleRule shown = Asked();
  shown.h_u.udp_ip4_spec.pdst = htons(4243);
  EXPECT_FALSE(MayShow(shown, Asked()));
  shown = Asked();
  shown.flow_type = TCP_V4_FLOW;
  EXPECT_FALSE(MayShow(shown, Asked()));
  shown = Asked();
  shown.h_u.udp_ip4_spec.ip4src = htonl(0x0a580001);
  shown.m_u.udp_ip4_spec.ip4src = 0xffffffff;
  EXPECT_FALSE(MayShow(shown, Asked())) << "fewer";
  shown = Asked();
  shown.h_u.udp_ip4_spec.pdst = shown.m_u.udp_ip4_spec.pdst = 0;
  EXPECT_FALSE(MayShow(shown, Asked())) << "more";
  EXPECT_FALSE(MayShow(Asked(), AskedByProtocol()));
  shown = Asked();
  shown.flow_type = ESP_V4_FLOW;
  EXPECT_FALSE(MayShow(shown, Asked())) << "what no rule of ours can say";
}

}  // namespace
}  // namespace qsplit::af_xdp
