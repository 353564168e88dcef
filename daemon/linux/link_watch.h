// A netdev as rtnetlink shows it: now, and each time that something of it changes.
//
// The kernel tells; nothing is polled, and nothing is changed here. What a reader gets is old at
// once. Any thread.
#ifndef QSPLIT_DAEMON_LINUX_LINK_WATCH_H_
#define QSPLIT_DAEMON_LINUX_LINK_WATCH_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/linux/owned_fd.h"

struct nl_sock;

namespace qsplit::linux_sys {

struct LinkState {
  uint32_t ifindex = 0;
  bool up = false;       // an administrator has it up (IFF_UP)
  bool carrier = false;  // and the wire is there (IFF_LOWER_UP)
  uint32_t mtu_bytes = 0;
  std::array<uint8_t, 6> mac{};
  bool promiscuous = false;
  bool all_multicast = false;
  // Most queues that the netdev can have; what it has now, ethtool's channels say.
  uint32_t rx_queues = 1;
  uint32_t tx_queues = 1;

  bool operator==(const LinkState&) const = default;
};
// Counters of the netdev, by the kernel.
struct LinkCounters {
  uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0;
  uint64_t rx_dropped = 0, tx_dropped = 0;
};

class LinkWatch {
 public:
  // Called from a thread of this class; must not destroy it. nullptr: the netdev has gone.
  using OnChange = std::function<void(const LinkState*)>;

  // `netns` as RunInNetns. NOT_FOUND: no such netdev there. `on_change` is not called for the state
  // that it has now.
  static absl::StatusOr<std::unique_ptr<LinkWatch>> Open(const std::string& netns,
                                                         const std::string& netdev,
                                                         OnChange on_change);
  ~LinkWatch();
  // Without watching it. NOT_FOUND: no such netdev there.
  static absl::StatusOr<LinkState> Look(const std::string& netns, const std::string& netdev);

  LinkWatch(const LinkWatch&) = delete;
  LinkWatch& operator=(const LinkWatch&) = delete;

  // As last heard; of a netdev that has gone, down and without carrier.
  LinkState state() const;
  // Asks the kernel. NOT_FOUND: it has gone.
  absl::StatusOr<LinkCounters> Counters() const;

 private:
  struct FreeSocket {
    void operator()(nl_sock* socket) const;
  };
  using Socket = std::unique_ptr<nl_sock, FreeSocket>;

  LinkWatch() = default;
  void Run();
  void Refresh();

  uint32_t ifindex_ = 0;
  Socket events_;  // of the thread
  Socket asks_;    // with ask_mutex_
  OnChange on_change_;
  mutable std::mutex ask_mutex_;
  mutable std::mutex state_mutex_;  // held for copies only
  LinkState state_;
  bool gone_ = false;
  OwnedFd stop_;
  std::thread thread_;
};

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_LINK_WATCH_H_
