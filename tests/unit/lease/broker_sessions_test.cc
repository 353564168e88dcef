#include <atomic>
#include <thread>

#include "tests/unit/lease/broker_fixture.h"

namespace qsplit::lease {
namespace {

class BrokerSessionsTest : public BrokerTest {};

TEST_F(BrokerSessionsTest, TokensNameSessions) {
  const auto opened = broker_->OpenSession({1000, 1000, 1}, "a");
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(broker_->Authenticate(opened->token).value(), opened->id);
  EXPECT_EQ(ReasonOf(broker_->Authenticate("").status()), v1::ERROR_REASON_NO_SESSION);
  End(opened->id);
  EXPECT_EQ(ReasonOf(broker_->Authenticate(opened->token).status()),
            v1::ERROR_REASON_SESSION_ENDED);
}

TEST_F(BrokerSessionsTest, QuotaOfAUid) {
  for (int i = 0; i < 4; ++i) Open(1000);
  const auto fifth = broker_->OpenSession({1000, 1000, 1}, "");
  EXPECT_EQ(ReasonOf(fifth.status()), v1::ERROR_REASON_QUOTA);
  EXPECT_TRUE(broker_->OpenSession({1001, 1001, 1}, "").ok());
}

TEST_F(BrokerSessionsTest, EveryCallOfAnEndedSessionSaysSo) {
  const SessionId session = Open(0);
  End(session);
  End(session);
  const absl::Status answers[] = {
      broker_->PutDescriptor(session, linux_sys::OwnedFd()).status(),
      broker_->TakeDescriptor(session, 1).status(),
      broker_->FetchGrant(session, 1).status(),
      broker_->SetDevice(session, {}).status(),
      broker_->RegisterRegion(session, {}, Memfd()).status(),
      broker_->UnregisterRegion(session, {}).status(),
      broker_->ListRegions(session, {}).status(),
      broker_->AcquireLease(session, {}).status(),
      broker_->GetLease(session, {}).status(),
      broker_->ListLeases(session, {}).status(),
      broker_->ReleaseLease(session, {}).status(),
      broker_->WatchLeases(session, {}, nullptr).status(),
      broker_->AddRule(session, {}).status(),
      broker_->RemoveRule(session, {}).status(),
      broker_->ListRules(session, {}).status(),
      broker_->SetRss(session, {}).status(),
      broker_->GetStats(session, {}).status(),
      broker_->RevokeLease(session, {}).status(),
      broker_->InjectFault(session, {}).status(),
      broker_->CheckAdmin(session, "ReloadPolicy"),
  };
  for (const absl::Status& status : answers) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << status;
    EXPECT_EQ(ReasonOf(status), v1::ERROR_REASON_SESSION_ENDED) << status;
  }
  // Nobody at all.
  EXPECT_EQ(ReasonOf(broker_->AcquireLease(kNobody, {}).status()), v1::ERROR_REASON_NO_SESSION);
  EXPECT_EQ(ReasonOf(broker_->AddRule(kNobody, {}).status()), v1::ERROR_REASON_NO_SESSION);
}

TEST_F(BrokerSessionsTest, DescriptorsAreUsedOnce) {
  const SessionId session = Open(1000);
  const auto handle = broker_->PutDescriptor(session, linux_sys::OwnedFd());
  ASSERT_TRUE(handle.ok());
  EXPECT_EQ(ReasonOf(broker_->TakeDescriptor(Open(2000), *handle).status()),
            v1::ERROR_REASON_NOT_FOUND);
  EXPECT_TRUE(broker_->TakeDescriptor(session, *handle).ok());
  EXPECT_EQ(ReasonOf(broker_->TakeDescriptor(session, *handle).status()),
            v1::ERROR_REASON_NOT_FOUND);
}

TEST_F(BrokerSessionsTest, StoppingTurnsEverybodyAway) {
  const SessionId session = Open(1000);
  Acquire(session);
  ASSERT_TRUE(broker_->AddRule(Open(0), Udp(0, 9)).ok());
  broker_->EndAll();
  EXPECT_EQ(broker_->totals(), Totals{});
  EXPECT_EQ(broker_->OpenSession({}, "").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(broker_->AcquireLease(session, {}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(broker_->WatchDevices({}, nullptr).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(broker_->ListDevices().devices_size(), 1) << "reads still work";
}

// A session's calls race with its end: each comes before, and is rolled back, or is refused.
TEST_F(BrokerSessionsTest, ItsEndNeverMixesWithItsCalls) {
  for (int round = 0; round < 60; ++round) {
    const SessionId session = Open(1000);
    const auto region = Region(session);
    std::atomic<bool> refused = false;
    std::thread caller([&] {
      while (!refused) {
        const auto lease = broker_->AcquireLease(session, Want(region));
        const absl::Status rule =
            lease.ok() ? broker_->AddRule(session, Udp(lease->lease().lease_id(), 7)).status()
                       : lease.status();
        if (lease.ok()) (void)Release(session, lease->lease().lease_id());
        for (const absl::Status& status : {lease.status(), rule}) {
          if (status.ok()) continue;
          EXPECT_EQ(ReasonOf(status), v1::ERROR_REASON_SESSION_ENDED) << status;
          refused = true;
        }
      }
    });
    std::this_thread::sleep_for(std::chrono::microseconds(50 * (round % 10)));
    End(session);
    EXPECT_EQ(broker_->totals(), Totals{});
    caller.join();
    EXPECT_EQ(broker_->totals(), Totals{});
    EXPECT_EQ(nic_->open_leases(), 0U);
    EXPECT_EQ(nic_->rules(), 0U);
  }
}

TEST_F(BrokerSessionsTest, ANewPolicyJudgesNewCalls) {
  const SessionId session = Open(1000);
  const auto lease = Acquire(session);
  broker_->SetPolicy(policy::Policy::RootOnly());
  EXPECT_EQ(Get(session, lease.lease_id())->state(), v1::LEASE_STATE_ACTIVE);
  EXPECT_EQ(ReasonOf(broker_->AddRule(session, Udp(lease.lease_id(), 5)).status()),
            v1::ERROR_REASON_OUT_OF_SCOPE);
  EXPECT_TRUE(Release(session, lease.lease_id()).ok());
  EXPECT_EQ(ReasonOf(broker_->CheckAdmin(session, "ReloadPolicy")), v1::ERROR_REASON_NOT_ALLOWED);
  EXPECT_TRUE(broker_->CheckAdmin(Open(0), "ReloadPolicy").ok());
}

}  // namespace
}  // namespace qsplit::lease
