#include "tests/unit/lease/broker_fixture.h"

namespace qsplit::lease {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class BrokerAcquireTest : public BrokerTest {
 protected:
  BrokerAcquireTest() : red_(Open(1000)), region_(Region(red_)) {}

  // The request is refused for this reason and nothing has changed.
  void Refuses(const v1::AcquireLeaseRequest& request, v1::ErrorReason reason) {
    const Totals before = broker_->totals();
    nic_->ClearCalls();
    const absl::Status status = broker_->AcquireLease(red_, request).status();
    EXPECT_EQ(ReasonOf(status), reason) << status;
    EXPECT_EQ(status.code(), policy::CodeOf(reason)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("AcquireLease: "));
    EXPECT_EQ(broker_->totals(), before);
    EXPECT_THAT(nic_->calls(), IsEmpty());
  }

  const SessionId red_;
  const region::RegionId region_;
};

TEST_F(BrokerAcquireTest, GivesQueuesAndWhatStandsWhere) {
  v1::AcquireLeaseRequest request = Want(region_, 2, 1);
  request.set_first_rx_queue(3);
  request.add_rx_roles("packet.length");
  now_ += absl::Seconds(5);
  const auto response = broker_->AcquireLease(red_, request);
  ASSERT_TRUE(response.ok()) << response.status();
  const v1::Lease& lease = response->lease();
  EXPECT_THAT(lease.rx_queues(), ElementsAre(3, 4));
  EXPECT_THAT(lease.tx_queues(), ElementsAre(0));
  EXPECT_EQ(lease.layout().name(), "test.simple");
  EXPECT_EQ(lease.protection(), v1::PROTECTION_MODE_DIRECT);
  EXPECT_EQ(lease.state(), v1::LEASE_STATE_ACTIVE);
  EXPECT_EQ(lease.uid(), 1000U);
  EXPECT_EQ(response->grant().rx_size(), 2);
  EXPECT_EQ(response->grant().rx(1).queue(), 4U);
  EXPECT_EQ(response->grant().rx(0).rings(0).slot_count(), 512U);
  EXPECT_EQ(response->grant().descriptors_size(), 3);
  ASSERT_EQ(response->grant().regions_size(), 1);
  EXPECT_EQ(response->grant().regions(0).iova(), 0x100000000U);
  EXPECT_EQ(response->grant().regions(0).length_bytes(), 0x10000U);
  const device::QueueRequest asked = nic_->request(lease.lease_id());
  EXPECT_EQ(asked.rx_buffer_bytes, 2048U);
  EXPECT_EQ(asked.regions[0].iova, 0x100000000U);
  EXPECT_EQ(Nic().free_rx_queues(), 6U);
  EXPECT_EQ(Nic().free_tx_queues(), 7U);
  now_ += absl::Nanoseconds(17);
  EXPECT_EQ(Get(red_, lease.lease_id())->age_ns(), 17U);
}

TEST_F(BrokerAcquireTest, FeaturesReachTheDeviceAndTheClient) {
  v1::AcquireLeaseRequest request = Want(region_);
  request.add_features("Size=large");
  const auto response = broker_->AcquireLease(red_, request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->lease().layout().name(), "test.choosy");
  EXPECT_THAT(nic_->request(response->lease().lease_id()).features, ElementsAre(1, 0));
  EXPECT_THAT(response->grant().rx(0).feature_choices(), ElementsAre(1, 0));
  EXPECT_THAT(response->grant().tx(0).feature_choices(), ElementsAre(1, 0));
  EXPECT_THAT(Get(red_, response->lease().lease_id())->features(),
              ElementsAre("Size=large", "Word=hash"));
  // The ring that they leave out has its place, and nothing in it.
  ASSERT_EQ(response->grant().rx(0).rings_size(), 2);
  EXPECT_EQ(response->grant().rx(0).rings(0).ByteSizeLong(), 0u);
  EXPECT_EQ(response->grant().rx(0).rings(1).slot_count(), 512u);
  EXPECT_TRUE(response->grant().rx(0).rings(1).counts_for_increments());
  EXPECT_EQ(response->grant().tx(0).rings(0).slot_count(), 512u);
}

TEST_F(BrokerAcquireTest, SeveralRegionsStandApart) {
  v1::AcquireLeaseRequest request = Want(region_);
  request.add_region_ids(Region(red_, 0x20000, 0x3000));
  const auto response = broker_->AcquireLease(red_, request);
  ASSERT_TRUE(response.ok()) << response.status();
  const auto& regions = response->grant().regions();
  EXPECT_GT(regions[1].iova(), regions[0].iova() + regions[0].length_bytes());
}

TEST_F(BrokerAcquireTest, AllQueues) {
  const SessionId root = Open(0);
  const auto lease = Acquire(root, 0xffffffff, 0xffffffff);
  EXPECT_EQ(lease.rx_queues_size(), 8);
  EXPECT_EQ(lease.tx_queues_size(), 8);
  Refuses(Want(region_), v1::ERROR_REASON_NO_FREE_QUEUE);
}

TEST_F(BrokerAcquireTest, SendsOnly) {
  const auto response = broker_->AcquireLease(red_, Want(region_, 0, 2));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->grant().rx_size(), 0);
  EXPECT_EQ(nic_->request(response->lease().lease_id()).rx_slots, 0U);
}

