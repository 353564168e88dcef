// What a guarded queue does beside checking: turns of a bounded length, rates, and what it says to
// both sides before it sleeps.
#include <gtest/gtest.h>

#include "dataplane/barriers.h"
#include "tests/unit/guard/guard_rig.h"

namespace qsplit::guard {
namespace {

using dataplane::PushResult;
using dataplane::RingFault;
using dataplane::TxWork;
using testing::Random;
using testing::RxCase;
using testing::RxGuardRig;
using testing::TxCase;
using testing::TxGuardRig;

constexpr uint64_t kMs = 1'000'000;

class SendingQueue : public ::testing::TestWithParam<TxCase> {
 protected:
  void PushPackets(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      ASSERT_EQ(rig.client.driver->Push(rig.Segments(random, 1), {}, i), PushResult::kPushed);
    }
    rig.client.driver->Publish();
  }
  uint32_t SendAll() {
    TxWork work;
    uint32_t sent = 0;
    for (; rig.device->Fetch(&work) == RingFault::kNone; ++sent) rig.device->Complete(work.handle);
    return sent;
  }
  TxGuardRig rig{GetParam()};
  Random random{1};
};
INSTANTIATE_TEST_SUITE_P(AllLayouts, SendingQueue, ::testing::ValuesIn(testing::GuardedTxCases()),
                         testing::CaseName<TxCase>);

TEST_P(SendingQueue, MovesNoMoreThanItsTurn) {
  PushPackets(20);
  uint32_t turns = 0;
  uint32_t sent = 0;
  while (const uint32_t moved = rig.guard->Poll(8).forwarded) {
    // A chain in a table is not cut: a packet may have two descriptors here.
    EXPECT_LE(moved, 9u);
    sent += SendAll();
    ++turns;
  }
  EXPECT_GE(turns, 3u);
  EXPECT_EQ(sent, 20u);
  EXPECT_EQ(rig.guard->counters().packets.Read(), 20u);
}

TEST_P(SendingQueue, KeepsToItsRate) {
  TokenBuckets buckets({.tx_packets_per_second = 1000, .burst_packets = 5});
  rig.guard->SetRateLimit(&buckets);
  PushPackets(20);
  buckets.Refill(kMs);
  rig.Settle();
  // What waits for tokens is work, but not before they are there.
  EXPECT_EQ(rig.guard->WorkInNs(), kMs);
  EXPECT_EQ(SendAll(), 5u);
  EXPECT_GT(rig.guard->counters().limited.Read(), 0u);
  EXPECT_TRUE(rig.guard->HasWork());
  buckets.Refill(4 * kMs);
  rig.Settle();
  EXPECT_EQ(SendAll(), 3u);
  buckets.Refill(1000 * kMs);
  rig.Settle();
  EXPECT_EQ(SendAll(), 5u);
  EXPECT_FALSE(rig.guard->fault().has_value());
}

TEST_P(SendingQueue, BringsBackWhatIsDoneWhateverWaits) {
  TokenBuckets buckets({.tx_packets_per_second = 1000, .burst_packets = 5});
  rig.guard->SetRateLimit(&buckets);
  for (int i = 0; i < 6; ++i) PushPackets(1);
  buckets.Refill(kMs);
  rig.Settle();
  ASSERT_GT(rig.guard->WorkInNs(), 0u);
  ASSERT_EQ(SendAll(), 5u);
  EXPECT_EQ(rig.guard->WorkInNs(), 0u);
}

TEST_P(SendingQueue, KnowsWhenThereIsWork) {
  EXPECT_EQ(rig.guard->WorkInNs(), GuardedQueue::kNoWork);
  EXPECT_FALSE(rig.guard->HasWork());
  PushPackets(1);
  EXPECT_TRUE(rig.guard->HasWork());
  rig.Settle();
  EXPECT_FALSE(rig.guard->HasWork());
  EXPECT_EQ(SendAll(), 1u);
  EXPECT_TRUE(rig.guard->HasWork());
  rig.Settle();
  EXPECT_FALSE(rig.guard->HasWork());
  EXPECT_EQ(rig.client.ReclaimAll().size(), 1u);
}

class ReceivingQueue : public ::testing::TestWithParam<RxCase> {};
INSTANTIATE_TEST_SUITE_P(AllLayouts, ReceivingQueue, ::testing::ValuesIn(testing::GuardedRxCases()),
                         testing::CaseName<RxCase>);

TEST_P(ReceivingQueue, MovesNoMoreThanItsTurnAndKnowsWhenThereIsWork) {
  RxGuardRig rig(GetParam());
  EXPECT_FALSE(rig.guard->HasWork());
  rig.client.Post(20);
  rig.client.driver().Publish();
  EXPECT_TRUE(rig.guard->HasWork());
  EXPECT_EQ(rig.guard->Poll(8).forwarded, 8u);
  rig.Settle();
  EXPECT_FALSE(rig.guard->HasWork());
  for (uint32_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(rig.Send(dataplane::testing::MakePacket(i, 100)));
  }
  EXPECT_TRUE(rig.guard->HasWork());
  EXPECT_EQ(rig.guard->Poll(8).returned, 8u);
  EXPECT_EQ(rig.client.Poll(20), 8u);
  rig.Settle();
  EXPECT_FALSE(rig.guard->HasWork());
  EXPECT_EQ(rig.client.Poll(20), 2u);
}

// A client rings its doorbell; whether it must wake the guard stands in the shadow.
TEST_P(ReceivingQueue, AsksToBeWoken) {
  RxGuardRig rig(GetParam());
  alignas(8) uint32_t need_wakeup = 0;
  dataplane::QueueView shadow = rig.client.memory().view();
  for (dataplane::RingView& ring : shadow.rings) {
    ring.need_wakeup = reinterpret_cast<std::byte*>(&need_wakeup);
  }
  const testing::QueueMemory real(*GetParam().layout, GetParam().queue, GetParam().choices, 64);
  GuardOptions options;
  options.rx_buffer_bytes = rig.client.buffer_bytes();
  auto guard = *GuardedQueue::Create(*GetParam().layout, v1::DIRECTION_RECEIVE, shadow, real.view(),
                                     rig.addresses.regions, options);
  guard.SetNeedWakeup(true);
  EXPECT_NE(need_wakeup, 0u);
  guard.SetNeedWakeup(false);
  EXPECT_EQ(need_wakeup, 0u);
}

}  // namespace
}  // namespace qsplit::guard
