#include "client-lib/src/queue_bell.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "absl/time/clock.h"
#include "dataplane/barriers.h"

namespace qsplit::internal {
namespace {

// Between two looks where the device gives no events.
constexpr absl::Duration kLookEvery = absl::Microseconds(100);
// For a ring's worth of packets.
constexpr int kMostSends = 64;

}  // namespace

void QueueBell::Wakeup() const {
  if (wakeup_fd < 0) return;
  if (wakeup_is_socket && receives) {
    [[maybe_unused]] const ssize_t n =
        ::recvfrom(wakeup_fd, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
    return;
  }
  if (wakeup_is_socket) {
    // EAGAIN: so many packets have gone as the kernel takes in one call (32, Linux
    // net/xdp/xsk.c, TX_BATCH_SIZE), or as the socket may have on their way. What is left now, the
    // next call takes.
    for (int calls = 0; calls < kMostSends; ++calls) {
      if (::sendto(wakeup_fd, nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0 || errno != EAGAIN) return;
    }
    return;
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wakeup_fd, &one, sizeof one);
}

void QueueBell::Arm() const {
  if (event_fd >= 0 && event_drains) {
    uint64_t count;
    pollfd readable{event_fd, POLLIN, 0};
    // The daemon made the fd and may have left it blocking.
    if (::poll(&readable, 1, 0) == 1 && (readable.revents & POLLIN) != 0) {
      [[maybe_unused]] const ssize_t n = ::read(event_fd, &count, sizeof count);
    }
  }
  WakeupAgain();
  PollInCall();
  if (event_request != nullptr) dataplane::StoreRelaxed<uint32_t>(event_request, 1);
  dataplane::StoresBeforeLoads();
}

absl::Status QueueBell::Sleep(absl::Time deadline) const {
  absl::Duration left = deadline - absl::Now();
  if (left <= absl::ZeroDuration()) return absl::DeadlineExceededError("nothing came in time");
  if (event_fd < 0) left = std::min(left, kLookEvery);
  pollfd fds[] = {{state->stop_fd(), POLLIN, 0}, {event_fd, POLLIN, 0}};
  const timespec limit = absl::ToTimespec(left);
  const int n = ::ppoll(fds, 2, left == absl::InfiniteDuration() ? nullptr : &limit, nullptr);
  if (n < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "waiting for the device: ppoll");
  if (!state->ok()) return state->status();
  return absl::OkStatus();
}

}  // namespace qsplit::internal
