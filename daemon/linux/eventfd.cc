#include "daemon/linux/eventfd.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "daemon/linux/errno_status.h"

namespace qsplit::linux_sys {

absl::StatusOr<OwnedFd> CreateEventFd() {
  OwnedFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus(errno, "eventfd");
  return fd;
}

void SignalEventFd(int fd) {
  const uint64_t one = 1;
  // EAGAIN: the counter is full, and so the waiter is awake.
  [[maybe_unused]] const ssize_t written = ::write(fd, &one, sizeof one);
}

void ClearEventFd(int fd) {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(fd, &count, sizeof count);
}

absl::StatusOr<Bell> Bell::Create() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return ErrnoStatus(errno, "socketpair");
  }
  Bell bell{OwnedFd(ends[0]), OwnedFd(ends[1])};
  // A few rings are enough; the kernel raises this to its least.
  const int bytes = 4096;
  (void)::setsockopt(bell.ringer.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  // Nothing goes the other way, so that the client cannot fill the daemon's end.
  if (::shutdown(bell.ringer.get(), SHUT_RD) != 0) return ErrnoStatus(errno, "shutdown of a bell");
  return bell;
}

bool RingBell(int ringer) {
  const uint64_t one = 1;
  return ::send(ringer, &one, sizeof one, MSG_DONTWAIT | MSG_NOSIGNAL) ==
         static_cast<ssize_t>(sizeof one);
}

}  // namespace qsplit::linux_sys
