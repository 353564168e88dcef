#include "tests/unit/lease/broker_fixture.h"

namespace qsplit::lease {
namespace {

using ::testing::ElementsAre;

class BrokerWatchTest : public BrokerTest {
 protected:
  template <typename Reader>
  static std::vector<v1::LeaseEvent> Drain(Reader& reader) {
    std::vector<v1::LeaseEvent> events;
    while (auto event = reader->Next()) events.push_back(event->event());
    return events;
  }
};

TEST_F(BrokerWatchTest, DevicesChangeWithLeasesAndRulesAndLink) {
  int ready = 0;
  const auto reader = broker_->WatchDevices({}, [&] { ++ready; });
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->Next()->device().free_rx_queues(), 8U);
  const SessionId red = Open(1000);
  const LeaseId lease = Acquire(red).lease_id();
  EXPECT_GE(ready, 1);
  EXPECT_EQ((*reader)->Next()->device().free_rx_queues(), 7U);
  ASSERT_TRUE(broker_->AddRule(red, Udp(lease, 1)).ok());
  EXPECT_EQ((*reader)->Next()->device().rules(), 1U);
  device::DeviceState down = nic_->State();
  down.link_up = false;
  nic_->ChangeState(down);
  EXPECT_FALSE((*reader)->Next()->device().link_up());
  End(red);
  const auto last = (*reader)->Next();
  EXPECT_EQ(last->device().free_rx_queues(), 8U);
  EXPECT_FALSE(last->device().link_up());
  EXPECT_FALSE((*reader)->Next());
  v1::WatchDevicesRequest none;
  none.set_name("eth0");
  EXPECT_EQ(broker_->WatchDevices(none, nullptr).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(BrokerWatchTest, OnReadyMayCallTheBroker) {
  size_t leases = 0;
  const SessionId red = Open(1000);
  const auto reader =
      broker_->WatchLeases(red, {}, [&] { leases = broker_->ListLeases(red, {})->leases_size(); });
  ASSERT_TRUE(reader.ok());
  Acquire(red);
  EXPECT_EQ(leases, 1U);
}

TEST_F(BrokerWatchTest, LeasesFromTheirHoldersSide) {
  const SessionId red = Open(1000);
  const SessionId blue = Open(2000);
  const SessionId root = Open(0);
  const LeaseId before = Acquire(red).lease_id();
  const auto own = broker_->WatchLeases(red, {}, nullptr);
  const auto other = broker_->WatchLeases(blue, {}, nullptr);
  v1::WatchLeasesRequest all_request;
  all_request.set_all(true);
  const auto same_uid = broker_->WatchLeases(Open(1000), all_request, nullptr);
  const auto other_uid = broker_->WatchLeases(blue, all_request, nullptr);
  const auto all = broker_->WatchLeases(root, all_request, nullptr);
  v1::WatchLeasesRequest one_request;
  one_request.set_lease_id(before);
  EXPECT_EQ(broker_->WatchLeases(blue, one_request, nullptr).status().code(),
            absl::StatusCode::kNotFound);
  const auto one = broker_->WatchLeases(root, one_request, nullptr);

  const LeaseId second = broker_->AcquireLease(red, Want(1, 1, 0))->lease().lease_id();
  device::Fault fault;
  fault.lease = second;
  fault.iova = 0xdead000;
  nic_->RaiseFault(fault);
  ASSERT_TRUE(Revoke(root, second).ok());
  ASSERT_TRUE(Release(red, before).ok());
  EXPECT_THAT(Drain(*own),
              ElementsAre(v1::LEASE_EVENT_PRESENT, v1::LEASE_EVENT_ACQUIRED, v1::LEASE_EVENT_FAULT,
                          v1::LEASE_EVENT_REVOKED, v1::LEASE_EVENT_RELEASED));
  EXPECT_THAT(Drain(*other), ElementsAre());
  EXPECT_THAT(Drain(*other_uid), ElementsAre());
  EXPECT_EQ(Drain(*same_uid).size(), 5U);
  EXPECT_EQ(Drain(*all).size(), 5U);
  EXPECT_THAT(Drain(*one), ElementsAre(v1::LEASE_EVENT_PRESENT, v1::LEASE_EVENT_RELEASED));
}

TEST_F(BrokerWatchTest, EndsWithTheSession) {
  const SessionId red = Open(1000);
  const SessionId root = Open(0);
  int ready = 0;
  const auto own = broker_->WatchLeases(red, {}, [&] { ++ready; });
  v1::WatchLeasesRequest all_request;
  all_request.set_all(true);
  const auto all = broker_->WatchLeases(root, all_request, nullptr);
  End(red);
  EXPECT_EQ(ready, 1);
  EXPECT_EQ(ReasonOf((*own)->status()), v1::ERROR_REASON_SESSION_ENDED);
  EXPECT_TRUE((*all)->status().ok());

  policy::Tenant tamed = Tenant("tamed", {0});
  broker_->SetPolicy(policy::Policy::Create({tamed}, {}).value());
  EXPECT_EQ((*all)->status().code(), absl::StatusCode::kPermissionDenied);
  const auto devices = broker_->WatchDevices({}, nullptr);
  broker_->EndAll();
  EXPECT_EQ((*devices)->status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(BrokerWatchTest, ASlowReaderIsCutOffAndDelaysNobody) {
  const SessionId red = Open(1000);
  const auto slow = broker_->WatchLeases(red, {}, nullptr);
  const LeaseId lease = Acquire(red).lease_id();
  device::Fault fault;
  fault.lease = lease;
  for (int i = 0; i < 300; ++i) nic_->RaiseFault(fault);
  EXPECT_EQ((*slow)->status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Get(red, lease)->faults(), 300U);
}

}  // namespace
}  // namespace qsplit::lease
