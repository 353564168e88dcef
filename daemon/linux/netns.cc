#include "daemon/linux/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>
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

absl::StatusOr<uint64_t> NetnsCookie(const std::string& netns) {
  uint64_t cookie = 0;
  const absl::Status status = RunInNetns(netns, [&cookie]() -> absl::Status {
    const OwnedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    socklen_t bytes = sizeof cookie;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &bytes) == 0) {
      return absl::OkStatus();
    }
    return ErrnoStatus(errno, "getsockopt", "SO_NETNS_COOKIE");
  });
  if (!status.ok()) return status;
  return cookie;
}

absl::StatusOr<std::string> FindNetns(uint64_t cookie) {
  std::set<std::string> seen;  // "net:[4026531840]"; most processes are in few
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string path = absl::StrCat("/proc/", name, "/ns/net");
    std::error_code ended;
    const std::string which = std::filesystem::read_symlink(path, ended);
    if (ended || !seen.insert(which).second) continue;
    if (NetnsCookie(path).value_or(0) == cookie) return path;
  }
  return absl::NotFoundError(absl::StrCat("no process is in network namespace number ", cookie));
}

}  // namespace qsplit::linux_sys
