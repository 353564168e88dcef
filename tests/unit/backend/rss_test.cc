#include "daemon/backend/common/rss.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace qsplit::backend {
namespace {

using device::kNoQueue;

long Count(const Rss::Table& table, uint32_t queue) {
  return std::count(table.begin(), table.end(), queue);
}

TEST(Rss, SpreadsOverWhatIsInside) {
  Rss rss(4, 128, true);
  for (uint32_t queue = 0; queue < 4; ++queue) EXPECT_EQ(Count(rss.Effective(), queue), 32);
  rss.Leave(std::vector<uint32_t>{1, 3});
  EXPECT_EQ(Count(rss.Effective(), 0), 64);
  EXPECT_EQ(Count(rss.Effective(), 1), 0);
  rss.Leave(std::vector<uint32_t>{0, 2});
  EXPECT_EQ(Count(rss.Effective(), kNoQueue), 128);
  rss.Return(std::vector<uint32_t>{0, 1, 2, 3});
  EXPECT_EQ(Count(rss.Effective(), 3), 32);
}

TEST(Rss, AWishComesBackWithItsQueue) {
  Rss rss(4, 128, true);
  device::RssConfig config;
  config.indirection.assign(128, 2);
  config.indirection[5] = 1;
  config.indirection[6] = kNoQueue;
  ASSERT_TRUE(rss.Set(config).ok());
  const Rss::Table wished = rss.Effective();
  EXPECT_EQ(Count(wished, 2), 126);
  rss.Leave(std::vector<uint32_t>{2});
  EXPECT_EQ(Count(rss.Effective(), 2), 0);
  EXPECT_EQ(rss.Effective()[5], 1u);
  EXPECT_EQ(rss.Effective()[6], kNoQueue);
  rss.Return(std::vector<uint32_t>{2});
  EXPECT_EQ(rss.Effective(), wished);
}

TEST(Rss, RefusesWrongTables) {
  Rss rss(4, 128, true);
  const Rss::Table before = rss.Effective();
  device::RssConfig config;
  config.indirection.assign(64, 0);
  EXPECT_EQ(rss.Set(config).code(), absl::StatusCode::kInvalidArgument);
  config.indirection.assign(128, 4);
  EXPECT_EQ(rss.Set(config).code(), absl::StatusCode::kInvalidArgument);
  rss.Leave(std::vector<uint32_t>{3});
  config.indirection.assign(128, 3);
  EXPECT_EQ(rss.Set(config).code(), absl::StatusCode::kInvalidArgument);
  rss.Return(std::vector<uint32_t>{3});
  EXPECT_EQ(rss.Effective(), before);
}

}  // namespace
}  // namespace qsplit::backend
