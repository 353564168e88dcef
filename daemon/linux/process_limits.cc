#include "daemon/linux/process_limits.h"

#include <dirent.h>
#include <errno.h>
#include <sys/resource.h>

#include "daemon/linux/errno_status.h"

namespace qsplit::linux_sys {

absl::StatusOr<uint64_t> RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return ErrnoStatus(errno, "getrlimit RLIMIT_NOFILE");
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return ErrnoStatus(errno, "setrlimit RLIMIT_NOFILE");
  }
  return static_cast<uint64_t>(limit.rlim_cur);
}

int64_t CountOpenDescriptors() {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return -1;
  int64_t count = 0;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(directory);
  return count - 1;  // the directory's own
}

}  // namespace qsplit::linux_sys
