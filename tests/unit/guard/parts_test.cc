// Regions and rate limits, each alone.
#include <gtest/gtest.h>

#include <vector>

#include "daemon/guard/rate_limit.h"
#include "daemon/guard/region_map.h"

namespace qsplit::guard {
namespace {

using Verdict = RegionMap::Verdict;

constexpr uint64_t kMs = 1'000'000;

TEST(Regions, TranslateWithinOneRegionOnly) {
  const std::vector<GuardedRegion> regions = {{0x9000, 0x1000, 0x100000, true},
                                              {0x4000, 0x2000, 0x50000, true},
                                              {0x8000, 0x1000, 0x200000, false}};
  RegionMap map = *RegionMap::Create(regions);
  uint64_t device = 0;
  EXPECT_EQ(map.Translate(0x4000, 0x2000, true, &device), Verdict::kReachable);
  EXPECT_EQ(device, 0x50000u);
  EXPECT_EQ(map.Translate(0x5fff, 1, true, &device), Verdict::kReachable);
  EXPECT_EQ(device, 0x51fffu);
  EXPECT_EQ(map.Translate(0x5fff, 2, true, &device), Verdict::kUnmapped);
  EXPECT_EQ(map.Translate(0x6000, 1, true, &device), Verdict::kUnmapped);
  EXPECT_EQ(map.Translate(0x3fff, 2, true, &device), Verdict::kUnmapped);
  EXPECT_EQ(map.Translate(0x8000, 0x1000, false, &device), Verdict::kReachable);
  EXPECT_EQ(device, 0x200000u);
  EXPECT_EQ(map.Translate(0x8000, 0x1000, true, &device), Verdict::kReadOnly);
  // The next region begins where this one ends, but elsewhere for the device.
  EXPECT_EQ(map.Translate(0x8fff, 2, false, &device), Verdict::kUnmapped);
  EXPECT_EQ(map.Translate(0x9000, 0x1000, true, &device), Verdict::kReachable);
  EXPECT_EQ(map.Translate(0, 1, false, &device), Verdict::kUnmapped);
  EXPECT_EQ(map.Translate(UINT64_MAX, 1, false, &device), Verdict::kUnmapped);
  EXPECT_EQ(map.Translate(0x9000, UINT64_MAX, false, &device), Verdict::kUnmapped);
  EXPECT_EQ(map.Translate(0x9800, UINT64_MAX - 0x97ff, false, &device), Verdict::kUnmapped);
}

TEST(Regions, WithoutRegionsNothingIsReachable) {
  RegionMap map = *RegionMap::Create({});
  uint64_t device = 0;
  for (const uint64_t iova : {uint64_t{0}, uint64_t{4096}, UINT64_MAX}) {
    EXPECT_EQ(map.Translate(iova, 0, false, &device), Verdict::kUnmapped);
    EXPECT_EQ(map.Translate(iova, 1, false, &device), Verdict::kUnmapped);
  }
}

TEST(Regions, ThatCannotBeAreRefused) {
  const auto create = [](std::vector<GuardedRegion> regions) {
    return RegionMap::Create(regions).status().code();
  };
  using absl::StatusCode;
  EXPECT_EQ(create({{0x1000, 0, 0, true}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(create({{UINT64_MAX, 2, 0, true}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(create({{0, 2, UINT64_MAX, true}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(create({{UINT64_MAX, 1, 0, true}}), StatusCode::kOk);
  EXPECT_EQ(create({{0x1000, 0x1001, 0, true}, {0x2000, 1, 0, true}}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(create({{0x2000, 1, 0, true}, {0x1000, 0x1000, 0, true}}), StatusCode::kOk);
}

// Packets of so many bytes that pass in so many ms, tried each ms as long as any does.
uint64_t PassIn(TokenBuckets* buckets, uint64_t first_ms, uint64_t ms, uint64_t bytes) {
  uint64_t passed = 0;
  for (uint64_t i = 0; i < ms; ++i) {
    buckets->Refill((first_ms + i) * kMs);
    while (buckets->Allows() && passed < 1'000'000) {
      buckets->Take(bytes);
      ++passed;
    }
  }
  return passed;
}

TEST(RateLimits, HoldOverASecondAndAllowTheBurst) {
  TokenBuckets packets({.tx_packets_per_second = 1000, .burst_packets = 50});
  EXPECT_EQ(PassIn(&packets, 1, 1, 100), 50u);
  EXPECT_NEAR(static_cast<double>(PassIn(&packets, 2, 1000, 100)), 1000, 2);
  TokenBuckets bytes({.tx_bytes_per_second = 1'000'000, .burst_bytes = 10'000});
  EXPECT_NEAR(static_cast<double>(PassIn(&bytes, 1, 2000, 1000)), 2010, 3);
}

TEST(RateLimits, ALargePacketPassesAndLaterOnesWaitForIt) {
  TokenBuckets buckets({.tx_bytes_per_second = 1000, .burst_bytes = 100});
  buckets.Refill(kMs);
  ASSERT_TRUE(buckets.Allows());
  buckets.Take(600);
  EXPECT_FALSE(buckets.Allows());
  // 500 bytes of debt and one more.
  EXPECT_EQ(buckets.WaitNs(), 501 * kMs);
  buckets.Refill(501 * kMs);
  EXPECT_FALSE(buckets.Allows());
  buckets.Refill(502 * kMs);
  EXPECT_TRUE(buckets.Allows());
  EXPECT_EQ(buckets.WaitNs(), 0u);
}

TEST(RateLimits, NoneByDefaultAndNoneThatOverflows) {
  TokenBuckets none;
  EXPECT_EQ(PassIn(&none, 1, 1, UINT32_MAX), 1'000'000u);
  TokenBuckets huge({UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX});
  huge.Refill(1);
  huge.Refill(UINT64_MAX);
  ASSERT_TRUE(huge.Allows());
  huge.Take(1'000'000'000);
  huge.Refill(UINT64_MAX);
  EXPECT_FALSE(huge.Allows());
  EXPECT_GT(huge.WaitNs(), 0u);
}

}  // namespace
}  // namespace qsplit::guard
