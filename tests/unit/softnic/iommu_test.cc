#include "daemon/backend/softnic/iommu.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/nic_client.h"

namespace qsplit::softnic {
namespace {

using Access = Iommu::Access;
using Verdict = Iommu::Verdict;
using ::testing::HasSubstr;

RegionMaps maps;

device::RegionMapping Region(uint64_t iova, uint64_t bytes, bool writable = true) {
  return {.region = 4,
          .memory = qsplit::testing::RegionMemfd(bytes),
          .length_bytes = bytes,
          .iova = iova,
          .device_writable = writable};
}

Verdict Ask(const Iommu& iommu, uint64_t iova, uint64_t bytes, Access access = Access::kWrite) {
  Iommu::Cursor fresh;
  const Verdict first = iommu.Translate(iova, bytes, access, &fresh).verdict;
  // The same through the last hit.
  EXPECT_EQ(iommu.Translate(iova, bytes, access, &fresh).verdict, first);
  return first;
}

TEST(Iommu, EdgesOfARegion) {
  const Iommu iommu = *Iommu::Create(std::vector{Region(0x10000, 0x2000)}, maps);
  EXPECT_EQ(Ask(iommu, 0x10000, 0x2000), Verdict::kOk);
  EXPECT_EQ(Ask(iommu, 0x11fff, 1), Verdict::kOk);
  EXPECT_EQ(Ask(iommu, 0x0ffff, 1), Verdict::kUnmapped);
  EXPECT_EQ(Ask(iommu, 0x12000, 1), Verdict::kUnmapped);
  EXPECT_EQ(Ask(iommu, 0x11fff, 2), Verdict::kUnmapped);
  EXPECT_EQ(Ask(iommu, 0x10000, 0x2001), Verdict::kUnmapped);
  EXPECT_EQ(Ask(iommu, 0x10001, UINT64_MAX), Verdict::kUnmapped);
  EXPECT_EQ(Ask(iommu, UINT64_MAX, 1), Verdict::kUnmapped);
  EXPECT_EQ(Ask(iommu, UINT64_MAX - 3, 0x10005), Verdict::kUnmapped);
  EXPECT_EQ(Ask(iommu, 0, 1), Verdict::kUnmapped);
}

TEST(Iommu, AnAccessLiesInOneRegion) {
  const Iommu iommu =
      *Iommu::Create(std::vector{Region(0x20000, 0x1000), Region(0x21000, 0x1000)}, maps);
  Iommu::Cursor cursor;
  std::byte* const first = iommu.Translate(0x20ff0, 16, Access::kRead, &cursor).at;
  std::byte* const second = iommu.Translate(0x21000, 16, Access::kRead, &cursor).at;
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(Ask(iommu, 0x20ff0, 32), Verdict::kUnmapped);
}

TEST(Iommu, ReadOnlyIsNotWritten) {
  const Iommu iommu = *Iommu::Create(std::vector{Region(0x10000, 0x1000, false)}, maps);
  EXPECT_EQ(Ask(iommu, 0x10000, 64, Access::kRead), Verdict::kOk);
  EXPECT_EQ(Ask(iommu, 0x10000, 64, Access::kWrite), Verdict::kReadOnly);
}

TEST(Iommu, RefusesWhatItCannotKeepSafe) {
  const auto refused = [](const device::RegionMapping& region) {
    return std::string(Iommu::Create(std::vector{region}, maps).status().message());
  };
  device::RegionMapping region = Region(0x10000, 0x1000);
  region.length_bytes = 0x2000;
  EXPECT_THAT(refused(region), HasSubstr("past the memfd's end at 0x1000"));
  region = Region(0x10800, 0x1000);
  EXPECT_THAT(refused(region), HasSubstr("multiples of the page size"));
  region = Region(0x10000, 0x1000);
  region.memory = std::make_shared<linux_sys::OwnedFd>(::memfd_create("t", MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(region.memory->get(), 0x1000), 0);
  EXPECT_THAT(refused(region), HasSubstr("F_SEAL_SHRINK"));
  region.memory = std::make_shared<linux_sys::OwnedFd>(::open("/dev/zero", O_RDWR));
  EXPECT_THAT(refused(region), HasSubstr("not a memfd"));
  region = Region(UINT64_MAX - 0xfff, 0x1000);
  EXPECT_THAT(refused(region), HasSubstr("wraps"));
  EXPECT_THAT(
      std::string(Iommu::Create(std::vector{Region(0x10000, 0x2000), Region(0x11000, 0x1000)}, maps)
                      .status()
                      .message()),
      HasSubstr("overlap at address 0x11000"));
}

TEST(Iommu, ARegionOfSeveralLeasesIsMappedOnce) {
  const auto at = [](const Iommu& iommu, uint64_t iova) {
    Iommu::Cursor cursor;
    return iommu.Translate(iova, 1, Access::kRead, &cursor).at;
  };
  device::RegionMapping region = Region(0x10000, 0x2000);
  const Iommu one = *Iommu::Create(std::vector{region}, maps);
  region.iova = 0x50000;
  const Iommu other = *Iommu::Create(std::vector{region}, maps);
  EXPECT_EQ(at(one, 0x10001), at(other, 0x50001));
  region.device_writable = false;
  const Iommu reader = *Iommu::Create(std::vector{region}, maps);
  EXPECT_NE(at(one, 0x10001), at(reader, 0x50001)) << "one that may not write has its own";
}

}  // namespace
}  // namespace qsplit::softnic
