#include "daemon/linux/netns.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <thread>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::linux_sys {

absl::Status RunInNetns(const std::string& netns, const std::function<absl::Status()>& work) {
  if (netns.empty()) return work();
  const std::string path =
      netns.find('/') == std::string::npos ? absl::StrCat("/run/netns/", netns) : netns;
  OwnedFd ns(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!ns.valid()) {
    return ErrnoStatus(errno, "open", absl::StrCat(path, " (network namespace ", netns, ")"));
  }
  absl::Status status;
  std::thread there([&] {
    if (::setns(ns.get(), CLONE_NEWNET) != 0) {
      status = ErrnoStatus(errno, "setns", path);
      return;
    }
    status = work();
  });
  there.join();
  return status;
}

}  // namespace qsplit::linux_sys
