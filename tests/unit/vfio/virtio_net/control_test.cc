// Commands: what the device is told, in both formats, and what its answers can do.
#include <gmock/gmock.h>

#include "tests/unit/vfio/virtio_net/fake_virtio.h"

namespace qsplit::vfio::virtio_net {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const FakeCommand kNotPromiscuous{0, 0, {0}};
const FakeCommand kNotAllMulticast{0, 1, {0}};
const FakeCommand kNoAddresses{1, 0, {0, 0, 0, 0, 0, 0, 0, 0}};

class VirtioControlTest : public VirtioNetTest, public ::testing::WithParamInterface<bool> {
 protected:
  VirtioControlTest() {
    if (GetParam()) fake.offered |= kRingPacked;
  }
};
INSTANTIATE_TEST_SUITE_P(Rings, VirtioControlTest, ::testing::Bool(),
                         [](const auto& rings) { return rings.param ? "Packed" : "Split"; });

TEST_P(VirtioControlTest, TheFilterIsClosedAtTheStart) {
  Start();
  EXPECT_EQ(fake.packed(), GetParam());
  EXPECT_THAT(fake.TakeCommands(), ElementsAre(kNotPromiscuous, kNotAllMulticast, kNoAddresses));
}

TEST_P(VirtioControlTest, SettingsAreCommands) {
  Start();
  fake.TakeCommands();
  ASSERT_TRUE(
      driver->Set({.promiscuous = true, .all_multicast = true, .multicast = {{{1, 2, 3, 4, 5, 6}}}})
          .ok());
  EXPECT_THAT(fake.TakeCommands(),
              ElementsAre(FakeCommand{0, 0, {1}}, FakeCommand{0, 1, {1}},
                          FakeCommand{1, 0, {0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6}}));
  ASSERT_TRUE(driver->Set({.mtu_bytes = 1000}).ok());
  EXPECT_THAT(fake.TakeCommands(), IsEmpty());
}

// Both formats pass the end of the ring with each command.
TEST_P(VirtioControlTest, ManyCommandsGoOneBehindAnother) {
  Start();
  fake.TakeCommands();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(driver->Set({.promiscuous = i % 2 == 0}).ok()) << i;
    ASSERT_EQ(fake.TakeCommands().size(), 3u) << i;
  }
  for (int i = 0; i < 70000 / 3; ++i) ASSERT_TRUE(driver->Set({.promiscuous = true}).ok()) << i;
}

TEST_P(VirtioControlTest, ARefusedCommandIsAnErrorAndChangesNothing) {
  Start();
  fake.refused_class = 1;
  fake.TakeCommands();
  const absl::Status status = driver->Set({.promiscuous = true});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("VIRTIO_NET_CTRL_MAC_TABLE_SET"));
  const std::vector<FakeCommand> commands = fake.TakeCommands();
  ASSERT_GE(commands.size(), 4u);
  EXPECT_EQ(commands[0], (FakeCommand{0, 0, {1}}));
  EXPECT_EQ(commands[3], kNotPromiscuous);  // back again
}

TEST_P(VirtioControlTest, ADeviceThatDoesNotAnswerIsNotWaitedForLong) {
  Start();
  fake.answers = false;
  const absl::Time before = fake.function.now;
  EXPECT_EQ(driver->Set({.promiscuous = true}).code(), absl::StatusCode::kUnavailable);
  EXPECT_LE(fake.function.now - before, absl::Milliseconds(50));
  // And no further command is laid over the one that it may still be reading.
  const absl::Time later = fake.function.now;
  EXPECT_THAT(driver->Set({.promiscuous = true}).message(), HasSubstr("earlier command"));
  EXPECT_EQ(fake.function.now, later);
  // Once it has answered, commands go on.
  fake.answers = true;
  fake.registers.Write16(FakeVirtio::kNotify + 2 * FakeVirtio::kMultiplier, 2);
  fake.TakeCommands();
  EXPECT_TRUE(driver->Set({.promiscuous = true}).ok());
  EXPECT_EQ(fake.TakeCommands().size(), 3u);
}

// Whoever holds the function makes it write what it likes into the driver's memory.
TEST_P(VirtioControlTest, WhateverStandsInItsMemoryEachCallEnds) {
  Start();
  fake.answers = false;
  uint32_t seed = 1;
  for (int i = 0; i < 300; ++i) {
    fake.function.on_sleep = [&] {
      for (std::byte& byte : *fake.function.dma[0]) {
        seed = seed * 1664525 + 1013904223;
        byte = static_cast<std::byte>(seed >> 24);
      }
    };
    const absl::Time before = fake.function.now;
    driver->Set({.promiscuous = i % 2 == 0}).IgnoreError();
    EXPECT_LE(fake.function.now - before, absl::Milliseconds(50));
  }
  fake.function.on_sleep = nullptr;
  fake.answers = true;
  ASSERT_TRUE(driver->Start({}).ok());  // and a new start is a clean one
  EXPECT_TRUE(driver->Set({.promiscuous = true}).ok());
}

