// Rules in ethtool's words: what is understood, what is refused and with which words, and that
// text, struct and message say the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <qsplit/flow_rule.h>

#include <string>

#include "qsplit/rpc_flow_rule.h"

namespace qsplit {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

FlowRule Parsed(const std::string& text) {
  absl::StatusOr<FlowRule> rule = ParseRule(text);
  EXPECT_TRUE(rule.ok()) << rule.status();
  return rule.ok() ? *rule : FlowRule{};
}

std::string Error(const std::string& text) {
  absl::StatusOr<FlowRule> rule = ParseRule(text);
  if (rule.ok()) return "accepted";
  EXPECT_EQ(rule.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(rule.status().message());
}

// A line of ethtool's, and how FormatRule writes it (the same when empty).
struct Line {
  const char* text;
  const char* formatted = "";
};

class Lines : public testing::TestWithParam<Line> {};

TEST_P(Lines, FormatsAndReadsBack) {
  const FlowRule rule = Parsed(GetParam().text);
  const std::string expected = *GetParam().formatted != 0 ? GetParam().formatted : GetParam().text;
  EXPECT_EQ(FormatRule(rule), expected);
  EXPECT_EQ(Parsed(FormatRule(rule)), rule);
}

TEST_P(Lines, SurvivesTheProtocol) {
  const FlowRule rule = Parsed(GetParam().text);
  v1::AddRuleRequest request;
  FillRequest(rule, /*of_lease=*/false, &request);
  v1::Rule answer;
  *answer.mutable_match() = request.match();
  switch (request.action_case()) {
    case v1::AddRuleRequest::kDrop:
      answer.set_drop(request.drop());
      break;
    case v1::AddRuleRequest::kPass:
      answer.set_pass(request.pass());
      break;
    case v1::AddRuleRequest::kReflect:
      answer.set_reflect(request.reflect());
      break;
    default:
      answer.set_queue(request.queue());
  }
  answer.set_location(request.location());
  absl::StatusOr<FlowRule> back = FromProto(answer);
  ASSERT_TRUE(back.ok()) << back.status();
  FlowRule expected = rule;
  expected.location = rule.location.value_or(0);  // a rule in a table always has one
  EXPECT_EQ(*back, expected);
}

INSTANTIATE_TEST_SUITE_P(
    Ethtool, Lines,
    testing::Values(
        Line{"flow-type udp4 dst-port 4242 action 3"},
        Line{"flow-type tcp4 src-ip 192.168.10.1 dst-ip 192.168.10.2 src-port 2000 dst-port 2001 "
             "action 2 loc 33"},
        Line{"flow-type udp4 src-ip 10.0.0.7 m 0.0.0.255 dst-port 4242 action 0",
             "flow-type udp4 src-ip 10.0.0.0 m 0.0.0.255 dst-port 4242 action 0"},
        Line{"flow-type  udp4\tdst-port 0x1092 action 010",
             "flow-type udp4 dst-port 4242 action 8"},
        Line{"flow-type udp4 dst-port 80 m 0xff action -1",
             "flow-type udp4 dst-port 0 m 0xff action -1"},
        Line{"flow-type udp4 dst-port 80 m 0xffff action 1", "flow-type udp4 action 1"},
        Line{"flow-type ether proto 0x0806 action 0", "flow-type ether proto 0x806 action 0"},
        Line{"flow-type ether src 02:00:00:00:00:01 dst FF:ff:ff:ff:ff:ff proto 0x88f7 action 1 "
             "loc 0",
             "flow-type ether src 02:00:00:00:00:01 dst ff:ff:ff:ff:ff:ff proto 0x88f7 action 1 "
             "loc 0"},
        Line{"flow-type ether dst 33:33:0:0:0:1 m 00:00:ff:ff:ff:ff action 4",
             "flow-type ether dst 33:33:00:00:00:00 m 00:00:ff:ff:ff:ff action 4"},
        Line{"flow-type ip4 src-ip 10.1.2.3 l4proto 1 action 0"},
        Line{"flow-type ip4 tos 0xb8 m 0x3 l4data 0x12345678 action 0"},
        Line{"flow-type ip6 dst-ip 2001:db8::1 l4proto 58 action 0"},
        Line{"flow-type udp6 src-ip 2001:db8::5 m ::ffff:ffff:ffff:ffff dst-port 53 action 5",
             "flow-type udp6 src-ip 2001:db8:: m ::ffff:ffff:ffff:ffff dst-port 53 action 5"},
        Line{"flow-type tcp6 tclass 0x20 dst-port 443 action 1"},
        Line{"flow-type sctp4 dst-port 9899 vlan 0x10 m 0xf000 action 2"},
        Line{"flow-type sctp6 src-ip 2001:db8::1 tclass 0x4 src-port 5 dst-port 9899 action 2"},
        Line{"flow-type ah4 src-ip 10.0.0.1 tos 0x4 spi 305419896 action 1",
             "flow-type ah4 src-ip 10.0.0.1 tos 0x4 spi 0x12345678 action 1"},
        Line{"flow-type esp4 dst-ip 10.0.0.2 spi 0xffffffff vlan 0x10 m 0xf000 action -1"},
        Line{"flow-type ah6 dst-ip 2001:db8::1 spi 0x1234 m 0xff00 action 0",
             "flow-type ah6 dst-ip 2001:db8::1 spi 0x34 m 0xff00 action 0"},
        Line{"flow-type esp6 tclass 0x20 spi 0x100 dst-mac 02:00:00:00:00:09 action pass loc 3"},
        Line{"flow-type esp4 action 3"},
        Line{"flow-type ip4 spi 0x12345678 l4proto 50 action 1",
             "flow-type ip4 l4proto 50 l4data 0x12345678 action 1"},
        Line{"flow-type ip4 src-port 5 dst-port 6 action 1",
             "flow-type ip4 l4data 0x50006 action 1"},
        Line{"flow-type ip6 dst-port 0x105 m 0xff action 1",
             "flow-type ip6 l4data 0x100 m 0xffff00ff action 1"},
        Line{"flow-type ip6 src-port 5 m 0xffff dst-port 6 action 1",
             "flow-type ip6 l4data 0x6 m 0xffff0000 action 1"},
        Line{"flow-type udp4 dst-port 7 queue 2", "flow-type udp4 dst-port 7 action 2"},
        Line{"flow-type tcp4 vlan-etype 0x88a8 vlan 0x64 action 2"},
        Line{"flow-type udp4 dst-port 1 dst-mac 02:00:00:00:00:09 action 65535"},
        Line{"flow-type ip4 action -1"},
        Line{"flow-type udp4 action drop", "flow-type udp4 action -1"},
        Line{"flow-type udp4 dst-port 22 action pass loc 0"},
        Line{"flow-type udp6 dst-port 7 action reflect"}));

TEST(FlowRule, MaskBitsAreTurnedAround) {
  const FlowRule rule =
      Parsed("flow-type udp4 src-ip 10.0.0.7 m 0.0.0.255 dst-port 80 m 0xf action 0");
  ASSERT_TRUE(rule.src_ip.has_value());
  EXPECT_EQ(rule.src_ip->mask[2], 0xff);
  EXPECT_EQ(rule.src_ip->mask[3], 0);
  EXPECT_EQ(rule.src_ip->value[3], 0) << "a bit that is not compared must be 0";
  ASSERT_TRUE(rule.dst_port.has_value());
  EXPECT_EQ(rule.dst_port->mask, 0xfff0u);
  EXPECT_EQ(rule.dst_port->value, 80u & 0xfff0u);
}

TEST(FlowRule, ActionCountsQueuesOfTheLeaseOrOfTheDevice) {
  const FlowRule rule = Parsed("flow-type udp4 dst-port 1 action 2");
  v1::AddRuleRequest request;
  FillRequest(rule, /*of_lease=*/true, &request);
  EXPECT_TRUE(request.has_lease_queue());
  EXPECT_EQ(request.lease_queue(), 2u);
  EXPECT_FALSE(request.has_location());
  FillRequest(rule, /*of_lease=*/false, &request);
  EXPECT_EQ(request.queue(), 2u);
  EXPECT_FALSE(request.has_lease_queue());
}

TEST(FlowRule, ErrorsNameTheWordAndWhatIsAllowed) {
  EXPECT_THAT(Error(""), HasSubstr("it is empty"));
  EXPECT_THAT(Error("dst-port 5"), AllOf(HasSubstr("'dst-port'"), HasSubstr("flow-type")));
  EXPECT_THAT(Error("flow-type udp5 action 0"), AllOf(HasSubstr("'udp5'"), HasSubstr("sctp4")));
  EXPECT_THAT(Error("flow-type udp4 dst-prt 5 action 0"),
              AllOf(HasSubstr("'dst-prt'"), HasSubstr("dst-port")));
  EXPECT_THAT(Error("flow-type esp4 dst-port 5 action 0"),
              AllOf(HasSubstr("`dst-port`"), HasSubstr("tos, spi, vlan-etype")));
  EXPECT_THAT(Error("flow-type udp4 spi 5 action 0"), HasSubstr("`spi`"));
  EXPECT_THAT(Error("flow-type ah6 tos 5 action 0"), HasSubstr("`tos`"));
  EXPECT_THAT(Error("flow-type ah6 spi 0x100000000 action 0"), HasSubstr("4294967295"));
  EXPECT_THAT(Error("flow-type ip4 l4data 5 m 0xffff dst-port 6 action 0"),
              HasSubstr("`dst-port` says again what `l4data` says"));
  EXPECT_THAT(Error("flow-type ip6 src-port 5 spi 6 action 0"),
              HasSubstr("`spi` says again what `src-port` says"));
  EXPECT_THAT(Error("flow-type udp4 queue 1 action 1"),
              HasSubstr("`action` says again what `queue` says"));
  EXPECT_THAT(Error("flow-type udp4 l4proto 17 action 0"), HasSubstr("`l4proto`"));
  EXPECT_THAT(Error("flow-type udp4 dst 02:00:00:00:00:01 action 0"), HasSubstr("`dst`"));
  EXPECT_THAT(Error("flow-type udp4 dst-port 65536 action 0"),
              AllOf(HasSubstr("'65536'"), HasSubstr("65535")));
  EXPECT_THAT(Error("flow-type udp4 dst-port -1 action 0"), HasSubstr("'-1'"));
  EXPECT_THAT(Error("flow-type udp4 dst-port 09 action 0"), HasSubstr("octal"));
  EXPECT_THAT(Error("flow-type udp4 dst-port 5x action 0"), HasSubstr("'5x'"));
  EXPECT_THAT(Error("flow-type udp4 dst-port 5 m 0x10000 action 0"), HasSubstr("dst-port … m"));
  EXPECT_THAT(Error("flow-type udp4 src-ip 10.0.0.256 action 0"), HasSubstr("IPv4"));
  EXPECT_THAT(Error("flow-type udp4 src-ip ::1 action 0"), HasSubstr("IPv4"));
  EXPECT_THAT(Error("flow-type udp6 src-ip 10.0.0.1 action 0"), HasSubstr("IPv6"));
  EXPECT_THAT(Error("flow-type ether src 02:00:00:00:01 action 0"), HasSubstr("Ethernet"));
  EXPECT_THAT(Error("flow-type ether src 02:00:00:00:00:01:02 action 0"), HasSubstr("Ethernet"));
  EXPECT_THAT(Error("flow-type udp4 dst-port 5 dst-port 6 action 0"), HasSubstr("twice"));
  EXPECT_THAT(Error("flow-type udp4 dst-port"), HasSubstr("no value"));
  EXPECT_THAT(Error("flow-type udp4 dst-port 5 m"), HasSubstr("no mask"));
  EXPECT_THAT(Error("flow-type udp4 m 5 action 0"), HasSubstr("`m`"));
  EXPECT_THAT(Error("flow-type udp4 dst-port 5"), HasSubstr("no action"));
  EXPECT_THAT(Error("flow-type udp4 action -2"), HasSubstr("'-2'"));
  EXPECT_THAT(Error("flow-type udp4 queue drop"),
              AllOf(HasSubstr("queue 'drop'"), HasSubstr("65535")));
  EXPECT_THAT(Error("flow-type udp4 vf 1 action 0"), HasSubstr("`vf`"));
  EXPECT_THAT(Error("flow-type udp4 action passes"),
              AllOf(HasSubstr("'passes'"), HasSubstr("or pass, or reflect")));
  EXPECT_THAT(Error("flow-type udp4 action 0 m 3"), HasSubstr("`m`"));
  EXPECT_THAT(Error("flow-type udp4 action 0 loc 4294967295"), HasSubstr("loc"));
  EXPECT_THAT(Error("flow-type udp4 user-def 5 action 0"), HasSubstr("`user-def`"));
  EXPECT_THAT(Error("flow-type udp4 context 1 action 0"), HasSubstr("`context`"));
}

TEST(FlowRule, HostileTextIsShownHarmlessly) {
  EXPECT_THAT(Error(std::string("flow-type udp4 \x1b[31m action 0")), HasSubstr("'?[31m'"));
  EXPECT_THAT(Error(std::string(5000, 'x')), HasSubstr("4096"));
  EXPECT_THAT(Error(std::string("flow-type udp4 src-ip 10.0.0.1\0 action 0", 40)),
              HasSubstr("0 byte"));
  EXPECT_LT(Error("flow-type udp4 " + std::string(3000, 'y')).size(), 300u);
}

TEST(FlowRule, RefusesMessagesThatDoNotFit) {
  v1::Rule rule;
  EXPECT_FALSE(FromProto(rule).ok());
  rule.mutable_match()->set_flow_type(v1::FLOW_TYPE_UDP4);
  rule.mutable_match()->mutable_src_ip()->set_value("123456");
  rule.mutable_match()->mutable_src_ip()->set_mask("123456");
  const absl::StatusOr<FlowRule> parsed = FromProto(rule);
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("src_ip"));
}

}  // namespace
}  // namespace qsplit
