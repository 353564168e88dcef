// What a netdev's driver can do with XDP, by the generic netlink family "netdev" (Linux 6.3).
//
// Asked of the kernel each time; any thread.
#ifndef QSPLIT_DAEMON_LINUX_XDP_FEATURES_H_
#define QSPLIT_DAEMON_LINUX_XDP_FEATURES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace qsplit::linux_sys {

// include/uapi/linux/netdev.h: NETDEV_XDP_ACT_*, NETDEV_XSK_FLAGS_*.
struct XdpFeatures {
  bool native = false;     // runs programs in the driver
  bool redirect = false;   // to AF_XDP sockets and other netdevs
  bool zero_copy = false;  // of AF_XDP sockets
  bool multi_buffer = false;
  uint32_t zero_copy_segments = 0;  // of a packet, at most
  bool tx_timestamp = false;        // what transmit metadata can ask for, with zero copy
  bool tx_checksum = false;
};

// UNIMPLEMENTED: the kernel does not tell.
absl::StatusOr<XdpFeatures> ReadXdpFeatures(const std::string& netns, uint32_t ifindex);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_XDP_FEATURES_H_
