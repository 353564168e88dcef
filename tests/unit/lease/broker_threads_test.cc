// Which queues leases get of devices that have several threads.
#include "tests/unit/lease/broker_fixture.h"

namespace qsplit::lease {
namespace {

using ::testing::ElementsAre;

// nic0 and nic1, of four queues each, on the two threads of one worker; nic2 is on another's.
class BrokerThreadsTest : public BrokerTest {
 protected:
  static std::shared_ptr<device::testing::FakeDevice> Make(const std::string& name,
                                                           const std::string& worker) {
    device::DeviceInfo info = Info();
    info.name = name;
    info.rx_queues = info.tx_queues = 4;
    info.queue_threads = {0, 0, 1, 1};
    info.worker = worker;
    return std::make_shared<device::testing::FakeDevice>(info);
  }

  BrokerThreadsTest() {
    policy::Tenant tenant = Tenant("red", {1000});
    tenant.quota.max_leases = tenant.quota.max_rx_queues = tenant.quota.max_tx_queues = 100;
    tenant.quota.max_regions = 100;
    tenant.quota.max_region_bytes = 1 << 30;
    BrokerOptions options;
    options.devices = {nic_ = Make("nic0", "w"), Make("nic1", "w"), Make("nic2", "other")};
    options.policy = policy::Policy::Create({tenant}, {}).value();
    options.clock = [this] { return now_; };
    options.random = [next = uint8_t{0}](std::span<uint8_t> bytes) mutable {
      std::fill(bytes.begin(), bytes.end(), ++next);
    };
    broker_ = std::make_unique<Broker>(std::move(options));
    red_ = Open(1000);
    region_ = Region(red_);
  }

  v1::Lease Take(const char* nic, uint32_t rx = 1, uint32_t tx = 1) {
    v1::AcquireLeaseRequest request = Want(region_, rx, tx);
    request.set_device(nic);
    const auto response = broker_->AcquireLease(red_, request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->lease() : v1::Lease();
  }

  SessionId red_;
  region::RegionId region_ = 0;
};

TEST_F(BrokerThreadsTest, LeasesSpreadOverThem) {
  const v1::Lease first = Take("nic0");
  EXPECT_THAT(first.rx_queues(), ElementsAre(0));
  EXPECT_THAT(first.tx_queues(), ElementsAre(0)) << "of the same thread";
  EXPECT_THAT(Take("nic0").rx_queues(), ElementsAre(2));
  const v1::Lease third = Take("nic0");
  EXPECT_THAT(third.rx_queues(), ElementsAre(1));
  EXPECT_THAT(third.tx_queues(), ElementsAre(1));
  // Thread 0 has four leased queues, then none.
  ASSERT_TRUE(Release(red_, first.lease_id()).ok());
  ASSERT_TRUE(Release(red_, third.lease_id()).ok());
  EXPECT_THAT(Take("nic0", 2, 0).rx_queues(), ElementsAre(0, 1));
  EXPECT_THAT(Take("nic0", 0, 2).tx_queues(), ElementsAre(0, 3));
}

TEST_F(BrokerThreadsTest, OfAllDevicesOfTheWorker) {
  EXPECT_THAT(Take("nic0").rx_queues(), ElementsAre(0));
  EXPECT_THAT(Take("nic1").rx_queues(), ElementsAre(2)) << "thread 0 works for nic0's lease";
  EXPECT_THAT(Take("nic2").rx_queues(), ElementsAre(0)) << "it has threads of its own";
  EXPECT_THAT(Take("nic1").rx_queues(), ElementsAre(0));
}

}  // namespace
}  // namespace qsplit::lease
