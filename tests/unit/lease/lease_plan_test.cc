// Plans that depend on what the device can do for the lease: limits, modes, addresses.
#include "daemon/lease/lease_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "daemon/policy/error.h"
#include "tests/support/sample_layouts.h"

namespace qsplit::lease {
namespace {

using ::testing::HasSubstr;

class LeasePlanTest : public ::testing::Test {
 protected:
  LeasePlanTest() {
    device_.name = "eth0";
    device_.rx_queues = device_.tx_queues = 4;
    device_.default_slots = 64;
    device_.protections = {device::Protection::kDirect, device::Protection::kGuarded};
    device_.layouts = {layout::testing::SimpleLayout()};
    tenant_.any_device = true;
    region_.id = 7;
    region_.length_bytes = 0x10000;
    region_.page_bytes = 0x1000;
  }

  absl::StatusOr<LeasePlan> Plan(v1::ProtectionMode mode = v1::PROTECTION_MODE_UNSPECIFIED,
                                 uint32_t tx_queues = 1, uint32_t rx_queues = 1) {
    v1::AcquireLeaseRequest request;
    request.set_rx_queue_count(rx_queues);
    request.set_tx_queue_count(tx_queues);
    request.set_protection(mode);
    const std::vector<LayoutOffer> offers = OffersOf(device_);
    return PlanLease(request, {.device = device_,
                               .trouble = "",
                               .offers = offers,
                               .tenant = tenant_,
                               .usage = {.pinned_bytes = pinned_bytes_},
                               .rx_taken = std::vector<bool>(device_.rx_queues),
                               .tx_taken = std::vector<bool>(device_.tx_queues),
                               .regions = {&region_}});
  }
  v1::ErrorReason Reason(const absl::Status& status) {
    return policy::DetailOf(status).value_or(v1::ErrorDetail()).reason();
  }

  device::DeviceInfo device_;
  policy::Tenant tenant_;
  region::Region region_;
  uint64_t pinned_bytes_ = 0;  // by other leases
};

TEST_F(LeasePlanTest, WithoutALimitTheFirstModeIsTaken) {
  const auto plan = Plan();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->queues.protection, device::Protection::kDirect);
  EXPECT_FALSE(plan->queues.limit.any());
}

TEST_F(LeasePlanTest, ALimitIsNothingToALeaseThatOnlyReceives) {
  tenant_.limit = {.tx_packets_per_second = 1000, .burst_packets = 32};
  const auto plan = Plan(v1::PROTECTION_MODE_UNSPECIFIED, 0);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->queues.protection, device::Protection::kDirect);
  EXPECT_FALSE(plan->queues.limit.any());
  // But whoever has the whole function can make itself a transmit queue.
  device_.whole_function_only = true;
  EXPECT_EQ(Reason(Plan(v1::PROTECTION_MODE_UNSPECIFIED, 0).status()),
            v1::ERROR_REASON_NOT_ALLOWED);
}

TEST_F(LeasePlanTest, ALimitTakesAModeThatKeepsIt) {
  device_.rate_limit_modes = {device::Protection::kGuarded};
  tenant_.limit = {.tx_packets_per_second = 1000, .burst_packets = 32};
  for (const v1::ProtectionMode mode :
       {v1::PROTECTION_MODE_UNSPECIFIED, v1::PROTECTION_MODE_GUARDED}) {
    const auto plan = Plan(mode);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(plan->queues.protection, device::Protection::kGuarded);
    EXPECT_EQ(plan->queues.limit, tenant_.limit);
  }
  const absl::Status direct = Plan(v1::PROTECTION_MODE_DIRECT).status();
  EXPECT_EQ(direct.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(direct.message(),
            "policy limits how fast you may send, and device eth0 cannot keep to that with "
            "protection direct; take guarded, or leave the mode to the daemon");
}

TEST_F(LeasePlanTest, ADeviceThatKeepsNoLimitIsNoneForTenantsWithOne) {
  tenant_.limit = {.tx_bytes_per_second = 1000, .burst_bytes = 2000};
  const absl::Status status = Plan().status();
  EXPECT_EQ(Reason(status), v1::ERROR_REASON_NOT_ALLOWED);
  EXPECT_EQ(status.message(),
            "policy limits how fast you may send, and device eth0 cannot keep to that with "
            "protection direct, guarded; choose another device");
}

TEST_F(LeasePlanTest, AModeThatTheDeviceLacksIsNamedWithThoseThatItHas) {
  const absl::Status status = Plan(v1::PROTECTION_MODE_KERNEL).status();
  EXPECT_EQ(Reason(status), v1::ERROR_REASON_UNSUPPORTED);
  EXPECT_THAT(std::string(status.message()), HasSubstr("it has direct, guarded"));
}

TEST_F(LeasePlanTest, WhatLeasesPinCountsForEach) {
  tenant_.quota.max_region_bytes = 0x20000;
  pinned_bytes_ = 0x18000;
  EXPECT_TRUE(Plan().ok()) << "the device pins nothing";
  device_.pins_memory = true;
  const absl::Status status = Plan().status();
  EXPECT_EQ(Reason(status), v1::ERROR_REASON_QUOTA) << status;
  EXPECT_EQ(
      status.message(),
      "device eth0 pins all 65536 bytes of the regions for this lease alone, 98304 are pinned "
      "for other leases, and policy allows 131072 (region_bytes); name smaller regions, have "
      "more queues in one lease, or release one");
  pinned_bytes_ = 0x10000;
  EXPECT_TRUE(Plan().ok()) << "just so many";
  pinned_bytes_ = 0x30000;
  EXPECT_FALSE(Plan().ok()) << "more than a quota that has shrunk";
}

TEST_F(LeasePlanTest, ALeaseOfMoreSocketsThanAGrantHasRoomForIsNotBooked) {
  device_.rx_queues = device_.tx_queues = 300;
  tenant_.quota.max_rx_queues = tenant_.quota.max_tx_queues = 300;
  EXPECT_TRUE(Plan({}, 254, 254).ok());
  device_.protections = {device::Protection::kKernel};
  EXPECT_TRUE(Plan({}, 253, 253).ok()) << "a socket has both directions";
  const absl::Status status = Plan({}, 1, 254).status();
  EXPECT_EQ(Reason(status), v1::ERROR_REASON_QUOTA) << status;
  EXPECT_THAT(status.message(), HasSubstr("254 descriptors and one grant has room for 253; acquire "
                                          "them in several leases"));
}

TEST_F(LeasePlanTest, RegionsStandWhereTheIommuTranslates) {
  device_.iova_first = 0x2'0000'0000;
  device_.iova_end = 0x2'0001'0000;
  EXPECT_EQ(Plan()->queues.regions[0].iova, 0x2'0000'0000U);
  device_.iova_end = 0x2'0000'f000;
  EXPECT_EQ(Plan().status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(Plan().status().message()), HasSubstr("IOMMU"));
}

}  // namespace
}  // namespace qsplit::lease
