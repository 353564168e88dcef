// Many at once: all queues in one lease, hundreds of deaths together, large memory.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "daemon/linux/process_limits.h"
#include "tests/support/system/pauses.h"
#include "tests/unit/daemon/daemon_fixture.h"

namespace qsplit::daemon_test {
namespace {

using ingress::testing::RawClient;

constexpr uint32_t kAllQueues = 0xffffffff;

class CrowdTest : public DaemonFixture {
 protected:
  void SetUp() override {
    DaemonFixture::SetUp();
    queues_ = 64;
    ASSERT_TRUE(linux_sys::RaiseDescriptorLimit().ok());
    policy::Tenant tenant;
    tenant.name = "crowd";
    tenant.uids = {getuid()};
    tenant.any_device = true;
    tenant.scope.any = true;
    tenant.quota = {.max_sessions = 1000,
                    .max_regions = 1000,
                    .max_region_bytes = uint64_t{4} << 30,
                    .max_leases = 1000,
                    .max_rx_queues = 1000,
                    .max_tx_queues = 1000,
                    .max_rules = 1000};
    tenants_ = {tenant};
    Start({.max_connections = 1000, .max_connections_per_uid = 1000});
  }

  grpc::Status AcquireOf(const std::string& device, const std::string& token, uint64_t region,
                         uint32_t rx, uint32_t tx, v1::AcquireLeaseResponse* response) {
    v1::AcquireLeaseRequest request;
    request.set_device(device);
    request.set_rx_queue_count(rx);
    request.set_tx_queue_count(tx);
    request.add_region_ids(region);
    Context context(token);
    return Stub<v1::LeaseService>()->AcquireLease(&context, request, response);
  }
};

TEST_F(CrowdTest, AllQueuesInOneLeaseAndItsGrant) {
  RawClient client(session_path_);
  const std::string token = Token(client);
  v1::RegisterRegionResponse region;
  ASSERT_TRUE(Register(client, token, SealedMemfd(1 << 20).get(), 1 << 20, &region).ok());
  v1::AcquireLeaseResponse lease;
  const grpc::Status status =
      AcquireOf("nic0", token, region.region().region_id(), kAllQueues, kAllQueues, &lease);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(lease.lease().rx_queues_size(), 64);
  EXPECT_EQ(lease.lease().tx_queues_size(), 64);
  EXPECT_EQ(lease.grant().rx_size(), 64);
  EXPECT_EQ(lease.grant().tx_size(), 64);
  v1::SessionRequest fetch;
  fetch.mutable_fetch_grant()->set_lease_id(lease.lease().lease_id());
  std::vector<linux_sys::OwnedFd> fds;
  const auto granted = client.Call(fetch, {}, &fds);
  ASSERT_TRUE(granted.has_value());
  EXPECT_EQ(granted->code(), 0u) << granted->message();
  // Memory, a wakeup, and an event for each queue; a message carries at most 253.
  EXPECT_EQ(fds.size(), 130u);
  EXPECT_EQ(fds.size(), static_cast<size_t>(lease.grant().descriptors_size()));
  v1::GetDeviceRequest request;
  request.set_name("nic0");
  v1::GetDeviceResponse device;
  Context c1;
  ASSERT_TRUE(Stub<v1::DeviceService>()->GetDevice(&c1, request, &device).ok());
  EXPECT_EQ(device.device().free_rx_queues(), 0u);
  EXPECT_EQ(device.device().free_tx_queues(), 0u);
  client.Close();
  ASSERT_TRUE(Eventually([&] { return broker_->totals() == lease::Totals(); }));
  Context c2;
  ASSERT_TRUE(Stub<v1::DeviceService>()->GetDevice(&c2, request, &device).ok());
  EXPECT_EQ(device.device().free_rx_queues(), 64u);
  EXPECT_EQ(device.device().free_tx_queues(), 64u);
}

TEST_F(CrowdTest, TwoHundredDeathsAtOnce) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (uint32_t i = 0; i < 200; ++i) {
    auto& client = clients.emplace_back(std::make_unique<RawClient>(session_path_));
    const std::string token = Token(*client);
    v1::RegisterRegionResponse region;
    ASSERT_TRUE(Register(*client, token, SealedMemfd(1 << 20).get(), 1 << 20, &region).ok());
    // 64 receive queues and 64 transmit queues, of each of two devices.
    const bool receives = i % 4 < 2;
    v1::AcquireLeaseResponse lease;
    const grpc::Status status =
        AcquireOf(i % 2 == 0 ? "nic0" : "nic1", token, region.region().region_id(),
                  receives ? 1 : 0, receives ? 0 : 1, &lease);
    ASSERT_TRUE(status.ok()) << i << ": " << status.error_message();
    if (!receives) continue;
    v1::AddRuleRequest rule;
    rule.set_device(lease.lease().device());
    rule.set_lease_id(lease.lease().lease_id());
    rule.set_lease_queue(0);
    rule.mutable_match()->set_flow_type(v1::FLOW_TYPE_UDP4);
    rule.mutable_match()->mutable_dst_port()->set_value(1000 + i);
    rule.mutable_match()->mutable_dst_port()->set_mask(0xffff);
    v1::AddRuleResponse added;
    grpc::Status ruled;
    // A device's thread that gets no CPU is busy, says the contract: ask again.
    const auto answered = [&] {
      Context context(token);
      ruled = Stub<v1::SteeringService>()->AddRule(&context, rule, &added);
      return ruled.error_code() != grpc::StatusCode::UNAVAILABLE;
    };
    EXPECT_TRUE(Eventually(answered));
    ASSERT_TRUE(ruled.ok()) << ruled.error_message();
  }
  ASSERT_EQ(broker_->totals().leases, 200u);
  ASSERT_EQ(broker_->totals().rules, 100u);
  const qsplit::testing::Pauses pauses;
  const absl::Time killed = absl::Now();
  clients.clear();
  ASSERT_TRUE(Eventually([&] { return broker_->totals() == lease::Totals(); }, absl::Seconds(20)));
  const absl::Duration took = absl::Now() - killed;
  std::printf("200 deaths were rolled back in %s\n", absl::FormatDuration(took).c_str());
  RecordProperty("rolled_back_ms", static_cast<int>(absl::ToInt64Milliseconds(took)));
  // All 200 together take hardly longer than one may; sanitizers take their share.
  EXPECT_LT(took, pauses.Allow(absl::Seconds(1)));
}

TEST_F(CrowdTest, StoppingWithAllQueuesLeasedIsQuick) {
  RawClient client(session_path_);
  const std::string token = Token(client);
  v1::RegisterRegionResponse region;
  ASSERT_TRUE(Register(client, token, SealedMemfd(1 << 20).get(), 1 << 20, &region).ok());
  for (uint32_t i = 0; i < 64; ++i) {
    v1::AcquireLeaseResponse lease;
    ASSERT_TRUE(AcquireOf("nic0", token, region.region().region_id(), 1, 1, &lease).ok());
  }
  const qsplit::testing::Pauses pauses;
  const absl::Time start = absl::Now();
  broker_->EndAll();
  EXPECT_LT(absl::Now() - start, pauses.Allow(absl::Milliseconds(500)));
  EXPECT_EQ(broker_->totals(), lease::Totals());
}

class LargeMemory : public CrowdTest, public ::testing::WithParamInterface<bool> {
 protected:
  static constexpr uint64_t kBytes = uint64_t{1} << 30;

