#include "daemon/linux/ethtool_ioctl.h"

#include <linux/if.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "daemon/linux/errno_status.h"
#include "daemon/linux/netns.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::linux_sys {
namespace {

class KernelIoctl : public EthtoolIoctl {
 public:
  explicit KernelIoctl(OwnedFd socket) : socket_(std::move(socket)) {}

  int Call(const std::string& netdev, void* command) override {
    if (netdev.empty() || netdev.size() >= IFNAMSIZ) return ENODEV;
    ifreq request{};
    std::memcpy(request.ifr_name, netdev.data(), netdev.size());
    request.ifr_data = static_cast<char*>(command);
    return ::ioctl(socket_.get(), SIOCETHTOOL, &request) == 0 ? 0 : errno;
  }

 private:
  OwnedFd socket_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EthtoolIoctl>> OpenEthtoolIoctl(const std::string& netns) {
  OwnedFd socket;
  const absl::Status status = RunInNetns(netns, [&]() -> absl::Status {
    socket = OwnedFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return socket.valid() ? absl::OkStatus() : ErrnoStatus(errno, "socket", "for SIOCETHTOOL");
  });
  if (!status.ok()) return status;
  return std::make_unique<KernelIoctl>(std::move(socket));
}

}  // namespace qsplit::linux_sys
