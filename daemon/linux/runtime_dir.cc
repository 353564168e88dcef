#include "daemon/linux/runtime_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"

namespace qsplit::linux_sys {

absl::StatusOr<RuntimeDir> RuntimeDir::Open(const std::string& path) {
  if (mkdir(path.c_str(), 0755) == 0) {
    // The umask may have taken bits away, and tenants must reach the sockets.
    if (chmod(path.c_str(), 0755) != 0) return ErrnoStatus(errno, "chmod", path);
  } else if (errno != EEXIST) {
    const absl::Status failed = ErrnoStatus(errno, "mkdir", path);
    return absl::Status(failed.code(),
                        absl::StrCat(failed.message(), "; choose another with --runtime-dir"));
  }
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return ErrnoStatus(errno, "stat", path);
  if (!S_ISDIR(found.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is no directory"));
  }
  const std::string file = path + "/lock";
  OwnedFd lock(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!lock.valid()) return ErrnoStatus(errno, "open", file);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoStatus(errno, "flock", file);
    char pid[16] = {};
    const ssize_t got = pread(lock.get(), pid, sizeof(pid) - 1, 0);
    return absl::FailedPreconditionError(absl::StrCat(
        "a qsplitd",
        got > 0 ? absl::StrCat(" (pid ", strtol(pid, nullptr, 10), ")") : std::string(),
        " already serves ", path, "; stop it, or give this one another --runtime-dir"));
  }
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(lock.get(), 0) != 0 ||
      pwrite(lock.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return ErrnoStatus(errno, "write", file);
  }
  return RuntimeDir(path, std::move(lock));
}

}  // namespace qsplit::linux_sys
