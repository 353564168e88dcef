#include "daemon/linux/signal_fd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "daemon/linux/errno_status.h"

namespace qsplit::linux_sys {

absl::StatusOr<OwnedFd> BlockAndWatchSignals(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : signals) sigaddset(&set, number);
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return ErrnoStatus(error, "pthread_sigmask");
  }
  OwnedFd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus(errno, "signalfd");
  return fd;
}

std::optional<int> WaitSignal(int signal_fd, absl::Duration timeout, int wake_fd) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    const absl::Duration left = std::max(deadline - absl::Now(), absl::ZeroDuration());
    const int64_t wait_ms = std::min<int64_t>(absl::ToInt64Milliseconds(left), 1 << 30);
    pollfd waited[] = {{signal_fd, POLLIN, 0}, {wake_fd, POLLIN, 0}};
    const int ready = poll(waited, std::size(waited), static_cast<int>(wait_ms));
    if (ready < 0 && errno == EINTR) continue;
    if (ready > 0) {
      signalfd_siginfo info{};
      if (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
        return static_cast<int>(info.ssi_signo);
      }
      if (waited[1].revents != 0) return std::nullopt;
    }
    if (absl::Now() >= deadline) return std::nullopt;
  }
}

void UnblockSignals(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : signals) sigaddset(&set, number);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void IgnoreBrokenPipes() { signal(SIGPIPE, SIG_IGN); }

}  // namespace qsplit::linux_sys
