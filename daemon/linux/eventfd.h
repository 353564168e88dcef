// Event fds, and the one-way bell that a trusted process rings for one that it does not trust.
//
// An eventfd is one open file for both holders: who holds it can clear O_NONBLOCK and fill the
// counter, and the other one's next write blocks for ever. So the daemon only ever *waits* on an
// eventfd that a client has. To signal a client it uses a Bell: a socket pair, each end an open
// file of its own, that reads like an eventfd (8 bytes, host byte order, not 0; readable when
// something happened).
#ifndef QSPLIT_DAEMON_LINUX_EVENTFD_H_
#define QSPLIT_DAEMON_LINUX_EVENTFD_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::linux_sys {

// Close on exec, not blocking, counter 0.
absl::StatusOr<OwnedFd> CreateEventFd();

// Adds 1 to the counter of an eventfd that this process alone holds.
void SignalEventFd(int fd);

// Sets the counter of an eventfd that this process alone holds to 0.
void ClearEventFd(int fd);

struct Bell {
  OwnedFd ringer;    // stays with the daemon
  OwnedFd listener;  // goes to the client: poll it, then read 8 bytes; close on exec, not blocking

  static absl::StatusOr<Bell> Create();
};

// Never blocks. False: the listener has left its bell unread so often that no more fits, or is
// gone; it has nothing to learn from one more ring.
bool RingBell(int ringer);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_EVENTFD_H_
