// Against the published verification suite of RSS.
#include "daemon/backend/softnic/toeplitz.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/frames.h"

namespace qsplit::softnic {
namespace {

using dataplane::HashType;
using testing::FrameSpec;

struct Vector {
  std::string dst;
  uint16_t dst_port;
  std::string src;
  uint16_t src_port;
  uint32_t ip_only;
  uint32_t with_ports;
};

const Vector kVectors[] = {
    {"161.142.100.80", 1766, "66.9.149.187", 2794, 0x323e8fc2, 0x51ccc178},
    {"65.69.140.83", 4739, "199.92.111.2", 14230, 0xd718262a, 0xc626b0ea},
    {"12.22.207.184", 38024, "24.19.198.95", 12898, 0xd2d0a5de, 0x5c2b394a},
    {"209.142.163.6", 2217, "38.27.205.30", 48228, 0x82989176, 0xafc7327f},
    {"202.188.127.2", 1303, "153.39.163.191", 44251, 0x5d1809c5, 0x10e828a2},
    {"3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc18cd5, 0x40207d3d},
    {"ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c461c, 0xdde51bbf},
    {"fe80::200:f8ff:fe21:67cf", 38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, 0x4b61e985,
     0x02d1feef},
};

FlowHash HashOf(const FrameSpec& spec) {
  const testing::Bytes frame = testing::MakeFrame(spec);
  Packet packet;
  EXPECT_TRUE(Parse(frame, &packet));
  return HashFlow(Toeplitz(kDefaultRssKey), packet);
}

TEST(Toeplitz, GivesThePublishedHashes) {
  for (const Vector& v : kVectors) {
    const bool four = v.dst.find(':') == std::string::npos;
    FrameSpec spec{
        .src_ip = v.src, .dst_ip = v.dst, .src_port = v.src_port, .dst_port = v.dst_port};
    spec.protocol = 6;
    EXPECT_EQ(HashOf(spec).value, v.with_ports) << v.dst;
    EXPECT_EQ(HashOf(spec).type, four ? HashType::kTcp4 : HashType::kTcp6);
    spec.protocol = 17;
    EXPECT_EQ(HashOf(spec).value, v.with_ports) << v.dst;
    EXPECT_EQ(HashOf(spec).type, four ? HashType::kUdp4 : HashType::kUdp6);
    spec.protocol = 132;
    EXPECT_EQ(HashOf(spec).value, v.with_ports) << v.dst;
    spec.protocol = 47;
    EXPECT_EQ(HashOf(spec).value, v.ip_only) << v.dst;
    EXPECT_EQ(HashOf(spec).type, four ? HashType::kIp4 : HashType::kIp6);
  }
}

// As what is said of it: DeviceInfo::rss_types.
TEST(Toeplitz, PortsChangeTheHashOfTheTypesThatAreNamed) {
  using device::FlowType;
  const struct {
    uint8_t version, protocol;
    FlowType type;
  } kCases[] = {{4, kProtocolTcp, FlowType::kTcp4},   {4, kProtocolUdp, FlowType::kUdp4},
                {4, kProtocolSctp, FlowType::kSctp4}, {4, kProtocolAh, FlowType::kAh4},
                {6, kProtocolTcp, FlowType::kTcp6},   {6, kProtocolUdp, FlowType::kUdp6},
                {6, kProtocolSctp, FlowType::kSctp6}, {6, kProtocolAh, FlowType::kAh6}};
  const Toeplitz toeplitz(kDefaultRssKey);
  for (const auto& [version, protocol, type] : kCases) {
    device::FlowKey key{.l4_protocol = protocol, .ip_version = version};
    key.has_ports = protocol != kProtocolAh;
    key.has_spi = protocol == kProtocolAh;
    const FlowHash before = HashFlow(toeplitz, key, false);
    key.dst_port = 80;
    const FlowHash after = HashFlow(toeplitz, key, false);
    EXPECT_EQ(before.type, after.type);
    EXPECT_EQ(before.value != after.value, kHashedTypes.Has(type)) << static_cast<int>(type);
  }
}

TEST(Toeplitz, FragmentsOfOnePacketHashAlike) {
  FrameSpec spec{
      .src_ip = "66.9.149.187", .dst_ip = "161.142.100.80", .src_port = 2794, .dst_port = 1766};
  spec.fragment = 0x2000;  // first of several
  EXPECT_EQ(HashOf(spec).value, 0x323e8fc2u);
  spec.fragment = 0x2010;  // in the middle
  EXPECT_EQ(HashOf(spec).value, 0x323e8fc2u);
}

TEST(Toeplitz, WhatIsNotIpHasNoHash) {
  testing::Bytes arp(60, 0);
  arp[12] = 0x08;
  arp[13] = 0x06;
  Packet packet;
  ASSERT_TRUE(Parse(arp, &packet));
  const FlowHash hash = HashFlow(Toeplitz(kDefaultRssKey), packet);
  EXPECT_EQ(hash.type, HashType::kNone);
  EXPECT_EQ(hash.value, 0u);
}

}  // namespace
}  // namespace qsplit::softnic