TEST_F(BrokerAcquireTest, RefusesWhatIsMalformed) {
  v1::AcquireLeaseRequest none = Want(region_, 0, 0);
  Refuses(none, v1::ERROR_REASON_MALFORMED);
  v1::AcquireLeaseRequest device = Want(region_);
  device.set_device("nic9");
  Refuses(device, v1::ERROR_REASON_NOT_FOUND);
  v1::AcquireLeaseRequest slots = Want(region_);
  slots.set_rx_slots(9);
  Refuses(slots, v1::ERROR_REASON_OUT_OF_RANGE);
  v1::AcquireLeaseRequest mode = Want(region_);
  mode.set_protection(v1::PROTECTION_MODE_KERNEL);
  Refuses(mode, v1::ERROR_REASON_UNSUPPORTED);
  mode.set_protection(static_cast<v1::ProtectionMode>(77));
  Refuses(mode, v1::ERROR_REASON_MALFORMED);
  v1::AcquireLeaseRequest layout = Want(region_);
  layout.set_layout("test.none");
  Refuses(layout, v1::ERROR_REASON_NOT_FOUND);
  v1::AcquireLeaseRequest features = Want(region_);
  features.add_features("Size");
  Refuses(features, v1::ERROR_REASON_MALFORMED);
  features.set_features(0, "Size=huge");
  Refuses(features, v1::ERROR_REASON_NOT_FOUND);
  v1::AcquireLeaseRequest roles = Want(region_);
  roles.set_layout("test.simple");
  roles.add_rx_roles("timestamp");
  Refuses(roles, v1::ERROR_REASON_MISSING_ROLES);
  Refuses(Want(region_, 9, 0), v1::ERROR_REASON_OUT_OF_RANGE);
}

TEST_F(BrokerAcquireTest, RefusesRegionsThatAreNotTheCallers) {
  const SessionId blue = Open(2000);
  Refuses(Want(Region(blue)), v1::ERROR_REASON_NOT_ALLOWED);
  Refuses(Want(999), v1::ERROR_REASON_NOT_FOUND);
  v1::AcquireLeaseRequest none = Want(region_);
  none.clear_region_ids();
  Refuses(none, v1::ERROR_REASON_OUT_OF_RANGE);
  v1::AcquireLeaseRequest twice = Want(region_);
  twice.add_region_ids(region_);
  Refuses(twice, v1::ERROR_REASON_MALFORMED);
  v1::AcquireLeaseRequest many = Want(region_);
  for (int i = 0; i < 16; ++i) many.add_region_ids(1000 + static_cast<uint64_t>(i));
  Refuses(many, v1::ERROR_REASON_OUT_OF_RANGE);
}

TEST_F(BrokerAcquireTest, AQueueHasOneLease) {
  const SessionId blue = Open(2000);
  v1::AcquireLeaseRequest request = Want(Region(blue));
  request.set_first_rx_queue(2);
  ASSERT_TRUE(broker_->AcquireLease(blue, request).ok());
  request = Want(region_, 2, 0);
  request.set_first_rx_queue(1);
  Refuses(request, v1::ERROR_REASON_QUEUE_TAKEN);
  const std::string words(broker_->AcquireLease(red_, request).status().message());
  EXPECT_EQ(words.find("blue"), std::string::npos) << words;
  EXPECT_EQ(words.find("2000"), std::string::npos) << words;
}

TEST_F(BrokerAcquireTest, QuotasHoldOverTheSessionsOfATenant) {
  ASSERT_TRUE(broker_->AcquireLease(red_, Want(region_, 4, 0)).ok());
  const SessionId other = Open(1001);
  const auto region = Region(other, 0x20000);
  EXPECT_EQ(ReasonOf(broker_->AcquireLease(other, Want(region, 3, 0)).status()),
            v1::ERROR_REASON_QUOTA);
  EXPECT_TRUE(broker_->AcquireLease(other, Want(region, 2, 0)).ok());
  EXPECT_TRUE(broker_->AcquireLease(other, Want(region, 0, 1)).ok());
  Refuses(Want(region_, 0, 1), v1::ERROR_REASON_QUOTA);  // the fourth lease
}

