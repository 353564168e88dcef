#include "daemon/linux/netdev_name.h"

#include <linux/if.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"
#include "daemon/linux/netns.h"

namespace qsplit::linux_sys {

absl::StatusOr<NetdevName> NetdevName::Open(const std::string& netns, uint32_t ifindex) {
  OwnedFd socket;
  const absl::Status status = RunInNetns(netns, [&]() -> absl::Status {
    socket = OwnedFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return socket.valid() ? absl::OkStatus() : ErrnoStatus(errno, "socket", "for SIOCGIFNAME");
  });
  if (!status.ok()) return status;
  return NetdevName(std::move(socket), ifindex);
}

absl::StatusOr<std::string> NetdevName::Ask() const {
  ifreq request{};
  request.ifr_ifindex = static_cast<int>(ifindex_);
  if (::ioctl(socket_.get(), SIOCGIFNAME, &request) != 0) {
    return ErrnoStatus(errno, "SIOCGIFNAME", absl::StrCat("of netdev number ", ifindex_));
  }
  return std::string(request.ifr_name, ::strnlen(request.ifr_name, sizeof request.ifr_name));
}

}  // namespace qsplit::linux_sys
