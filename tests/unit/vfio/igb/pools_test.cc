// Pools: an address and a VLAN to a pool, broadcasts to those with rules, the rest to the default
// pool or nowhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/vfio/igb/fake_pf.h"
#include "tests/unit/vfio/igb/rules.h"

namespace qsplit {
namespace {

using namespace vfio::igb;  // registers
using device::kNoQueue;
using device::MacAddress;
using test::MacRule;
using test::MacVlanRule;
using test::PoolSettings;
using test::StartedPf;

constexpr MacAddress kA = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55};
constexpr MacAddress kB = {0x02, 0x66, 0x77, 0x88, 0x99, 0xaa};

// The pools that an address goes to; 0 if it has no entry.
uint32_t PoolsOf(const test::FakePf& pf, const MacAddress& mac, uint32_t entries = 24) {
  uint32_t pools = 0;
  for (uint32_t i = 0; i < entries; ++i) {
    const uint32_t low = pf.Reg(Ral(i)), high = pf.Reg(Rah(i));
    const MacAddress entry = {static_cast<uint8_t>(low),       static_cast<uint8_t>(low >> 8),
                              static_cast<uint8_t>(low >> 16), static_cast<uint8_t>(low >> 24),
                              static_cast<uint8_t>(high),      static_cast<uint8_t>(high >> 8)};
    if ((high & kRahValid) != 0 && entry == mac) pools |= high >> 18 & 0xff;
  }
  return pools;
}
uint32_t VlanPools(const test::FakePf& pf, uint16_t vid) {
  uint32_t pools = 0;
  for (uint32_t i = 0; i < 32; ++i) {
    const uint32_t vlvf = pf.Reg(Vlvf(i));
    if ((vlvf >> 31) != 0 && (vlvf & 0xfff) == vid) pools |= vlvf >> 12 & 0xff;
  }
  return pools;
}
bool InVfta(const test::FakePf& pf, uint16_t vid) {
  return (pf.Reg(Vfta(vid / 32)) >> vid % 32 & 1) != 0;
}
device::RssConfig Table(std::vector<uint32_t> pattern) {
  device::RssConfig config;
  for (size_t i = 0; i < 128; ++i) config.indirection.push_back(pattern[i % pattern.size()]);
  return config;
}

constexpr uint32_t kReceives = kVmolrBroadcast | kVmolrMulticastTable;

TEST(IgbPools, AtFirstNobodyGetsAnything) {
  StartedPf it(test::k82576, PoolSettings());
  EXPECT_EQ(it.driver->facts().rx_queues, 16u);
  EXPECT_EQ(it.driver->facts().rule_capacity, 23u);
  EXPECT_EQ(it.pf.Reg(kMrqc) & 7, 5u);  // pools, and a hash over two queues of each
  EXPECT_EQ(it.pf.Reg(kVtCtl), kVtCtlReplicate | kVtCtlNoDefaultPool);
  EXPECT_EQ(it.pf.Reg(kVfre), 0xffu);
  EXPECT_EQ(it.pf.Reg(kVfte), 0xffu);
  EXPECT_NE(it.pf.Reg(kRctl) & kRctlVlanFilter, 0u);
  EXPECT_EQ(it.pf.Reg(kRctl) & kRctlUnicastPromiscuous, 0u);
  EXPECT_EQ(it.pf.Reg(kRplolr), 0xc0000000u);
  EXPECT_EQ(it.pf.Reg(Rah(0)), 0u);  // its own address is nobody's yet
  EXPECT_EQ(it.pf.Reg(kRlpml), 9728u);
  for (uint32_t pool = 0; pool < 8; ++pool) {
    EXPECT_EQ(it.pf.Reg(Vmolr(pool)), 1522u | kVmolrLongPackets | kVmolrStripVlan | kVmolrStripCrc);
  }
  // Nothing goes from pool to pool inside.
  EXPECT_EQ(it.pf.Reg(kDtxswc), 0u);
}

TEST(IgbPools, AnAddressGoesToItsPoolWithBroadcasts) {
  StartedPf it(test::k82576, PoolSettings());
  ASSERT_TRUE(it.driver->AddRule(MacRule(0, kA, 2)).ok());
  EXPECT_EQ(PoolsOf(it.pf, kA), 1u << 2);
  EXPECT_EQ(it.pf.Reg(Vmolr(2)) & (kReceives | kVmolrUntagged), kReceives | kVmolrUntagged);
  EXPECT_EQ(it.pf.Reg(Vmolr(3)) & (kReceives | kVmolrUntagged), 0u);
  ASSERT_TRUE(it.driver->RemoveRule(0).ok());
  EXPECT_EQ(PoolsOf(it.pf, kA), 0u);
  EXPECT_EQ(it.pf.Reg(Vmolr(2)) & (kReceives | kVmolrUntagged), 0u);
  EXPECT_EQ(it.driver->RemoveRule(0).code(), absl::StatusCode::kNotFound);
}

TEST(IgbPools, AnEntryIsInvalidWhileItsHalvesDoNotBelongTogether) {
  StartedPf it(test::k82576, PoolSettings());
  it.pf.bar.log.clear();
  ASSERT_TRUE(it.driver->AddRule(MacRule(0, kA, 2)).ok());
  EXPECT_EQ(it.pf.FirstWrite(Rah(1)), 0);
  EXPECT_EQ(it.pf.bar.log[0].value, 0u);
  EXPECT_LT(it.pf.LastWrite(Ral(1)), it.pf.LastWrite(Rah(1)));
}

TEST(IgbPools, AVlanNarrowsAndKeepsUntaggedPacketsOut) {
  StartedPf it(test::k82576, PoolSettings());
  ASSERT_TRUE(it.driver->AddRule(MacVlanRule(4, kA, 100, 1)).ok());
  EXPECT_EQ(PoolsOf(it.pf, kA), 1u << 1);
  EXPECT_EQ(VlanPools(it.pf, 100), 1u << 1);
  EXPECT_TRUE(InVfta(it.pf, 100));
  EXPECT_EQ(it.pf.Reg(Vmolr(1)) & (kReceives | kVmolrUntagged), kReceives);
  // The same address in another VLAN is another's.
  ASSERT_TRUE(it.driver->AddRule(MacVlanRule(5, kA, 200, 7)).ok());
  EXPECT_EQ(PoolsOf(it.pf, kA), 1u << 1 | 1u << 7);
  EXPECT_EQ(VlanPools(it.pf, 200), 1u << 7);
  // A second address of the pool keeps the VLAN there.
  ASSERT_TRUE(it.driver->AddRule(MacVlanRule(6, kB, 100, 1)).ok());
  ASSERT_TRUE(it.driver->RemoveRule(4).ok());
  EXPECT_EQ(VlanPools(it.pf, 100), 1u << 1);
  EXPECT_EQ(PoolsOf(it.pf, kA), 1u << 7);
  ASSERT_TRUE(it.driver->RemoveRule(6).ok());
  EXPECT_EQ(VlanPools(it.pf, 100), 0u);
  EXPECT_FALSE(InVfta(it.pf, 100));
}

TEST(IgbPools, RefusesWhatWouldTakeMoreThanTheRuleSays) {
  StartedPf it(test::k82576, PoolSettings());
  ASSERT_TRUE(it.driver->AddRule(MacVlanRule(0, kA, 100, 1)).ok());
  const auto refused = [&](const device::FlowRule& rule, const char* says) {
    it.pf.bar.log.clear();
    const absl::Status status = it.driver->AddRule(rule);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << says;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(says));
    EXPECT_TRUE(it.pf.bar.log.empty()) << says;
  };
  refused(MacVlanRule(1, kB, 101, 1), "must have the same");
  refused(MacRule(1, kB, 1), "must have the same");
  refused(MacVlanRule(1, kA, 100, 2), "to both");
  refused(MacRule(1, kB, 8), "rules reach queues 0 to 7");
  refused(MacRule(1, test::kAllOnes, 2), "broadcasts");
  refused(MacRule(1, kB, device::FlowAction::kDrop), "drop what has no rule");
  refused(test::UdpPortRule(1, 53, 2), "flow type ether");
  refused(test::EtherTypeRule(1, 0x88cc, 2), "whole destination MAC");
  device::FlowRule rule = MacRule(1, kB, 2);
  rule.match.mask.dst_mac[5] = 0xfe;
  refused(rule, "whole destination MAC");
  rule = MacRule(1, kB, 2);
  rule.match.mask.ether_type = 0xffff;
  refused(rule, "nothing but");
  rule = MacVlanRule(1, kB, 5, 2);
  rule.match.mask.vlan_tci = 0xffff;
  refused(rule, "no priority");
  rule = MacVlanRule(1, kB, 5, 2);
  rule.match.value.vlan_ether_type = 0x88a8;
  rule.match.mask.vlan_ether_type = 0xffff;
  refused(rule, "0x8100");
  // Untagged, said or not, is the same.
  rule = MacRule(1, kB, 2);
  rule.match.mask.has_vlan = 1;
  EXPECT_TRUE(it.driver->AddRule(rule).ok());
}

