// Work in another network namespace.
//
// A thread that changes its namespace is not given back to others: the work runs on a thread of its
// own, and the caller waits. File descriptors made there stay usable here. Any thread.
#ifndef QSPLIT_DAEMON_LINUX_NETNS_H_
#define QSPLIT_DAEMON_LINUX_NETNS_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace qsplit::linux_sys {

// `netns`: empty for the process's own; a name as `ip netns` has it; or a path ("/proc/17/ns/net").
// NOT_FOUND: no such namespace. PERMISSION_DENIED: needs CAP_SYS_ADMIN.
absl::Status RunInNetns(const std::string& netns, const std::function<absl::Status()>& work);

// A number that no other namespace has had or will have until the machine starts anew (Linux 5.14),
// not 0.
absl::StatusOr<uint64_t> NetnsCookie(const std::string& netns);
// A path of the namespace with that number, whatever has become of its name. NOT_FOUND: no process
// is in such a one.
absl::StatusOr<std::string> FindNetns(uint64_t cookie);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_NETNS_H_
