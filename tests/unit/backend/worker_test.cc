// How long a worker sleeps: until a poller has work again, as it says before.
#include "daemon/backend/common/worker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

namespace qsplit::backend {
namespace {

constexpr uint64_t kMs = 1'000'000;

// Never has anything to do; keeps the shortest time between going to sleep and being polled.
class Waiter final : public Poller {
 public:
  explicit Waiter(uint64_t work_in_ns) : work_in_ns_(work_in_ns) {}

  bool Poll(uint64_t) override {
    // The bell of the command that added this one may end the first sleep.
    if (slept_at_ns_ != 0 && ++sleeps > 1) {
      shortest_ns = std::min(shortest_ns.load(), MonotonicNs() - slept_at_ns_);
    }
    slept_at_ns_ = 0;
    return false;
  }
  void SignalCompletions() override {}
  uint64_t ArmWakeups() override {
    slept_at_ns_ = MonotonicNs();
    return work_in_ns_;
  }
  void DisarmWakeups() override {}

  std::atomic<uint64_t> shortest_ns{UINT64_MAX};
  std::atomic<uint32_t> sleeps{0};

 private:
  const uint64_t work_in_ns_;
  uint64_t slept_at_ns_ = 0;
};

uint64_t ShortestSleep(uint64_t work_in_ns) {
  auto worker = *Worker::Start("sleeper", std::nullopt);
  Waiter waiter(work_in_ns);
  worker->RunAlways([&] { worker->Add(&waiter); });
  // One of them at least is not prolonged by a machine that is busy.
  while (waiter.sleeps < 20 ||
         (waiter.shortest_ns >= 10 * kMs && work_in_ns < 10 * kMs && waiter.sleeps < 1000)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  // Commands end a sleep: the number is taken before.
  const uint64_t shortest_ns = waiter.shortest_ns;
  worker->RunAlways([&] { worker->Remove(&waiter); });
  return shortest_ns;
}

TEST(Workers, SleepUntilAPollerHasWork) {
  const uint64_t shortest_ns = ShortestSleep(3 * kMs);
  EXPECT_GE(shortest_ns, 3 * kMs);
  EXPECT_LT(shortest_ns, 10 * kMs);
}

TEST(Workers, LookAgainAfterTenMs) { EXPECT_GE(ShortestSleep(Poller::kNoWork), 10 * kMs); }

TEST(Workers, DoNotSleepWithWork) { EXPECT_LT(ShortestSleep(0), 3 * kMs); }

}  // namespace
}  // namespace qsplit::backend
