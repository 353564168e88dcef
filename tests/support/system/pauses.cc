#include "tests/support/system/pauses.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/time/clock.h"

namespace qsplit::testing {

Pauses::Pauses() {
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_) != 0) std::abort();
  thrower_ = std::thread([this] { Throw(); });
  returner_ = std::thread([this] { Return(); });
}

Pauses::~Pauses() {
  stop_ = true;
  thrower_.join();
  ::shutdown(ends_[0], SHUT_RDWR);
  returner_.join();
  for (const int end : ends_) ::close(end);
}

absl::Duration Pauses::Slowest() const {
  const int64_t thrown = thrown_ns_;
  const int64_t under_way = thrown == 0 ? 0 : absl::GetCurrentTimeNanos() - thrown;
  return absl::Nanoseconds(std::max<int64_t>(under_way, slowest_ns_));
}

void Pauses::Throw() {
  char byte = 'b';
  while (!stop_) {
    const int64_t begin = absl::GetCurrentTimeNanos();
    thrown_ns_ = begin;
    if (::write(ends_[0], &byte, 1) != 1 || ::read(ends_[0], &byte, 1) != 1) return;
    const int64_t took = absl::GetCurrentTimeNanos() - begin;
    if (took > slowest_ns_) slowest_ns_ = took;
    thrown_ns_ = 0;
    absl::SleepFor(absl::Milliseconds(1));
  }
}

void Pauses::Return() {
  char byte;
  while (::read(ends_[1], &byte, 1) == 1) {
    if (::write(ends_[1], &byte, 1) != 1) return;
  }
}

}  // namespace qsplit::testing
