// The generic netlink family "ethtool" in one network namespace: requests about a netdev.
//
// It knows no command; attributes are the caller's. Any thread; calls wait for each other.
#ifndef QSPLIT_DAEMON_LINUX_ETHTOOL_NETLINK_H_
#define QSPLIT_DAEMON_LINUX_ETHTOOL_NETLINK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/linux/netlink_exchange.h"

namespace qsplit::linux_sys {

class EthtoolNetlink {
 public:
  // Attributes by their number, nullptr where there is none.
  static constexpr int kMostAttributes = 64;
  using Attributes = nlattr* const*;

  // The socket is opened in `netns` (as RunInNetns) and kept. UNIMPLEMENTED: the kernel has no such
  // family; it came with Linux 5.6.
  static absl::StatusOr<std::unique_ptr<EthtoolNetlink>> Open(const std::string& netns);

  // Sends `command` (ETHTOOL_MSG_…) with a header that says which netdev, by its number if that is
  // not 0, and what `fill` puts behind it (false: no room), and calls `read` for each reply. Either
  // may be empty.
  NetlinkAnswer Call(uint8_t command, const std::string& netdev, uint32_t ifindex,
                     const std::function<bool(nl_msg*)>& fill,
                     const std::function<void(Attributes)>& read);

 private:
  EthtoolNetlink(NetlinkSocket socket, int family) : socket_(std::move(socket)), family_(family) {}

  std::mutex mutex_;
  const NetlinkSocket socket_;
  const int family_;
};

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_ETHTOOL_NETLINK_H_
