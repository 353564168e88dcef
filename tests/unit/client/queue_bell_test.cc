// Sleeping until a device signals: with the request cell that a device of software looks at, and
// with a plain event fd that the kernel writes to at each interrupt.
#include "client-lib/src/queue_bell.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace qsplit::internal {
namespace {

void Signal(int fd) {
  const uint64_t one = 1;
  ASSERT_EQ(::write(fd, &one, sizeof one), 8);
}

// The daemon may have made the fd blocking or not.
class QueueBellTest : public testing::TestWithParam<int> {
 protected:
  QueueBellTest() : event_(::eventfd(0, EFD_CLOEXEC | GetParam())) {
    bell_.state = &state_;
    bell_.event_fd = event_.get();
  }

  LeaseState state_{1};
  OwnedFd event_;
  QueueBell bell_;
};

TEST_P(QueueBellTest, EachInterruptWakesWithoutARequest) {
  std::atomic<int> completions = 0;
  int looks = 0;
  for (int round = 1; round <= 3; ++round) {
    std::thread device([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
      completions = round;
      Signal(event_.get());
    });
    const absl::Status status = bell_.WaitUntil(
        [&] {
          ++looks;
          return completions == round;
        },
        absl::Seconds(10));
    device.join();
    EXPECT_TRUE(status.ok()) << status;
  }
  EXPECT_LE(looks, 3 * 5) << "it sleeps in between";
}

TEST_P(QueueBellTest, OldInterruptsAreForgotten) {
  for (int i = 0; i < 5; ++i) Signal(event_.get());
  const absl::Time begin = absl::Now();
  int looks = 0;
  const absl::Status status = bell_.WaitUntil(
      [&] {
        ++looks;
        return false;
      },
      absl::Milliseconds(20));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(20));
  EXPECT_LE(looks, 6) << "five that are over wake nobody";
}

// What comes between the look and the sleep is not missed.
TEST_P(QueueBellTest, AnInterruptAtAnyMomentWakes) {
  for (int round = 0; round < 300; ++round) {
    std::atomic<bool> done = false;
    std::thread device([&] {
      for (int spin = 0; spin < round % 50 * 20; ++spin) std::atomic_signal_fence({});
      done = true;
      Signal(event_.get());
    });
    EXPECT_TRUE(bell_.WaitUntil([&] { return done.load(); }, absl::Seconds(10)).ok());
    device.join();
  }
}

TEST_P(QueueBellTest, ARequestCellIsWrittenWhereThereIsOne) {
  alignas(4) uint32_t request = 0;
  bell_.event_request = reinterpret_cast<std::byte*>(&request);
  bell_.Arm();
  EXPECT_EQ(request, 1u);
}

TEST_P(QueueBellTest, TheEndOfTheLeaseWakes) {
  std::thread watcher([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    state_.Happen({.kind = LeaseEvent::Kind::kRevoked, .text = "revoked"});
  });
  const absl::Status status = bell_.WaitUntil([] { return false; }, absl::Seconds(10));
  watcher.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
}

// A call on a datagram socket takes the datagram that is there: so one sees whether it was made.
TEST(PollingBellTest, OnlyAReceiverWhoseCallsPollMakesThem) {
  for (const bool receives : {true, false}) {
    for (const bool polls : {true, false}) {
      int ends[2];
      ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
      const OwnedFd ours(ends[0]), kernels(ends[1]);
      ASSERT_EQ(::send(kernels.get(), "p", 1, 0), 1);
      LeaseState state{1};
      QueueBell bell;
      bell.state = &state;
      bell.wakeup_fd = ours.get();
      bell.wakeup_is_socket = true;
      bell.receives = receives;
      bell.polls_in_calls = polls;
      bell.PollInCall();
      char left = 0;
      const ssize_t n = ::recv(ours.get(), &left, 1, MSG_DONTWAIT);
      EXPECT_EQ(n == 1, !(receives && polls)) << receives << polls;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EventFds, QueueBellTest, testing::Values(0, EFD_NONBLOCK),
                         [](const auto& flags) {
                           return flags.param == 0 ? "Blocking" : "NonBlocking";
                         });

}  // namespace
}  // namespace qsplit::internal
