#include "daemon/steering/rule_table.h"

#include <gtest/gtest.h>

#include "daemon/policy/error.h"
#include "daemon/steering/flow_match.h"

namespace qsplit::steering {
namespace {

device::FlowMatch Udp4(uint32_t port) {
  v1::FlowMatch request;
  request.set_flow_type(v1::FLOW_TYPE_UDP4);
  if (port != 0) {
    request.mutable_dst_port()->set_value(port);
    request.mutable_dst_port()->set_mask(0xffff);
  }
  return ToMatch(request).value();
}

v1::ErrorReason ReasonOf(const absl::Status& status) {
  return policy::DetailOf(status).value_or(v1::ErrorDetail()).reason();
}

class RuleTableTest : public ::testing::Test {
 protected:
  absl::StatusOr<uint32_t> Place(uint32_t port, std::string tenant = "a",
                                 std::optional<uint32_t> location = std::nullopt,
                                 bool admin = false) {
    return table_.Place({Udp4(port), {3}, location, 1, std::move(tenant)}, scope_, admin);
  }
  void Add(uint32_t location, uint32_t port, std::string tenant = "a", LeaseId lease = 1) {
    table_.Add({{location, Udp4(port), {3}}, lease, std::move(tenant)});
  }

  RuleTable table_{4};
  policy::Scope scope_{.any = true};
};

TEST_F(RuleTableTest, AnyLocationIsTheHighestFree) {
  EXPECT_EQ(Place(1).value(), 3U);
  Add(3, 1);
  EXPECT_EQ(Place(2).value(), 2U);
  Add(1, 2);
  EXPECT_EQ(Place(3).value(), 2U);
  Add(2, 3);
  EXPECT_EQ(Place(4).value(), 0U);
  Add(0, 4);
  EXPECT_EQ(ReasonOf(Place(5).status()), v1::ERROR_REASON_RULES_FULL);
  table_.Remove(1);
  EXPECT_EQ(Place(5).value(), 1U);
}

TEST_F(RuleTableTest, LocationsGivenMustExistAndBeFree) {
  EXPECT_EQ(Place(1, "a", 0).value(), 0U);
  EXPECT_EQ(ReasonOf(Place(1, "a", 4).status()), v1::ERROR_REASON_OUT_OF_RANGE);
  Add(0, 1);
  EXPECT_EQ(ReasonOf(Place(2, "a", 0).status()), v1::ERROR_REASON_RULE_EXISTS);
  EXPECT_EQ(Place(2, "a", 0).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(RuleTableTest, KeepsTenantsApartAndTellsNothing) {
  Add(3, 4242, "bank");
  const absl::Status taken = Place(4242, "a").status();
  EXPECT_EQ(ReasonOf(taken), v1::ERROR_REASON_TRAFFIC_TAKEN);
  EXPECT_EQ(taken.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(std::string(taken.message()).find("bank"), std::string::npos);
  EXPECT_TRUE(policy::DetailOf(taken)->limit().empty());
  EXPECT_EQ(ReasonOf(Place(0, "a").status()), v1::ERROR_REASON_TRAFFIC_TAKEN);
  EXPECT_TRUE(Place(4343, "a").ok());
  EXPECT_TRUE(Place(0, "bank").ok()) << "a tenant's own rules may overlap";
  EXPECT_EQ(ReasonOf(Place(4242, "bank").status()), v1::ERROR_REASON_RULE_EXISTS);
  EXPECT_TRUE(Place(4242, "root", std::nullopt, true).ok()) << "operators decide";
}

TEST_F(RuleTableTest, ScopeHoldsForAllButAdmins) {
  scope_ = {};
  EXPECT_EQ(ReasonOf(Place(1).status()), v1::ERROR_REASON_OUT_OF_SCOPE);
  scope_.matches = {Udp4(1), Udp4(2)};
  EXPECT_TRUE(Place(1).ok());
  EXPECT_TRUE(Place(2).ok());
  const absl::Status out = Place(3).status();
  EXPECT_EQ(ReasonOf(out), v1::ERROR_REASON_OUT_OF_SCOPE);
  EXPECT_EQ(policy::DetailOf(out)->value(), "udp4 dst-port 3");
  EXPECT_EQ(policy::DetailOf(out)->limit(), "udp4 dst-port 1; udp4 dst-port 2");
  EXPECT_EQ(ReasonOf(Place(0).status()), v1::ERROR_REASON_OUT_OF_SCOPE);
  EXPECT_TRUE(Place(3, "a", std::nullopt, true).ok());
}

TEST_F(RuleTableTest, KnowsWhoseRulesStandWhere) {
  Add(3, 1, "a", 1);
  Add(2, 2, "a", 2);
  Add(1, 3, "b", 2);
  Add(0, 4, "root", 0);
  EXPECT_EQ(table_.LocationsOf(2), (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(table_.CountOf("a"), 2U);
  EXPECT_EQ(table_.Find(0)->tenant, "root");
  EXPECT_EQ(table_.Find(9), nullptr);
  EXPECT_TRUE(table_.OperatorUses(3));
  table_.Remove(0);
  EXPECT_FALSE(table_.OperatorUses(3));
}

TEST_F(RuleTableTest, ADeviceWithoutRulesSaysSo) {
  const RuleTable none(0);
  EXPECT_EQ(none.Place({Udp4(1), {}, std::nullopt, 1, "a"}, scope_, true).status().code(),
            absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace qsplit::steering
