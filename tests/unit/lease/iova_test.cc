#include "daemon/lease/iova.h"

#include <gtest/gtest.h>

#include "daemon/device/interrupt_window.h"

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
  auto iovas = AssignIovas(wishes, {.first = 0xfed80000});
  ASSERT_TRUE(iovas.ok());
  EXPECT_GE((*iovas)[0], device::kInterruptWindowEnd);
  // It would hold the window whole.
  const IovaWish big[] = {{0x10000000, 0x1000}};
  iovas = AssignIovas(big, {.first = 0xf8000000});
  ASSERT_TRUE(iovas.ok());
  EXPECT_EQ((*iovas)[0], device::kInterruptWindowEnd);
  // It ends just before.
  const IovaWish small[] = {{0x1000, 0x1000}};
  iovas = AssignIovas(small, {.first = 0xfedff000});
  ASSERT_TRUE(iovas.ok());
  EXPECT_EQ((*iovas)[0], 0xfedff000U);
}

TEST(AssignIovas, StayBelow2To47) {
  const IovaWish most[] = {{IovaRange().end - IovaRange().first, 0x1000}};
  EXPECT_TRUE(AssignIovas(most).ok());
  const IovaWish more[] = {{IovaRange().end - IovaRange().first + 0x1000, 0x1000}};
  EXPECT_EQ(AssignIovas(more).status().code(), absl::StatusCode::kResourceExhausted);
  const IovaWish huge[] = {{~uint64_t{0} - 0xfff, 0x1000}};
  EXPECT_FALSE(AssignIovas(huge).ok());
  const IovaWish two[] = {{uint64_t{1} << 46, 0x1000}, {uint64_t{1} << 46, 0x1000}};
  EXPECT_FALSE(AssignIovas(two).ok());
  const IovaWish page[] = {{0x1000, uint64_t{1} << 63}};
  EXPECT_FALSE(AssignIovas(page).ok());
}

TEST(AssignIovas, AdjoinWhereTheDeviceWantsIt) {
  device::DeviceInfo device;
  device.regions_adjoin = true;
  // Whatever their pages; across what x86 takes for interrupts too, for these are offsets.
  const IovaWish wishes[] = {{0x3000, 0x1000}, {0x40000000, 0x40000000}, {0x200000, 0x200000}};
  const IovaRange range = RangeOf({}, device);
  ASSERT_TRUE(AssignIovas(wishes, range).ok());
  EXPECT_EQ(*AssignIovas(wishes, range), (std::vector<uint64_t>{0, 0x3000, 0x40003000}));
  const IovaWish low[] = {{device::kInterruptWindow, 0x1000}, {0x1000, 0x1000}};
  EXPECT_EQ(AssignIovas(low, range)->back(), device::kInterruptWindow);
  device.iova_first = 0x5000;
  device.iova_end = 0x9000;
  const IovaWish full[] = {{0x3000, 0x1000}, {0x1000, 0x1000}};
  EXPECT_EQ(*AssignIovas(full, RangeOf({}, device)), (std::vector<uint64_t>{0x5000, 0x8000}));
  const IovaWish more[] = {{0x3000, 0x1000}, {0x2000, 0x1000}};
  EXPECT_EQ(AssignIovas(more, RangeOf({}, device)).status().code(),
            absl::StatusCode::kResourceExhausted);
}

v1::Layout WithAddress(std::initializer_list<uint32_t> bits, uint64_t unit) {
  v1::Layout layout;
  v1::Field* field = layout.add_forms()->add_fields();
  field->set_role("buffer.address");
  for (const uint32_t part : bits) field->add_parts()->set_bits(part);
  field->mutable_scale()->set_multiplier(unit);
  return layout;
}

TEST(RangeOf, IsWhatDescriptorsCanName) {
  EXPECT_EQ(RangeOf(WithAddress({64}, 1)).end, uint64_t{1} << 47);
  EXPECT_EQ(RangeOf(WithAddress({64}, 1)).first, uint64_t{1} << 32);
  EXPECT_EQ(RangeOf(WithAddress({32}, 1)).end, 0xffffffffU);
  EXPECT_EQ(RangeOf(WithAddress({32}, 1)).first, 0x100000U);
  EXPECT_EQ(RangeOf(WithAddress({32}, 2048)).end, 0xffffffffULL * 2048);
  EXPECT_EQ(RangeOf(WithAddress({32, 8}, 1)).end, (uint64_t{1} << 40) - 1);
  EXPECT_EQ(RangeOf(WithAddress({63}, ~uint64_t{0})).end, uint64_t{1} << 47);
}

TEST(RangeOf, IsWhatTheIommuTranslatesToo) {
  device::DeviceInfo device;
  const v1::Layout wide = WithAddress({64}, 1);
  device.iova_end = uint64_t{1} << 39;
  EXPECT_EQ(RangeOf(wide, device).first, uint64_t{1} << 32);
  EXPECT_EQ(RangeOf(wide, device).end, uint64_t{1} << 39);
  EXPECT_EQ(RangeOf(WithAddress({32}, 1), device).end, 0xffffffffU) << "the smaller of both";
  // One of 32 bits: from 1 MiB on, past its own first address.
  device.iova_end = uint64_t{1} << 32;
  EXPECT_EQ(RangeOf(wide, device).first, 0x100000U);
  device.iova_first = 0x40000000;
  EXPECT_EQ(RangeOf(wide, device).first, 0x40000000U);
  const IovaWish wishes[] = {{0x1000, 0x1000}};
  EXPECT_EQ(AssignIovas(wishes, RangeOf(wide, device))->front(), 0x40000000U);
  const IovaWish more[] = {{0xc0000000, 0x1000}};
  EXPECT_EQ(AssignIovas(more, RangeOf(wide, device)).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(RangeOf, RegionsBeyondItAreRefused) {
  const IovaRange range = RangeOf(WithAddress({32}, 1));
  const IovaWish fits[] = {{0xc000'0000, 0x1000}};
  ASSERT_TRUE(AssignIovas(fits, range).ok());
  EXPECT_EQ(AssignIovas(fits, range)->front(), 0x100000U);
  const IovaWish more[] = {{0xc000'0000, 0x1000}, {0x4000'0000, 0x1000}};
  EXPECT_EQ(AssignIovas(more, range).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace qsplit::lease
