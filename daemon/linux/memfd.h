// Memory of the daemon's making that it gives to a client as a file descriptor.
//
// A memfd that somebody may shrink kills every process that has it mapped (SIGBUS), so it is sealed
// before anybody gets it. Nothing here maps or reads the memory. Any thread.
#ifndef QSPLIT_DAEMON_LINUX_MEMFD_H_
#define QSPLIT_DAEMON_LINUX_MEMFD_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::linux_sys {

// A memfd of `size_bytes` zero bytes that nobody can resize (F_SEAL_SHRINK, _GROW, _SEAL), close on
// exec, its pages allocated. `name` shows in /proc. RESOURCE_EXHAUSTED: no memory.
absl::StatusOr<OwnedFd> CreateSealedMemfd(const std::string& name, uint64_t size_bytes);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_MEMFD_H_
