#include "tests/unit/lease/broker_fixture.h"

namespace qsplit::lease {
namespace {

class BrokerDevicesTest : public BrokerTest {
 protected:
  v1::DeviceStats Stats(SessionId caller) {
    v1::GetStatsRequest request;
    request.set_device("nic0");
    return broker_->GetStats(caller, request)->stats();
  }
};

TEST_F(BrokerDevicesTest, DescribesDevicesToAnybody) {
  const v1::Device nic = broker_->ListDevices().devices(0);
  EXPECT_EQ(nic.name(), "nic0");
  EXPECT_EQ(nic.rx_queues(), 8U);
  EXPECT_EQ(nic.free_tx_queues(), 8U);
  EXPECT_EQ(nic.layouts_size(), 3);
  EXPECT_EQ(nic.mac().size(), 6U);
  EXPECT_TRUE(nic.link_up());
  v1::GetDeviceRequest request;
  request.set_name("eth0");
  const absl::Status none = broker_->GetDevice(request).status();
  EXPECT_EQ(none.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(none.message(), "GetDevice: there is no device 'eth0'; there are: nic0");
}

TEST_F(BrokerDevicesTest, AdminsChangeDevices) {
  v1::SetDeviceRequest request;
  request.set_name("nic0");
  request.set_mtu_bytes(9000);
  request.mutable_multicast()->add_addresses(std::string("\x33\x33\0\0\0\1", 6));
  EXPECT_EQ(broker_->SetDevice(Open(1000), request).status().code(),
            absl::StatusCode::kPermissionDenied);
  const SessionId root = Open(0);
  const auto set = broker_->SetDevice(root, request);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->device().mtu_bytes(), 9000U);
  EXPECT_EQ(Nic().multicast_size(), 1);
  request.set_mtu_bytes(20000);
  EXPECT_EQ(ReasonOf(broker_->SetDevice(root, request).status()), v1::ERROR_REASON_OUT_OF_RANGE);
  request.set_mtu_bytes(1500);
  for (const std::string& bad : {std::string(), std::string(5, 1), std::string(6, 2)}) {
    request.mutable_multicast()->set_addresses(0, bad);
    EXPECT_EQ(ReasonOf(broker_->SetDevice(root, request).status()), v1::ERROR_REASON_MALFORMED);
  }
  for (int i = 0; i < 128; ++i) request.mutable_multicast()->add_addresses(std::string(6, 1));
  EXPECT_EQ(ReasonOf(broker_->SetDevice(root, request).status()), v1::ERROR_REASON_OUT_OF_RANGE);
  EXPECT_EQ(Nic().mtu_bytes(), 9000U);
}

TEST_F(BrokerDevicesTest, ServesLayoutsByNameAndDigest) {
  const v1::ListLayoutsResponse list = broker_->ListLayouts();
  ASSERT_EQ(list.layouts_size(), 3);
  EXPECT_EQ(list.layouts(0).layout().name(), "test.big");
  EXPECT_EQ(list.layouts(0).devices(0), "nic0");
  v1::GetLayoutRequest by_name;
  by_name.set_name("test.simple");
  const auto named = broker_->GetLayout(by_name);
  ASSERT_TRUE(named.ok());
  EXPECT_EQ(named->layout(), layout::testing::SimpleLayout().canonical_bytes());
  v1::GetLayoutRequest by_digest;
  by_digest.set_digest(named->digest());
  EXPECT_EQ(broker_->GetLayout(by_digest)->layout(), named->layout());
  by_digest.set_digest("short");
  EXPECT_EQ(ReasonOf(broker_->GetLayout(by_digest).status()), v1::ERROR_REASON_MALFORMED);
  EXPECT_EQ(ReasonOf(broker_->GetLayout({}).status()), v1::ERROR_REASON_MALFORMED);
  by_digest.set_digest(std::string(32, 'x'));
  EXPECT_EQ(broker_->GetLayout(by_digest).status().code(), absl::StatusCode::kNotFound);
  by_name.set_name("test.none");
  EXPECT_EQ(broker_->GetLayout(by_name).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(BrokerDevicesTest, CountersAreTheHolders) {
  const SessionId red = Open(1000);
  const SessionId blue = Open(2000);
  const v1::Lease lease = Acquire(red);
  const auto queue = [&](SessionId caller) { return Stats(caller).queues(0); };
  EXPECT_EQ(queue(red).packets(), 0U) << "what was before the lease is not its holder's";
  nic_->AddTraffic(5);
  EXPECT_EQ(queue(red).packets(), 5U);
  EXPECT_EQ(queue(red).lease_id(), lease.lease_id());
  EXPECT_EQ(queue(Open(0)).lease_id(), lease.lease_id());
  for (SessionId other : {blue, kNobody}) {
    EXPECT_EQ(queue(other).packets(), 0U);
    EXPECT_EQ(queue(other).lease_id(), 0U);
    EXPECT_EQ(Stats(other).queues(1).packets(), 106U) << "a free queue is nobody's secret";
    EXPECT_EQ(Stats(other).queues(8).packets(), 0U);
    EXPECT_TRUE(Stats(other).queues(8).transmit());
  }
  ASSERT_TRUE(Release(red, lease.lease_id()).ok());
  EXPECT_EQ(queue(kNobody).packets(), 0U) << "a queue that was given back tells no secret";
  EXPECT_EQ(queue(red).packets(), 0U);
  nic_->AddTraffic(3);
  const v1::Lease next = Acquire(blue);
  EXPECT_EQ(queue(blue).lease_id(), next.lease_id());
  EXPECT_EQ(queue(blue).packets(), 0U) << "the former holder's packets";
  EXPECT_EQ(Stats(blue).queues(8).packets(), 0U);
  nic_->AddTraffic(2);
  EXPECT_EQ(queue(blue).packets(), 2U);
  EXPECT_EQ(queue(Open(0)).packets(), 2U);
  EXPECT_EQ(Stats(kNobody).wire_rx_packets(), 7U);
  ASSERT_EQ(Stats(kNobody).more_size(), 1);
  EXPECT_EQ(Stats(kNobody).more(0).name(), "frames_faked");
  EXPECT_EQ(Stats(kNobody).more(0).value(), 110U);
  EXPECT_EQ(Stats(kNobody).time_ns(), 1'700'000'000'000'000'000U);
}

TEST_F(BrokerDevicesTest, AdminsInjectFaults) {
  v1::InjectFaultRequest request;
  request.set_device("nic0");
  request.set_fault(v1::INJECTED_FAULT_STALL_QUEUE);
  request.set_queue(7);
  EXPECT_EQ(broker_->InjectFault(Open(1000), request).status().code(),
            absl::StatusCode::kPermissionDenied);
  const SessionId root = Open(0);
  EXPECT_TRUE(broker_->InjectFault(root, request).ok());
  const auto reason = [&] { return ReasonOf(broker_->InjectFault(root, request).status()); };
  request.set_queue(8);
  EXPECT_EQ(reason(), v1::ERROR_REASON_OUT_OF_RANGE);
  request.set_queue(0);
  request.set_duration_ns(3'600'000'000'001);
  EXPECT_EQ(reason(), v1::ERROR_REASON_OUT_OF_RANGE);
  request.clear_duration_ns();
  request.clear_fault();
  EXPECT_EQ(reason(), v1::ERROR_REASON_MALFORMED);
  request.set_fault(v1::INJECTED_FAULT_WRONG_LENGTH);
  nic_->Fail("Inject", absl::UnimplementedError("this NIC has no such fault"));
  EXPECT_EQ(reason(), v1::ERROR_REASON_UNSUPPORTED);
}

}  // namespace
}  // namespace qsplit::lease
