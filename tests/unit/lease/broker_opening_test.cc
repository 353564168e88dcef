// What happens while a device takes its time to open or to close queues: nobody else waits, and
// whatever ends a lease meanwhile ends it.
#include <future>
#include <thread>

#include "daemon/device/held_queue.h"
#include "tests/unit/lease/broker_fixture.h"

namespace qsplit::lease {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Acquired = absl::StatusOr<v1::AcquireLeaseResponse>;

class BrokerOpeningTest : public BrokerTest {
 protected:
  // AcquireLease under way: the device has been asked and has not answered.
  std::future<Acquired> Begin(SessionId session, uint32_t rx = 1) {
    nic_->Hold();
    std::future<Acquired> answer = Ask(session, Want(Region(session), rx));
    nic_->WaitHeld();
    return answer;
  }
  std::future<Acquired> Ask(SessionId session, const v1::AcquireLeaseRequest& request) {
    auto promise = std::make_shared<std::promise<Acquired>>();
    broker_->AcquireLease(session, request,
                          [promise](Acquired answer) { promise->set_value(std::move(answer)); });
    return promise->get_future();
  }
  static bool Ready(const std::future<Acquired>& answer) {
    return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  std::vector<v1::Lease> List(SessionId session) {
    v1::ListLeasesRequest all;
    all.set_all(true);
    const auto list = broker_->ListLeases(session, all);
    return {list->leases().begin(), list->leases().end()};
  }

  SessionId red_ = Open(1000);
  const SessionId blue_ = Open(2000);
  const SessionId root_ = Open(0);
};

TEST_F(BrokerOpeningTest, NobodyElseWaits) {
  std::future<Acquired> answer = Begin(red_);
  // Each of these takes the lock, and some ask this very device.
  EXPECT_EQ(Nic().free_rx_queues(), 7U) << "the queue is taken already";
  EXPECT_TRUE(broker_
                  ->GetStats(kNobody,
                             [] {
                               v1::GetStatsRequest request;
                               request.set_device("nic0");
                               return request;
                             }())
                  .ok());
  EXPECT_TRUE(broker_->AddRule(root_, Udp(0, 9)).ok());
  const SessionId late = Open(2000);
  Region(late);
  broker_->EndSession(late);
  EXPECT_FALSE(Ready(answer));
  EXPECT_EQ(List(red_)[0].state(), v1::LEASE_STATE_OPENING);
  nic_->LetGo();
  const Acquired lease = answer.get();
  ASSERT_TRUE(lease.ok()) << lease.status();
  EXPECT_EQ(lease->lease().state(), v1::LEASE_STATE_ACTIVE);
  EXPECT_EQ(lease->grant().rx_size(), 1);
}

// A device whose queues take a while until they are free.
class BrokerPatienceTest : public BrokerOpeningTest {
 protected:
  void Seat(uint32_t patience_ms) {
    device::DeviceInfo info = Info();
    info.open_patience_ms = patience_ms;
    nic_ = std::make_shared<device::testing::FakeDevice>(info);
    ASSERT_TRUE(broker_->ReplaceDevice(nic_).ok());
  }
  void NotFree(int times) {
    nic_->Fail("OpenQueues", absl::UnavailableError("queue 0 is not free yet"), times);
  }
  void Held(const absl::Status& status, int times) {
    nic_->Fail("OpenQueues", device::OfHeldQueue(status, 0), times);
  }
};

TEST_F(BrokerPatienceTest, AQueueThatIsNotFreeYetIsAskedForAgainAndHoldsUpNobody) {
  Seat(60'000);
  v1::ReleaseLeaseRequest release;
  release.set_lease_id(Acquire(blue_).lease_id());
  NotFree(1'000'000);
  std::future<Acquired> answer = Ask(red_, Want(Region(red_)));
  EXPECT_TRUE(broker_->ReleaseLease(blue_, release).ok()) << "the device's thread is free";
  EXPECT_FALSE(Ready(answer));
  NotFree(3);
  EXPECT_TRUE(answer.get().ok());
}

TEST_F(BrokerPatienceTest, PatienceHasAnEnd) {
  Seat(20);
  NotFree(1'000'000);
  const Acquired lease = Ask(red_, Want(Region(red_))).get();
  EXPECT_EQ(lease.status().message(), "AcquireLease: queue 0 is not free yet");
  EXPECT_EQ(broker_->totals().leases, 0U);
  EXPECT_EQ(Nic().free_rx_queues(), 8U);
}

TEST_F(BrokerPatienceTest, AQueueThatSomebodyKeepsIsAvoided) {
  Seat(1);
  Held(absl::UnavailableError("queue 0 is held"), 2);
  const Acquired lease = Ask(red_, Want(Region(red_))).get();
  ASSERT_TRUE(lease.ok()) << lease.status();
  EXPECT_EQ(lease->lease().rx_queues(0), 1U) << "another one is free";
  EXPECT_EQ(Nic().free_rx_queues(), 6U) << "and the one that is kept is not";
  ASSERT_TRUE(Release(red_, lease->lease().lease_id()).ok());
  // The next one does not ask for it again.
  EXPECT_EQ(Acquire(blue_).rx_queues(0), 1U);
  EXPECT_FALSE(broker_->Settle());
  now_ += absl::Seconds(6);
  EXPECT_EQ(Nic().free_rx_queues(), 7U);
  EXPECT_EQ(Acquire(root_).rx_queues(0), 0U);
}

TEST_F(BrokerPatienceTest, WhatATenantKeepsCountsAsHis) {
  Seat(40);
  const region::RegionId red = Region(red_);
  const auto ask = [&](uint32_t rx, uint32_t tx, uint32_t first) {
    v1::AcquireLeaseRequest want = Want(red, rx, tx);
    want.set_first_rx_queue(first);
    want.set_first_tx_queue(first);
    return Ask(red_, want).get();
  };
  // Red may have six queues of each direction.
  const Acquired two = ask(2, 1, 0);
  ASSERT_TRUE(two.ok() && Release(red_, two->lease().lease_id()).ok());
  nic_->Keep(0, true);
  nic_->Keep(1, true);
  nic_->Keep(7, true);  // nobody had it
  const Acquired refused = ask(5, 5, 2);
  EXPECT_EQ(ReasonOf(refused.status()), v1::ERROR_REASON_QUOTA) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("5 receive queues, with 0 in use and 2 that programs keep after their "
                        "leases, by descriptors of them, are more than the 6 that policy allows"));
  const Acquired fits = ask(4, 5, 2);
  ASSERT_TRUE(fits.ok()) << "it kept one queue to send: " << fits.status();
  EXPECT_EQ(Acquire(blue_, 1, 1).tx_queues(0), 0U) << "nothing of that is another tenant's";
  ASSERT_TRUE(Release(red_, fits->lease().lease_id()).ok());
  nic_->Keep(0, false);
  nic_->Keep(1, false);
  const Acquired six = ask(6, 6, 2);
  EXPECT_TRUE(six.ok()) << six.status();
}

TEST_F(BrokerPatienceTest, WhoIsAboutToLetGoIsWaitedFor) {
  Seat(60'000);
  const region::RegionId red = Region(red_);
  const Acquired all = Ask(red_, Want(red, 6, 6)).get();
  ASSERT_TRUE(all.ok() && Release(red_, all->lease().lease_id()).ok());
  nic_->Keep(3, true);
  std::future<Acquired> answer = Ask(red_, Want(red, 6, 6));
  EXPECT_FALSE(Ready(answer));
  EXPECT_TRUE(Ask(blue_, Want(Region(blue_))).get().ok()) << "the device's thread is free";
  nic_->Keep(3, false);
  EXPECT_TRUE(answer.get().ok());
}

TEST_F(BrokerPatienceTest, AQueueThatIsAvoidedIsHadWhereNoOtherIs) {
  Seat(1);
  // One who insists on it is told that it is not to be had, once it is known who has it.
  Held(absl::ResourceExhaustedError("queue 0 is held"), 2);
  v1::AcquireLeaseRequest first = Want(Region(red_));
  first.set_first_rx_queue(0);
  const Acquired refused = Ask(red_, first).get();
  EXPECT_EQ(ReasonOf(refused.status()), v1::ERROR_REASON_NO_FREE_QUEUE) << refused.status();
  EXPECT_EQ(refused.status().message(), "AcquireLease: queue 0 is held");
  // All is all, and what is kept is asked for once only.
  Held(absl::UnavailableError("queue 0 is held"), 1);
  v1::AcquireLeaseRequest all = Want(Region(root_));
  all.set_rx_queue_count(8);
  all.set_tx_queue_count(8);
  EXPECT_EQ(ReasonOf(Ask(root_, all).get().status()), v1::ERROR_REASON_NOT_READY);
  EXPECT_TRUE(Ask(root_, all).get().ok());
  EXPECT_EQ(Nic().free_rx_queues(), 0U);
}

TEST_F(BrokerPatienceTest, ASessionThatEndsWaitsNoLonger) {
  Seat(60'000);
  NotFree(1'000'000);
  std::future<Acquired> answer = Ask(red_, Want(Region(red_)));
  broker_->EndSession(red_);
  EXPECT_EQ(ReasonOf(answer.get().status()), v1::ERROR_REASON_SESSION_ENDED);
  EXPECT_FALSE(broker_->Settle());
  EXPECT_THAT(nic_->calls(), IsEmpty());
  EXPECT_EQ(broker_->totals().leases, 0U);
}

TEST_F(BrokerOpeningTest, NobodyElseWaitsForADeviceThatCounts) {
  std::vector<std::future<void>> others;
  nic_->OnCount([&] {
    others.push_back(std::async(std::launch::async, [&] { (void)broker_->totals(); }));
    EXPECT_EQ(others.back().wait_for(std::chrono::seconds(5)), std::future_status::ready);
  });
  v1::GetStatsRequest request;
  request.set_device("nic0");
  EXPECT_TRUE(broker_->GetStats(kNobody, request).ok());
  ASSERT_TRUE(broker_->AcquireLease(red_, Want(Region(red_), 1)).ok());
  broker_->EndSession(red_);
  EXPECT_FALSE(broker_->Settle());
  EXPECT_EQ(others.size(), 3u) << "for a reader, before a lease and after it";
}

TEST_F(BrokerOpeningTest, ALeaseThatOpensCountsAndCanDoNothingYet) {
  std::future<Acquired> answer = Begin(red_, 6);
  const LeaseId id = List(red_)[0].lease_id();
  // Its quota and its region are in use.
  std::future<Acquired> second = Ask(red_, Want(1, 1));
  for (const absl::Status& status :
       {broker_->AddRule(red_, Udp(id, 3)).status(), broker_->FetchGrant(red_, id).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("is being set up"));
  }
  v1::UnregisterRegionRequest region;
  region.set_region_id(1);
  EXPECT_EQ(ReasonOf(broker_->UnregisterRegion(red_, region).status()), v1::ERROR_REASON_IN_USE);
  // An operator's rule cannot take its queue away.
  v1::AddRuleRequest rule = Udp(0, 5);
  rule.set_queue(0);
  EXPECT_FALSE(broker_->AddRule(root_, rule).ok());
  nic_->LetGo();
  EXPECT_TRUE(answer.get().ok());
  EXPECT_EQ(ReasonOf(second.get().status()), v1::ERROR_REASON_QUOTA);
}

TEST_F(BrokerOpeningTest, ASessionThatEndsTakesItsOpeningLeaseAlong) {
  auto reader = broker_->WatchLeases(
      root_,
      [] {
        v1::WatchLeasesRequest all;
        all.set_all(true);
        return all;
      }(),
      nullptr);
  std::future<Acquired> answer = Begin(red_);
  std::future<Acquired> waiting = Ask(blue_, Want(Region(blue_)));
  broker_->EndSession(red_);
  EXPECT_EQ(broker_->BrokenInvariant(), "");
  EXPECT_EQ(List(root_)[0].state(), v1::LEASE_STATE_RELEASED);
  nic_->LetGo();
  const Acquired lease = answer.get();
  EXPECT_EQ(ReasonOf(lease.status()), v1::ERROR_REASON_SESSION_ENDED) << lease.status();
  ASSERT_TRUE(waiting.get().ok());
  EXPECT_THAT(nic_->calls(), ElementsAre("OpenQueues 1", "CloseQueues 1", "OpenQueues 2"))
      << "closed at once, before others are served";
  EXPECT_EQ(broker_->totals(), (Totals{2, 1, 1, 0}));
  // Readers hear of leases that somebody got.
  const auto first = (*reader)->Next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->lease().lease_id(), 2U);
  EXPECT_FALSE((*reader)->Next().has_value());
}

TEST_F(BrokerOpeningTest, AnOpeningLeaseCanBeRevokedAndReleased) {
  for (const bool revoke : {true, false}) {
    std::future<Acquired> answer = Begin(red_);
    const LeaseId id = List(red_)[0].lease_id();
    std::future<absl::Status> ended = std::async(
        std::launch::async, [&] { return revoke ? Revoke(root_, id) : Release(red_, id); });
    while (List(root_)[0].state() == v1::LEASE_STATE_OPENING) std::this_thread::yield();
    EXPECT_EQ(ended.wait_for(std::chrono::milliseconds(5)), std::future_status::timeout)
        << "the device has it still";
    nic_->LetGo();
    EXPECT_TRUE(ended.get().ok());
    const Acquired lease = answer.get();
    EXPECT_EQ(lease.status().code(), absl::StatusCode::kAborted) << lease.status();
    EXPECT_THAT(std::string(lease.status().message()), HasSubstr("taken back while it was set up"));
    EXPECT_THAT(List(root_), IsEmpty());
    EXPECT_EQ(nic_->open_leases(), 0U);
    End(red_);
    red_ = Open(1000);
  }
}

TEST_F(BrokerOpeningTest, ADaemonThatStopsWaitsForTheDevice) {
  std::future<Acquired> answer = Begin(red_);
  std::future<Acquired> waiting = Ask(blue_, Want(Region(blue_)));
  std::future<void> stopped = std::async(std::launch::async, [&] { broker_->EndAll(); });
  while (broker_->OpenSession({}, "").ok()) std::this_thread::yield();
  EXPECT_EQ(stopped.wait_for(std::chrono::milliseconds(5)), std::future_status::timeout);
  nic_->LetGo();
  stopped.get();
  EXPECT_EQ(answer.get().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(waiting.get().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(broker_->totals(), Totals{});
  EXPECT_EQ(nic_->open_leases(), 0U);
}

TEST_F(BrokerOpeningTest, ADeviceThatRefusesLeavesNothingBooked) {
  nic_->Fail("OpenQueues", absl::ResourceExhaustedError("RLIMIT_MEMLOCK is 64 KiB"));
  const Acquired lease = Ask(red_, Want(Region(red_))).get();
  EXPECT_EQ(lease.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(lease.status().message()), HasSubstr("RLIMIT_MEMLOCK"));
  EXPECT_EQ(broker_->totals().leases, 0U);
  EXPECT_EQ(Nic().free_rx_queues(), 8U);
  EXPECT_THAT(nic_->calls(), IsEmpty()) << "what was never open is not closed";
  EXPECT_TRUE(broker_->ListRegions(red_, {})->regions(0).lease_ids().empty());
}

TEST_F(BrokerOpeningTest, ClosingTakesItsTimeAndNobodyElseWaits) {
  const LeaseId id = Acquire(red_).lease_id();
  nic_->Hold();
  std::future<absl::Status> released =
      std::async(std::launch::async, [&] { return Release(red_, id); });
  nic_->WaitHeld();
  EXPECT_EQ(Nic().free_rx_queues(), 7U) << "the device may still reach its memory";
  EXPECT_EQ(ReasonOf(Get(red_, id).status()), v1::ERROR_REASON_NOT_FOUND);
  EXPECT_TRUE(broker_->Maintain()) << "something has ended and is held";
  broker_->EndSession(blue_);
  // Both of its ends wait for the one call.
  broker_->EndSession(red_);
  EXPECT_EQ(released.wait_for(std::chrono::milliseconds(5)), std::future_status::timeout);
  nic_->LetGo();
  EXPECT_TRUE(released.get().ok());
  broker_->Settle();
  EXPECT_THAT(nic_->calls(), ElementsAre("OpenQueues 1", "CloseQueues 1"));
  EXPECT_EQ(broker_->totals(), (Totals{1, 0, 0, 0}));
}

// Many sessions of several threads at once, each killed at some moment.
TEST_F(BrokerOpeningTest, EndsAtAnyMomentLeaveNothing) {
  std::vector<std::thread> clients;
  clients.reserve(4);
  for (int thread = 0; thread < 4; ++thread) {
    clients.emplace_back([this, thread] {
      for (int round = 0; round < 40; ++round) {
        const SessionId session = Open(thread % 2 == 0 ? 1000 : 2000);
        std::vector<std::future<Acquired>> answers;
        answers.reserve(3);
        v1::RegisterRegionRequest region;
        region.set_length_bytes(0x1000);
        const auto id = broker_->RegisterRegion(session, region, Memfd())->region().region_id();
        for (int i = 0; i < 3; ++i) answers.push_back(Ask(session, Want(id, 1, i % 2)));
        std::this_thread::sleep_for(std::chrono::microseconds(20 * ((round + thread) % 8)));
        broker_->EndSession(session);
        for (auto& answer : answers) {
          const Acquired lease = answer.get();
          if (lease.ok()) continue;
          EXPECT_THAT(ReasonOf(lease.status()),
                      ::testing::AnyOf(v1::ERROR_REASON_SESSION_ENDED, v1::ERROR_REASON_QUOTA,
                                       v1::ERROR_REASON_NO_FREE_QUEUE))
              << lease.status();
        }
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_FALSE(broker_->Settle());
  EXPECT_EQ(broker_->totals(), (Totals{3, 0, 0, 0}));
  EXPECT_EQ(nic_->open_leases(), 0U);
}

}  // namespace
}  // namespace qsplit::lease
