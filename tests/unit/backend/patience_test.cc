// How long a worker looks for work: longer where that finds some, hardly where who posts shares its
// processor.
#include "daemon/backend/common/patience.h"

#include <gtest/gtest.h>

namespace qsplit::backend {
namespace {

constexpr uint64_t kUs = 1'000;
constexpr uint64_t kMs = 1'000'000;

// A worker and who posts, by the clock.
class Scene {
 public:
  // It gets nothing while it looks; then it sleeps for so long.
  void Sleeps(uint64_t ns, bool woken) {
    now_ns_ += patience.ns() + ns;
    patience.Slept(woken, ns, now_ns_);
  }
  // The next work comes so long after the last; who posts it has a processor of his own.
  void Waits(uint64_t gap_ns) {
    if (gap_ns < patience.ns()) {
      now_ns_ += gap_ns;
      patience.Found();
    } else {
      Sleeps(gap_ns - patience.ns(), true);
    }
  }

  Patience patience;

 private:
  uint64_t now_ns_ = 1;
};

TEST(Patience, LooksUntilWorkComesThatComesSoon) {
  for (const uint64_t gap_ns : {60 * kUs, 150 * kUs, 350 * kUs}) {
    Scene scene;
    for (int i = 0; i < 1000; ++i) scene.Waits(gap_ns);
    EXPECT_GT(scene.patience.ns(), gap_ns);
  }
}

TEST(Patience, GapsOfManyLengthsAreNoSharing) {
  Scene scene;
  for (int i = 0; i < 1000; ++i) scene.Waits((1 + i * 7 % 50) * 10 * kUs);
  EXPECT_EQ(scene.patience.ns(), Patience::kMostNs);
}

TEST(Patience, LooksForTheLeastTimeWhereNothingComes) {
  Scene scene;
  for (int i = 0; i < 20; ++i) scene.Sleeps(10 * kMs, false);
  EXPECT_EQ(scene.patience.ns(), Patience::kLeastNs);
  // Neither do commands now and then make it look longer.
  for (int i = 0; i < 20; ++i) scene.Sleeps(5 * kMs, true);
  EXPECT_EQ(scene.patience.ns(), Patience::kLeastNs);
}

// Whoever posts on the worker's own processor does so as soon as it sleeps, and never before.
TEST(Patience, HardlyLooksWhileWhoPostsSharesItsProcessor) {
  Scene scene;
  uint64_t looked_ns = 0;
  uint64_t worked_ns = 0;
  for (int i = 0; i < 100'000; ++i) {
    looked_ns += scene.patience.ns();
    worked_ns += 10 * kUs;
    scene.Sleeps(10 * kUs, true);
  }
  EXPECT_LT(looked_ns, worked_ns / 3);
  // He goes to another processor.
  for (int i = 0; i < 10'000; ++i) scene.Waits(150 * kUs);
  EXPECT_GT(scene.patience.ns(), 150 * kUs);
}

}  // namespace
}  // namespace qsplit::backend
