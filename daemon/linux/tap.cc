#include "daemon/linux/tap.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"
#include "daemon/linux/netns.h"

namespace qsplit::linux_sys {
namespace {

ifreq RequestFor(const std::string& name) {
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), std::min(name.size(), size_t{IFNAMSIZ - 1}));
  return request;
}

// No router solicitations and no link-local address: what the interface says is its
// administrator's doing.
void LeaveUnconfigured(const std::string& name) {
  const std::string path = absl::StrCat("/proc/sys/net/ipv6/conf/", name, "/accept_ra");
  OwnedFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd.valid()) [[maybe_unused]]
    const ssize_t written = ::write(fd.get(), "0", 1);
}

}  // namespace

absl::StatusOr<Tap> Tap::Create(const TapOptions& options) {
  if (options.name.empty() || options.name.size() >= IFNAMSIZ ||
      options.name.find_first_of("/ \t\n%:") != std::string::npos || options.name == "." ||
      options.name == "..") {
    return absl::InvalidArgumentError(absl::StrCat("tap name '", options.name, "': give 1 to ",
                                                   IFNAMSIZ - 1,
                                                   " bytes without slash, space, colon or %"));
  }
  Tap tap;
  tap.name_ = options.name;
  const std::string what = absl::StrCat("tap ", options.name);
  const absl::Status status = RunInNetns(options.netns, [&]() -> absl::Status {
    tap.control_ = OwnedFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!tap.control_.valid()) return ErrnoStatus(errno, "socket", what);
    ifreq index = RequestFor(options.name);
    if (::ioctl(tap.control_.get(), SIOCGIFINDEX, &index) == 0) {
      return absl::AlreadyExistsError(
          absl::StrCat(what, ": an interface of this name exists; remove it or choose another"));
    }
    tap.fd_ = OwnedFd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!tap.fd_.valid()) return ErrnoStatus(errno, "open of /dev/net/tun", what);
    ifreq create = RequestFor(options.name);
    create.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL);
    if (::ioctl(tap.fd_.get(), TUNSETIFF, &create) != 0) {
      return ErrnoStatus(errno, "TUNSETIFF (needs CAP_NET_ADMIN)", what);
    }
    if (options.mac.has_value()) {
      ifreq mac = RequestFor(options.name);
      mac.ifr_hwaddr.sa_family = ARPHRD_ETHER;
      std::memcpy(mac.ifr_hwaddr.sa_data, options.mac->data(), options.mac->size());
      if (::ioctl(tap.control_.get(), SIOCSIFHWADDR, &mac) != 0) {
        return ErrnoStatus(errno, "SIOCSIFHWADDR", what);
      }
    }
    LeaveUnconfigured(options.name);
    if (absl::Status mtu = tap.SetMtu(options.mtu_bytes); !mtu.ok()) return mtu;
    ifreq flags = RequestFor(options.name);
    if (::ioctl(tap.control_.get(), SIOCGIFFLAGS, &flags) != 0) {
      return ErrnoStatus(errno, "SIOCGIFFLAGS", what);
    }
    flags.ifr_flags = static_cast<short>(flags.ifr_flags | IFF_UP);
    if (::ioctl(tap.control_.get(), SIOCSIFFLAGS, &flags) != 0) {
      return ErrnoStatus(errno, "SIOCSIFFLAGS", what);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return tap;
}

size_t Tap::Receive(std::span<uint8_t> buffer) {
  const ssize_t got = ::read(fd_.get(), buffer.data(), buffer.size());
  return got > 0 ? static_cast<size_t>(got) : 0;
}

bool Tap::Send(std::span<const uint8_t> frame) {
  return ::write(fd_.get(), frame.data(), frame.size()) == static_cast<ssize_t>(frame.size());
}

absl::Status Tap::SetMtu(uint32_t mtu_bytes) {
  ifreq request = RequestFor(name_);
  request.ifr_mtu = static_cast<int>(mtu_bytes);
  if (::ioctl(control_.get(), SIOCSIFMTU, &request) != 0) {
    return ErrnoStatus(errno, "SIOCSIFMTU", absl::StrCat("tap ", name_, ", ", mtu_bytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status Tap::SetCarrier(bool on) {
  int carrier = on ? 1 : 0;
  if (::ioctl(fd_.get(), TUNSETCARRIER, &carrier) != 0) {
    return ErrnoStatus(errno, "TUNSETCARRIER", absl::StrCat("tap ", name_));
  }
  return absl::OkStatus();
}

bool Tap::IsUp() const {
  ifreq request = RequestFor(name_);
  return ::ioctl(control_.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0;
}

}  // namespace qsplit::linux_sys
