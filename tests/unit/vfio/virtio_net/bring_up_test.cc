// From reset to DRIVER_OK: order, features, refusals, facts.
#include <gmock/gmock.h>

#include "tests/unit/vfio/virtio_net/fake_virtio.h"

namespace qsplit::vfio::virtio_net {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(VirtioNetTest, KnowsItsDeviceIdOnly) {
  EXPECT_EQ(MakeVirtioNet(0x1000, fake.function), nullptr);  // transitional
  EXPECT_NE(MakeVirtioNet(0x1041, fake.function), nullptr);
}

// 3.1.1.
TEST_F(VirtioNetTest, StatusGoesUpInTheOrderOfTheStandard) {
  Start();
  EXPECT_THAT(fake.statuses, ElementsAre(0, 1, 3, 11, 15));
  EXPECT_EQ(fake.resets, 1);
  EXPECT_TRUE(fake.function.bus_master);
  EXPECT_EQ(fake.queues[2].enabled, 1);  // the control queue
  EXPECT_FALSE(fake.AnyEnabled());
}

TEST_F(VirtioNetTest, FeaturesAreThoseThatBothHave) {
  fake.offered |= Bit(1) | Bit(7) | Bit(8) | Bit(28) | Bit(29) | Bit(35) | kNetCsum | kNetHostTso4;
  Start();
  EXPECT_EQ(fake.accepted, kUsualFeatures | kNetCsum | kNetHostTso4);
}

// 5.1.3.1.
TEST_F(VirtioNetTest, AFeatureIsDroppedWithoutTheOneThatItNeeds) {
  fake.offered = kVersion1 | kAccessPlatform | kNetMac | kNetHostTso4 | kNetControlRx |
                 kNetControlMac | kNetMultiqueue | kNetRss;
  Start();
  EXPECT_EQ(fake.accepted, kVersion1 | kAccessPlatform | kNetMac);
  EXPECT_TRUE(fake.TakeCommands().empty());
}

TEST_F(VirtioNetTest, ADevicePastTheIommuIsRefused) {
  fake.offered &= ~kAccessPlatform;
  const absl::Status status = Started();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("VIRTIO_F_ACCESS_PLATFORM"));
  EXPECT_EQ(fake.status & kFailed, kFailed);
  EXPECT_EQ(fake.status & kDriverOk, 0);
  EXPECT_FALSE(fake.function.bus_master);
}

TEST_F(VirtioNetTest, StartNamesWhatFailed) {
  fake.offered &= ~kVersion1;
  EXPECT_THAT(Refusal(), HasSubstr("VIRTIO_F_VERSION_1"));
  fake.offered |= kVersion1;
  fake.refuses_features = true;
  EXPECT_THAT(Refusal(), HasSubstr("refused the features"));
  fake.refuses_features = false;
  fake.never_resets = true;
  fake.status = 15;
  EXPECT_THAT(Refusal(), HasSubstr("0xf"));
  fake.never_resets = false;
  fake.gone = true;
  EXPECT_EQ(Started().code(), absl::StatusCode::kUnavailable);
  fake.gone = false;
  fake.vectors = 0;  // of those that the capability names
  EXPECT_THAT(Refusal(), HasSubstr("MSI-X vector 0"));
  fake.vectors = 3;
  fake.answers = false;
  EXPECT_THAT(Refusal(), HasSubstr("VIRTIO_NET_CTRL_RX_PROMISC"));
  EXPECT_FALSE(fake.function.bus_master);
  fake.answers = true;
  fake.queues[1].max = fake.queues[1].size = 0;
  EXPECT_THAT(Refusal(), HasSubstr("no virtqueue 1"));
  fake.queues[1].max = 256;
  EXPECT_THAT(Refusal({.vfs = {{}}}), HasSubstr("VFs"));
  EXPECT_THAT(Refusal({.steering = Steering::kPools}), HasSubstr("pools"));
  EXPECT_TRUE(Started().ok());
}

