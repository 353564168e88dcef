// RSS: table, key, fields; what is to be dropped goes to a queue that nobody uses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/unit/vfio/igb/fake_pf.h"

namespace qsplit {
namespace {

using namespace vfio::igb;  // registers
using device::kNoQueue;
using test::SetupOf;
using test::StartedPf;

uint32_t Entry(const test::FakePf& pf, uint32_t index) {
  return pf.Reg(Reta(index / 4)) >> 8 * (index % 4) & 0xff;
}

device::RssConfig Config(std::vector<uint32_t> pattern) {
  device::RssConfig config;
  for (size_t i = 0; i < 128; ++i) config.indirection.push_back(pattern[i % pattern.size()]);
  std::iota(config.key.begin(), config.key.end(), uint8_t{1});
  return config;
}

TEST(IgbRss, HashesIpAndPortsAndDropsAllAtFirst) {
  StartedPf it;
  EXPECT_EQ(it.pf.Reg(kMrqc), 2u | 1u << 16 | 1u << 17 | 1u << 18 | 1u << 20 | 1u << 21 | 1u << 22 |
                                  1u << 23 | 1u << 24);
  for (uint32_t i = 0; i < 128; ++i) EXPECT_EQ(Entry(it.pf, i), 15u);
}

TEST(IgbRss, WritesTableAndKey) {
  StartedPf it;
  ASSERT_TRUE(it.driver->SetRss(Config({0, 3, 7, 14})).ok());
  EXPECT_EQ(it.pf.Reg(Reta(0)), 0x0e070300u);
  EXPECT_EQ(it.pf.Reg(Reta(31)), 0x0e070300u);
  for (uint32_t i = 0; i < 10; ++i) {
    const uint32_t first = 4 * i + 1;
    EXPECT_EQ(it.pf.Reg(Rssrk(i)),
              first | (first + 1) << 8 | (first + 2) << 16 | (first + 3) << 24);
  }
}

TEST(IgbRss, DropsIntoAQueueThatIsNeverEnabled) {
  StartedPf it;
  ASSERT_TRUE(it.driver->SetRss(Config({2, kNoQueue})).ok());
  EXPECT_EQ(Entry(it.pf, 0), 2u);
  EXPECT_EQ(Entry(it.pf, 1), 15u);
  // All others can be used meanwhile.
  for (uint32_t queue = 0; queue < it.driver->facts().rx_queues; ++queue) {
    ASSERT_TRUE(it.driver->StartQueue(SetupOf(false, queue)).ok()) << queue;
  }
  EXPECT_EQ(it.pf.Reg(0xc028 + 15 * 0x40) & kQueueEnable, 0u);
  EXPECT_NE(it.pf.Reg(0xc00c + 15 * 0x40) & kSrrctlDropEnable, 0u);
  EXPECT_EQ(it.driver->StartQueue(SetupOf(false, 15)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(it.driver->StartQueue(SetupOf(true, 15)).ok());
}

TEST(IgbRss, RefusesTablesOfOtherSizesAndQueuesThatAreNotThere) {
  StartedPf it;
  it.pf.bar.log.clear();
  device::RssConfig config = Config({15});
  EXPECT_EQ(it.driver->SetRss(config).code(), absl::StatusCode::kInvalidArgument);
  config = Config({0});
  config.indirection.pop_back();
  EXPECT_EQ(it.driver->SetRss(config).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(it.pf.bar.log.empty());
}

}  // namespace
}  // namespace qsplit
