#include "daemon/lease/iova.h"

#include <gtest/gtest.h>

namespace qsplit::lease {
namespace {

TEST(AssignIovas, AreAlignedApartAndAbove4GiB) {
  const IovaWish wishes[] = {{0x3000, 0x1000}, {0x40000000, 0x40000000}, {0x200000, 0x200000}};
  const auto iovas = AssignIovas(wishes);
  ASSERT_TRUE(iovas.ok());
  EXPECT_EQ((*iovas)[0], 0x100000000U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*iovas)[i] % wishes[i].page_bytes, 0U);
    if (i > 0) {
      EXPECT_GE((*iovas)[i], (*iovas)[i - 1] + wishes[i - 1].length_bytes + 0x1000);
    }
  }
}

TEST(AssignIovas, AvoidTheInterruptWindow) {
  const IovaWish wishes[] = {{0x100000, 0x1000}, {0x1000, 0x1000}};
  // The first would end inside of the window.
  auto iovas = AssignIovas(wishes, 0xfed80000);
  ASSERT_TRUE(iovas.ok());
  EXPECT_GE((*iovas)[0], kInterruptWindowEnd);
  // It would hold the window whole.
  const IovaWish big[] = {{0x10000000, 0x1000}};
  iovas = AssignIovas(big, 0xf8000000);
  ASSERT_TRUE(iovas.ok());
  EXPECT_EQ((*iovas)[0], kInterruptWindowEnd);
  // It ends just before.
  const IovaWish small[] = {{0x1000, 0x1000}};
  iovas = AssignIovas(small, 0xfedff000);
  ASSERT_TRUE(iovas.ok());
  EXPECT_EQ((*iovas)[0], 0xfedff000U);
}

TEST(AssignIovas, StayBelow2To47) {
  const IovaWish most[] = {{kIovaEnd - kFirstIova, 0x1000}};
  EXPECT_TRUE(AssignIovas(most).ok());
  const IovaWish more[] = {{kIovaEnd - kFirstIova + 0x1000, 0x1000}};
  EXPECT_EQ(AssignIovas(more).status().code(), absl::StatusCode::kResourceExhausted);
  const IovaWish huge[] = {{~uint64_t{0} - 0xfff, 0x1000}};
  EXPECT_FALSE(AssignIovas(huge).ok());
  const IovaWish two[] = {{uint64_t{1} << 46, 0x1000}, {uint64_t{1} << 46, 0x1000}};
  EXPECT_FALSE(AssignIovas(two).ok());
  const IovaWish page[] = {{0x1000, uint64_t{1} << 63}};
  EXPECT_FALSE(AssignIovas(page).ok());
}

}  // namespace
}  // namespace qsplit::lease
