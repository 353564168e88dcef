// Rules without pools: which registers, in which order, and that each rule is always in one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/vfio/igb/fake_pf.h"
#include "tests/unit/vfio/igb/rules.h"

namespace qsplit {
namespace {

using namespace vfio::igb;  // registers
using test::EtherTypeRule;
using test::StartedPf;
using test::UdpPortRule;

// The destination port of filter n, 0 if it is off.
uint32_t PortOf(const test::FakePf& pf, uint32_t n) {
  if ((pf.Reg(Ftqf(n)) & 0x100) == 0) return 0;
  const uint32_t port = pf.Reg(Imir(n)) & 0xffff;
  return (port >> 8 | port << 8) & 0xffff;
}
uint32_t QueueOf(const test::FakePf& pf, uint32_t n) { return pf.Reg(Ftqf(n)) >> 16 & 0xf; }

TEST(IgbFilters, AFilterIsOffUntilItIsWhole) {
  StartedPf it;
  it.pf.bar.log.clear();
  ASSERT_TRUE(it.driver->AddRule(UdpPortRule(5, 4242, 14)).ok());
  EXPECT_EQ(it.pf.Reg(Ftqf(0)), 17u | 0x100 | 0x8000 | 14u << 16 | 0xe0000000u);
  EXPECT_EQ(it.pf.bar.log.front().offset, Ftqf(0));
  EXPECT_EQ(it.pf.bar.log.front().value, 0u);
  EXPECT_EQ(it.pf.bar.log.back().offset, Ftqf(0));
  for (const uint32_t part : {Saqf(0), Daqf(0), Spqf(0), Imir(0), Imirext(0)}) {
    EXPECT_GT(it.pf.LastWrite(part), 0);
  }
}

TEST(IgbFilters, StandInTheOrderOfTheirLocations) {
  StartedPf it;
  for (const uint32_t location : {7u, 3u, 12u, 5u}) {
    ASSERT_TRUE(
        it.driver->AddRule(UdpPortRule(location, static_cast<uint16_t>(location), location)).ok());
  }
  EXPECT_EQ(PortOf(it.pf, 0), 3u);
  EXPECT_EQ(PortOf(it.pf, 1), 5u);
  EXPECT_EQ(PortOf(it.pf, 2), 7u);
  EXPECT_EQ(PortOf(it.pf, 3), 12u);
  EXPECT_EQ(PortOf(it.pf, 4), 0u);
  ASSERT_TRUE(it.driver->RemoveRule(5).ok());
  EXPECT_EQ(PortOf(it.pf, 0), 3u);
  EXPECT_EQ(PortOf(it.pf, 1), 7u);
  EXPECT_EQ(QueueOf(it.pf, 1), 7u);
  EXPECT_EQ(PortOf(it.pf, 2), 12u);
  EXPECT_EQ(PortOf(it.pf, 3), 0u);
  EXPECT_EQ(it.driver->RemoveRule(5).code(), absl::StatusCode::kNotFound);
}

TEST(IgbFilters, ARuleIsNeverMissingWhileOthersComeAndGo) {
  StartedPf it;
  for (const uint32_t location : {2u, 4u, 6u, 8u}) {
    ASSERT_TRUE(it.driver->AddRule(UdpPortRule(location, static_cast<uint16_t>(location), 1)).ok());
  }
  // After each write of FTQF, every rule is in some filter.
  std::set<uint32_t> wanted = {2, 4, 6, 8};
  for (uint32_t n = 0; n < 8; ++n) {
    it.pf.bar.OnWrite(Ftqf(n), [&, n](uint32_t value) {
      it.pf.bar.Poke(Ftqf(n), value);
      std::set<uint32_t> there;
      for (uint32_t i = 0; i < 8; ++i) there.insert(PortOf(it.pf, i));
      for (const uint32_t port : wanted) EXPECT_TRUE(there.contains(port)) << port;
    });
  }
  ASSERT_TRUE(it.driver->AddRule(UdpPortRule(1, 1, 1)).ok());
  ASSERT_TRUE(it.driver->AddRule(UdpPortRule(5, 5, 1)).ok());
  wanted = {1, 4, 5, 6, 8};
  ASSERT_TRUE(it.driver->RemoveRule(2).ok());
}

TEST(IgbFilters, ThereAreEight) {
  StartedPf it;
  for (uint32_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(it.driver->AddRule(UdpPortRule(i, static_cast<uint16_t>(100 + i), 0)).ok());
  }
  it.pf.bar.log.clear();
  EXPECT_EQ(it.driver->AddRule(UdpPortRule(9, 9, 0)).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(it.pf.bar.log.empty());
  ASSERT_TRUE(it.driver->RemoveRule(7).ok());
  EXPECT_TRUE(it.driver->AddRule(UdpPortRule(9, 9, 0)).ok());
}

TEST(IgbFilters, ADroppedFlowGoesToTheQueueThatIsNeverEnabled) {
  StartedPf it;
  ASSERT_TRUE(it.driver->AddRule(UdpPortRule(0, 53, device::FlowAction::kDrop)).ok());
  EXPECT_EQ(QueueOf(it.pf, 0), 15u);
  StartedPf i350(test::kI350);
  ASSERT_TRUE(i350.driver->AddRule(UdpPortRule(0, 53, device::FlowAction::kDrop)).ok());
  EXPECT_EQ(QueueOf(i350.pf, 0), 7u);
}

TEST(IgbFilters, EtherTypesHaveFiltersOfTheirOwn) {
  StartedPf it;
  ASSERT_TRUE(it.driver->AddRule(EtherTypeRule(3, 0x88cc, 5)).ok());
  EXPECT_EQ(it.pf.Reg(Etqf(0)), 0x88ccu | 5u << 16 | 1u << 26 | 1u << 31);
  EXPECT_EQ(it.driver->AddRule(EtherTypeRule(4, 0x88cc, 6)).code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(it.driver->AddRule(EtherTypeRule(4, 0x88f7, 8)).code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(it.driver->AddRule(EtherTypeRule(4, 0x88f7, device::FlowAction::kDrop)).code(),
            absl::StatusCode::kUnimplemented);
  for (uint16_t i = 1; i < 8; ++i) {
    ASSERT_TRUE(
        it.driver->AddRule(EtherTypeRule(10u + i, static_cast<uint16_t>(0x9000 + i), 7)).ok());
  }
  EXPECT_EQ(it.driver->AddRule(EtherTypeRule(4, 0x88f7, 1)).code(),
            absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(it.driver->RemoveRule(3).ok());
  EXPECT_EQ(it.pf.Reg(Etqf(0)), 0u);
  ASSERT_TRUE(it.driver->AddRule(EtherTypeRule(4, 0x88f7, 1)).ok());
  EXPECT_EQ(it.pf.Reg(Etqf(0)) & 0xffff, 0x88f7u);
}

TEST(IgbFilters, RefusesQueuesThatAreNotThereAndRulesThatItCannotDo) {
  StartedPf it;
  it.pf.bar.log.clear();
  EXPECT_EQ(it.driver->AddRule(UdpPortRule(0, 1, 15)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(it.driver->AddRule(test::MacRule(0, test::kOwnMac, 1)).code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_TRUE(it.pf.bar.log.empty());
}

TEST(IgbFilters, AStartForgetsThem) {
  StartedPf it;
  ASSERT_TRUE(it.driver->AddRule(UdpPortRule(0, 1, 1)).ok());
  it.driver->Stop();
  ASSERT_TRUE(it.driver->Start({}).ok());
  EXPECT_EQ(it.driver->RemoveRule(0).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace qsplit
