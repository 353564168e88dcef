#include "daemon/policy/policy.h"

#include <gtest/gtest.h>

#include "daemon/policy/error.h"

namespace qsplit::policy {
namespace {

Tenant Named(std::string name) {
  Tenant tenant;
  tenant.name = std::move(name);
  return tenant;
}

TEST(Policy, FindsTheFirstTenantThatAPeerBelongsTo) {
  Tenant a = Named("a");
  a.uids = {1000};
  Tenant b = Named("b");
  b.gids = {50};
  Tenant rest = Named("rest");
  rest.any_peer = true;
  const auto policy = Policy::Create({a, b, rest}, {});
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ((*policy)->Find(1000, 50).name, "a");
  EXPECT_EQ((*policy)->Find(1001, 50).name, "b");
  EXPECT_EQ((*policy)->Find(1001, 51).name, "rest");
  EXPECT_EQ((*policy)->tenant_count(), 3U);
}

TEST(Policy, RootIsAdminUnlessListed) {
  Tenant rest = Named("rest");
  rest.any_peer = true;
  rest.gids = {0};
  const auto open = Policy::Create({rest}, {});
  ASSERT_TRUE(open.ok());
  EXPECT_TRUE((*open)->Find(0, 0).admin);
  EXPECT_FALSE((*open)->Find(1, 0).admin);

  Tenant tamed = Named("tamed");
  tamed.uids = {0};
  const auto policy = Policy::Create({tamed}, {});
  ASSERT_TRUE(policy.ok());
  EXPECT_FALSE((*policy)->Find(0, 0).admin);
  EXPECT_EQ((*policy)->Find(0, 0).name, "tamed");
}

TEST(Policy, PeersOfTheDefaultTenantAreTenantsOfTheirOwn) {
  Tenant team = Named("team");
  team.uids = {1, 2};
  const auto policy = Policy::Create({team}, {});
  ASSERT_TRUE(policy.ok());
  EXPECT_EQ((*policy)->KeyOf(1, 9), (*policy)->KeyOf(2, 9));
  EXPECT_NE((*policy)->KeyOf(3, 9), (*policy)->KeyOf(4, 9));
}

TEST(Policy, WhoMayTransmitWhere) {
  device::DeviceInfo ordinary, needs_grant;
  ordinary.name = "nic0";
  needs_grant.name = "eth1";
  needs_grant.transmit_needs_grant = true;
  Tenant tenant;
  const auto may = [&](Transmit transmit) {
    tenant.transmit = transmit;
    return std::pair(MayTransmit(tenant, ordinary), MayTransmit(tenant, needs_grant));
  };
  EXPECT_EQ(may(Transmit::kOrdinary), std::pair(true, false));
  EXPECT_EQ(may(Transmit::kEverywhere), std::pair(true, true));
  EXPECT_EQ(may(Transmit::kNowhere), std::pair(false, false));
  EXPECT_EQ(may(Transmit::kNamed), std::pair(false, false));
  tenant.transmit_devices = {"eth1"};
  EXPECT_EQ(may(Transmit::kNamed), std::pair(false, true));
  EXPECT_TRUE(MayTransmit(Policy::RootOnly()->Find(0, 0), needs_grant));
}

TEST(Policy, RootOnlyGivesOthersNothing) {
  const auto policy = Policy::RootOnly();
  const Tenant& other = policy->Find(1000, 1000);
  EXPECT_FALSE(other.admin);
  EXPECT_FALSE(MayUse(other, "nic0"));
  EXPECT_FALSE(other.scope.any);
  EXPECT_TRUE(MayUse(policy->Find(0, 0), "nic0"));
}

TEST(Policy, NamesDevices) {
  Tenant tenant = Named("t");
  tenant.devices = {"nic0"};
  EXPECT_TRUE(MayUse(tenant, "nic0"));
  EXPECT_FALSE(MayUse(tenant, "nic00"));
}

TEST(Policy, RefusesWhatIsWrongAndSaysWhere) {
  Tenant good = Named("good");
  good.uids = {1};
  const auto refuse = [](std::vector<Tenant> tenants) {
    const auto policy = Policy::Create(std::move(tenants), {});
    EXPECT_EQ(policy.status().code(), absl::StatusCode::kInvalidArgument);
    return DetailOf(policy.status()).value_or(v1::ErrorDetail()).field();
  };
  EXPECT_EQ(refuse({good, good}), "name");
  Tenant reserved = good;
  reserved.name = "root";
  EXPECT_EQ(refuse({reserved}), "name");
  Tenant shouting = good;
  shouting.name = "LOUD";
  EXPECT_EQ(refuse({shouting}), "name");
  EXPECT_EQ(refuse({Named("nobody")}), "uids");
  Tenant outside = good;
  outside.scope.matches.emplace_back();
  outside.scope.matches[0].value.dst_port = 5;
  outside.scope.matches[0].mask.dst_port = 4;
  EXPECT_EQ(refuse({outside}), "scope");
}

}  // namespace
}  // namespace qsplit::policy