TEST_P(VirtioControlTest, SettingsThatAreWrongAreRefusedBeforeTheDeviceHears) {
  Start();
  fake.TakeCommands();
  EXPECT_EQ(driver->Set({.promiscuous = true, .multicast = {{{2, 0, 0, 0, 0, 1}}}}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      driver->Set({.multicast = std::vector<device::MacAddress>(513, {1, 0, 0, 0, 0, 1})}).code(),
      absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(fake.TakeCommands(), IsEmpty());
  EXPECT_TRUE(
      driver->Set({.multicast = std::vector<device::MacAddress>(512, {1, 0, 0, 0, 0, 1})}).ok());
  EXPECT_EQ(fake.TakeCommands()[2].data.size(), 8u + 512 * 6);
}

TEST_F(VirtioNetTest, WithoutItsFeatureThereIsNoFilter) {
  fake.offered &= ~kNetControlRx;
  Start();
  EXPECT_THAT(fake.TakeCommands(), IsEmpty());
  EXPECT_EQ(driver->Set({.promiscuous = true}).code(), absl::StatusCode::kUnimplemented);
  EXPECT_TRUE(driver->Set({.mtu_bytes = 1500}).ok());
}

TEST_F(VirtioNetTest, WithoutAControlQueueThereAreNoCommands) {
  fake.offered &= ~kNetControlQueue;
  Start();
  EXPECT_EQ(fake.queues[2].enabled, 0);
  EXPECT_TRUE(fake.function.dma.empty());
  EXPECT_TRUE(driver->StartQueue(Split(false, 0)).ok());
}

TEST_F(VirtioNetTest, RulesAreNotThere) {
  Start();
  EXPECT_EQ(driver->AddRule({}).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(driver->RemoveRule(3).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(driver->SetRss({}).code(), absl::StatusCode::kUnimplemented);
}

class VirtioPairsTest : public VirtioNetTest {
 protected:
  VirtioPairsTest() {
    many.offered |= kNetMultiqueue;
    many.vectors = 16;
    many.function.config[0x42] = std::byte{15};
  }
  void StartMany() {
    driver = MakeVirtioNet(0x1041, many.function);
    const absl::Status status = driver->Start({});
    ASSERT_TRUE(status.ok()) << status;
    many.TakeCommands();
  }
  FakeVirtio many{4};
};

// 5.1.6.5.5.
TEST_F(VirtioPairsTest, PairsAreThoseUpToTheLastQueue) {
  StartMany();
  EXPECT_EQ(driver->facts().rx_queues, 4u);
  EXPECT_FALSE(driver->facts().leases_may_share);  // any queue may get any packet
  EXPECT_EQ(many.queues[8].enabled, 1);            // the control queue is the last one
  ASSERT_TRUE(driver->StartQueue(Split(true, 2)).ok());
  EXPECT_THAT(many.TakeCommands(), ElementsAre(FakeCommand{4, 0, {3, 0}}));
  EXPECT_EQ(many.queues[5].enabled, 1);
  EXPECT_EQ(many.queues[5].vector, 6);
  ASSERT_TRUE(driver->StopQueue(true, 2).ok());
  EXPECT_THAT(many.TakeCommands(), ElementsAre(FakeCommand{4, 0, {1, 0}}));
}

// 5.1.6.5.7.1.
TEST_F(VirtioPairsTest, RssIsACommand) {
  many.offered |= kNetRss;
  many.SetConfig(kNetConfigRssKeyBytes, 40, 1);
  many.SetConfig(kNetConfigRssTable, 6, 2);
  many.SetConfig(kNetConfigHashTypes, 0x1ff & ~4u, 4);
  StartMany();
  EXPECT_EQ(driver->facts().rss_table_size, 4u);
  using device::FlowType;
  EXPECT_EQ(driver->facts().rss_types,
            (device::FlowTypes{FlowType::kIp4, FlowType::kTcp4, FlowType::kIp6, FlowType::kTcp6,
                               FlowType::kUdp6}));
  EXPECT_TRUE(driver->facts().leases_may_share);
  device::RssConfig config{.indirection = {1, 2, 3, 0}};
  for (uint8_t i = 0; i < 40; ++i) config.key[i] = i;
  ASSERT_TRUE(driver->SetRss(config).ok());
  FakeCommand wanted{4, 1, {0x3b, 0, 0, 0, 3, 0, 1, 0, 1, 0, 2, 0, 3, 0, 0, 0, 4, 0, 40}};
  for (uint8_t i = 0; i < 40; ++i) wanted.data.push_back(i);
  EXPECT_THAT(many.TakeCommands(), ElementsAre(wanted));

  config.indirection = {0, 0, 0, 4};
  EXPECT_EQ(driver->SetRss(config).code(), absl::StatusCode::kInvalidArgument);
  config.indirection = {0, 0, 0, device::kNoQueue};
  EXPECT_EQ(driver->SetRss(config).code(), absl::StatusCode::kUnimplemented);
  config.indirection.assign(4, device::kNoQueue);
  EXPECT_TRUE(driver->SetRss(config).ok());  // no queue receives
  ASSERT_TRUE(driver->StartQueue(Split(false, 1)).ok());
  EXPECT_EQ(driver->SetRss(config).code(), absl::StatusCode::kUnimplemented);
  config.indirection.resize(3);
  EXPECT_EQ(driver->SetRss(config).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(many.TakeCommands(), IsEmpty());
}

TEST_F(VirtioPairsTest, RssThatIsTooSmallIsNone) {
  many.offered |= kNetRss;
  many.SetConfig(kNetConfigRssKeyBytes, 39, 1);
  many.SetConfig(kNetConfigRssTable, 128, 2);
  StartMany();
  EXPECT_EQ(driver->facts().rss_table_size, 0u);
  EXPECT_EQ(many.accepted & kNetRss, 0u);
}

TEST_F(VirtioPairsTest, MorePairsThanVirtqueuesAreRefused) {
  many.SetConfig(kNetConfigPairs, 5, 2);
  driver = MakeVirtioNet(0x1041, many.function);
  EXPECT_EQ(driver->Start({}).code(), absl::StatusCode::kFailedPrecondition);
  many.SetConfig(kNetConfigPairs, 0, 2);
  EXPECT_EQ(driver->Start({}).code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace qsplit::vfio::virtio_net
