// A device that pins a lease's memory before its queues are opened: nobody waits for what another
// tenant has to be pinned.
#include <future>

#include "tests/unit/lease/broker_fixture.h"

namespace qsplit::lease {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Acquired = absl::StatusOr<v1::AcquireLeaseResponse>;

class BrokerPinningTest : public BrokerTest {
 protected:
  void SetUp() override {
    device::DeviceInfo info = Info();
    info.pins_ahead = true;
    info.pins_memory = true;
    info.open_patience_ms = 60;
    nic_ = std::make_shared<device::testing::FakeDevice>(info);
    ASSERT_TRUE(broker_->ReplaceDevice(nic_).ok());
  }
  std::future<Acquired> Ask(SessionId session) {
    auto promise = std::make_shared<std::promise<Acquired>>();
    const region::RegionId region = Region(session, regions_++ * 0x10000);
    broker_->AcquireLease(session, Want(region),
                          [promise](Acquired answer) { promise->set_value(std::move(answer)); });
    return promise->get_future();
  }
  std::future<Acquired> AskAndPin(SessionId session) {
    nic_->HoldPin();
    std::future<Acquired> answer = Ask(session);
    nic_->WaitPinning();
    return answer;
  }
  static bool Ready(const std::future<Acquired>& answer) {
    return answer.wait_for(std::chrono::milliseconds(5)) == std::future_status::ready;
  }

  uint64_t regions_ = 0;  // each of other bytes
  const SessionId red_ = Open(1000);
  const SessionId blue_ = Open(2000);
};

TEST_F(BrokerPinningTest, NobodyWaitsForWhatAnotherTenantHasToBePinned) {
  std::future<Acquired> answer = AskAndPin(red_);
  std::future<Acquired> second = Ask(Open(1001));
  // The same device: one that opens, one that closes, one that dies.
  const Acquired other = Ask(blue_).get();
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_TRUE(Release(blue_, other->lease().lease_id()).ok());
  ASSERT_TRUE(Ask(blue_).get().ok());
  broker_->EndSession(blue_);
  while (nic_->open_leases() != 0) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_FALSE(Ready(answer));
  EXPECT_FALSE(Ready(second)) << "a tenant has one thread";
  nic_->LetPin();
  EXPECT_TRUE(answer.get().ok());
  EXPECT_TRUE(second.get().ok());
}

TEST_F(BrokerPinningTest, MemoryIsPinnedOnceHoweverOftenAQueueIsNotFree) {
  nic_->Fail("OpenQueues", absl::UnavailableError("queue 0 is not free yet"), 3);
  ASSERT_TRUE(Ask(red_).get().ok());
  EXPECT_THAT(nic_->calls(), ElementsAre("PinMemory 1", "OpenQueues 1"));
}

TEST_F(BrokerPinningTest, ALeaseThatEndsMeanwhileIsNotOpened) {
  std::future<Acquired> answer = AskAndPin(red_);
  std::future<Acquired> second = Ask(red_);
  broker_->EndSession(red_);
  EXPECT_EQ(broker_->BrokenInvariant(), "");
  EXPECT_FALSE(Ready(answer)) << "the device has its memory still";
  nic_->LetPin();
  EXPECT_EQ(ReasonOf(answer.get().status()), v1::ERROR_REASON_SESSION_ENDED);
  EXPECT_EQ(ReasonOf(second.get().status()), v1::ERROR_REASON_SESSION_ENDED);
  EXPECT_FALSE(broker_->Settle());
  EXPECT_THAT(nic_->calls(), ElementsAre("PinMemory 1"));
  EXPECT_EQ(broker_->totals().leases, 0U);
}

TEST_F(BrokerPinningTest, ADaemonThatStopsWaitsForIt) {
  std::future<Acquired> answer = AskAndPin(red_);
  std::future<void> stopped = std::async(std::launch::async, [&] { broker_->EndAll(); });
  while (broker_->OpenSession({}, "").ok()) std::this_thread::yield();
  EXPECT_EQ(stopped.wait_for(std::chrono::milliseconds(5)), std::future_status::timeout);
  nic_->LetPin();
  stopped.get();
  EXPECT_EQ(answer.get().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(broker_->totals(), Totals{});
}

TEST_F(BrokerPinningTest, WhatCannotBePinnedIsRefusedAndLeavesNothingBooked) {
  nic_->Fail("PinMemory", absl::ResourceExhaustedError("no memory"));
  const Acquired lease = Ask(red_).get();
  EXPECT_EQ(lease.status().message(), "AcquireLease: no memory");
  EXPECT_THAT(nic_->calls(), IsEmpty());
  EXPECT_EQ(broker_->totals().leases, 0U);
  EXPECT_EQ(Nic().free_rx_queues(), 8U);
}

// A client can take the pages out of its region while a lease has them.
TEST_F(BrokerPinningTest, ARegionCountsForEachLeaseThatPinsIt) {
  const region::RegionId half = Region(red_, 0, 0x80000);  // of the quota
  const auto first = broker_->AcquireLease(red_, Want(half));
  const auto second = broker_->AcquireLease(red_, Want(half));
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  const SessionId other = Open(1001);
  const region::RegionId small = Region(other, 0, 0x1000);
  EXPECT_EQ(ReasonOf(broker_->AcquireLease(other, Want(small)).status()), v1::ERROR_REASON_QUOTA)
      << "the tenant has pinned all that it may";
  EXPECT_TRUE(Ask(blue_).get().ok()) << "which is nothing to others";
  // What is kept of a lease, its whole memory is.
  nic_->Keep(0, true);
  ASSERT_TRUE(Release(red_, first->lease().lease_id()).ok());
  EXPECT_EQ(ReasonOf(broker_->AcquireLease(other, Want(small)).status()), v1::ERROR_REASON_QUOTA);
  nic_->Keep(0, false);
  EXPECT_TRUE(broker_->AcquireLease(other, Want(small)).ok());
}

}  // namespace
}  // namespace qsplit::lease
