#include "daemon/linux/reaper.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "daemon/linux/owned_fd.h"

namespace qsplit::linux_sys {
namespace {

TEST(Reaper, DestroysElsewhereInOrderAndAllBeforeItEnds) {
  std::vector<int> gone;
  std::thread::id where;
  std::atomic<bool> go{false};
  {
    Reaper reaper;
    for (int i = 0; i < 3; ++i) {
      reaper.Take(std::shared_ptr<const void>(&gone, [&gone, &where, &go, i](const void*) {
        while (!go) std::this_thread::yield();
        where = std::this_thread::get_id();
        gone.push_back(i);
      }));
    }
    go = true;  // Take has not waited for it
  }
  EXPECT_EQ(gone, (std::vector<int>{0, 1, 2}));
  EXPECT_NE(where, std::this_thread::get_id());
}

TEST(Reaper, AllocatedBytesAreThoseThatWereTouched) {
  const OwnedFd fd(memfd_create("test", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(fd.get(), 1 << 20), 0);
  EXPECT_EQ(AllocatedBytes(fd.get()), 0u);
  const std::vector<char> bytes(8192, 1);
  ASSERT_EQ(write(fd.get(), bytes.data(), bytes.size()), 8192);
  EXPECT_EQ(AllocatedBytes(fd.get()), 8192u);
  EXPECT_EQ(AllocatedBytes(-1), 0u);
}

}  // namespace
}  // namespace qsplit::linux_sys
