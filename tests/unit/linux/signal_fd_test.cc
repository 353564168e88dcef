#include "daemon/linux/signal_fd.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "daemon/linux/eventfd.h"

namespace qsplit::linux_sys {
namespace {

TEST(SignalFd, ASignalAWakeOrTheTimeoutEndTheWait) {
  const auto signals = BlockAndWatchSignals({SIGUSR2});
  ASSERT_TRUE(signals.ok()) << signals.status();
  const auto wake = CreateEventFd();
  ASSERT_TRUE(wake.ok()) << wake.status();
  const absl::Time start = absl::Now();
  EXPECT_EQ(WaitSignal(signals->get(), absl::Milliseconds(20), wake->get()), std::nullopt);
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(20));
  SignalEventFd(wake->get());
  EXPECT_EQ(WaitSignal(signals->get(), absl::InfiniteDuration(), wake->get()), std::nullopt);
  kill(getpid(), SIGUSR2);
  EXPECT_EQ(WaitSignal(signals->get(), absl::InfiniteDuration(), wake->get()), SIGUSR2)
      << "a signal goes first";
  ClearEventFd(wake->get());
  EXPECT_EQ(WaitSignal(signals->get(), absl::ZeroDuration(), wake->get()), std::nullopt);
}

}  // namespace
}  // namespace qsplit::linux_sys
