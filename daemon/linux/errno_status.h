// Turns errno into a status that names the call and the thing.
//
// Plain functions of their arguments; any thread. Read errno before anything else can change it.
#ifndef QSPLIT_DAEMON_LINUX_ERRNO_STATUS_H_
#define QSPLIT_DAEMON_LINUX_ERRNO_STATUS_H_

#include <string_view>

#include "absl/status/status.h"

namespace qsplit::linux_sys {

// "bind /run/qsplit/session.sock: Permission denied (EACCES)", with the code that fits `error`.
absl::Status ErrnoStatus(int error, std::string_view call, std::string_view thing = {});

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_ERRNO_STATUS_H_
