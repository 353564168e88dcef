#include "daemon/backend/vfio/iova_space.h"

#include <gtest/gtest.h>

namespace qsplit::vfio {
namespace {

TEST(IovaSpace, NeighboursStandAPageApart) {
  IovaSpace space(uint64_t{1} << 39);
  const uint64_t first = *space.Take(0x3000, 0x1000, 0x4000'0000);
  EXPECT_EQ(first, 0x4000'0000u);
  EXPECT_EQ(*space.Take(0x1000, 0x1000, 0x4000'0000), first + 0x4000);
  EXPECT_EQ(*space.Take(0x1000, 0x20'0000, 0x4000'0000), 0x4020'0000u);
  space.Give(first);
  EXPECT_EQ(*space.Take(0x3000, 0x1000, 0x4000'0000), first);
}

TEST(IovaSpace, NeverTheInterruptWindow) {
  IovaSpace space(uint64_t{1} << 39);
  EXPECT_EQ(*space.Take(0x20'0000, 0x1000, 0xfed0'0000), 0xfef0'0000u);
  EXPECT_FALSE(space.TakeAt(0xfee0'0000, 0x1000).ok());
  EXPECT_FALSE(space.TakeAt(0xfedf'f000, 0x2000).ok());
  EXPECT_TRUE(space.TakeAt(0xfedf'f000, 0x1000).ok());
}

TEST(IovaSpace, EndsWhereTheIommuEnds) {
  IovaSpace space(0x1'0000'0000);
  EXPECT_TRUE(space.TakeAt(0xffff'0000, 0x1'0000).ok());
  EXPECT_FALSE(space.TakeAt(0xffff'0000, 0x2'0000).ok());
  EXPECT_FALSE(space.TakeAt(UINT64_MAX - 0xfff, 0x1000).ok());
  EXPECT_FALSE(space.Take(0x1'0000'0000, 0x1000, 0x1000).ok());
  EXPECT_FALSE(space.Take(0x1000, 0x1000, UINT64_MAX - 10).ok());
  EXPECT_FALSE(space.Take(0, 0x1000, 0).ok());
  EXPECT_FALSE(space.Take(UINT64_MAX, 0x1000, 0x1000).ok());
}

TEST(IovaSpace, WhatIsTakenIsTaken) {
  IovaSpace space(uint64_t{1} << 39);
  ASSERT_TRUE(space.TakeAt(0x1'0000'0000, 0x10'0000).ok());
  EXPECT_FALSE(space.TakeAt(0x1'0000'0000, 0x1000).ok());
  EXPECT_FALSE(space.TakeAt(0xffff'f000, 0x2000).ok());
  EXPECT_FALSE(space.TakeAt(0x1'000f'f000, 0x1000).ok());
  EXPECT_FALSE(space.TakeAt(0x1'0010'0000, 0x1000).ok()) << "no page between them";
  EXPECT_TRUE(space.TakeAt(0x1'0010'1000, 0x1000).ok());
}

}  // namespace
}  // namespace qsplit::vfio
