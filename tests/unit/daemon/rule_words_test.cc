// From ethtool's words, as a user writes them, to the frames that they take: the client's parser,
// the contract, the daemon's check, the software NIC's parser and table, one after the other.
#include <gtest/gtest.h>
#include <qsplit/flow_rule.h>
#include <qsplit/rpc_flow_rule.h>

#include <string>
#include <vector>

#include "daemon/backend/softnic/flow_table.h"
#include "daemon/backend/softnic/packet.h"
#include "daemon/steering/flow_match.h"
#include "tests/support/frames.h"

namespace qsplit {
namespace {

using testing::FrameSpec;
using testing::MakeFrame;

constexpr uint8_t kTcp = 6, kUdp = 17, kEsp = 50, kAh = 51, kSctp = 132;

struct Case {
  std::string words;
  std::vector<FrameSpec> takes;
  std::vector<FrameSpec> leaves;
};

FrameSpec Ip4(uint8_t protocol, uint16_t port = 2000) {
  return {.dst = {2, 0, 0, 0, 0, 1}, .protocol = protocol, .dst_port = port};
}
FrameSpec Ip6(uint8_t protocol, uint16_t port = 2000) {
  FrameSpec spec = Ip4(protocol, port);
  spec.src_ip = "fd00::1";
  spec.dst_ip = "fd00::2";
  return spec;
}
FrameSpec Tagged(FrameSpec spec, uint16_t tci) {
  spec.vlan_tci = tci;
  return spec;
}
FrameSpec To(FrameSpec spec, const std::string& ip) {
  spec.dst_ip = ip;
  return spec;
}
FrameSpec Tos(FrameSpec spec, uint8_t tos) {
  spec.tos = tos;
  return spec;
}
FrameSpec At(FrameSpec spec, const testing::Mac& mac) {
  spec.dst = mac;
  return spec;
}
FrameSpec Spi(FrameSpec spec, uint32_t spi) {
  spec.spi = spi;
  return spec;
}
FrameSpec LaterFragment(FrameSpec spec) {
  spec.fragment = 100;
  return spec;
}

bool Takes(const std::string& words, const FrameSpec& spec) {
  const auto rule = ParseRule(words);
  EXPECT_TRUE(rule.ok()) << words << ": " << rule.status();
  if (!rule.ok()) return false;
  const auto match = steering::ToMatch(ToProto(*rule));
  EXPECT_TRUE(match.ok()) << words << ": " << match.status();
  if (!match.ok()) return false;
  const std::vector<device::FlowRule> rules = {{.location = 1, .match = *match, .action = {0}}};
  const testing::Bytes frame = MakeFrame(spec);
  softnic::Packet packet;
  return softnic::Parse(frame, &packet) && softnic::FlowTable(rules).Lookup(packet.key) != nullptr;
}

class RuleWords : public ::testing::TestWithParam<Case> {};

TEST_P(RuleWords, TakeTheseFramesAndNoOthers) {
  const std::string words = GetParam().words + " action 0";
  for (size_t i = 0; i < GetParam().takes.size(); ++i) {
    EXPECT_TRUE(Takes(words, GetParam().takes[i])) << words << ", frame " << i;
  }
  for (size_t i = 0; i < GetParam().leaves.size(); ++i) {
    EXPECT_FALSE(Takes(words, GetParam().leaves[i])) << words << ", frame " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    FlowTypes, RuleWords,
    ::testing::Values(
        Case{"flow-type ether dst 02:00:00:00:00:01",
             {Ip4(kUdp), Ip6(kTcp)},
             {At(Ip4(kUdp), {2, 0, 0, 0, 0, 2})}},
        Case{"flow-type ether proto 0x86dd", {Ip6(kUdp), Tagged(Ip6(kUdp), 5)}, {Ip4(kUdp)}},
        Case{"flow-type ip4 dst-ip 10.0.0.2",
             {Ip4(kUdp), Ip4(kTcp), LaterFragment(Ip4(kUdp))},
             {To(Ip4(kUdp), "10.0.0.3"), Ip6(kUdp)}},
        Case{"flow-type ip4 dst-ip 10.0.0.0 m 0.0.0.255",
             {Ip4(kUdp), To(Ip4(kSctp), "10.0.0.77")},
             {To(Ip4(kUdp), "10.0.1.2")}},
        Case{"flow-type ip4 l4proto 132", {Ip4(kSctp)}, {Ip4(kUdp), Ip6(kSctp)}},
        Case{"flow-type ip6 dst-ip fd00::2",
             {Ip6(kUdp), Ip6(kTcp)},
             {To(Ip6(kUdp), "fd00::3"), Ip4(kUdp)}},
        Case{"flow-type tcp4 dst-port 2000",
             {Ip4(kTcp), Tagged(Ip4(kTcp), 9)},
             {Ip4(kUdp), Ip4(kTcp, 2001), Ip6(kTcp)}},
        Case{"flow-type udp4 dst-port 2000",
             {Ip4(kUdp)},
             {Ip4(kTcp), Ip4(kUdp, 2001), Ip6(kUdp), LaterFragment(Ip4(kUdp))}},
        Case{"flow-type udp4 src-port 1000 tos 4",
             {Tos(Ip4(kUdp), 4), Tos(Ip4(kUdp, 77), 4)},
             {Ip4(kUdp), Tos(Ip4(kTcp), 4)}},
        Case{"flow-type sctp4 dst-port 2000",
             {Ip4(kSctp)},
             {Ip4(kTcp), Ip4(kUdp), Ip4(kSctp, 2001), Ip6(kSctp)}},
        Case{"flow-type sctp6 dst-port 2000 src-port 1000",
             {Ip6(kSctp), Tagged(Ip6(kSctp), 9)},
             {Ip6(kTcp), Ip6(kUdp), Ip6(kSctp, 2001), Ip4(kSctp)}},
        Case{"flow-type ah4 spi 0x1020304",
             {Ip4(kAh), Tagged(Ip4(kAh), 9), To(Ip4(kAh), "10.9.9.9")},
             {Ip4(kEsp), Spi(Ip4(kAh), 0x1020305), Ip6(kAh), Ip4(kUdp), LaterFragment(Ip4(kAh))}},
        Case{"flow-type esp4 spi 0x1020304 m 0xff",
             {Ip4(kEsp), Spi(Ip4(kEsp), 0x10203ff)},
             {Ip4(kAh), Spi(Ip4(kEsp), 0x1020404), Ip6(kEsp), LaterFragment(Ip4(kEsp))}},
        Case{"flow-type esp4 dst-ip 10.0.0.2",
             {Ip4(kEsp), LaterFragment(Ip4(kEsp))},
             {Ip4(kAh), To(Ip4(kEsp), "10.0.0.3"), Ip4(kUdp)}},
        Case{"flow-type ah6 spi 0x1020304 tclass 4",
             {Tos(Ip6(kAh), 4)},
             {Ip6(kAh), Tos(Ip6(kEsp), 4), Tos(Ip4(kAh), 4), Tos(Spi(Ip6(kAh), 4), 4)}},
        Case{"flow-type esp6 spi 0xffffffff",
             {Spi(Ip6(kEsp), 0xffffffff)},
             {Ip6(kEsp), Spi(Ip6(kAh), 0xffffffff), Spi(Ip4(kEsp), 0xffffffff)}},
        Case{"flow-type ip4 spi 0x1020304",
             {Ip4(kEsp), Spi(Ip4(kEsp), 0x1020304)},
             {Ip4(kAh), Spi(Ip4(kEsp), 1), Ip6(kEsp)}},
        Case{"flow-type ip6 src-port 1000 dst-port 2000",
             {Ip6(kUdp), Ip6(kTcp), Ip6(kSctp), Spi(Ip6(kEsp), 1000u << 16 | 2000)},
             {Ip6(kUdp, 2001), Ip4(kUdp), Ip6(kAh)}},
        Case{"flow-type tcp6 dst-port 2000", {Ip6(kTcp)}, {Ip4(kTcp), Ip6(kUdp), Ip6(kTcp, 1)}},
        Case{"flow-type udp6 dst-port 2000 m 0xff",
             {Ip6(kUdp), Ip6(kUdp, 0x07ff)},
             {Ip6(kUdp, 0x0800), Ip4(kUdp), Ip6(kTcp)}},
        Case{"flow-type udp4 dst-port 2000 vlan 5 m 0xf000",
             {Tagged(Ip4(kUdp), 5), Tagged(Ip4(kUdp), 0x6005)},
             {Ip4(kUdp), Tagged(Ip4(kUdp), 6), Tagged(Ip4(kTcp), 5)}},
        Case{"flow-type udp4 dst-mac 02:00:00:00:00:01",
             {Ip4(kUdp)},
             {At(Ip4(kUdp), {2, 0, 0, 0, 0, 3}), Ip4(kTcp)}}));

}  // namespace
}  // namespace qsplit
