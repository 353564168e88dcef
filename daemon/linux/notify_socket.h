// Tells whoever started the daemon how it is: the service manager's NOTIFY_SOCKET protocol, and a
// plain descriptor that gets one byte. Main thread.
#ifndef QSPLIT_DAEMON_LINUX_NOTIFY_SOCKET_H_
#define QSPLIT_DAEMON_LINUX_NOTIFY_SOCKET_H_

#include <string_view>

#include "absl/status/status.h"

namespace qsplit::linux_sys {

// Sends "READY=1" and the like to the socket that the environment names; OK when it names none.
absl::Status NotifyServiceManager(std::string_view state);

// Writes one byte to `fd` and closes it.
absl::Status SignalReadyFd(int fd);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_NOTIFY_SOCKET_H_
