// What rtnetlink says of one netdev, and a file descriptor that becomes readable when that changes.
//
// It only reads; netdev_settings.h sets. Sockets are opened in the netdev's network namespace and
// kept. A netdev is known by its name: one that is renamed is gone.
#ifndef QSPLIT_DAEMON_LINUX_NETDEV_LINK_H_
#define QSPLIT_DAEMON_LINUX_NETDEV_LINK_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/linux/netlink_exchange.h"
#include "daemon/linux/owned_fd.h"

// rtnetlink's.
struct ifinfomsg;

namespace qsplit::linux_sys {

using NetdevMac = std::array<uint8_t, 6>;

struct NetdevFacts {
  int index = 0;
  NetdevMac mac{};  // 0: it has no Ethernet address
  uint32_t mtu_bytes = 0;
  bool up = false;       // an administrator has it up
  bool carrier = false;  // and there is somebody at the other end
  bool promiscuous = false;
  bool all_multicast = false;
  // That it was made with; how many of them are used is ethtool's to say (channels).
  uint32_t rx_queues = 0;
  uint32_t tx_queues = 0;

  bool operator==(const NetdevFacts&) const = default;
};

// Since the netdev was made; bytes without frame check sequences.
struct NetdevCounters {
  uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0;
  uint64_t rx_dropped = 0, tx_dropped = 0;
  // For want of room in the NIC: as rx_missed_errors and rx_fifo_errors of `ip -s -s link`.
  uint64_t rx_missed = 0, rx_fifo = 0;
};

// Any thread; calls wait for each other.
class NetdevLink {
 public:
  // `netns`: as RunInNetns. NOT_FOUND: no such namespace, no such netdev.
  static absl::StatusOr<std::unique_ptr<NetdevLink>> Open(const std::string& netns,
                                                          const std::string& netdev);

  // NOT_FOUND: it is gone.
  absl::StatusOr<NetdevFacts> GetFacts();
  absl::StatusOr<NetdevCounters> GetCounters();

 private:
  absl::Status Ask(const std::function<void(const ifinfomsg&, nlattr* const*)>& read);

  NetdevLink(std::string netdev, NetlinkSocket socket)
      : netdev_(std::move(netdev)), socket_(std::move(socket)) {}

  const std::string netdev_;
  std::mutex mutex_;
  const NetlinkSocket socket_;
};

// The thread that polls.
class NetdevWatch {
 public:
  static absl::StatusOr<NetdevWatch> Open(const std::string& netns);

  // For a poller.
  int fd() const { return fd_.get(); }
  // Takes all news that are there, without waiting. True: something about netdev number `index`, or
  // news were lost; ask GetFacts.
  bool TakeNews(int index);

 private:
  explicit NetdevWatch(OwnedFd fd) : fd_(std::move(fd)) {}

  OwnedFd fd_;
};

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_NETDEV_LINK_H_