TEST_F(VirtioNetTest, ItsMacIsTheDevicesOrTheOneThatIsSet) {
  Start();
  EXPECT_EQ(driver->mac(), (device::MacAddress{0x52, 0x54, 0, 0x12, 0x34, 0x56}));
  fake.TakeCommands();
  Start({.mac = device::MacAddress{2, 0, 0, 0, 0, 9}});
  EXPECT_EQ(driver->mac(), (device::MacAddress{2, 0, 0, 0, 0, 9}));
  EXPECT_EQ(fake.TakeCommands()[0], (FakeCommand{1, 1, {2, 0, 0, 0, 0, 9}}));

  fake.offered &= ~kNetControlMac;
  EXPECT_EQ(Started({.mac = device::MacAddress{2, 0, 0, 0, 0, 9}}).code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_TRUE(Started({.mac = device::MacAddress{0x52, 0x54, 0, 0x12, 0x34, 0x56}}).ok());
  fake.offered &= ~kNetMac;
  EXPECT_THAT(Refusal(), HasSubstr("unicast"));
}

TEST_F(VirtioNetTest, TheDeviceMayLimitTheMtu) {
  Start();
  EXPECT_EQ(driver->facts().max_mtu_bytes, 65535u);
  fake.offered |= kNetMtu;
  fake.SetConfig(kNetConfigMtu, 1500, 2);
  EXPECT_THAT(Refusal({.mtu_bytes = 1501}), HasSubstr("1501"));
  Start();
  EXPECT_EQ(driver->facts().max_mtu_bytes, 1500u);
  EXPECT_EQ(driver->Set({.mtu_bytes = 9000}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(driver->Set({.mtu_bytes = 1400}).ok());
  fake.SetConfig(kNetConfigMtu, 67, 2);  // 5.1.4.1: no MTU
  Start();
  EXPECT_EQ(fake.accepted & kNetMtu, 0u);
}

TEST_F(VirtioNetTest, LinkIsWhatTheConfigurationSays) {
  fake.offered |= kNetSpeed;
  fake.SetConfig(kNetConfigSpeed, 25000, 4);
  Start();
  EXPECT_TRUE(driver->Link().up);
  EXPECT_EQ(driver->Link().mbps, 25000u);
  fake.SetConfig(kNetConfigSpeed, 0xffffffff, 4);
  EXPECT_EQ(driver->Link().mbps, 0u);
  fake.SetConfig(kNetConfigStatus, 2, 2);
  EXPECT_FALSE(driver->Link().up);
  fake.offered &= ~kNetStatus;
  Start();
  EXPECT_TRUE(driver->Link().up);
  fake.gone = true;
  EXPECT_FALSE(driver->Link().up);
}

TEST_F(VirtioNetTest, EachVirtqueueHasAVectorWhereThereAreEnough) {
  Start();  // three: configuration, receive, transmit
  EXPECT_EQ(driver->facts().vectors, 3u);
  EXPECT_EQ(driver->OtherVector(), 0u);
  EXPECT_EQ(driver->VectorOf(false, 0), 1u);
  EXPECT_EQ(driver->VectorOf(true, 0), 2u);
  EXPECT_EQ(driver->VectorOf(true, 1), std::nullopt);
  EXPECT_EQ(fake.config_vector, 0);
  EXPECT_EQ(fake.queues[2].vector, kNoVector);

  fake.function.config[0x42] = std::byte{1};  // two
  Start();
  EXPECT_EQ(driver->facts().vectors, 2u);
  EXPECT_EQ(driver->VectorOf(false, 0), 1u);
  EXPECT_EQ(driver->VectorOf(true, 0), 1u);
  fake.function.config[0x42] = std::byte{0};  // one
  Start();
  EXPECT_EQ(driver->VectorOf(true, 0), 0u);
  fake.function.config[0x40] = std::byte{0x12};  // none
  Start();
  EXPECT_EQ(driver->facts().vectors, 0u);
  EXPECT_EQ(driver->VectorOf(true, 0), std::nullopt);
  EXPECT_EQ(driver->OtherVector(), std::nullopt);
  EXPECT_EQ(fake.config_vector, kNoVector);
}

TEST_F(VirtioNetTest, FactsAreTheDevices) {
  fake.offered |= kNetCsum | kNetHostTso4 | kNetHostTso6;
  Start();
  const DriverFacts& facts = driver->facts();
  EXPECT_EQ(facts.rx_queues, 1u);
  EXPECT_EQ(facts.tx_queues, 1u);
  EXPECT_EQ(facts.default_slots, 256u);
  EXPECT_EQ(facts.rss_table_size, 0u);
  EXPECT_TRUE(facts.leases_may_share);
  using device::Offload;
  EXPECT_THAT(facts.offloads, ElementsAre(Offload::kTxGather, Offload::kRxScatter,
                                          Offload::kTxChecksum, Offload::kTso));
  ASSERT_EQ(facts.layouts.size(), 1u);
  EXPECT_EQ(facts.layouts[0].name, "virtio.split");
  using Choice = std::pair<std::string, std::string>;
  EXPECT_THAT(facts.layouts[0].choices,
              testing::IsSupersetOf({Choice("TxChecksum", "on"), Choice("Segmentation", "on"),
                                     Choice("RxChecksum", "off")}));

  // One kind of IP alone is not what the layouts mean.
  fake.offered &= ~kNetHostTso6;
  Start();
  EXPECT_THAT(driver->facts().layouts[0].choices,
              testing::IsSupersetOf({Choice("TxChecksum", "on"), Choice("Segmentation", "off")}));
  fake.offered &= ~kNetCsum;
  Start();
  EXPECT_THAT(driver->facts().layouts[0].choices,
              testing::IsSupersetOf({Choice("TxChecksum", "off"), Choice("Segmentation", "off")}));

  fake.offered = (fake.offered | kRingPacked) & ~kRingReset & ~kNetMergeBuffers;
  Start();
  EXPECT_FALSE(driver->facts().leases_may_share);
  ASSERT_EQ(driver->facts().layouts.size(), 2u);
  EXPECT_EQ(driver->facts().layouts[0].name, "virtio.packed");
  EXPECT_THAT(driver->facts().offloads, testing::Not(testing::Contains(Offload::kRxScatter)));
}

// A structure that ends in front of queue_reset cannot be asked to reset one.
TEST_F(VirtioNetTest, AnOldCommonConfigurationHasNoQueueReset) {
  const uint32_t bytes = 56;
  std::memcpy(fake.function.config.data() + 0x50 + 12, &bytes, 4);
  Start();
  EXPECT_EQ(fake.accepted & kRingReset, 0u);
}

TEST_F(VirtioNetTest, StopResetsTheDevice) {
  Start();
  ASSERT_TRUE(driver->StartQueue(Split(false, 0)).ok());
  driver->Stop();
  EXPECT_EQ(fake.status, 0);
  EXPECT_FALSE(fake.AnyEnabled());
  EXPECT_FALSE(fake.function.bus_master);
  ASSERT_TRUE(driver->Start({}).ok());
  EXPECT_FALSE(fake.AnyEnabled());
  EXPECT_TRUE(driver->StartQueue(Split(false, 0)).ok());
}

}  // namespace
}  // namespace qsplit::vfio::virtio_net