TEST_F(BrokerAcquireTest, PolicyDecidesAboutDevicesAndRss) {
  v1::AcquireLeaseRequest rss = Want(region_);
  rss.set_join_rss(true);
  Refuses(rss, v1::ERROR_REASON_NOT_ALLOWED);
  const SessionId root = Open(0);
  rss = Want(Region(root));
  rss.set_join_rss(true);
  const auto response = broker_->AcquireLease(root, rss);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_TRUE(response->lease().in_rss());
  const SessionId stranger = broker_->OpenSession({3000, 3000, 1}, "").value().id;
  EXPECT_EQ(ReasonOf(broker_->AcquireLease(stranger, Want(Region(stranger))).status()),
            v1::ERROR_REASON_NOT_ALLOWED);
}

TEST_F(BrokerAcquireTest, ADeviceThatFailsLeavesNothing) {
  nic_->Fail("OpenQueues", absl::UnavailableError("being reset"));
  const absl::Status status = broker_->AcquireLease(red_, Want(region_)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(status), v1::ERROR_REASON_NOT_READY);
  EXPECT_EQ(status.message(), "AcquireLease: being reset");
  EXPECT_EQ(broker_->totals().leases, 0U);
  EXPECT_EQ(Nic().free_rx_queues(), 8U);
  v1::UnregisterRegionRequest region;
  region.set_region_id(region_);
  EXPECT_TRUE(broker_->UnregisterRegion(red_, region).ok()) << "no lease uses it";
}

TEST_F(BrokerAcquireTest, AGrantThatDoesNotFitIsTakenBack) {
  nic_->SetGrantDescriptors(254);
  const absl::Status status = broker_->AcquireLease(red_, Want(region_)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(broker_->totals().leases, 0U);
  EXPECT_EQ(nic_->open_leases(), 0U);
  EXPECT_EQ(Nic().free_rx_queues(), 8U);
  // The same, and the device does not let go at once.
  nic_->Fail("CloseQueues", absl::UnavailableError("being reset"), 2);
  EXPECT_FALSE(broker_->AcquireLease(red_, Want(region_)).ok());
  EXPECT_EQ(Nic().free_rx_queues(), 7U);
  EXPECT_TRUE(Maintain());
  EXPECT_FALSE(Maintain());
  EXPECT_EQ(Nic().free_rx_queues(), 8U);
}

TEST_F(BrokerAcquireTest, AGrantIsFetchedOnce) {
  const auto response = broker_->AcquireLease(red_, Want(region_));
  ASSERT_TRUE(response.ok());
  const LeaseId id = response->lease().lease_id();
  const SessionId blue = Open(2000);
  EXPECT_EQ(broker_->FetchGrant(blue, id).status().code(), absl::StatusCode::kNotFound);
  const auto fds = broker_->FetchGrant(red_, id);
  ASSERT_TRUE(fds.ok());
  EXPECT_EQ(static_cast<int>(fds->size()), response->grant().descriptors_size());
  EXPECT_EQ(broker_->FetchGrant(red_, id).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(BrokerAcquireTest, LeasesAndRegionsAreTheirSessionsToSee) {
  const LeaseId id = broker_->AcquireLease(red_, Want(region_))->lease().lease_id();
  const SessionId same_uid = Open(1000);
  const SessionId blue = Open(2000);
  const SessionId root = Open(0);
  for (SessionId other : {same_uid, blue}) {
    EXPECT_EQ(Get(other, id).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(Release(other, id).code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(broker_->ListLeases(other, {})->leases_size(), 0);
    EXPECT_EQ(broker_->ListRegions(other, {})->regions_size(), 0);
  }
  v1::ListLeasesRequest all;
  all.set_all(true);
  v1::ListRegionsRequest all_regions;
  all_regions.set_all(true);
  EXPECT_EQ(broker_->ListLeases(blue, all)->leases_size(), 0) << "another uid";
  EXPECT_EQ(broker_->ListRegions(blue, all_regions)->regions_size(), 0);
  EXPECT_EQ(broker_->ListLeases(same_uid, all)->leases_size(), 1) << "another session of the uid";
  EXPECT_EQ(broker_->ListRegions(same_uid, all_regions)->regions_size(), 1);
  EXPECT_EQ(broker_->ListLeases(root, all)->leases_size(), 1);
  EXPECT_EQ(broker_->ListRegions(root, all_regions)->regions(0).lease_ids(0), id);
  EXPECT_EQ(broker_->ListLeases(red_, {})->leases(0).region_ids(0), region_);
  v1::UnregisterRegionRequest region;
  region.set_region_id(region_);
  EXPECT_EQ(broker_->UnregisterRegion(red_, region).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace qsplit::lease
