// Devices that cannot be used, devices that take their place, and devices that are leased whole.
#include "tests/unit/lease/broker_fixture.h"

namespace qsplit::lease {
namespace {

using ::testing::HasSubstr;

class BrokerReplaceTest : public BrokerTest {
 protected:
  static device::DeviceInfo Function(uint32_t queues) {
    device::DeviceInfo info = Info();
    info.name = "eth0";
    info.backend = "vfio";
    info.rx_queues = info.tx_queues = queues;
    info.rule_capacity = queues == 0 ? 0 : 4;
    info.rss_table_size = queues == 0 ? 0 : 8;
    if (queues == 0) info.layouts.clear();
    info.pci = device::PciFacts{.address = "0000:01:00.0",
                                .iommu_group = 12,
                                .group_members = {"0000:01:00.1 e1000e"},
                                .kernel_driver = "igb",
                                .mode = "guarded"};
    return info;
  }

  BrokerReplaceTest() {
    device::DeviceState state = placeholder_->State();
    state.link_up = false;
    state.trouble = "the IOMMU group 12 has a function that is not ours: 0000:01:00.1";
    placeholder_->ChangeState(state);
    BrokerOptions options;
    options.devices = {nic_, placeholder_};
    options.policy = Policy();
    options.clock = [this] { return now_; };
    options.random = [next = uint8_t{0}](std::span<uint8_t> bytes) mutable {
      std::fill(bytes.begin(), bytes.end(), ++next);
    };
    broker_ = std::make_unique<Broker>(std::move(options));
  }
  void TearDown() override {
    BrokerTest::TearDown();
    EXPECT_THAT(real_->violations(), ::testing::IsEmpty());
  }

  v1::Device Eth() {
    v1::GetDeviceRequest request;
    request.set_name("eth0");
    return broker_->GetDevice(request)->device();
  }
  absl::StatusOr<v1::AcquireLeaseResponse> AcquireEth(SessionId session, uint32_t rx = 1) {
    v1::AcquireLeaseRequest request = Want(Region(session), rx, 0);
    request.set_device("eth0");
    return broker_->AcquireLease(session, request);
  }

  std::shared_ptr<device::testing::FakeDevice> placeholder_ =
      std::make_shared<device::testing::FakeDevice>(Function(0));
  std::shared_ptr<device::testing::FakeDevice> real_ =
      std::make_shared<device::testing::FakeDevice>(Function(4));
};

TEST_F(BrokerReplaceTest, ADeviceWithoutQueuesIsThereAndSaysWhy) {
  const SessionId red = Open(1000);
  EXPECT_THAT(Eth().trouble(), HasSubstr("is not ours"));
  EXPECT_EQ(Eth().pci().address(), "0000:01:00.0");
  EXPECT_EQ(Eth().pci().iommu_group(), 12U);
  EXPECT_EQ(Eth().pci().kernel_driver(), "igb");
  EXPECT_EQ(broker_->ListDevices().devices_size(), 2);
  v1::GetStatsRequest stats;
  stats.set_device("eth0");
  EXPECT_EQ(broker_->GetStats(kNobody, stats)->stats().queues_size(), 0);
  const absl::Status status = AcquireEth(red).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(status), v1::ERROR_REASON_UNUSABLE);
  EXPECT_EQ(status.message(),
            "AcquireLease: device eth0 cannot be used: the IOMMU group 12 has a function that is "
            "not ours: 0000:01:00.1");
  v1::GetRssRequest rss;
  rss.set_device("eth0");
  EXPECT_EQ(broker_->GetRss(rss).status().code(), absl::StatusCode::kUnimplemented);
  v1::AddRuleRequest rule = Udp(0, 1);
  rule.set_device("eth0");
  EXPECT_EQ(broker_->AddRule(Open(0), rule).status().code(), absl::StatusCode::kUnimplemented);
}

TEST_F(BrokerReplaceTest, AnotherTakesItsPlace) {
  const SessionId red = Open(1000);
  auto reader = broker_->WatchDevices(
      [] {
        v1::WatchDevicesRequest request;
        request.set_name("eth0");
        return request;
      }(),
      nullptr);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->Next()->device().rx_queues(), 0U);
  ASSERT_TRUE(broker_->ReplaceDevice(real_).ok());
  const auto change = (*reader)->Next();
  ASSERT_TRUE(change.has_value()) << "readers see it";
  EXPECT_EQ(change->device().rx_queues(), 4U);
  EXPECT_EQ(change->device().trouble(), "");
  // Its own events come, those of the former no longer.
  device::DeviceState state = real_->State();
  state.mtu_bytes = 9000;
  real_->ChangeState(state);
  EXPECT_EQ((*reader)->Next()->device().mtu_bytes(), 9000U);
  placeholder_->ChangeState({});
  EXPECT_FALSE((*reader)->Next().has_value());

  const auto lease = AcquireEth(red, 2);
  ASSERT_TRUE(lease.ok()) << lease.status();
  const absl::Status in_use = broker_->ReplaceDevice(placeholder_);
  EXPECT_EQ(in_use.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(in_use), v1::ERROR_REASON_IN_USE);
  ASSERT_TRUE(Release(red, lease->lease().lease_id()).ok());
  EXPECT_TRUE(broker_->ReplaceDevice(placeholder_).ok());
  EXPECT_EQ(Eth().rx_queues(), 0U);
  EXPECT_EQ(broker_
                ->ReplaceDevice(std::make_shared<device::testing::FakeDevice>([] {
                  device::DeviceInfo info = Info();
                  info.name = "eth9";
                  return info;
                }()))
                .code(),
            absl::StatusCode::kNotFound);
}

