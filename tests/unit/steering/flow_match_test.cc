#include "daemon/steering/flow_match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/policy/error.h"
#include "daemon/steering/flow_words.h"

namespace qsplit::steering {
namespace {

using device::FlowMatch;

void Set(v1::MaskedNumber* number, uint32_t value, uint32_t mask) {
  number->set_value(value);
  number->set_mask(mask);
}
void Set(v1::MaskedBytes* bytes, std::string value, std::string mask) {
  bytes->set_value(std::move(value));
  bytes->set_mask(std::move(mask));
}
v1::FlowMatch Of(v1::FlowType type) {
  v1::FlowMatch match;
  match.set_flow_type(type);
  return match;
}

TEST(Words, NameEachFieldThatIsCompared) {
  v1::FlowMatch request = Of(v1::FLOW_TYPE_UDP4);
  EXPECT_EQ(Words(*ToMatch(request)), "udp4");
  Set(request.mutable_dst_port(), 4242, 0xffff);
  Set(request.mutable_vlan_tci(), 7, 0xfff);
  Set(request.mutable_dst_ip(), {10, 9, 0, 2}, {'\xff', '\xff', '\xff', '\xff'});
  Set(request.mutable_src_ip(), {10, 9, 0, 0}, {'\xff', '\xff', '\xff', 0});
  EXPECT_EQ(Words(*ToMatch(request)),
            "udp4 vlan-tci 0x7/0xfff src-ip 10.9.0.0/255.255.255.0 dst-ip 10.9.0.2 dst-port 4242");
  v1::FlowMatch ether = Of(v1::FLOW_TYPE_ETHER);
  Set(ether.mutable_dst_mac(), std::string("\x52\x54\0\0\0\x01", 6), std::string(6, '\xff'));
  EXPECT_EQ(Words(*ToMatch(ether)), "ether dst-mac 52:54:00:00:00:01");
  const std::vector<FlowMatch> many(10, *ToMatch(Of(v1::FLOW_TYPE_TCP6)));
  v1::FlowMatch esp = Of(v1::FLOW_TYPE_ESP6);
  Set(esp.mutable_spi(), 5, 0xffff);
  Set(esp.mutable_tos(), 4, 0xff);
  EXPECT_EQ(Words(*ToMatch(esp)), "esp6 tos 4 spi 0x5/0xffff");
  Set(esp.mutable_spi(), 5, 0xffffffff);
  EXPECT_EQ(Words(*ToMatch(esp)), "esp6 tos 4 spi 5");
  EXPECT_EQ(Words(many), "tcp6; tcp6; tcp6; tcp6; tcp6; tcp6; tcp6; tcp6; and 2 more");
}

TEST(ToMatch, WritesTheTypesOwnDemands) {
  v1::FlowMatch request = Of(v1::FLOW_TYPE_UDP4);
  Set(request.mutable_dst_port(), 4242, 0xffff);
  Set(request.mutable_vlan_tci(), 7, 0xfff);
  const auto match = ToMatch(request);
  ASSERT_TRUE(match.ok()) << match.status();
  EXPECT_EQ(match->value.ip_version, 4);
  EXPECT_EQ(match->mask.ip_version, 0xff);
  EXPECT_EQ(match->value.l4_protocol, 17);
  EXPECT_EQ(match->value.dst_port, 4242);
  EXPECT_EQ(match->mask.dst_port, 0xffff);
  EXPECT_EQ(match->value.has_ports, 1);
  EXPECT_EQ(match->mask.has_ports, 1);
  EXPECT_EQ(match->value.has_vlan, 1);
  EXPECT_EQ(match->mask.src_port, 0);

  // Without ports, later fragments match as well.
  const auto all = ToMatch(Of(v1::FLOW_TYPE_UDP4));
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->mask.has_ports, 0);
  EXPECT_EQ(all->mask.has_vlan, 0);
}

TEST(ToMatch, AddressesHaveTheLengthOfTheirType) {
  v1::FlowMatch four = Of(v1::FLOW_TYPE_IP4);
  Set(four.mutable_dst_ip(), {10, 0, 0, 1}, std::string("\xff\xff\xff\xff", 4));
  const auto match = ToMatch(four);
  ASSERT_TRUE(match.ok()) << match.status();
  EXPECT_EQ(match->value.dst_ip[3], 1);
  EXPECT_EQ(match->mask.dst_ip[4], 0);
  four.set_flow_type(v1::FLOW_TYPE_TCP6);
  const auto refused = ToMatch(four);
  EXPECT_EQ(policy::DetailOf(refused.status())->field(), "match.dst_ip");
  EXPECT_EQ(policy::DetailOf(refused.status())->limit(), "16 bytes");
}

TEST(ToMatch, NamesTheFieldThatATypeLacks) {
  v1::FlowMatch request = Of(v1::FLOW_TYPE_IP4);
  Set(request.mutable_dst_port(), 1, 0xffff);
  const auto refused = ToMatch(request, "spec");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(policy::DetailOf(refused.status())->field(), "spec.dst_port");
  EXPECT_THAT(std::string(refused.status().message()),
              ::testing::HasSubstr("flow type ip4 has no dst_port"));
  for (auto type : {v1::FLOW_TYPE_ETHER, v1::FLOW_TYPE_IP6}) {
    request.set_flow_type(type);
    EXPECT_FALSE(ToMatch(request).ok());
  }
  v1::FlowMatch bytes = Of(v1::FLOW_TYPE_TCP4);
  Set(bytes.mutable_l4_bytes(), 1, 1);
  EXPECT_FALSE(ToMatch(bytes).ok());
  v1::FlowMatch source = Of(v1::FLOW_TYPE_TCP4);
  Set(source.mutable_src_mac(), std::string(6, 1), std::string(6, 1));
  EXPECT_FALSE(ToMatch(source).ok());
}

TEST(ToMatch, TheIndexOfAhAndEspStandsWherePortsDo) {
  for (const auto type :
       {v1::FLOW_TYPE_AH4, v1::FLOW_TYPE_ESP4, v1::FLOW_TYPE_AH6, v1::FLOW_TYPE_ESP6}) {
    v1::FlowMatch request = Of(type);
    const bool ah = type == v1::FLOW_TYPE_AH4 || type == v1::FLOW_TYPE_AH6;
    Set(request.mutable_spi(), 0x12345600, 0xffffff00);
    const auto match = ToMatch(request);
    ASSERT_TRUE(match.ok()) << match.status();
    EXPECT_EQ(SpiOf(match->value), 0x12345600u);
    EXPECT_EQ(SpiOf(match->mask), 0xffffff00u);
    EXPECT_EQ(match->value.l4_protocol, ah ? 51 : 50);
    EXPECT_EQ(match->mask.has_spi, 1);
    EXPECT_EQ(match->value.has_spi, 1);
    EXPECT_EQ(match->mask.has_ports, 0);
    EXPECT_EQ(ToMatch(Of(type))->mask.has_spi, 0) << "later fragments match as well";
    Set(request.mutable_dst_port(), 1, 0xffff);
    EXPECT_THAT(std::string(ToMatch(request).status().message()),
                ::testing::HasSubstr("has no dst_port"));
  }
  for (const auto type : {v1::FLOW_TYPE_ETHER, v1::FLOW_TYPE_IP4, v1::FLOW_TYPE_UDP6}) {
    v1::FlowMatch request = Of(type);
    Set(request.mutable_spi(), 1, 0xffffffff);
    EXPECT_THAT(std::string(ToMatch(request).status().message()),
                ::testing::HasSubstr("has no spi"));
  }
}

TEST(ToMatch, RefusesMasksThatDoNotFit) {
  const auto reason = [](uint32_t value, uint32_t mask) {
    v1::FlowMatch request = Of(v1::FLOW_TYPE_TCP4);
    Set(request.mutable_dst_port(), value, mask);
    return policy::DetailOf(ToMatch(request).status()).value_or(v1::ErrorDetail()).reason();
  };
  EXPECT_EQ(reason(0, 0), v1::ERROR_REASON_MALFORMED);
  EXPECT_EQ(reason(3, 1), v1::ERROR_REASON_MALFORMED);
  EXPECT_EQ(reason(1, 0x10000), v1::ERROR_REASON_OUT_OF_RANGE);
  EXPECT_EQ(reason(0x10001, 1), v1::ERROR_REASON_OUT_OF_RANGE);
  EXPECT_EQ(reason(1, 1), v1::ERROR_REASON_UNSPECIFIED);

  const auto mac = [](std::string value, std::string mask) {
    v1::FlowMatch request = Of(v1::FLOW_TYPE_ETHER);
    Set(request.mutable_dst_mac(), std::move(value), std::move(mask));
    return ToMatch(request).ok();
  };
  EXPECT_TRUE(mac(std::string(6, 1), std::string(6, 3)));
  EXPECT_FALSE(mac(std::string(6, 2), std::string(6, 1)));
  EXPECT_FALSE(mac(std::string(6, 0), std::string(6, 0)));
  EXPECT_FALSE(mac(std::string(5, 1), std::string(6, 1)));
  EXPECT_FALSE(mac(std::string(6, 1), std::string(7, 1)));
  EXPECT_FALSE(mac("", ""));
}

TEST(ToMatch, WantsAFlowType) {
  EXPECT_FALSE(ToMatch(v1::FlowMatch()).ok());
  EXPECT_FALSE(ToMatch(Of(static_cast<v1::FlowType>(99))).ok());
}

TEST(FromMatch, IsTheReverse) {
  v1::FlowMatch ether = Of(v1::FLOW_TYPE_ETHER);
  Set(ether.mutable_src_mac(), std::string(6, 2), std::string(6, 2));
  Set(ether.mutable_ether_type(), 0x0806, 0xffff);
  Set(ether.mutable_vlan_ether_type(), 0x8100, 0xffff);
  v1::FlowMatch ip6 = Of(v1::FLOW_TYPE_IP6);
  Set(ip6.mutable_src_ip(), std::string(16, 1), std::string(16, 1));
  Set(ip6.mutable_tos(), 4, 0xfc);
  Set(ip6.mutable_l4_protocol(), 58, 0xff);
  Set(ip6.mutable_l4_bytes(), 0x80000000, 0xff000000);
  v1::FlowMatch sctp = Of(v1::FLOW_TYPE_SCTP4);
  Set(sctp.mutable_src_port(), 1, 0xffff);
  Set(sctp.mutable_dst_port(), 2, 0xffff);
  Set(sctp.mutable_dst_ip(), std::string(4, 3), std::string(4, 3));
  v1::FlowMatch sctp6 = sctp;
  sctp6.set_flow_type(v1::FLOW_TYPE_SCTP6);
  sctp6.clear_dst_ip();
  v1::FlowMatch ah = Of(v1::FLOW_TYPE_AH6);
  Set(ah.mutable_spi(), 0x10000, 0xffff0000);
  Set(ah.mutable_dst_ip(), std::string(16, 3), std::string(16, 3));
  v1::FlowMatch esp = Of(v1::FLOW_TYPE_ESP4);
  Set(esp.mutable_spi(), 5, 0xffffffff);
  for (const v1::FlowMatch& request : {ether, ip6, sctp, sctp6, ah, esp, Of(v1::FLOW_TYPE_UDP6),
                                       Of(v1::FLOW_TYPE_AH4), Of(v1::FLOW_TYPE_ESP6)}) {
    const auto match = ToMatch(request);
    ASSERT_TRUE(match.ok()) << match.status();
    EXPECT_EQ(FromMatch(*match).SerializeAsString(), request.SerializeAsString());
  }
}

}  // namespace
}  // namespace qsplit::steering
