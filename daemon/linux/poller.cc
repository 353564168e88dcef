#include "daemon/linux/poller.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/linux/errno_status.h"

namespace qsplit::linux_sys {

absl::StatusOr<Poller> Poller::Create() {
  OwnedFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus(errno, "epoll_create1");
  OwnedFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return ErrnoStatus(errno, "eventfd");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWakeTag;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return ErrnoStatus(errno, "epoll_ctl");
  }
  return Poller(std::move(epoll), std::move(wake));
}

absl::Status Poller::Add(int fd, uint64_t tag, Interest interest) {
  epoll_event event{};
  event.events = EPOLLRDHUP;
  if (interest == Interest::kReadable) event.events |= EPOLLIN;
  event.data.u64 = tag;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return ErrnoStatus(errno, "epoll_ctl");
  }
  return absl::OkStatus();
}

void Poller::Remove(int fd) { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

size_t Poller::Wait(std::span<Event> events, absl::Duration timeout) {
  epoll_event ready[kMaxBatch];
  const int capacity = static_cast<int>(std::min(events.size(), kMaxBatch));
  int timeout_ms = -1;
  if (timeout != absl::InfiniteDuration()) {
    // Rounded up, so that a wait never returns just before the time is over.
    timeout_ms = static_cast<int>(std::clamp<int64_t>(
        absl::ToInt64Milliseconds(timeout + absl::Nanoseconds(999'999)), 0, 1 << 30));
  }
  const int got = epoll_wait(epoll_.get(), ready, capacity, timeout_ms);
  size_t count = 0;
  for (int i = 0; i < got; ++i) {
    if (ready[i].data.u64 == kWakeTag) {
      uint64_t drained = 0;
      [[maybe_unused]] const ssize_t ignored = read(wake_.get(), &drained, sizeof(drained));
      continue;
    }
    Event& event = events[count++];
    event.tag = ready[i].data.u64;
    event.readable = (ready[i].events & EPOLLIN) != 0;
    event.hung_up = (ready[i].events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) != 0;
  }
  return count;
}

void Poller::Wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = write(wake_.get(), &one, sizeof(one));
}

}  // namespace qsplit::linux_sys
