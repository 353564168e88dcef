// What a lease says about its source addresses, and that no lease or rule sends without a grant.
#include "tests/unit/lease/broker_fixture.h"

namespace qsplit::lease {
namespace {

class BrokerSourceTest : public BrokerTest {
 protected:
  // The broker's device from now on.
  void Replace(const device::DeviceInfo& info) {
    nic_ = std::make_shared<device::testing::FakeDevice>(info);
    ASSERT_TRUE(broker_->ReplaceDevice(nic_).ok());
  }
  void Rule(policy::Tenant red) {
    broker_->SetPolicy(policy::Policy::Create({std::move(red)}, {}).value());
  }
  static policy::Tenant Red() {
    policy::Tenant red = Tenant("red", {1000});
    red.source.prefixes = {{{10, 1}, 4, 16}};
    return red;
  }
};

TEST_F(BrokerSourceTest, TheLeaseSaysThatItsSourcesAreChecked) {
  Rule(Red());
  const SessionId red = Open(1000);
  const v1::Lease lease = Acquire(red);
  EXPECT_EQ(lease.source_check(), v1::SOURCE_CHECK_ENFORCED);
  EXPECT_EQ(nic_->request(lease.lease_id()).source, Red().source);
  const v1::Lease receiver = Acquire(Open(1000), 1, 0);
  EXPECT_EQ(receiver.source_check(), v1::SOURCE_CHECK_UNSPECIFIED);
  EXPECT_FALSE(nic_->request(receiver.lease_id()).source.any());
  // What is leased stays leased, as it was.
  Rule(Tenant("red", {1000}));
  EXPECT_EQ(Get(red, lease.lease_id())->source_check(), v1::SOURCE_CHECK_ENFORCED);
  EXPECT_EQ(Acquire(Open(1000)).source_check(), v1::SOURCE_CHECK_UNSPECIFIED);
}

TEST_F(BrokerSourceTest, OrThatTheyAreNotAndWhy) {
  device::DeviceInfo info = Info();
  info.source_check_trouble = "nobody sees its packets";
  Replace(info);
  policy::Tenant tenant = Red();
  Rule(tenant);
  const SessionId red = Open(1000);
  const v1::AcquireLeaseRequest want = Want(Region(red));
  const absl::Status required = broker_->AcquireLease(red, want).status();
  EXPECT_EQ(ReasonOf(required), v1::ERROR_REASON_NOT_ALLOWED) << required;
  tenant.source_required = false;
  Rule(tenant);
  const auto acquired = broker_->AcquireLease(red, want);
  ASSERT_TRUE(acquired.ok()) << acquired.status();
  const v1::Lease& lease = acquired->lease();
  EXPECT_EQ(lease.source_check(), v1::SOURCE_CHECK_NOT_ENFORCED);
  EXPECT_EQ(lease.source_check_reason(), "nobody sees its packets");
  EXPECT_EQ(Get(red, lease.lease_id())->source_check_reason(), "nobody sees its packets");
}

TEST_F(BrokerSourceTest, ADeviceThatNeedsAGrantGivesReceiveQueuesOnly) {
  device::DeviceInfo info = Info();
  info.transmit_needs_grant = true;
  info.rx_buffer_bytes = 4096;
  info.netdev = device::NetdevFacts{.name = "veth0",
                                    .netns = "",
                                    .driver = "veth",
                                    .xdp_mode = "native",
                                    .xdp_mode_reason = "",
                                    .copy_reason = "veth has no zero copy",
                                    .steering = "xdp",
                                    .steering_reason = "veth has no ntuple filters",
                                    .missing = {"busy polling"}};
  Replace(info);
  EXPECT_TRUE(Nic().transmit_needs_grant());
  EXPECT_EQ(Nic().rx_buffer_bytes(), 4096U);
  EXPECT_EQ(Nic().netdev().copy_reason(), "veth has no zero copy");
  EXPECT_EQ(Nic().netdev().missing(0), "busy polling");
  const SessionId red = Open(1000);
  const region::RegionId region = Region(red);
  EXPECT_EQ(broker_->AcquireLease(red, Want(region)).status().code(),
            absl::StatusCode::kPermissionDenied);
  const auto receiver = broker_->AcquireLease(red, Want(region, 1, 0));
  ASSERT_TRUE(receiver.ok()) << receiver.status();
  const LeaseId lease = receiver->lease().lease_id();
  v1::AddRuleRequest reflect = Udp(lease, 7);
  reflect.set_reflect(true);
  EXPECT_EQ(ReasonOf(broker_->AddRule(red, reflect).status()), v1::ERROR_REASON_NOT_ALLOWED);
  EXPECT_EQ(ReasonOf(broker_->AddRule(Open(0), reflect).status()), v1::ERROR_REASON_NOT_ALLOWED)
      << "whoever adds it, the rule is the lease's holder's";
  reflect.set_pass(true);
  EXPECT_TRUE(broker_->AddRule(red, reflect).ok());
  policy::Tenant granted = Tenant("red", {1000});
  granted.transmit = policy::Transmit::kNamed;
  granted.transmit_devices = {"nic0"};
  Rule(granted);
  EXPECT_EQ(Acquire(Open(1000)).tx_queues_size(), 1);
  v1::AddRuleRequest again = Udp(lease, 7);
  again.set_location(0);
  again.mutable_match()->mutable_dst_port()->set_value(8);
  again.set_reflect(true);
  EXPECT_TRUE(broker_->AddRule(red, again).ok());
}

}  // namespace
}  // namespace qsplit::lease
