// What of a rule is written into which bits of a 5-tuple filter, and which rules no filter does.
#include "daemon/backend/vfio/igb/tuple_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/vfio/igb/rules.h"

namespace qsplit {
namespace {

using device::FlowType;
using vfio::igb::Chip;
using vfio::igb::EncodeEtherType;
using vfio::igb::EncodeTuple;

// E1000_FTQF_*, E1000_IMIR*_*, written out.
constexpr uint32_t kQueueEnable = 0x100, kVfBypass = 0x8000;
constexpr uint32_t kNoProtocol = 0x10000000, kNoSource = 0x20000000, kNoDestination = 0x40000000;
constexpr uint32_t kNoSourcePort = 0x80000000;
constexpr uint32_t kNoPort = 0x20000, kNoSizeAndFlags = 0x81000;

TEST(IgbTupleFilter, AWhole5Tuple) {
  device::FlowRule rule = test::UdpPortRule(0, 0x1234, 3);
  rule.match.value.src_port = 0xabcd;
  rule.match.mask.src_port = 0xffff;
  rule.match.value.src_ip = {10, 1, 2, 3};
  rule.match.mask.src_ip = {0xff, 0xff, 0xff, 0xff};
  rule.match.value.dst_ip = {192, 168, 7, 9};
  rule.match.mask.dst_ip = {0xff, 0xff, 0xff, 0xff};
  const auto filter = EncodeTuple(Chip::k82576, rule.match);
  ASSERT_TRUE(filter.ok()) << filter.status();
  EXPECT_EQ(filter->ftqf, 17u | kQueueEnable | kVfBypass);
  EXPECT_EQ(filter->saqf, 0x0302010au);  // as the bytes stand on the wire
  EXPECT_EQ(filter->daqf, 0x0907a8c0u);
  EXPECT_EQ(filter->spqf, 0xcdabu);
  EXPECT_EQ(filter->imir, 0x3412u);
  EXPECT_EQ(filter->imirext, kNoSizeAndFlags);
}

TEST(IgbTupleFilter, WhatIsNotComparedIsBypassed) {
  const auto port = EncodeTuple(Chip::k82576, test::UdpPortRule(0, 4242, 3).match);
  ASSERT_TRUE(port.ok());
  EXPECT_EQ(port->ftqf,
            17u | kQueueEnable | kVfBypass | kNoSource | kNoDestination | kNoSourcePort);
  EXPECT_EQ(port->imir, 0x9210u);

  const auto tcp = EncodeTuple(Chip::k82576, test::Ip4Rule(FlowType::kTcp4, 0, 1).match);
  ASSERT_TRUE(tcp.ok());
  EXPECT_EQ(tcp->ftqf, 6u | kQueueEnable | kVfBypass | kNoSource | kNoDestination | kNoSourcePort);
  EXPECT_EQ(tcp->imir, kNoPort);

  const auto sctp = EncodeTuple(Chip::k82576, test::Ip4Rule(FlowType::kSctp4, 0, 1).match);
  ASSERT_TRUE(sctp.ok());
  EXPECT_EQ(sctp->ftqf & 0xff, 132u);

  const auto esp = EncodeTuple(Chip::k82576, test::Ip4Rule(FlowType::kEsp4, 0, 1).match);
  ASSERT_TRUE(esp.ok()) << "without an index it is a protocol as any other: " << esp.status();
  EXPECT_EQ(esp->ftqf & 0xff, 50u);

  device::FlowRule ip = test::Ip4Rule(FlowType::kIp4, 0, 1);
  ip.match.value.src_ip = {1, 2, 3, 4};
  ip.match.mask.src_ip = {0xff, 0xff, 0xff, 0xff};
  const auto source = EncodeTuple(Chip::k82576, ip.match);
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(source->ftqf, kQueueEnable | kVfBypass | kNoProtocol | kNoDestination | kNoSourcePort);
  EXPECT_EQ(source->saqf, 0x04030201u);

  ip = test::Ip4Rule(FlowType::kIp4, 0, 1);
  ip.match.value.l4_protocol = 47;
  ip.match.mask.l4_protocol = 0xff;
  const auto gre = EncodeTuple(Chip::k82576, ip.match);
  ASSERT_TRUE(gre.ok());
  EXPECT_EQ(gre->ftqf, 47u | kQueueEnable | kVfBypass | kNoSource | kNoDestination | kNoSourcePort);
}

TEST(IgbTupleFilter, SaysWhatItCannotCompare) {
  using Change = std::function<void(device::FlowRule&)>;
  const auto refused = [](const Change& change, const char* says, Chip chip = Chip::k82576) {
    device::FlowRule rule = test::UdpPortRule(0, 4242, 3);
    change(rule);
    const auto filter = EncodeTuple(chip, rule.match);
    EXPECT_EQ(filter.status().code(), absl::StatusCode::kUnimplemented) << says;
    EXPECT_THAT(std::string(filter.status().message()), testing::HasSubstr(says));
  };
  refused([](auto& r) { r.match.mask.src_ip = {0xff, 0xff, 0xff, 0}; }, "no prefix");
  refused([](auto& r) { r.match.mask.dst_ip = {0xff}; }, "no prefix");
  refused([](auto& r) { r.match.mask.dst_port = 0xff00; }, "no range");
  refused([](auto& r) { r.match.mask.src_port = 1; }, "no range");
  refused([](auto& r) { r.match.mask.l4_protocol = 0xf0; }, "protocol whole");
  refused([](auto& r) { r.match.mask.tos = 0xff; }, "type of service");
  refused([](auto& r) { r.match.mask.l4_bytes = 1; }, "behind the IP header");
  refused([](auto& r) { r.match.mask.dst_mac[5] = 0xff; }, "MAC");
  refused([](auto& r) { r.match.mask.src_mac[0] = 1; }, "MAC");
  refused([](auto& r) { r.match.mask.vlan_tci = 0xfff; }, "VLAN");
  refused([](auto& r) { r.match.mask.has_vlan = 1; }, "VLAN");
  refused([](auto& r) { r.match.mask.ether_type = 0xffff; }, "EtherType");
  refused([](auto& r) { r.match.value.ip_version = 6; }, "IPv6");
  refused(
      [](auto& r) {
        r = test::Ip4Rule(FlowType::kAh4, 0, 1);
        r.match.mask.has_spi = r.match.value.has_spi = 1;
        SetSpi(0xffffffff, r.match.mask);
      },
      "parameters index");
  // Nothing but "IPv4".
  refused([](auto& r) { r = test::Ip4Rule(FlowType::kIp4, 0, 0); }, "at least");

  // The I350 has 2-tuples.
  refused([](auto& r) { r.match.mask.src_ip = {0xff, 0xff, 0xff, 0xff}; }, "alone", Chip::kI350);
  refused([](auto& r) { r.match.mask.dst_ip = {0xff, 0xff, 0xff, 0xff}; }, "alone", Chip::kI350);
  refused([](auto& r) { r.match.mask.src_port = 0xffff; }, "alone", Chip::kI350);
  const auto two = EncodeTuple(Chip::kI350, test::UdpPortRule(0, 4242, 3).match);
  ASSERT_TRUE(two.ok());
  EXPECT_EQ(two->ftqf & 0xf0008000, 0xe0008000u);  // E1000_TTQF_DISABLE_MASK, protocol compared
}

TEST(IgbTupleFilter, EtherTypes) {
  const auto lldp = EncodeEtherType(test::EtherTypeRule(0, 0x88cc, 1).match);
  ASSERT_TRUE(lldp.ok());
  EXPECT_EQ(*lldp, 0x88cc);
  for (const uint16_t ip : std::initializer_list<uint16_t>{0x0800, 0x86dd}) {
    EXPECT_EQ(EncodeEtherType(test::EtherTypeRule(0, ip, 1).match).status().code(),
              absl::StatusCode::kUnimplemented);
  }
  device::FlowRule rule = test::EtherTypeRule(0, 0x88cc, 1);
  rule.match.mask.ether_type = 0xff00;
  EXPECT_EQ(EncodeEtherType(rule.match).status().code(), absl::StatusCode::kUnimplemented);
  rule = test::EtherTypeRule(0, 0x88cc, 1);
  rule.match.mask.dst_mac = test::kAllOnes;
  EXPECT_EQ(EncodeEtherType(rule.match).status().code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace qsplit
