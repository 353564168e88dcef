#include "tests/unit/lease/broker_fixture.h"

namespace qsplit::lease {
namespace {

using ::testing::ElementsAre;

class BrokerTeardownTest : public BrokerTest {
 protected:
  BrokerTeardownTest() : red_(Open(1000)), root_(Open(0)), lease_(Acquire(red_).lease_id()) {
    EXPECT_TRUE(broker_->AddRule(red_, Udp(lease_, 1)).ok());
    EXPECT_TRUE(broker_->AddRule(red_, Udp(lease_, 2)).ok());
    nic_->ClearCalls();
  }

  const SessionId red_;
  const SessionId root_;
  const LeaseId lease_;
};

TEST_F(BrokerTeardownTest, ReleaseRemovesRulesThenQueues) {
  ASSERT_TRUE(Release(red_, lease_).ok());
  EXPECT_THAT(nic_->calls(), ElementsAre("RemoveRule 14", "RemoveRule 15", "CloseQueues 1"));
  EXPECT_EQ(Get(red_, lease_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Release(red_, lease_).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(broker_->totals(), (Totals{2, 1, 0, 0}));
  EXPECT_TRUE(broker_->ListRegions(red_, {})->regions(0).lease_ids().empty());
}

TEST_F(BrokerTeardownTest, TheEndOfASessionRemovesAllOfIt) {
  const auto second = broker_->AcquireLease(red_, Want(1, 2, 0))->lease().lease_id();
  ASSERT_TRUE(broker_->PutDescriptor(red_, linux_sys::OwnedFd()).ok());
  nic_->ClearCalls();
  End(red_);
  EXPECT_THAT(nic_->calls(), ElementsAre("RemoveRule 14", "RemoveRule 15", "CloseQueues 1",
                                         "CloseQueues " + std::to_string(second)));
  EXPECT_EQ(broker_->totals(), (Totals{1, 0, 0, 0}));
  EXPECT_EQ(Nic().free_rx_queues(), 8U);
}

TEST_F(BrokerTeardownTest, ARevokedLeaseHoldsNothingAndSaysSo) {
  EXPECT_EQ(Revoke(red_, lease_).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Revoke(root_, 77).code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(Revoke(root_, lease_).ok());
  EXPECT_THAT(nic_->calls(), ElementsAre("RemoveRule 14", "RemoveRule 15", "CloseQueues 1"));
  EXPECT_TRUE(Revoke(root_, lease_).ok()) << "again: nothing happens";
  EXPECT_EQ(Get(red_, lease_)->state(), v1::LEASE_STATE_REVOKED);
  EXPECT_EQ(Nic().free_rx_queues(), 8U);
  for (const absl::Status& status : {broker_->AddRule(red_, Udp(lease_, 3)).status(),
                                     broker_->FetchGrant(red_, lease_).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
    EXPECT_EQ(ReasonOf(status), v1::ERROR_REASON_REVOKED);
  }
  ASSERT_TRUE(Release(red_, lease_).ok());
  EXPECT_EQ(broker_->totals().leases, 0U);
}

TEST_F(BrokerTeardownTest, FaultsAreCountedAndStayAfterRevocation) {
  device::Fault fault;
  fault.lease = lease_;
  nic_->RaiseFault(fault);
  nic_->RaiseFault(fault);
  EXPECT_EQ(Get(red_, lease_)->state(), v1::LEASE_STATE_FAULTED);
  EXPECT_EQ(Get(red_, lease_)->faults(), 2U);
  ASSERT_TRUE(Revoke(root_, lease_).ok());
  nic_->RaiseFault(fault);
  EXPECT_EQ(Get(red_, lease_)->state(), v1::LEASE_STATE_REVOKED);
  EXPECT_EQ(Get(red_, lease_)->faults(), 2U);
}

// Whichever of its calls the device refuses: what is not undone stays booked, and is undone later.
class BrokerRefusalTest : public BrokerTeardownTest, public ::testing::WithParamInterface<int> {};

TEST_P(BrokerRefusalTest, ReleaseIsFinishedLater) {
  nic_->FailAfter(GetParam());
  const absl::Status status = Release(red_, lease_);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_EQ(ReasonOf(status), v1::ERROR_REASON_NOT_READY);
  EXPECT_EQ(broker_->BrokenInvariant(), "");
  EXPECT_EQ(broker_->totals().leases, 1U);
  EXPECT_EQ(Nic().free_rx_queues(), 7U) << "the queue is not free yet";
  EXPECT_EQ(Get(red_, lease_).status().code(), absl::StatusCode::kNotFound);
  v1::UnregisterRegionRequest region;
  region.set_region_id(1);
  EXPECT_EQ(broker_->UnregisterRegion(red_, region).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(Maintain());
  EXPECT_THAT(nic_->calls(), ElementsAre("RemoveRule 14", "RemoveRule 15", "CloseQueues 1"));
  EXPECT_EQ(broker_->totals(), (Totals{2, 1, 0, 0}));
  EXPECT_EQ(Nic().free_rx_queues(), 8U);
}

TEST_P(BrokerRefusalTest, RevocationIsFinishedLater) {
  nic_->FailAfter(GetParam());
  EXPECT_EQ(Revoke(root_, lease_).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(broker_->AddRule(red_, Udp(lease_, 9)).status()), v1::ERROR_REASON_REVOKED);
  EXPECT_FALSE(Maintain());
  EXPECT_EQ(Get(red_, lease_)->state(), v1::LEASE_STATE_REVOKED);
  EXPECT_EQ(nic_->open_leases(), 0U);
}

TEST_P(BrokerRefusalTest, TheEndOfASessionIsFinishedLater) {
  nic_->FailAfter(GetParam());
  End(red_);
  EXPECT_EQ(broker_->totals().leases, 1U);
  EXPECT_GE(left_calls_, 1) << "somebody is told to ask again";
  EXPECT_FALSE(Maintain());
  EXPECT_EQ(broker_->totals(), (Totals{1, 0, 0, 0}));
  EXPECT_EQ(nic_->open_leases(), 0U);
}

INSTANTIATE_TEST_SUITE_P(EachCall, BrokerRefusalTest, ::testing::Values(0, 1, 2));

TEST_F(BrokerTeardownTest, ADeviceThatNeverLetsGoKeepsItsQueues) {
  nic_->Fail("CloseQueues", absl::UnavailableError("stuck"), 5);
  End(red_);
  EXPECT_EQ(broker_->totals(), (Totals{1, 0, 1, 0}));
  EXPECT_EQ(broker_->BrokenInvariant(), "");
  EXPECT_EQ(nic_->request(lease_).regions.size(), 1U) << "the device's memory is still there";
  v1::ListLeasesRequest all;
  all.set_all(true);
  EXPECT_EQ(broker_->ListLeases(root_, all)->leases(0).state(), v1::LEASE_STATE_RELEASED);
  v1::AcquireLeaseRequest same = Want(Region(root_), 1, 1);
  same.set_first_rx_queue(0);
  EXPECT_EQ(ReasonOf(broker_->AcquireLease(root_, same).status()), v1::ERROR_REASON_QUEUE_TAKEN);
  while (Maintain()) {
  }
  EXPECT_TRUE(broker_->AcquireLease(root_, same).ok());
}

TEST_F(BrokerTeardownTest, ABusyDeviceIsAskedOnceAndSomebodyIsToldToAskAgain) {
  for (int i = 0; i < 2; ++i) {
    v1::AcquireLeaseRequest more = Want(1, 1, 0);
    ASSERT_TRUE(broker_->AcquireLease(red_, more).ok());
  }
  EXPECT_EQ(left_calls_, 0);
  nic_->ClearCalls();
  // Each time may take 50 ms with the lock held: one for three leases.
  nic_->Fail("RemoveRule", absl::UnavailableError("busy"), 1);
  End(red_);
  EXPECT_EQ(nic_->open_leases(), 3U);
  EXPECT_THAT(nic_->calls(), ::testing::IsEmpty());
  EXPECT_EQ(left_calls_, 1);
  EXPECT_FALSE(Maintain());
  EXPECT_EQ(nic_->open_leases(), 0U);
  EXPECT_EQ(left_calls_, 1) << "nothing is left, nobody is told";
}

TEST_F(BrokerTeardownTest, ADeviceThatIsTooBusyToCloseIsAskedOnce) {
  ASSERT_TRUE(broker_->AcquireLease(red_, Want(1, 1, 0)).ok());
  nic_->ClearCalls();
  nic_->Hold();
  nic_->Fail("CloseQueues", absl::UnavailableError("busy"), 1);
  broker_->EndSession(red_);
  nic_->LetGo();
  EXPECT_TRUE(broker_->Settle());
  EXPECT_EQ(nic_->open_leases(), 2U) << "the second would only have heard the same";
  EXPECT_THAT(nic_->calls(), ElementsAre("RemoveRule 14", "RemoveRule 15"));
  EXPECT_GE(left_calls_, 1);
  EXPECT_FALSE(Maintain());
}

TEST_F(BrokerTeardownTest, MemoryIsHandedOnToBeClosed) {
  ASSERT_TRUE(broker_->PutDescriptor(red_, linux_sys::OwnedFd()).ok());
  End(red_);
  // The region's, by the region and by the lease; the grant's three; the one that was put.
  EXPECT_EQ(disposed_.size(), 6U);
}

TEST_F(BrokerTeardownTest, RulesThatTheDeviceHasLostAreNoTrouble) {
  nic_->Fail("RemoveRule", absl::NotFoundError("gone"), 2);
  ASSERT_TRUE(Release(red_, lease_).ok());
  // The fake's own books still have them; a device that says NOT_FOUND means it.
  for (uint32_t location : {14U, 15U}) ASSERT_TRUE(nic_->RemoveRule(location).ok());
  EXPECT_EQ(nic_->violations().size(), 2U);
  nic_->ForgetViolations();
}

}  // namespace
}  // namespace qsplit::lease
