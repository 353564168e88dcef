#include <string>
#include <vector>

#include "daemon/lease/convert.h"
#include "tests/unit/lease/broker_fixture.h"

namespace qsplit::lease {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class BrokerRulesTest : public BrokerTest {
 protected:
  BrokerRulesTest() : red_(Open(1000)), blue_(Open(2000)), root_(Open(0)) {}

  void Refuses(SessionId session, const v1::AddRuleRequest& request, v1::ErrorReason reason) {
    nic_->ClearCalls();
    const Totals before = broker_->totals();
    const absl::Status status = broker_->AddRule(session, request).status();
    EXPECT_EQ(ReasonOf(status), reason) << status;
    EXPECT_EQ(status.code(), policy::CodeOf(reason)) << status;
    EXPECT_EQ(broker_->totals(), before);
    EXPECT_THAT(nic_->calls(), IsEmpty());
  }

  absl::Status Remove(SessionId session, uint32_t location) {
    v1::RemoveRuleRequest request;
    request.set_device("nic0");
    request.set_location(location);
    return broker_->RemoveRule(session, request).status();
  }

  const SessionId red_;
  const SessionId blue_;
  const SessionId root_;
};

TEST_F(BrokerRulesTest, SendsTrafficToALeasesQueue) {
  v1::AcquireLeaseRequest want = Want(Region(red_), 2, 0);
  want.set_first_rx_queue(5);
  const LeaseId lease = broker_->AcquireLease(red_, want)->lease().lease_id();
  v1::AddRuleRequest request = Udp(lease, 4242);
  request.clear_device();
  request.set_lease_queue(1);
  const auto rule = broker_->AddRule(red_, request);
  ASSERT_TRUE(rule.ok()) << rule.status();
  EXPECT_EQ(rule->rule().queue(), 6U);
  EXPECT_EQ(rule->rule().location(), 15U);
  EXPECT_EQ(rule->rule().device(), "nic0");
  EXPECT_EQ(rule->rule().match().dst_port().value(), 4242U);
  EXPECT_EQ(Get(red_, lease)->rules(0), 15U);
  EXPECT_EQ(Nic().rules(), 1U);
  const auto listed = broker_->ListRules(red_, {});
  ASSERT_EQ(listed->rules_size(), 1);
  EXPECT_EQ(listed->rules(0).packets(), 25U);
  ASSERT_TRUE(Remove(red_, 15).ok());
  EXPECT_TRUE(Get(red_, lease)->rules().empty());
  EXPECT_EQ(Remove(red_, 15).code(), absl::StatusCode::kNotFound);
}

TEST_F(BrokerRulesTest, RefusesQueuesThatAreNotTheLeases) {
  const LeaseId lease = Acquire(red_, 1, 0).lease_id();
  const v1::Lease theirs = Acquire(blue_, 1, 0);
  v1::AddRuleRequest request = Udp(lease, 1);
  request.set_queue(theirs.rx_queues(0));
  Refuses(red_, request, v1::ERROR_REASON_NOT_ALLOWED);
  const std::string taken(broker_->AddRule(red_, request).status().message());
  request.set_queue(7);  // free
  Refuses(red_, request, v1::ERROR_REASON_NOT_ALLOWED);
  std::string free(broker_->AddRule(red_, request).status().message());
  free.replace(free.find("queue 7"), 7, "queue 1");
  EXPECT_EQ(free, taken) << "the answer does not tell whether the queue is leased";
  request.set_queue(8);
  Refuses(red_, request, v1::ERROR_REASON_OUT_OF_RANGE);
  request.set_lease_queue(1);
  Refuses(red_, request, v1::ERROR_REASON_OUT_OF_RANGE);
  request.clear_lease_queue();
  Refuses(red_, request, v1::ERROR_REASON_MALFORMED);
  request.set_drop(false);
  Refuses(red_, request, v1::ERROR_REASON_MALFORMED);
  Refuses(red_, Udp(theirs.lease_id(), 1), v1::ERROR_REASON_NOT_FOUND);
  v1::AddRuleRequest elsewhere = Udp(lease, 1);
  elsewhere.set_device("nic9");
  Refuses(red_, elsewhere, v1::ERROR_REASON_NOT_FOUND);
  v1::AddRuleRequest shapeless = Udp(lease, 1);
  shapeless.mutable_match()->clear_flow_type();
  Refuses(red_, shapeless, v1::ERROR_REASON_MALFORMED);
}

TEST_F(BrokerRulesTest, ATenantsTrafficIsItsOwn) {
  const LeaseId red_lease = Acquire(red_, 1, 0).lease_id();
  const LeaseId blue_lease = Acquire(blue_, 1, 0).lease_id();
  ASSERT_TRUE(broker_->AddRule(red_, Udp(red_lease, 4242)).ok());
  Refuses(blue_, Udp(blue_lease, 4242), v1::ERROR_REASON_TRAFFIC_TAKEN);
  Refuses(blue_, Udp(blue_lease, 0), v1::ERROR_REASON_TRAFFIC_TAKEN);
  EXPECT_TRUE(broker_->AddRule(blue_, Udp(blue_lease, 4343)).ok());
  // The same tenant through another session and uid.
  const SessionId red2 = Open(1001);
  const LeaseId red2_lease = Acquire(red2, 1, 0).lease_id();
  EXPECT_EQ(ReasonOf(broker_->AddRule(red2, Udp(red2_lease, 4242)).status()),
            v1::ERROR_REASON_RULE_EXISTS);
  // It is free again when the holder is gone.
  End(red_);
  EXPECT_TRUE(broker_->AddRule(blue_, Udp(blue_lease, 4242)).ok());
}

TEST_F(BrokerRulesTest, WhatARulePassesOrSendsBackIsTakenToo) {
  const LeaseId red_lease = Acquire(red_, 1, 0).lease_id();
  const LeaseId blue_lease = Acquire(blue_, 1, 0).lease_id();
  v1::AddRuleRequest pass = Udp(red_lease, 22);
  pass.set_pass(true);
  v1::AddRuleRequest reflect = Udp(red_lease, 7);
  reflect.set_reflect(true);
  const auto passed = broker_->AddRule(red_, pass);
  ASSERT_TRUE(passed.ok()) << passed.status();
  EXPECT_TRUE(passed->rule().pass());
  const auto reflected = broker_->AddRule(red_, reflect);
  ASSERT_TRUE(reflected.ok()) << reflected.status();
  EXPECT_TRUE(reflected->rule().reflect());
  for (uint32_t port : {7U, 22U, 0U}) {
    for (const bool passes : {false, true}) {
      v1::AddRuleRequest theirs = Udp(blue_lease, port);
      if (passes) theirs.set_pass(true);
      Refuses(blue_, theirs, v1::ERROR_REASON_TRAFFIC_TAKEN);
    }
  }
  Refuses(red_, pass, v1::ERROR_REASON_RULE_EXISTS);
  pass.set_pass(false);
  Refuses(red_, pass, v1::ERROR_REASON_MALFORMED);
  // An operator's.
  v1::AddRuleRequest free = Udp(0, 53);
  free.set_pass(true);
  EXPECT_TRUE(broker_->AddRule(root_, free).ok());
  EXPECT_EQ(Nic().free_rx_queues(), 6U) << "it takes no queue";
}

TEST_F(BrokerRulesTest, RulesAreTheirSessionsToSeeAndRemove) {
  const LeaseId lease = Acquire(red_, 1, 0).lease_id();
  ASSERT_TRUE(broker_->AddRule(red_, Udp(lease, 1)).ok());
  EXPECT_EQ(broker_->ListRules(blue_, {})->rules_size(), 0);
  EXPECT_EQ(broker_->ListRules(kNobody, {})->rules_size(), 0);
  v1::ListRulesRequest all;
  all.set_all(true);
  EXPECT_EQ(broker_->ListRules(blue_, all)->rules_size(), 0);
  EXPECT_EQ(broker_->ListRules(red_, all)->rules_size(), 1);
  EXPECT_EQ(broker_->ListRules(kNobody, all).status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(broker_->ListRules(root_, all)->rules_size(), 1);
  EXPECT_EQ(Remove(blue_, 15).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(Remove(root_, 15).ok());
}

TEST_F(BrokerRulesTest, OperatorsRulesBelongToNoLease) {
  const LeaseId lease = Acquire(red_, 1, 0).lease_id();
  Refuses(red_, Udp(0, 1), v1::ERROR_REASON_NOT_ALLOWED);
  v1::AddRuleRequest leased = Udp(0, 1);
  leased.set_queue(0);
  Refuses(root_, leased, v1::ERROR_REASON_MALFORMED);
  leased.set_lease_id(lease);
  EXPECT_TRUE(broker_->AddRule(root_, leased).ok()) << "with the lease that it ends with";
  v1::AddRuleRequest free = Udp(0, 2);
  free.set_queue(1);
  free.set_location(3);
  ASSERT_TRUE(broker_->AddRule(root_, free).ok());
  // Nobody leases a queue into which the operator steers.
  EXPECT_EQ(Nic().free_rx_queues(), 6U);
  EXPECT_EQ(Acquire(blue_, 1, 0).rx_queues(0), 2U);
  End(root_);
  EXPECT_EQ(broker_->totals().rules, 2U) << "it stays when the operator has gone";
  const SessionId again = Open(0);
  EXPECT_TRUE(Remove(again, 3).ok());
}

TEST_F(BrokerRulesTest, ScopeAndQuota) {
  policy::Tenant red = Tenant("red", {1000});
  v1::AddRuleRequest in_scope = Udp(1, 4242);
  device::FlowMatch scope;
  scope.type = device::FlowType::kUdp4;
  scope.value.ip_version = 4;
  scope.mask.ip_version = 0xff;
  scope.value.l4_protocol = 17;
  scope.mask.l4_protocol = 0xff;
  scope.mask.dst_port = 0xfff0;
  scope.value.dst_port = 4240;
  red.scope.any = false;
  red.scope.matches = {scope};
  broker_->SetPolicy(policy::Policy::Create({red}, {}).value());
  const LeaseId lease = Acquire(red_, 1, 0).lease_id();
  Refuses(red_, Udp(lease, 4343), v1::ERROR_REASON_OUT_OF_SCOPE);
  for (uint32_t port = 4240; port < 4245; ++port) {
    ASSERT_TRUE(broker_->AddRule(red_, Udp(lease, port)).ok());
  }
  Refuses(red_, Udp(lease, 4245), v1::ERROR_REASON_QUOTA);
}

TEST_F(BrokerRulesTest, ADeviceThatRefusesLeavesNoRule) {
  const LeaseId lease = Acquire(red_, 1, 0).lease_id();
  nic_->Fail("AddRule", absl::UnavailableError("being reset"));
  EXPECT_EQ(broker_->AddRule(red_, Udp(lease, 1)).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(broker_->totals().rules, 0U);
  ASSERT_TRUE(broker_->AddRule(red_, Udp(lease, 1)).ok());
  nic_->Fail("RemoveRule", absl::UnavailableError("being reset"));
  EXPECT_EQ(Remove(red_, 15).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(broker_->totals().rules, 1U);
}

TEST_F(BrokerRulesTest, RssNamesWhatIsHashed) {
  device::DeviceInfo info = Info();
  info.rss_types = {device::FlowType::kIp4, device::FlowType::kTcp4, device::FlowType::kUdp6};
  std::vector<std::string> said;
  const v1::Rss rss = ToProto(info, device::RssConfig{});
  for (const v1::RssFields& fields : rss.fields()) {
    said.push_back(v1::FlowType_Name(fields.flow_type()) + " " + fields.fields());
  }
  EXPECT_THAT(said, ::testing::UnorderedElementsAre("FLOW_TYPE_IP4 sd", "FLOW_TYPE_TCP4 sdfn",
                                                    "FLOW_TYPE_UDP4 sd", "FLOW_TYPE_SCTP4 sd",
                                                    "FLOW_TYPE_AH4 sd", "FLOW_TYPE_ESP4 sd",
                                                    "FLOW_TYPE_UDP6 sdfn"));
}

TEST_F(BrokerRulesTest, Rss) {
  v1::GetRssRequest get;
  get.set_device("nic0");
  EXPECT_EQ(broker_->GetRss(get)->rss().indirection_size(), 8);
  const LeaseId outside = Acquire(red_, 1, 0).lease_id();
  EXPECT_GT(outside, 0U);
  v1::SetRssRequest set;
  set.set_device("nic0");
  const auto reason = [&] { return ReasonOf(broker_->SetRss(root_, set).status()); };
  EXPECT_EQ(broker_->SetRss(red_, set).status().code(), absl::StatusCode::kPermissionDenied);
  set.set_key(std::string(39, 'k'));
  EXPECT_EQ(reason(), v1::ERROR_REASON_OUT_OF_RANGE);
  set.set_key(std::string(40, 'k'));
  for (int i = 0; i < 7; ++i) set.add_indirection(2);
  EXPECT_EQ(reason(), v1::ERROR_REASON_OUT_OF_RANGE);
  set.add_indirection(8);
  EXPECT_EQ(reason(), v1::ERROR_REASON_OUT_OF_RANGE);
  set.set_indirection(7, 0);  // leased outside of RSS
  const absl::Status leased = broker_->SetRss(root_, set).status();
  EXPECT_EQ(leased.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(leased.message()), HasSubstr("queue 0 is leased outside of RSS"));
  set.set_indirection(7, 0xffffffff);
  const auto now = broker_->SetRss(root_, set);
  ASSERT_TRUE(now.ok()) << now.status();
  EXPECT_EQ(now->rss().indirection(0), 2U);
  EXPECT_EQ(now->rss().key(), std::string(40, 'k'));
  set.set_reset(true);
  EXPECT_EQ(reason(), v1::ERROR_REASON_OUT_OF_RANGE) << "a table and reset";
  set.clear_indirection();
  EXPECT_TRUE(broker_->SetRss(root_, set).ok());
}

}  // namespace
}  // namespace qsplit::lease