TEST_F(BrokerReplaceTest, OneThatIsLostRevokesItsLeasesAndMakesRoom) {
  ASSERT_TRUE(broker_->ReplaceDevice(real_).ok());
  const SessionId red = Open(1000);
  const SessionId root = Open(0);
  const auto lease = AcquireEth(red);
  ASSERT_TRUE(lease.ok()) << lease.status();
  const SessionId blue = Open(2000);
  const v1::Lease other = Acquire(blue);  // of nic0
  v1::AddRuleRequest rule = Udp(0, 9);
  rule.set_device("eth0");
  ASSERT_TRUE(broker_->AddRule(root, rule).ok());
  auto reader = broker_->WatchLeases(red, {}, nullptr);
  ASSERT_TRUE(reader.ok());

  const Broker::Lost lost = broker_->VacateDevice("eth0");
  EXPECT_EQ(lost.leases, 1U);
  EXPECT_EQ(lost.rules, 1U);
  EXPECT_FALSE(broker_->Settle());
  EXPECT_EQ(Get(red, lease->lease().lease_id())->state(), v1::LEASE_STATE_REVOKED);
  EXPECT_EQ(Get(blue, other.lease_id())->state(), v1::LEASE_STATE_ACTIVE);
  bool told = false;
  while (const auto event = (*reader)->Next()) {
    told = told || event->event() == v1::LEASE_EVENT_REVOKED;
  }
  EXPECT_TRUE(told) << "its holder hears of it";
  EXPECT_TRUE(broker_->ReplaceDevice(placeholder_).ok());
  // Again: nothing is left to do.
  EXPECT_EQ(broker_->VacateDevice("eth0").leases + broker_->VacateDevice("eth9").leases, 0U);
}

TEST_F(BrokerReplaceTest, OneThatOpensALeaseStays) {
  ASSERT_TRUE(broker_->ReplaceDevice(real_).ok());
  const SessionId red = Open(1000);
  real_->Hold();
  v1::AcquireLeaseRequest request = Want(Region(red), 1, 0);
  request.set_device("eth0");
  broker_->AcquireLease(red, request, [](const auto& lease) { EXPECT_TRUE(lease.ok()); });
  real_->WaitHeld();
  EXPECT_EQ(ReasonOf(broker_->ReplaceDevice(placeholder_)), v1::ERROR_REASON_IN_USE);
  real_->LetGo();
  broker_->Settle();
}

TEST_F(BrokerReplaceTest, QueuesOfOneNumberGoTogether) {
  device::DeviceInfo info = Function(4);
  info.queues_pair = true;
  ASSERT_TRUE(broker_->ReplaceDevice(std::make_shared<device::testing::FakeDevice>(info)).ok());
  const SessionId red = Open(1000);
  const region::RegionId region = Region(red);
  const auto acquire = [&](uint32_t rx, uint32_t tx) {
    v1::AcquireLeaseRequest request = Want(region, rx, tx);
    request.set_device("eth0");
    return broker_->AcquireLease(red, request);
  };
  const auto receives = acquire(1, 0);
  ASSERT_TRUE(receives.ok()) << receives.status();
  EXPECT_EQ(Eth().free_rx_queues(), 3U);
  EXPECT_EQ(Eth().free_tx_queues(), 3U) << "nobody else gets the other half";
  const auto both = acquire(2, 2);
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_THAT(both->lease().rx_queues(), ::testing::ElementsAre(1, 2));
  EXPECT_THAT(both->lease().tx_queues(), ::testing::ElementsAre(1, 2));
  EXPECT_EQ(ReasonOf(acquire(0, 2).status()), v1::ERROR_REASON_NO_FREE_QUEUE);
  ASSERT_TRUE(Release(red, receives->lease().lease_id()).ok());
  EXPECT_EQ(Eth().free_tx_queues(), 2U);
}

TEST_F(BrokerReplaceTest, AFunctionThatIsLeasedWholeTakesOneLease) {
  device::DeviceInfo info = Function(4);
  info.whole_function_only = true;
  const auto whole = std::make_shared<device::testing::FakeDevice>(info);
  ASSERT_TRUE(broker_->ReplaceDevice(whole).ok());
  EXPECT_TRUE(Eth().whole_function_only());
  EXPECT_EQ(Eth().free_tx_queues(), 4U);
  const SessionId red = Open(1000);
  const SessionId blue = Open(2000);
  const auto lease = AcquireEth(red);
  ASSERT_TRUE(lease.ok()) << lease.status();
  EXPECT_EQ(Eth().free_rx_queues(), 0U);
  EXPECT_EQ(Eth().free_tx_queues(), 0U);
  const absl::Status second = AcquireEth(blue).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kResourceExhausted) << second;
  EXPECT_EQ(ReasonOf(second), v1::ERROR_REASON_NO_FREE_QUEUE);
  EXPECT_THAT(std::string(second.message()), HasSubstr("leased whole, to one lease at a time"));
  ASSERT_TRUE(Release(red, lease->lease().lease_id()).ok());
  EXPECT_EQ(Eth().free_rx_queues(), 4U);
  v1::AcquireLeaseRequest again = Want(1, 4, 4);
  EXPECT_EQ(broker_->ListRegions(blue, {})->regions_size(), 1);
  again.set_region_ids(0, broker_->ListRegions(blue, {})->regions(0).region_id());
  again.set_device("eth0");
  EXPECT_TRUE(broker_->AcquireLease(blue, again).ok());
}

}  // namespace
}  // namespace qsplit::lease
