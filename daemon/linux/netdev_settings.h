// What this process changed of a netdev: undone when the object is gone.
//
// Promiscuity and multicast addresses are memberships of a socket (packet(7)): the kernel counts
// them beside an administrator's own wishes, and undoes them when the process dies, by whatever
// cause. The MTU it does not undo: former_mtu_bytes() is for the journal, WriteNetdevMtu for
// whoever reads it. One thread at a time.
#ifndef QSPLIT_DAEMON_LINUX_NETDEV_SETTINGS_H_
#define QSPLIT_DAEMON_LINUX_NETDEV_SETTINGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/linux/netdev_link.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::linux_sys {

class NetdevSettings {
 public:
  // `netns`: as RunInNetns. NOT_FOUND: no such namespace, no such netdev. PERMISSION_DENIED: needs
  // CAP_NET_RAW.
  static absl::StatusOr<NetdevSettings> Open(const std::string& netns, const std::string& netdev);
  NetdevSettings(NetdevSettings&&) = default;
  NetdevSettings& operator=(NetdevSettings&&) = delete;
  // The former MTU comes back, unless somebody else has changed it meanwhile.
  ~NetdevSettings();

  // INVALID_ARGUMENT: more or less than the driver takes. PERMISSION_DENIED: needs CAP_NET_ADMIN.
  absl::Status SetMtu(uint32_t mtu_bytes);
  // Of before the first SetMtu; absent: never set.
  std::optional<uint32_t> former_mtu_bytes() const { return former_mtu_bytes_; }

  absl::Status SetPromiscuous(bool on);
  absl::Status SetAllMulticast(bool on);
  // These addresses and no others of this process's. After an error some of them may be missing.
  absl::Status SetMulticast(const std::vector<NetdevMac>& addresses);

 private:
  NetdevSettings(std::string netdev, int index, OwnedFd memberships, OwnedFd control)
      : netdev_(std::move(netdev)),
        index_(index),
        memberships_(std::move(memberships)),
        control_(std::move(control)) {}

  absl::Status SetMembership(int option, uint16_t type, const NetdevMac* address);
  absl::Status Toggle(bool& now, bool wish, uint16_t type);

  std::string netdev_;
  int index_;
  OwnedFd memberships_;  // a packet socket of no protocol: nothing arrives at it
  OwnedFd control_;
  std::optional<uint32_t> former_mtu_bytes_, set_mtu_bytes_;
  bool promiscuous_ = false;
  bool all_multicast_ = false;
  std::vector<NetdevMac> multicast_;
};

absl::Status WriteNetdevMtu(const std::string& netns, const std::string& netdev,
                            uint32_t mtu_bytes);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_NETDEV_SETTINGS_H_
