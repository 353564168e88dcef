// Which source addresses pass: by examples, and against a plain reading of the same rules.
#include "daemon/backend/softnic/source_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/support/frames.h"

namespace qsplit::softnic {
namespace {

using testing::Bytes;
using testing::FrameSpec;
using testing::IpBytes;
using testing::MakeFrame;

constexpr device::MacAddress kMine = {0x02, 0, 0, 0, 0, 0x99};  // FrameSpec's

device::SourcePrefix Prefix(const std::string& ip, uint8_t bits) {
  const Bytes bytes = IpBytes(ip);
  device::SourcePrefix prefix{{}, static_cast<uint8_t>(bytes.size() == 4 ? 4 : 6), bits};
  std::copy(bytes.begin(), bytes.end(), prefix.address.begin());
  return prefix;
}

Bytes Arp(const device::MacAddress& mac, const std::string& ip) {
  Bytes frame = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  frame.insert(frame.end(), kMine.begin(), kMine.end());
  constexpr uint8_t kHead[] = {0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1};
  frame.insert(frame.end(), std::begin(kHead), std::end(kHead));
  frame.insert(frame.end(), mac.begin(), mac.end());
  const Bytes sender = IpBytes(ip);
  frame.insert(frame.end(), sender.begin(), sender.end());
  frame.resize(60);
  return frame;
}

Bytes From(const std::string& ip, bool tagged = false) {
  FrameSpec spec{.src_ip = ip,
                 .dst_ip = ip.find(':') == std::string::npos ? "10.0.0.2" : "fd00::2"};
  if (tagged) spec.vlan_tci = 5;
  return MakeFrame(spec);
}

TEST(SourceCheck, WithoutAFilterAllPasses) {
  EXPECT_FALSE(SourceCheck().any());
  EXPECT_TRUE(SourceCheck().Passes(Bytes(3)));
  EXPECT_TRUE(SourceCheck(device::SourceFilter{}).Passes(From("1.2.3.4")));
}

TEST(SourceCheck, ByMacAloneOnlyMacsCount) {
  const SourceCheck check(device::SourceFilter{{{2, 1, 1, 1, 1, 1}, kMine}, {}});
  EXPECT_TRUE(check.Passes(From("1.2.3.4")));
  EXPECT_TRUE(check.Passes(From("fe80::1", true)));
  Bytes forged = From("1.2.3.4");
  forged[11] ^= 1;
  EXPECT_FALSE(check.Passes(forged));
  EXPECT_TRUE(check.Passes(Arp(kMine, "1.2.3.4")));
  EXPECT_FALSE(check.Passes(Arp({2, 0, 0, 0, 0, 0x98}, "1.2.3.4"))) << "in ARP's own words";
  EXPECT_FALSE(check.Passes(Bytes(13)));
}

TEST(SourceCheck, ByPrefixOfEitherVersionTaggedOrNot) {
  const SourceCheck check(
      device::SourceFilter{{},
                           {Prefix("10.1.0.0", 16), Prefix("10.9.9.9", 32),
                            Prefix("2001:db8:0:1::", 64), Prefix("fd00::8000", 113)}});
  for (const bool tagged : {false, true}) {
    for (const char* good : {"10.1.0.0", "10.1.255.255", "10.9.9.9", "2001:db8:0:1::7",
                             "2001:db8:0:1:ffff::", "fd00::8000", "fd00::ffff"}) {
      EXPECT_TRUE(check.Passes(From(good, tagged))) << good;
    }
    for (const char* bad : {"10.0.255.255", "10.2.0.0", "10.9.9.8", "0.0.0.0", "2001:db8:0:2::7",
                            "fd00::7fff", "fd00::1:8000", "::", "a01::"}) {
      EXPECT_FALSE(check.Passes(From(bad, tagged))) << bad;
    }
  }
  EXPECT_TRUE(check.Passes(Arp({2, 3, 4, 5, 6, 7}, "10.1.2.3")));
  EXPECT_FALSE(check.Passes(Arp(kMine, "10.2.2.3")));
}

TEST(SourceCheck, WhatCannotBeToldDoesNotPass) {
  const SourceCheck check(device::SourceFilter{{}, {Prefix("0.0.0.0", 0)}});
  EXPECT_TRUE(check.Passes(From("1.2.3.4")));
  EXPECT_FALSE(check.Passes(From("::1"))) << "no prefix of its version";
  const Bytes whole = From("1.2.3.4");
  for (size_t bytes = 0; bytes < 34; ++bytes) {
    EXPECT_FALSE(check.Passes(std::span(whole).first(bytes))) << bytes;
  }
  Bytes wrong_version = whole;
  wrong_version[14] = 0x65;
  EXPECT_FALSE(check.Passes(wrong_version));
  Bytes odd_arp = Arp(kMine, "1.2.3.4");
  EXPECT_TRUE(check.Passes(odd_arp));
  EXPECT_FALSE(check.Passes(std::span(odd_arp).first(41)));
  odd_arp[18] = 8;  // length of its hardware addresses
  EXPECT_FALSE(check.Passes(odd_arp));
  // Tags to hide it behind.
  for (const size_t tags : {size_t{1}, size_t{SourceCheck::kMaxTags}}) {
    Bytes deep(whole.begin(), whole.begin() + 12);
    for (size_t tag = 0; tag < tags; ++tag) {
      deep.insert(deep.end(), {0x88, 0xa8, 0, 7});
    }
    deep.insert(deep.end(), whole.begin() + 12, whole.end());
    EXPECT_TRUE(check.Passes(deep)) << tags;
    deep.insert(deep.begin() + 12, {0x81, 0, 0, 7});
    EXPECT_EQ(check.Passes(deep), tags < SourceCheck::kMaxTags);
  }
  FrameSpec other;
  Bytes frame = MakeFrame(other);
  frame[12] = 0x88;
  frame[13] = 0xb5;
  EXPECT_TRUE(check.Passes(frame)) << "neither IP nor ARP";
}

// Bit by bit, as the rules say it.
bool InPrefix(const Bytes& address, const device::SourcePrefix& prefix) {
  if (address.size() != (prefix.ip_version == 4 ? 4u : 16u)) return false;
  for (size_t bit = 0; bit < prefix.bits; ++bit) {
    const auto of = [bit](const auto& bytes) { return bytes[bit / 8] >> (7 - bit % 8) & 1; };
    if (of(address) != of(prefix.address)) return false;
  }
  return true;
}

TEST(SourceCheck, AgreesWithAPlainReading) {
  std::mt19937 random(7);
  const auto below = [&random](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  size_t passed = 0;
  for (int round = 0; round < 20000; ++round) {
    device::SourceFilter filter;
    for (uint32_t i = below(3); i > 0; --i) {
      filter.macs.push_back({2, 0, 0, 0, 0, static_cast<uint8_t>(below(3))});
    }
    for (uint32_t i = below(4); i > 0; --i) {
      device::SourcePrefix prefix;
      prefix.ip_version = below(2) == 0 ? 4 : 6;
      prefix.bits = static_cast<uint8_t>(below(prefix.ip_version == 4 ? 33 : 129));
      // Few different bits, so that some match.
      for (size_t byte = 0; byte < (prefix.ip_version == 4 ? 4u : 16u); ++byte) {
        prefix.address[byte] = static_cast<uint8_t>(below(8) == 0 ? below(256) : 0x20);
      }
      filter.prefixes.push_back(prefix);
    }
    const bool six = below(2) == 0;
    Bytes source(six ? 16 : 4);
    for (uint8_t& byte : source) byte = static_cast<uint8_t>(below(12) == 0 ? below(256) : 0x20);
    FrameSpec spec{.src = {2, 0, 0, 0, 0, static_cast<uint8_t>(below(3))},
                   .src_ip = six ? "::1" : "1.1.1.1",
                   .dst_ip = six ? "::2" : "1.1.1.2"};
    if (below(2) == 0) spec.vlan_tci = 9;
    if (below(4) == 0) spec.outer_vlan_tci = 8;
    Bytes frame = MakeFrame(spec);
    const size_t ip = 14 + (spec.vlan_tci ? 4u : 0u) + (spec.outer_vlan_tci ? 4u : 0u);
    std::copy(source.begin(), source.end(), frame.begin() + static_cast<long>(ip + (six ? 8 : 12)));
    const bool mac_good =
        filter.macs.empty() || std::count(filter.macs.begin(), filter.macs.end(), spec.src) != 0;
    const bool ip_good = filter.prefixes.empty() ||
                         std::any_of(filter.prefixes.begin(), filter.prefixes.end(),
                                     [&](const auto& prefix) { return InPrefix(source, prefix); });
    ASSERT_EQ(SourceCheck(filter).Passes(frame), mac_good && ip_good) << round;
    passed += mac_good && ip_good ? 1 : 0;
  }
  EXPECT_GT(passed, 2000u);
  EXPECT_LT(passed, 18000u);
}

}  // namespace
}  // namespace qsplit::softnic
