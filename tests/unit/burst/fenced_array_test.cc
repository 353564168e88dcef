// Whoever touches a byte beside a fenced array does not go on.
#include "tests/support/fenced_array.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace qsplit::testing {
namespace {

// Beyond what is mapped for it, as a compiler cannot know.
volatile uint64_t* At(const FencedArray<uint64_t>& array, ptrdiff_t number) {
  return array.data() + number;
}

TEST(FencedArrayDeathTest, NobodyTouchesTheFence) {
  const FencedArray<uint64_t> behind(3, Fence::kBehind);
  EXPECT_DEATH(static_cast<void>(*At(behind, 3)), "");
  EXPECT_DEATH(*At(behind, 3) = 1, "");
  const FencedArray<uint64_t> before(3, Fence::kBefore);
  EXPECT_DEATH(static_cast<void>(*At(before, -1)), "");
  EXPECT_DEATH(*At(before, -1) = 1, "");
  const FencedArray<uint64_t> none(0, Fence::kBehind);
  EXPECT_DEATH(static_cast<void>(*At(none, 0)), "");
}

TEST(FencedArrayDeathTest, WhatIsWrittenAtItsOtherEndIsFound) {
  EXPECT_DEATH(
      {
        const FencedArray<uint64_t> behind(3, Fence::kBehind);
        *At(behind, -1) = 1;
      },
      "bytes beside it were written");
  EXPECT_DEATH(
      {
        const FencedArray<uint64_t> before(3, Fence::kBefore);
        *At(before, 3) = 1;
      },
      "bytes beside it were written");
}

TEST(FencedArray, HoldsItsValues) {
  for (const Fence fence : kFences) {
    const uint32_t values[] = {1, 2, 3};
    const FencedArray<uint32_t> array(values, fence);
    EXPECT_TRUE(array.IsSame(values));
    array[2] = 4;
    EXPECT_FALSE(array.IsSame(values));
    EXPECT_TRUE(array.IsSame(values, 2));
  }
}

}  // namespace
}  // namespace qsplit::testing
