// A broker over one fake device "nic0" (8 receive and 8 transmit queues, 16 rules, RSS), with an
// admin (uid 0) and two tenants, "red" (uids 1000, 1001) and "blue" (uid 2000).
#ifndef QSPLIT_TESTS_UNIT_LEASE_BROKER_FIXTURE_H_
#define QSPLIT_TESTS_UNIT_LEASE_BROKER_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/lease/broker.h"
#include "daemon/policy/error.h"
#include "tests/support/choosy_layout.h"
#include "tests/support/fake_device.h"
#include "tests/support/sample_layouts.h"

namespace qsplit::lease {

inline v1::ErrorReason ReasonOf(const absl::Status& status) {
  return policy::DetailOf(status).value_or(v1::ErrorDetail()).reason();
}

inline region::OfferedMemory Memfd(uint64_t inode = 1) {
  region::OfferedMemory memory;
  memory.fd = std::make_shared<const linux_sys::OwnedFd>();
  memory.is_memfd = true;
  memory.seal_shrink = true;
  memory.writable = true;
  memory.size_bytes = 1 << 20;
  memory.page_bytes = 4096;
  memory.inode = inode;
  return memory;
}

class BrokerTest : public ::testing::Test {
 protected:
  static device::DeviceInfo Info() {
    device::DeviceInfo info;
    info.name = "nic0";
    info.backend = "fake";
    info.rx_queues = 8;
    info.tx_queues = 8;
    info.rule_capacity = 16;
    info.rss_table_size = 8;
    info.default_slots = 512;
    info.offloads = {device::Offload::kRss, device::Offload::kNtuple};
    info.protections = {device::Protection::kDirect};
    info.layouts = {layout::testing::SimpleLayout(), layout::testing::BigLayout(),
                    layout::testing::ChoosyLayout()};
    return info;
  }

  static policy::Tenant Tenant(std::string name, std::vector<uint32_t> uids) {
    policy::Tenant tenant;
    tenant.name = std::move(name);
    tenant.uids = std::move(uids);
    tenant.any_device = true;
    tenant.scope.any = true;
    tenant.quota = {.max_sessions = 4,
                    .max_regions = 4,
                    .max_region_bytes = 1 << 20,
                    .max_leases = 3,
                    .max_rx_queues = 6,
                    .max_tx_queues = 6,
                    .max_rules = 5};
    return tenant;
  }

  static std::shared_ptr<const policy::Policy> Policy() {
    return policy::Policy::Create({Tenant("red", {1000, 1001}), Tenant("blue", {2000})}, {})
        .value();
  }

  BrokerTest() {
    BrokerOptions options;
    options.devices = {nic_};
    options.policy = Policy();
    options.clock = [this] { return now_; };
    options.random = [next = uint8_t{0}](std::span<uint8_t> bytes) mutable {
      std::fill(bytes.begin(), bytes.end(), ++next);
    };
    options.is_stopped = [this](int32_t pid) { return pid == stopped_pid_; };
    options.on_left = [this] { ++left_calls_; };
    options.dispose = [this](auto fd) {  // on whichever thread called the broker
      const std::lock_guard lock(disposed_mutex_);
      disposed_.push_back(std::move(fd));
    };
    broker_ = std::make_unique<Broker>(std::move(options));
  }

  // Whatever a test did, the books are in order and the device was treated as device.h asks.
  void TearDown() override {
    EXPECT_EQ(broker_->BrokenInvariant(), "");
    nic_->LetGo();
    broker_->EndAll();
    while (Maintain()) {
    }
    EXPECT_EQ(broker_->totals(), Totals{});
    EXPECT_EQ(nic_->open_leases(), 0U);
    EXPECT_EQ(nic_->rules(), 0U);
    EXPECT_THAT(nic_->violations(), ::testing::IsEmpty());
  }

  // Ends the session and waits until the device is through with it.
  void End(SessionId session) {
    broker_->EndSession(session);
    broker_->Settle();
  }
  // Asks again and waits for the device; true: something is left.
  bool Maintain() {
    broker_->Maintain();
    return broker_->Settle();
  }

  SessionId Open(uint32_t uid) {
    return broker_->OpenSession({uid, uid, static_cast<int32_t>(uid)}, "test").value().id;
  }

  region::RegionId Region(SessionId session, uint64_t offset = 0, uint64_t length = 0x10000) {
    v1::RegisterRegionRequest request;
    request.set_offset_bytes(offset);
    request.set_length_bytes(length);
    return broker_->RegisterRegion(session, request, Memfd())->region().region_id();
  }

  // One receive and one transmit queue.
  static v1::AcquireLeaseRequest Want(region::RegionId region, uint32_t rx = 1, uint32_t tx = 1) {
    v1::AcquireLeaseRequest request;
    request.set_device("nic0");
    request.set_rx_queue_count(rx);
    request.set_tx_queue_count(tx);
    request.add_region_ids(region);
    return request;
  }

  v1::Lease Acquire(SessionId session, uint32_t rx = 1, uint32_t tx = 1) {
    const auto response = broker_->AcquireLease(session, Want(Region(session), rx, tx));
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->lease() : v1::Lease();
  }

  // UDP over IPv4 to this port, to the lease's first queue; lease 0: drop, an operator's.
  static v1::AddRuleRequest Udp(LeaseId lease, uint32_t port) {
    v1::AddRuleRequest request;
    request.set_device("nic0");
    request.set_lease_id(lease);
    request.mutable_match()->set_flow_type(v1::FLOW_TYPE_UDP4);
    if (port != 0) {
      request.mutable_match()->mutable_dst_port()->set_value(port);
      request.mutable_match()->mutable_dst_port()->set_mask(0xffff);
    }
    if (lease != 0) {
      request.set_lease_queue(0);
    } else {
      request.set_drop(true);
    }
    return request;
  }

  absl::Status Release(SessionId session, LeaseId lease) {
    v1::ReleaseLeaseRequest request;
    request.set_lease_id(lease);
    return broker_->ReleaseLease(session, request).status();
  }

  absl::Status Revoke(SessionId session, LeaseId lease) {
    v1::RevokeLeaseRequest request;
    request.set_lease_id(lease);
    return broker_->RevokeLease(session, request).status();
  }

  absl::StatusOr<v1::Lease> Get(SessionId session, LeaseId lease) {
    v1::GetLeaseRequest request;
    request.set_lease_id(lease);
    auto response = broker_->GetLease(session, request);
    if (!response.ok()) return response.status();
    return response->lease();
  }

  v1::Device Nic() {
    v1::GetDeviceRequest request;
    request.set_name("nic0");
    return broker_->GetDevice(request)->device();
  }

  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::shared_ptr<device::testing::FakeDevice> nic_ =
      std::make_shared<device::testing::FakeDevice>(Info());
  std::atomic<int32_t> stopped_pid_ = -1;
  std::atomic<int> left_calls_ = 0;
  std::mutex disposed_mutex_;
  std::vector<std::shared_ptr<const linux_sys::OwnedFd>> disposed_;
  std::unique_ptr<Broker> broker_;
};

}  // namespace qsplit::lease

#endif  // QSPLIT_TESTS_UNIT_LEASE_BROKER_FIXTURE_H_
