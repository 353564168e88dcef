// Bursts are kept by what they were made of, so many at most.
#include "dataplane/burst_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/unit/dataplane/tx_rig.h"

namespace qsplit::dataplane {
namespace {

struct Made {
  int number = 0;
  absl::Status code = absl::OkStatus();
  const absl::Status& code_status() const { return code; }
};

std::shared_ptr<const Made> Get(BurstCache* cache, const std::string& key, int number) {
  return BurstCache::Get<Made>(cache, key, [&] {
    return std::make_unique<Made>(Made{number, absl::OkStatus()});
  });
}

TEST(BurstCache, GivesTheSameForTheSameKey) {
  BurstCache cache;
  const auto first = Get(&cache, "a", 1);
  EXPECT_EQ(Get(&cache, "b", 2)->number, 2);
  EXPECT_EQ(Get(&cache, "a", 3), first);
}

TEST(BurstCache, OfTooManyTheFirstGoes) {
  BurstCache cache;
  const auto first = Get(&cache, "0", 0);
  for (int i = 1; i <= 64; ++i) Get(&cache, std::to_string(i), i);
  EXPECT_EQ(Get(&cache, "64", -1)->number, 64);
  EXPECT_EQ(Get(&cache, "0", -1)->number, -1);
  EXPECT_EQ(first->number, 0) << "who has it keeps it";
}

TEST(BurstCache, WhatCannotBeMadeIsAskedForAgain) {
  BurstCache cache;
  const auto none = BurstCache::Get<Made>(&cache, "a", [] { return std::unique_ptr<Made>(); });
  EXPECT_EQ(none, nullptr);
  EXPECT_EQ(Get(&cache, "a", 5)->number, 5);
}

TEST(BurstCache, WhatHadNoMemoryForItsCodeIsMadeAgain) {
  BurstCache cache;
  const auto make = [](int number, absl::Status code) {
    return [=] { return std::make_unique<Made>(Made{number, code}); };
  };
  const auto poor =
      BurstCache::Get<Made>(&cache, "a", make(1, absl::ResourceExhaustedError("mmap")));
  EXPECT_EQ(poor->number, 1);
  EXPECT_EQ(Get(&cache, "a", 2)->number, 2);
  EXPECT_EQ(Get(&cache, "a", 3)->number, 2);
  // What is forbidden stays so.
  BurstCache::Get<Made>(&cache, "b", make(4, absl::PermissionDeniedError("mprotect")));
  EXPECT_EQ(Get(&cache, "b", 5)->number, 4);
}

TEST(BurstCache, NoCacheKeepsNothing) {
  EXPECT_EQ(Get(nullptr, "a", 1)->number, 1);
  EXPECT_EQ(Get(nullptr, "a", 2)->number, 2);
}

TEST(BurstKey, SaysHowAQueueIsSetUp) {
  const auto cases = testing::AllTxCases();
  const layout::VerifiedLayout& layout = *cases.front().layout;
  QueueView view;
  view.ring_count = 1;
  view.rings[0].slot_count = 64;
  const std::string key = BurstKey("tx", layout, view, {1, 2});
  EXPECT_EQ(BurstKey("tx", layout, view, {1, 2}), key);
  EXPECT_NE(BurstKey("rx", layout, view, {1, 2}), key);
  EXPECT_NE(BurstKey("tx", layout, view, {1, 3}), key);
  EXPECT_NE(BurstKey("tx", *cases.back().layout, view, {1, 2}), key);
  view.rings[0].slot_count = 128;
  EXPECT_NE(BurstKey("tx", layout, view, {1, 2}), key);
  view.rings[0].slot_count = 64;
  view.features.choice[0] = 1;
  EXPECT_NE(BurstKey("tx", layout, view, {1, 2}), key);
}

}  // namespace
}  // namespace qsplit::dataplane
