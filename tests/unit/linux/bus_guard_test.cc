// Memory that goes away under a mapping of the daemon's.
#include "daemon/linux/bus_guard.h"

#include <gtest/gtest.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <fstream>
#include <utility>

#include "daemon/linux/mapping.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::linux_sys {
namespace {

// Volatile: the compiler must not know what stands there.
std::byte Read(const Mapping& mapping, size_t offset) {
  return std::atomic_ref<std::byte>(mapping.data()[offset]).load(std::memory_order_relaxed);
}

class BusGuardTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(file_.valid());
    ASSERT_EQ(ftruncate(file_.get(), 4 * page_), 0);
  }
  const size_t page_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  OwnedFd file_{memfd_create("guarded", MFD_CLOEXEC)};
};

TEST_F(BusGuardTest, ZerosStandInForPagesThatAreGone) {
  auto mapping = Mapping::Map(file_.get(), 0, 4 * page_, Mapping::Access::kReadWrite);
  ASSERT_TRUE(mapping.ok()) << mapping.status();
  mapping->data()[0] = mapping->data()[2 * page_] = std::byte{7};
  ASSERT_EQ(ftruncate(file_.get(), static_cast<off_t>(page_)), 0);

  EXPECT_EQ(Read(*mapping, 0), std::byte{7}) << "what is still there is untouched";
  EXPECT_EQ(mapping->lost_pages(), 0U);
  EXPECT_EQ(Read(*mapping, 2 * page_), std::byte{0});
  EXPECT_EQ(mapping->lost_pages(), 1U);
  mapping->data()[3 * page_ + 5] = std::byte{9};
  EXPECT_EQ(Read(*mapping, 3 * page_ + 5), std::byte{9});
  EXPECT_EQ(mapping->lost_pages(), 2U);
}

TEST_F(BusGuardTest, ReadOnlyMappingStaysReadable) {
  auto mapping = Mapping::Map(file_.get(), 0, 4 * page_, Mapping::Access::kRead);
  ASSERT_TRUE(mapping.ok()) << mapping.status();
  ASSERT_EQ(ftruncate(file_.get(), 0), 0);
  EXPECT_EQ(Read(*mapping, 3 * page_), std::byte{0});
  EXPECT_EQ(mapping->lost_pages(), 1U);
}

TEST_F(BusGuardTest, MovingTheMappingMovesTheGuard) {
  auto mapping = Mapping::Map(file_.get(), 0, 4 * page_, Mapping::Access::kReadWrite);
  ASSERT_TRUE(mapping.ok()) << mapping.status();
  const Mapping moved = *std::move(mapping);
  ASSERT_EQ(ftruncate(file_.get(), 0), 0);
  EXPECT_EQ(Read(moved, 0), std::byte{0});
  EXPECT_EQ(moved.lost_pages(), 1U);
}

// Two huge pages more than there were, where root may ask for them; gives them back.
class HugePages {
 public:
  HugePages() {
    std::ifstream(kPath) >> before_;
    std::ofstream(kPath) << before_ + 2;
  }
  ~HugePages() { std::ofstream(kPath) << before_; }

 private:
  static constexpr const char* kPath = "/proc/sys/vm/nr_hugepages";
  int before_ = 0;
};

TEST_F(BusGuardTest, HugePagesAreReplacedWhole) {
  const HugePages reserved;
  constexpr size_t kHuge = size_t{2} << 20;
  const OwnedFd huge(memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB));
  if (!huge.valid() || ftruncate(huge.get(), 2 * kHuge) != 0) {
    GTEST_SKIP() << "this kernel has no huge pages of 2 MiB";
  }
  auto mapping = Mapping::Map(huge.get(), 0, 2 * kHuge, Mapping::Access::kReadWrite);
  if (!mapping.ok())
    GTEST_SKIP() << "SKIPPED: run as root, or reserve 2 pages in /proc/sys/vm/nr_hugepages";
  mapping->data()[0] = std::byte{7};
  ASSERT_EQ(ftruncate(huge.get(), kHuge), 0);
  EXPECT_EQ(Read(*mapping, kHuge + 12345), std::byte{0});
  EXPECT_EQ(Read(*mapping, 2 * kHuge - 1), std::byte{0});
  EXPECT_EQ(mapping->lost_pages(), 1U);
  EXPECT_EQ(Read(*mapping, 0), std::byte{7});
}

using BusGuardDeathTest = BusGuardTest;

TEST_F(BusGuardDeathTest, OtherMemoryStillKills) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        // A guard is installed, but not for this mapping.
        auto guarded = Mapping::Map(file_.get(), 0, page_, Mapping::Access::kRead);
        void* bare =
            mmap(nullptr, page_, PROT_READ, MAP_SHARED, file_.get(), static_cast<off_t>(page_));
        if (ftruncate(file_.get(), 0) != 0) return;
        std::atomic_ref<std::byte>(*static_cast<std::byte*>(bare)).load();
      },
      "");
}

TEST_F(BusGuardTest, RangesComeAndGo) {
  // Many more than fit at once: each is given back.
  for (uint32_t i = 0; i < 2 * BusGuard::kMaxRanges; ++i) {
    auto mapping = Mapping::Map(file_.get(), 0, page_, Mapping::Access::kRead);
    ASSERT_TRUE(mapping.ok()) << i << ": " << mapping.status();
  }
}

}  // namespace
}  // namespace qsplit::linux_sys
