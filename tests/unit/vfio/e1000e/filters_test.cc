// What the 82574 takes in, and the queue that it chooses.
#include <gmock/gmock.h>

#include <numeric>

#include "tests/unit/vfio/e1000e/fake_82574.h"

namespace qsplit::vfio::e1000e {
namespace {

using ::testing::HasSubstr;

TEST_F(E1000eTest, SettingsAreBitsOfTheReceiveControl) {
  Start();
  const auto bits = [&] { return registers.Peek(kRctl) & (1u << 3 | 1u << 4 | 1u << 5); };
  EXPECT_EQ(bits(), 0u);
  ASSERT_TRUE(driver->Set({.mtu_bytes = 9000}).ok());
  EXPECT_EQ(bits(), 1u << 5);
  ASSERT_TRUE(driver->Set({.mtu_bytes = 1500, .promiscuous = true}).ok());
  EXPECT_EQ(bits(), 1u << 3 | 1u << 4);
  ASSERT_TRUE(driver->Set({.promiscuous = false, .all_multicast = true}).ok());
  EXPECT_EQ(bits(), 1u << 4);
  EXPECT_EQ(registers.Peek(kRctl) & 2, 0u);  // settings do not start reception
}

TEST_F(E1000eTest, MulticastIsATableOfHashes) {
  Start();
  ASSERT_TRUE(
      driver->Set({.multicast = {{{0x01, 0, 0x5e, 0, 0, 0xfb}, {0x33, 0x33, 0, 0, 0xab, 0x12}}}})
          .ok());
  // Bits 47:36 are 0xfb0 and 0x12a.
  EXPECT_EQ(registers.Peek(0x5200 + 4 * (0xfb0 >> 5)), 1u << (0xfb0 & 31));
  EXPECT_EQ(registers.Peek(0x5200 + 4 * (0x12a >> 5)), 1u << (0x12a & 31));
  ASSERT_TRUE(driver->Set({.multicast = std::vector<device::MacAddress>{}}).ok());
  for (uint32_t i = 0; i < 128; ++i) EXPECT_EQ(registers.Peek(0x5200 + 4 * i), 0u);
}

TEST_F(E1000eTest, SettingsThatAreRefusedChangeNothing) {
  Start();
  registers.log.clear();
  EXPECT_EQ(driver->Set({.mtu_bytes = 9001, .promiscuous = true}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(driver->Set({.promiscuous = true, .multicast = {{{2, 0, 0, 0, 0, 1}}}}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(registers.log.empty());
  ASSERT_TRUE(driver->Set({.mtu_bytes = 1400}).ok());
  EXPECT_EQ(registers.Peek(kRctl) & (1u << 3), 0u);
}

device::RssConfig Config(uint32_t queue) {
  device::RssConfig config;
  config.indirection.assign(128, queue);
  std::iota(config.key.begin(), config.key.end(), uint8_t{0});
  return config;
}

TEST_F(E1000eTest, RssIsATableOfQueueBitsAndAKey) {
  Start();
  EXPECT_EQ(registers.Peek(kMrqc), 0u);
  EXPECT_TRUE(driver->facts().rss_types.Has(device::FlowType::kTcp6));
  EXPECT_FALSE(driver->facts().rss_types.Has(device::FlowType::kUdp4));
  device::RssConfig config = Config(0);
  config.indirection[1] = 1;
  config.indirection[127] = 1;
  ASSERT_TRUE(driver->SetRss(config).ok());
  EXPECT_EQ(registers.Peek(0x5c00), 0x00008000u);
  EXPECT_EQ(registers.Peek(0x5c7c), 0x80000000u);
  EXPECT_EQ(registers.Peek(0x5c80), 0x03020100u);
  EXPECT_EQ(registers.Peek(0x5ca4), 0x27262524u);
  EXPECT_EQ(registers.Peek(kMrqc), 0x00170001u);
}

TEST_F(E1000eTest, TheKeyChangesInAPauseTheTableWithoutOne) {
  Start();
  ASSERT_TRUE(driver->StartQueue(Receive(0)).ok());
  const uint32_t on = registers.Peek(kRctl);
  registers.log.clear();
  ASSERT_TRUE(driver->SetRss(Config(0)).ok());
  EXPECT_LT(Written(kRctl, on & ~2u), Written(0x5c84, 0x07060504));
  EXPECT_GE(Written(kRctl, on & ~2u), 0);
  EXPECT_EQ(registers.Peek(kRctl), on);
  registers.log.clear();
  ASSERT_TRUE(driver->SetRss(Config(1)).ok());
  EXPECT_EQ(Written(kRctl, on & ~2u), -1);
  EXPECT_EQ(registers.LastWriteTo(0x5c84), -1);
}

TEST_F(E1000eTest, ATableWithoutQueuesEndsReception) {
  Start();
  ASSERT_TRUE(driver->StartQueue(Receive(0)).ok());
  ASSERT_TRUE(driver->SetRss(Config(device::kNoQueue)).ok());
  EXPECT_EQ(registers.Peek(kRctl) & 2, 0u);
  ASSERT_TRUE(driver->SetRss(Config(0)).ok());
  EXPECT_EQ(registers.Peek(kRctl) & 2, 2u);
}

TEST_F(E1000eTest, RssThatTheHardwareLacksIsRefused) {
  Start();
  device::RssConfig config = Config(0);
  config.indirection[5] = device::kNoQueue;
  registers.log.clear();
  absl::Status status = driver->SetRss(config);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(status.message(), HasSubstr("1 of 128"));
  config.indirection[5] = 2;
  status = driver->SetRss(config);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("queue 2"));
  config.indirection.resize(64);
  EXPECT_EQ(driver->SetRss(config).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(registers.log.empty());
}

TEST_F(E1000eTest, RulesAreNotThere) {
  Start();
  EXPECT_EQ(driver->AddRule({}).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(driver->RemoveRule(3).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(driver->facts().rule_capacity, 0u);
}

}  // namespace
}  // namespace qsplit::vfio::e1000e
