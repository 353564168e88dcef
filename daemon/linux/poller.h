// epoll with an eventfd that wakes it: many descriptors, one thread.
//
// Level-triggered. Add, Modify, Remove and Wait are for the thread that waits; Wake is for any
// thread. It owns neither the descriptors nor what the tags stand for.
#ifndef QSPLIT_DAEMON_LINUX_POLLER_H_
#define QSPLIT_DAEMON_LINUX_POLLER_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::linux_sys {

class Poller {
 public:
  struct Event {
    uint64_t tag = 0;
    bool readable = false;
    bool hung_up = false;  // the peer is gone, or the descriptor is in error
  };
  // What to wait for. A hang-up is reported in any case.
  enum class Interest : uint8_t { kReadable, kHangUpOnly };

  static absl::StatusOr<Poller> Create();

  // `tag` comes back in events; it must not be kWakeTag.
  absl::Status Add(int fd, uint64_t tag, Interest interest);
  void Remove(int fd);

  // Fills at most events.size() events, in the kernel's order (oldest first); returns how many.
  // 0: the time is over or Wake was called.
  size_t Wait(std::span<Event> events, absl::Duration timeout);

  // Makes the present or the next Wait return.
  void Wake() const;

 private:
  static constexpr uint64_t kWakeTag = ~uint64_t{0};
  static constexpr size_t kMaxBatch = 256;

  Poller(OwnedFd epoll, OwnedFd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}

  OwnedFd epoll_;
  OwnedFd wake_;
};

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_POLLER_H_
