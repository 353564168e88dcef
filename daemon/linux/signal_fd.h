// Signals as a descriptor that can be waited on.
//
// Block the signals before the first thread starts, for threads inherit the mask. Main thread
// only.
#ifndef QSPLIT_DAEMON_LINUX_SIGNAL_FD_H_
#define QSPLIT_DAEMON_LINUX_SIGNAL_FD_H_

#include <initializer_list>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::linux_sys {

// Blocks the signals in this thread and in all that it starts, and gives their descriptor.
absl::StatusOr<OwnedFd> BlockAndWatchSignals(std::initializer_list<int> signals);

// Waits for the next signal, at most `timeout`; nothing when none came, or when `wake_fd` (-1:
// none) became readable first.
std::optional<int> WaitSignal(int signal_fd, absl::Duration timeout, int wake_fd = -1);

// Lets the signals do to this process what they do by default; with several threads, to this one.
void UnblockSignals(std::initializer_list<int> signals);

// Writing to a pipe or socket without a reader fails instead of ending the process.
void IgnoreBrokenPipes();

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_SIGNAL_FD_H_
