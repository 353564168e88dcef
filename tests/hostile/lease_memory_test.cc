// A lease takes no more memory than docs/measured.md says, whatever its size. Needs no privilege.
#include "tests/support/system/lease_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace qsplit::testing {
namespace {

// Allocators round up, and machine code is of the processor.
constexpr double kMargin = 1.25;

TEST(LeaseMemory, IsWhatIsStated) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer has memory of its own for each block";
#endif
  if (::sysconf(_SC_PAGESIZE) != 4096) GTEST_SKIP() << "what is stated is of pages of 4 KiB";
  auto daemon = Daemon::Start(LeaseMemoryScale::Devices());
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  auto scale = LeaseMemoryScale::Make(**daemon);
  ASSERT_TRUE(scale.ok()) << scale.status();
  for (const uint32_t slots : {64u, 512u, 4096u}) {
    for (const uint32_t pairs : {1u, LeaseMemoryScale::kMostPairs}) {
      const auto weight = scale->Weigh(slots, pairs);
      ASSERT_TRUE(weight.ok()) << weight.status();
      SCOPED_TRACE(::testing::Message() << pairs << " queue pairs of " << slots << " slots");
      EXPECT_LE(weight->daemon.own_bytes, kMargin * StatedDaemonBytes(slots, pairs));
      EXPECT_LE(weight->client.own_bytes, kMargin * StatedClientBytes(slots, pairs));
      EXPECT_LE(weight->daemon.ring_bytes, StatedRingBytes(slots, pairs));
      // And not much less, or the words are of another time.
      EXPECT_GE(kMargin * weight->daemon.own_bytes, StatedDaemonBytes(slots, pairs));
      EXPECT_GE(kMargin * weight->client.own_bytes, StatedClientBytes(slots, pairs));
      EXPECT_GE(weight->daemon.ring_bytes, StatedRingBytes(slots, pairs) / 2);
    }
  }
}

}  // namespace
}  // namespace qsplit::testing
