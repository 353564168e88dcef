#include "daemon/lease/event_hub.h"

#include <gtest/gtest.h>

namespace qsplit::lease {
namespace {

v1::Device Nic(uint32_t free) {
  v1::Device device;
  device.set_name("nic0");
  device.set_free_rx_queues(free);
  return device;
}

v1::Lease LeaseOf(LeaseId id, session::SessionId session) {
  v1::Lease lease;
  lease.set_lease_id(id);
  lease.set_session_id(session);
  lease.set_device("nic0");
  lease.set_state(v1::LEASE_STATE_ACTIVE);
  return lease;
}

Sight Own(session::SessionId session) { return {.session = session}; }
Sight All(session::SessionId session) { return {.reach = Sight::Reach::kAll, .session = session}; }

TEST(EventHub, TellsThePresentStateThenChanges) {
  EventHub hub;
  hub.PublishDevice(Nic(4));
  int ready = 0;
  const auto reader = hub.WatchDevices("", [&] { ++ready; });
  EXPECT_EQ(ready, 0) << "readers are called by Flush alone";
  hub.Flush();
  EXPECT_EQ(ready, 1);
  EXPECT_EQ(reader->Next()->device().free_rx_queues(), 4U);
  EXPECT_FALSE(reader->Next());
  hub.PublishDevice(Nic(4));
  EXPECT_FALSE(reader->Next()) << "nothing changed";
  hub.PublishDevice(Nic(3));
  EXPECT_EQ(reader->Next()->device().free_rx_queues(), 3U);
  device::DeviceState up;
  up.link_up = true;
  hub.PublishState("nic0", up);
  const auto event = reader->Next();
  ASSERT_TRUE(event);
  EXPECT_TRUE(event->device().link_up());
  EXPECT_EQ(event->device().free_rx_queues(), 3U) << "the broker's part stays";
}

TEST(EventHub, CutsOffAReaderThatFallsBehind) {
  EventHub hub;
  hub.PublishDevice(Nic(0));
  const auto slow = hub.WatchDevices("nic0", nullptr);
  const auto quick = hub.WatchDevices("nic0", nullptr);
  for (uint32_t i = 1; i <= kMaxWaitingEvents; ++i) {
    EXPECT_TRUE(slow->status().ok());
    hub.PublishDevice(Nic(i));
    while (quick->Next()) {
    }
  }
  // The present state came on top of the 256.
  EXPECT_TRUE(slow->status().ok());
  hub.PublishDevice(Nic(1000));
  EXPECT_EQ(slow->status().code(), absl::StatusCode::kAborted);
  EXPECT_FALSE(slow->Next());
  EXPECT_TRUE(quick->status().ok());
  EXPECT_EQ(quick->Next()->device().free_rx_queues(), 1000U);
}

TEST(EventHub, ShowsASessionItsOwnLeasesOnly) {
  EventHub hub;
  hub.PublishLease(v1::LEASE_EVENT_ACQUIRED, LeaseOf(1, 10));
  hub.PublishLease(v1::LEASE_EVENT_ACQUIRED, LeaseOf(2, 11));
  const auto own = hub.WatchLeases({Own(10)}, nullptr);
  const auto all = hub.WatchLeases({All(12)}, nullptr);
  const auto one = hub.WatchLeases({All(12), 2}, nullptr);
  EXPECT_EQ(own->Next()->lease().lease_id(), 1U);
  EXPECT_FALSE(own->Next());
  EXPECT_EQ(all->Next()->event(), v1::LEASE_EVENT_PRESENT);
  EXPECT_EQ(all->Next()->lease().lease_id(), 2U);
  EXPECT_EQ(one->Next()->lease().lease_id(), 2U);
  hub.PublishLease(v1::LEASE_EVENT_RELEASED, LeaseOf(2, 11));
  EXPECT_FALSE(own->Next());
  EXPECT_EQ(all->Next()->event(), v1::LEASE_EVENT_RELEASED);
}

TEST(EventHub, CountsFaultsAndTellsThem) {
  EventHub hub;
  hub.PublishLease(v1::LEASE_EVENT_ACQUIRED, LeaseOf(1, 10));
  const auto reader = hub.WatchLeases({Own(10), 1}, nullptr);
  (void)reader->Next();
  device::Fault fault;
  fault.lease = 1;
  fault.kind = device::FaultKind::kBadIndex;
  fault.queue = 3;
  hub.PublishFault("nic0", fault);
  hub.PublishFault("other", fault);
  fault.lease = 99;
  hub.PublishFault("nic0", fault);
  EXPECT_EQ(hub.FaultsOf(1), 1U);
  EXPECT_EQ(hub.FaultsOf(99), 0U);
  const auto event = reader->Next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->event(), v1::LEASE_EVENT_FAULT);
  EXPECT_EQ(event->fault().kind(), v1::FAULT_KIND_BAD_INDEX);
  EXPECT_EQ(event->lease().state(), v1::LEASE_STATE_FAULTED);
  EXPECT_EQ(event->lease().faults(), 1U);
  EXPECT_FALSE(reader->Next());
  hub.ForgetLease(1);
  fault.lease = 1;
  hub.PublishFault("nic0", fault);
  EXPECT_FALSE(reader->Next());
}

TEST(EventHub, EndsReaders) {
  EventHub hub;
  hub.PublishLease(v1::LEASE_EVENT_ACQUIRED, LeaseOf(1, 10));
  int ready = 0;
  const auto own = hub.WatchLeases({Own(10)}, [&] { ++ready; });
  const auto all = hub.WatchLeases({All(11)}, nullptr);
  const auto devices = hub.WatchDevices("", nullptr);
  hub.EndReadersOf(10, absl::UnauthenticatedError("gone"));
  hub.Flush();
  EXPECT_GE(ready, 1);
  EXPECT_EQ(own->Next()->event(), v1::LEASE_EVENT_PRESENT) << "what came before can be read";
  EXPECT_EQ(own->status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_TRUE(all->status().ok());
  hub.EndReadersOfAllBut({11}, absl::PermissionDeniedError("no"));
  EXPECT_TRUE(all->status().ok());
  hub.EndReadersOfAllBut({}, absl::PermissionDeniedError("no"));
  EXPECT_EQ(all->status().code(), absl::StatusCode::kPermissionDenied);
  hub.EndAllReaders(absl::UnavailableError("stopping"));
  EXPECT_EQ(devices->status().code(), absl::StatusCode::kUnavailable);
}

TEST(EventHub, AReaderMayCloseInsideOfItsCall) {
  EventHub hub;
  std::shared_ptr<DeviceSubscription> reader;
  int ready = 0;
  reader = hub.WatchDevices("", [&] {
    ++ready;
    reader->Close();
  });
  hub.PublishDevice(Nic(1));
  hub.Flush();
  EXPECT_EQ(reader->status().code(), absl::StatusCode::kCancelled);
  hub.PublishDevice(Nic(2));
  hub.Flush();
  EXPECT_FALSE(reader->Next());
  EXPECT_LE(ready, 2);
}

}  // namespace
}  // namespace qsplit::lease
