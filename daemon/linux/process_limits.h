// Limits of this process. Main thread, at start.
#ifndef QSPLIT_DAEMON_LINUX_PROCESS_LIMITS_H_
#define QSPLIT_DAEMON_LINUX_PROCESS_LIMITS_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace qsplit::linux_sys {

// Raises the soft limit of open descriptors to the hard one; gives what it is now.
absl::StatusOr<uint64_t> RaiseDescriptorLimit();

// Descriptors that this process has open now; -1 when /proc cannot be read.
int64_t CountOpenDescriptors();

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_PROCESS_LIMITS_H_
