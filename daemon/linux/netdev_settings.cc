#include "daemon/linux/netdev_settings.h"

#include <linux/if.h>
#include <linux/if_packet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"
#include "daemon/linux/netns.h"

namespace qsplit::linux_sys {
namespace {

absl::StatusOr<ifreq> RequestFor(const std::string& netdev) {
  if (netdev.empty() || netdev.size() >= IFNAMSIZ) {
    return absl::NotFoundError(absl::StrCat("there is no netdev '", netdev, "'"));
  }
  ifreq request{};
  std::memcpy(request.ifr_name, netdev.data(), netdev.size());
  return request;
}

absl::StatusOr<uint32_t> ReadMtu(int socket, const std::string& netdev) {
  absl::StatusOr<ifreq> request = RequestFor(netdev);
  if (!request.ok()) return request.status();
  if (::ioctl(socket, SIOCGIFMTU, &*request) != 0) {
    return ErrnoStatus(errno, "SIOCGIFMTU", absl::StrCat("netdev ", netdev));
  }
  return static_cast<uint32_t>(request->ifr_mtu);
}

absl::Status WriteMtu(int socket, const std::string& netdev, uint32_t mtu_bytes) {
  absl::StatusOr<ifreq> request = RequestFor(netdev);
  if (!request.ok()) return request.status();
  request->ifr_mtu = static_cast<int>(mtu_bytes);
  if (::ioctl(socket, SIOCSIFMTU, &*request) != 0) {
    return ErrnoStatus(errno, "SIOCSIFMTU",
                       absl::StrCat("netdev ", netdev, ", ", mtu_bytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::StatusOr<OwnedFd> ControlSocket() {
  OwnedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return ErrnoStatus(errno, "socket");
  return socket;
}

}  // namespace

absl::StatusOr<NetdevSettings> NetdevSettings::Open(const std::string& netns,
                                                    const std::string& netdev) {
  absl::StatusOr<ifreq> request = RequestFor(netdev);
  if (!request.ok()) return request.status();
  OwnedFd memberships;
  OwnedFd control;
  const absl::Status status = RunInNetns(netns, [&]() -> absl::Status {
    absl::StatusOr<OwnedFd> opened = ControlSocket();
    if (!opened.ok()) return opened.status();
    control = *std::move(opened);
    if (::ioctl(control.get(), SIOCGIFINDEX, &*request) != 0) {
      return ErrnoStatus(errno, "SIOCGIFINDEX", absl::StrCat("netdev ", netdev));
    }
    memberships = OwnedFd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (!memberships.valid()) {
      return ErrnoStatus(errno, "packet socket (needs CAP_NET_RAW)",
                         absl::StrCat("for netdev ", netdev));
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return NetdevSettings(netdev, request->ifr_ifindex, std::move(memberships), std::move(control));
}

NetdevSettings::~NetdevSettings() {
  if (!former_mtu_bytes_.has_value() || !control_.valid()) return;
  const absl::StatusOr<uint32_t> now = ReadMtu(control_.get(), netdev_);
  if (now.ok() && *now == *set_mtu_bytes_) {
    WriteMtu(control_.get(), netdev_, *former_mtu_bytes_).IgnoreError();  // gone, or refused
  }
}

absl::Status NetdevSettings::SetMtu(uint32_t mtu_bytes) {
  const absl::StatusOr<uint32_t> now = ReadMtu(control_.get(), netdev_);
  if (!now.ok()) return now.status();
  if (absl::Status status = WriteMtu(control_.get(), netdev_, mtu_bytes); !status.ok()) {
    return status;
  }
  if (!former_mtu_bytes_.has_value()) former_mtu_bytes_ = *now;
  set_mtu_bytes_ = mtu_bytes;
  return absl::OkStatus();
}

absl::Status NetdevSettings::SetMembership(int option, uint16_t type, const NetdevMac* address) {
  packet_mreq request{};
  request.mr_ifindex = index_;
  request.mr_type = type;
  if (address != nullptr) {
    request.mr_alen = static_cast<uint16_t>(address->size());
    std::memcpy(request.mr_address, address->data(), address->size());
  }
  if (::setsockopt(memberships_.get(), SOL_PACKET, option, &request, sizeof request) != 0) {
    return ErrnoStatus(
        errno, option == PACKET_ADD_MEMBERSHIP ? "PACKET_ADD_MEMBERSHIP" : "PACKET_DROP_MEMBERSHIP",
        absl::StrCat("netdev ", netdev_));
  }
  return absl::OkStatus();
}

absl::Status NetdevSettings::Toggle(bool& now, bool wish, uint16_t type) {
  if (now == wish) return absl::OkStatus();
  absl::Status status =
      SetMembership(wish ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP, type, nullptr);
  if (status.ok()) now = wish;
  return status;
}

absl::Status NetdevSettings::SetPromiscuous(bool on) {
  return Toggle(promiscuous_, on, PACKET_MR_PROMISC);
}

absl::Status NetdevSettings::SetAllMulticast(bool on) {
  return Toggle(all_multicast_, on, PACKET_MR_ALLMULTI);
}

absl::Status NetdevSettings::SetMulticast(const std::vector<NetdevMac>& addresses) {
  const auto has = [](const std::vector<NetdevMac>& list, const NetdevMac& address) {
    return std::find(list.begin(), list.end(), address) != list.end();
  };
  for (const NetdevMac& address : addresses) {
    if (has(multicast_, address)) continue;
    absl::Status status = SetMembership(PACKET_ADD_MEMBERSHIP, PACKET_MR_MULTICAST, &address);
    if (!status.ok()) return status;
    multicast_.push_back(address);
  }
  for (size_t i = multicast_.size(); i-- > 0;) {
    if (has(addresses, multicast_[i])) continue;
    absl::Status status =
        SetMembership(PACKET_DROP_MEMBERSHIP, PACKET_MR_MULTICAST, &multicast_[i]);
    if (!status.ok()) return status;
    multicast_.erase(multicast_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return absl::OkStatus();
}

absl::Status WriteNetdevMtu(const std::string& netns, const std::string& netdev,
                            uint32_t mtu_bytes) {
  return RunInNetns(netns, [&]() -> absl::Status {
    const absl::StatusOr<OwnedFd> socket = ControlSocket();
    if (!socket.ok()) return socket.status();
    return WriteMtu(socket->get(), netdev, mtu_bytes);
  });
}

}  // namespace qsplit::linux_sys
