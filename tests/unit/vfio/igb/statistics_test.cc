// Counters: cleared by being read or wrapping, they come out as totals since Start.
#include <gtest/gtest.h>

#include <map>

#include "tests/unit/vfio/igb/fake_pf.h"

namespace qsplit {
namespace {

using namespace vfio::igb;  // registers
using test::FakePf;

// Makes a register count as the hardware's do: reading clears it.
void ClearOnRead(FakePf& pf, uint32_t offset) {
  pf.bar.OnRead(offset, [&pf, offset] {
    const uint32_t value = pf.bar.Peek(offset);
    pf.bar.Poke(offset, 0);
    return value;
  });
}

struct CountingPf : FakePf {
  CountingPf() {
    for (const uint32_t offset : {kGoodRx, kGoodTx, kMissed, kCrcErrors, kOversized, 0xc030u,
                                  0xc030u + 15 * 0x40u, 0xc030u + 3 * 0x40u}) {
      ClearOnRead(*this, offset);
      bar.Poke(offset, 1000);  // from before Start
    }
    // The high half clears both.
    for (const uint32_t low : {kGoodRxBytes, kGoodTxBytes}) {
      bar.OnRead(low + 4, [this, low] {
        const uint32_t value = bar.Peek(low + 4);
        bar.Poke(low, 0);
        bar.Poke(low + 4, 0);
        return value;
      });
      bar.Poke(low, 5);
    }
  }
};

TEST(IgbStatistics, CountsSinceStartHoweverOftenItIsAsked) {
  CountingPf pf;
  auto driver = vfio::MakeIgb(test::k82576, false, pf);
  ASSERT_TRUE(driver->Start({}).ok());
  for (int round = 1; round <= 3; ++round) {
    pf.bar.Poke(kGoodRx, 10);
    pf.bar.Poke(kGoodTx, 20);
    pf.bar.Poke(kGoodRxBytes, 0xfffffff0);
    pf.bar.Poke(kGoodRxBytes + 4, 2);
    pf.bar.Poke(kGoodTxBytes, 99);
    pf.bar.Poke(kMissed, 3);
    pf.bar.Poke(kCrcErrors, 1);
    pf.bar.Poke(kOversized, 1);
    pf.bar.Poke(0xc030 + 15 * 0x40, 7);
    pf.bar.Poke(0xc030 + 3 * 0x40, 8);
    device::DeviceCounters counters;
    driver->ReadCounters(&counters);
    const auto n = static_cast<uint64_t>(round);
    EXPECT_EQ(counters.wire_rx_packets, 10 * n);
    EXPECT_EQ(counters.wire_tx_packets, 20 * n);
    EXPECT_EQ(counters.wire_rx_bytes, 0x2fffffff0ull * n);
    EXPECT_EQ(counters.wire_tx_bytes, 99 * n);
    EXPECT_EQ(counters.drops_wire, 3 * n);
    EXPECT_EQ(counters.drops_malformed, 2 * n);
    ASSERT_EQ(counters.rx.size(), 15u);
    EXPECT_EQ(counters.rx[3].drops_no_descriptor, 8 * n);
    EXPECT_EQ(counters.drops_rule, 7 * n);  // what went to the queue for drops
    EXPECT_EQ(counters.rx[0].drops_no_descriptor, 0u);
  }
}

TEST(IgbStatistics, AddsToWhatIsThere) {
  test::StartedPf it;
  it.pf.bar.Poke(kGoodRx, 5);
  device::DeviceCounters counters;
  counters.wire_rx_packets = 100;
  counters.rx.resize(20);
  it.driver->ReadCounters(&counters);
  EXPECT_EQ(counters.wire_rx_packets, 105u);
  EXPECT_EQ(counters.rx.size(), 20u);
}

TEST(IgbStatistics, PoolsCountersWrapAndGoToTheirFirstQueue) {
  FakePf pf;
  pf.bar.Poke(PoolStatistics(3) + 0x10, 0xfffffffe);
  pf.bar.Poke(PoolStatistics(3) + 0x34, 7);
  vfio::DriverSettings settings = test::VfSettings(3);
  auto driver = vfio::MakeIgb(test::k82576, false, pf);
  ASSERT_TRUE(driver->Start(settings).ok());
  pf.bar.Poke(PoolStatistics(3) + 0x10, 3);
  pf.bar.Poke(PoolStatistics(3) + 0x14, 4);
  pf.bar.Poke(PoolStatistics(3) + 0x18, 500);
  pf.bar.Poke(PoolStatistics(3) + 0x34, 607);
  pf.bar.Poke(PoolStatistics(0) + 0x10, 1000);  // a VF's
  device::DeviceCounters counters;
  driver->ReadCounters(&counters);
  ASSERT_EQ(counters.rx.size(), 10u);
  EXPECT_EQ(counters.rx[0].packets, 5u);
  EXPECT_EQ(counters.tx[0].packets, 4u);
  EXPECT_EQ(counters.rx[0].bytes, 500u);
  EXPECT_EQ(counters.tx[0].bytes, 600u);
  for (size_t i = 1; i < 10; ++i) EXPECT_EQ(counters.rx[i].packets, 0u);
}

TEST(IgbStatistics, The82576HasNoCountersOfQueuesWithoutPools) {
  test::StartedPf it;
  it.pf.bar.Poke(PoolStatistics(0) + 0x10, 12);
  device::DeviceCounters counters;
  it.driver->ReadCounters(&counters);
  EXPECT_EQ(counters.rx[0].packets, 0u);
  test::StartedPf i350(test::kI350);
  i350.pf.bar.Poke(PoolStatistics(6) + 0x10, 12);
  i350.driver->ReadCounters(&(counters = {}));
  EXPECT_EQ(counters.rx[6].packets, 12u);
}

TEST(IgbStatistics, OfAFunctionThatIsGoneNothingIsAdded) {
  test::StartedPf it;
  it.pf.gone = true;
  it.pf.bar.OnRead(kGoodRx, [] { return kGone; });
  device::DeviceCounters counters;
  it.driver->ReadCounters(&counters);
  EXPECT_EQ(counters.wire_rx_packets, 0u);
  EXPECT_EQ(counters.rx.size(), 15u);
}

}  // namespace
}  // namespace qsplit