TEST(IgbPools, RunsOutOfEntriesCleanly) {
  StartedPf it(test::k82576, PoolSettings());
  MacAddress mac = kA;
  for (uint8_t i = 0; i < 23; ++i) {
    mac[5] = i;
    ASSERT_TRUE(it.driver->AddRule(MacRule(i, mac, 0)).ok()) << int{i};
  }
  EXPECT_EQ(it.driver->AddRule(MacVlanRule(30, kB, 9, 1)).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(VlanPools(it.pf, 9), 0u);
  EXPECT_EQ(it.pf.Reg(Vmolr(1)) & kReceives, 0u);
  EXPECT_EQ(it.driver->RemoveRule(30).code(), absl::StatusCode::kNotFound);
  // Entries from 16 on stand apart.
  EXPECT_NE(it.pf.Reg(0x54e4) & kRahValid, 0u);
}

TEST(IgbPools, TheRssTableNamesTheDefaultPool) {
  StartedPf it(test::k82576, PoolSettings());
  ASSERT_TRUE(it.driver->SetRss(Table({3})).ok());
  EXPECT_EQ(it.pf.Reg(kVtCtl), kVtCtlReplicate | 3u << 7);
  EXPECT_EQ(PoolsOf(it.pf, test::kOwnMac), 1u << 3);
  EXPECT_EQ(it.pf.Reg(Vmolr(3)) & (kReceives | kVmolrUntagged | kVmolrRss),
            kReceives | kVmolrUntagged);
  EXPECT_NE(it.pf.Reg(kRctl) & kRctlUnicastPromiscuous, 0u);
  // Both queues of a pool: by hash.
  ASSERT_TRUE(it.driver->SetRss(Table({4, 12})).ok());
  EXPECT_EQ(it.pf.Reg(kVtCtl), kVtCtlReplicate | 4u << 7);
  EXPECT_EQ(it.pf.Reg(Reta(0)), 0x01000100u);
  EXPECT_NE(it.pf.Reg(Vmolr(4)) & kVmolrRss, 0u);
  EXPECT_EQ(it.pf.Reg(Vmolr(3)) & kReceives, 0u);
  EXPECT_EQ(PoolsOf(it.pf, test::kOwnMac), 1u << 4);
  // None.
  ASSERT_TRUE(it.driver->SetRss(Table({kNoQueue})).ok());
  EXPECT_EQ(it.pf.Reg(kVtCtl), kVtCtlReplicate | kVtCtlNoDefaultPool);
  EXPECT_EQ(PoolsOf(it.pf, test::kOwnMac), 0u);
  EXPECT_EQ(it.pf.Reg(kRctl) & kRctlUnicastPromiscuous, 0u);
}

TEST(IgbPools, OneTableIsForOnePool) {
  StartedPf it(test::k82576, PoolSettings());
  it.pf.bar.log.clear();
  EXPECT_EQ(it.driver->SetRss(Table({1, 2})).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(it.driver->SetRss(Table({1, kNoQueue})).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(it.driver->SetRss(Table({16})).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(it.pf.bar.log.empty());
}

TEST(IgbPools, TheirOwnAddressMayAlsoHaveARule) {
  StartedPf it(test::k82576, PoolSettings());
  ASSERT_TRUE(it.driver->AddRule(MacRule(0, test::kOwnMac, 6)).ok());
  EXPECT_EQ(PoolsOf(it.pf, test::kOwnMac), 1u << 6);
  ASSERT_TRUE(it.driver->RemoveRule(0).ok());
  EXPECT_EQ(PoolsOf(it.pf, test::kOwnMac), 0u);
}

TEST(IgbPools, MtuAndMulticast) {
  StartedPf it(test::k82576, PoolSettings());
  ASSERT_TRUE(it.driver->AddRule(MacRule(0, kA, 2)).ok());
  device::DeviceSettings settings;
  settings.mtu_bytes = 9000;
  settings.all_multicast = true;
  ASSERT_TRUE(it.driver->Set(settings).ok());
  EXPECT_EQ(it.pf.Reg(Vmolr(2)) & 0x3fff, 9022u);
  EXPECT_NE(it.pf.Reg(Vmolr(2)) & kVmolrMulticastPromiscuous, 0u);
  EXPECT_EQ(it.pf.Reg(Vmolr(3)) & kVmolrMulticastPromiscuous, 0u);
  EXPECT_EQ(it.pf.Reg(Mta(77)), ~0u);
  settings = {};
  settings.promiscuous = true;
  EXPECT_EQ(it.driver->Set(settings).code(), absl::StatusCode::kUnimplemented);
}

TEST(IgbPools, TheI350HasOneQueueAPool) {
  StartedPf it(test::kI350, PoolSettings());
  EXPECT_EQ(it.driver->facts().rx_queues, 8u);
  EXPECT_EQ(it.driver->facts().rule_capacity, 31u);
  EXPECT_EQ(it.pf.Reg(kMrqc), 3u);
  ASSERT_TRUE(it.driver->AddRule(MacRule(0, kA, 7)).ok());
  EXPECT_EQ(PoolsOf(it.pf, kA, 32), 1u << 7);
  // Tags and CRC are its DVMOLR's.
  EXPECT_EQ(it.pf.Reg(Vmolr(7)) & 0xc0000000, 0u);
}

TEST(IgbPools, BehindVfsQueueZeroIsTheFirstPoolOfThePf) {
  StartedPf it(test::k82576, test::VfSettings(2));
  ASSERT_TRUE(it.driver->AddRule(MacRule(0, kA, 0)).ok());
  EXPECT_EQ(PoolsOf(it.pf, kA), 1u << 2);
  ASSERT_TRUE(it.driver->SetRss(Table({5, 11})).ok());
  EXPECT_EQ(it.pf.Reg(kVtCtl), kVtCtlReplicate | 7u << 7);
  // A VF's address is not the PF's to give away.
  EXPECT_EQ(it.driver->AddRule(MacRule(1, {0x02, 0, 0, 0, 0, 1}, 0)).code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(it.driver->AddRule(MacRule(1, kB, 6)).code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace qsplit
