// Who may send on which device, with which source addresses, and in which words it is refused.
#include "daemon/lease/transmission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "daemon/policy/error.h"

namespace qsplit::lease {
namespace {

using ::testing::HasSubstr;

class TransmissionTest : public ::testing::Test {
 protected:
  TransmissionTest() { device_.name = "eth1"; }

  // The refusal's words, which always come with the same code and reason.
  static std::string Refusal(const absl::Status& status) {
    if (status.ok()) return "granted";
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(policy::DetailOf(status)->reason(), v1::ERROR_REASON_NOT_ALLOWED);
    return std::string(status.message());
  }
  std::string Queues() { return Refusal(PlanTransmission(tenant_, device_, 2).status()); }
  std::string Reflection() { return Refusal(CheckReflection(tenant_, device_)); }
  void NameSources() {
    tenant_.source.macs = {{0x02, 0, 0, 0, 0, 1}};
    tenant_.source.prefixes = {{{10}, 4, 8}};
  }

  policy::Tenant tenant_;
  device::DeviceInfo device_;
};

TEST_F(TransmissionTest, ADeviceThatNeedsAGrantIsNamedOrDenied) {
  EXPECT_EQ(Queues(), "granted");
  EXPECT_EQ(Reflection(), "granted");
  device_.transmit_needs_grant = true;
  EXPECT_EQ(Queues(),
            "policy gives you no transmit queues on device eth1, on which a sender can forge every "
            "address; ask for none, or have an operator name the device in your tenant's "
            "may_transmit");
  EXPECT_EQ(Reflection(),
            "policy gives you no transmission on device eth1, on which a sender can forge every "
            "address; send to a queue, drop or pass, or have an operator name the device in your "
            "tenant's may_transmit");
  EXPECT_TRUE(PlanTransmission(tenant_, device_, 0).ok()) << "receive queues alone";
  tenant_.transmit = policy::Transmit::kNamed;
  tenant_.transmit_devices = {"eth1"};
  EXPECT_EQ(Queues(), "granted");
  EXPECT_EQ(Reflection(), "granted");
}

TEST_F(TransmissionTest, AnOrdinaryDeviceCanBeDeniedToo) {
  tenant_.transmit = policy::Transmit::kNowhere;
  EXPECT_EQ(Queues(),
            "policy gives you no transmit queues on device eth1; ask for none, or have an operator "
            "name the device in your tenant's may_transmit");
}

TEST_F(TransmissionTest, WhoGetsAFunctionWholeCanSendWithoutTransmitQueues) {
  device_.whole_function_only = true;
  device_.protections = {device::Protection::kGuarded};
  tenant_.transmit = policy::Transmit::kNowhere;
  EXPECT_TRUE(PlanTransmission(tenant_, device_, 0).ok()) << "its registers are the guard's";
  device_.protections = {device::Protection::kDirect};
  EXPECT_EQ(Refusal(PlanTransmission(tenant_, device_, 0).status()),
            "policy gives you no transmission on device eth1; who leases it, leases it whole and "
            "can send: choose another, or have an operator name the device in your tenant's "
            "may_transmit");
  tenant_.transmit = policy::Transmit::kEverywhere;
  NameSources();
  device_.source_check_trouble = "nobody sees its packets";
  EXPECT_EQ(Refusal(PlanTransmission(tenant_, device_, 0).status()),
            "policy wants the source addresses of your packets checked, and device eth1 cannot: "
            "nobody sees its packets; choose another device, or have an operator set your tenant's "
            "source_check to \"where possible\"");
  tenant_.source_required = false;
  EXPECT_EQ(PlanTransmission(tenant_, device_, 0)->trouble, "nobody sees its packets");
}

TEST_F(TransmissionTest, SourcesAreTheDevicesToCheckWhereItCan) {
  NameSources();
  const auto plan = PlanTransmission(tenant_, device_, 1);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->filter, tenant_.source);
  EXPECT_EQ(plan->trouble, "");
  const auto receives = PlanTransmission(tenant_, device_, 0);
  EXPECT_FALSE(receives->filter.any()) << "nothing is sent, so nothing is checked";
}

TEST_F(TransmissionTest, ADeviceThatCannotCheckIsDeniedOrSaysSo) {
  NameSources();
  device_.source_check_trouble = "nobody sees its packets";
  EXPECT_EQ(Queues(),
            "policy wants the source addresses of your packets checked, and device eth1 cannot: "
            "nobody sees its packets; ask for no transmit queues or choose another device, or have "
            "an operator set your tenant's source_check to \"where possible\"");
  tenant_.source_required = false;
  const auto plan = PlanTransmission(tenant_, device_, 1);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_FALSE(plan->filter.any());
  EXPECT_EQ(plan->trouble, "nobody sees its packets");
}

TEST_F(TransmissionTest, WhatGoesBackBearsTheAddressesOfOthers) {
  NameSources();
  EXPECT_THAT(Reflection(), HasSubstr("those that a rule sends back bear others'"));
  tenant_.source_required = false;
  EXPECT_EQ(Reflection(), "granted");
}

}  // namespace
}  // namespace qsplit::lease
