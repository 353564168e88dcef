// Work in another network namespace.
//
// A thread that changes its namespace is not given back to others: the work runs on a thread of its
// own, and the caller waits. File descriptors made there stay usable here. Any thread.
#ifndef QSPLIT_DAEMON_LINUX_NETNS_H_
#define QSPLIT_DAEMON_LINUX_NETNS_H_

#include <functional>
#include <string>

#include "absl/status/status.h"

namespace qsplit::linux_sys {

// `netns`: empty for the process's own; a name as `ip netns` has it; or a path ("/proc/17/ns/net").
// NOT_FOUND: no such namespace. PERMISSION_DENIED: needs CAP_SYS_ADMIN.
absl::Status RunInNetns(const std::string& netns, const std::function<absl::Status()>& work);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_NETNS_H_
