// What happens to a lease, as the program's threads learn it.
#include "client-lib/src/lease_state.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

#include "client-lib/src/queue_bell.h"

namespace qsplit::internal {
namespace {

bool Readable(int fd) {
  pollfd one{fd, POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

TEST(LeaseState, RevocationStopsItAndIsAnEvent) {
  LeaseState state(7);
  EXPECT_TRUE(state.ok());
  EXPECT_FALSE(Readable(state.event_fd()));
  state.Happen({.kind = LeaseEvent::Kind::kRevoked, .text = "an operator revoked the lease"});
  EXPECT_FALSE(state.ok());
  EXPECT_EQ(state.status().code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(Readable(state.event_fd()));
  const std::optional<LeaseEvent> event = state.Next();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->kind, LeaseEvent::Kind::kRevoked);
  EXPECT_FALSE(Readable(state.event_fd()));
  EXPECT_FALSE(state.Next().has_value());
  EXPECT_TRUE(Readable(state.stop_fd()));
}

TEST(LeaseState, TheFirstReasonStays) {
  LeaseState state(7);
  state.Happen({.kind = LeaseEvent::Kind::kFault, .queue = 3, .text = "queue 3: bad"});
  state.Happen({.kind = LeaseEvent::Kind::kDaemonGone, .text = "gone"});
  EXPECT_EQ(state.status().code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(state.MarkReleased());
  EXPECT_FALSE(state.MarkReleased());
}

TEST(LeaseState, OurOwnReleaseIsNoEvent) {
  LeaseState state(7);
  EXPECT_TRUE(state.MarkReleased());
  state.Happen({.kind = LeaseEvent::Kind::kReleased});
  EXPECT_FALSE(state.Next().has_value());
  EXPECT_EQ(state.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(LeaseState, KeepsTheNewestEvents) {
  LeaseState state(7);
  for (uint32_t i = 0; i < 300; ++i) state.Happen({.queue = i});
  EXPECT_EQ(state.Next()->queue, 300u - 256);
  uint32_t count = 1;
  while (state.Next().has_value()) ++count;
  EXPECT_EQ(count, 256u);
}

TEST(LeaseState, AHandlerTakesEventsInstead) {
  LeaseState state(7);
  uint32_t seen = 0;
  state.SetHandler([&seen](const LeaseEvent& event) { seen = event.queue; });
  state.Happen({.queue = 9});
  EXPECT_EQ(seen, 9u);
  EXPECT_FALSE(state.Next().has_value());
}

TEST(QueueBell, ASleeperWakesWhenTheLeaseEnds) {
  LeaseState state(7);
  QueueBell bell{.state = &state};
  std::thread revoker([&state] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    state.Happen({.kind = LeaseEvent::Kind::kRevoked});
  });
  const absl::Status status = bell.WaitUntil([] { return false; }, absl::InfiniteDuration());
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  revoker.join();
}

TEST(QueueBell, TimeIsUpWhenItIsUp) {
  LeaseState state(7);
  QueueBell bell{.state = &state};
  EXPECT_EQ(bell.WaitUntil([] { return false; }, absl::Milliseconds(5)).code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(bell.WaitUntil([] { return true; }, absl::ZeroDuration()).ok());
}

}  // namespace
}  // namespace qsplit::internal
