// The directory of the daemon's sockets, and the lock that says that a daemon lives there.
//
// The lock is an flock on `lock` in the directory: the kernel lets go of it when the daemon dies,
// however it dies, so sockets that a dead daemon left behind are told from those of a live one.
// Main thread.
#ifndef QSPLIT_DAEMON_LINUX_RUNTIME_DIR_H_
#define QSPLIT_DAEMON_LINUX_RUNTIME_DIR_H_

#include <string>

#include "absl/status/statusor.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::linux_sys {

class RuntimeDir {
 public:
  // Makes the directory (0755, its parent must exist) and locks it. FAILED_PRECONDITION: another
  // daemon holds it; the message says its pid. INVALID_ARGUMENT: no directory.
  static absl::StatusOr<RuntimeDir> Open(const std::string& path);

  const std::string& path() const { return path_; }

 private:
  RuntimeDir(std::string path, OwnedFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  OwnedFd lock_;
};

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_RUNTIME_DIR_H_