  // Memory that is there; nothing when the kernel has none to spare.
  static linux_sys::OwnedFd Memory() {
    linux_sys::OwnedFd memory = SealedMemfd(kBytes);
    if (fallocate(memory.get(), 0, 0, static_cast<off_t>(kBytes)) != 0) memory.Reset();
    return memory;
  }

  // From a client's death to the moment when the session socket's thread serves the next one.
  absl::Duration Die(linux_sys::OwnedFd memory) {
    RawClient client(session_path_);
    const std::string token = Token(client);
    v1::RegisterRegionResponse region;
    EXPECT_TRUE(Register(client, token, memory.get(), kBytes, &region).ok());
    memory.Reset();
    if (GetParam()) {
      v1::AcquireLeaseResponse lease;
      EXPECT_TRUE(AcquireOf("nic0", token, region.region().region_id(), 1, 1, &lease).ok());
    }
    const absl::Time killed = absl::Now();
    client.Close();
    EXPECT_TRUE(Eventually([&] { return broker_->totals() == lease::Totals(); }));
    RawClient next(session_path_);
    EXPECT_EQ(Token(next).size(), 64u);
    return absl::Now() - killed;
  }
};

TEST_P(LargeMemory, IsNotFreedByTheThreadThatServesOthers) {
  absl::Duration freeing = absl::InfiniteDuration(), best = freeing;
  for (int i = 0; i < 12 && (i < 3 || best >= freeing / 4); ++i) {  // neighbours take their share
    linux_sys::OwnedFd memory = Memory();
    if (!memory.valid()) GTEST_SKIP() << "the kernel has no 1 GiB to spare";
    const absl::Time start = absl::Now();
    memory.Reset();
    freeing = std::min(freeing, absl::Now() - start);
    memory = Memory();
    if (!memory.valid()) GTEST_SKIP() << "the kernel has no 1 GiB to spare";
    best = std::min(best, Die(std::move(memory)));
  }
  std::printf("freeing it takes %s, its owner's death %s\n", absl::FormatDuration(freeing).c_str(),
              absl::FormatDuration(best).c_str());
  EXPECT_LT(best, freeing / 4);
}

INSTANTIATE_TEST_SUITE_P(WithALease, LargeMemory, ::testing::Bool());

}  // namespace
}  // namespace qsplit::daemon_test
