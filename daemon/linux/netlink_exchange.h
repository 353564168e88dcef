// One request over netlink and all of the kernel's answer to it, with its own words where it
// refuses.
//
// Answers come from the kernel and are trusted as far as libnl checks lengths. Each socket: one
// thread at a time.
#ifndef QSPLIT_DAEMON_LINUX_NETLINK_EXCHANGE_H_
#define QSPLIT_DAEMON_LINUX_NETLINK_EXCHANGE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

// libnl's.
struct nl_msg;
struct nl_sock;
struct nlattr;
struct nlmsghdr;

namespace qsplit::linux_sys {

struct NetlinkFree {
  void operator()(nl_sock* socket) const;
  void operator()(nl_msg* message) const;
};
using NetlinkSocket = std::unique_ptr<nl_sock, NetlinkFree>;
using NetlinkMessage = std::unique_ptr<nl_msg, NetlinkFree>;

struct NetlinkAnswer {
  int error = 0;  // an errno
  std::string kernel_says;
};

// A socket of `protocol` (NETLINK_…) in `netns`, as RunInNetns. It stays there.
absl::StatusOr<NetlinkSocket> OpenNetlink(const std::string& netns, int protocol);

// Sends the message and calls `read` for each reply, until the kernel acknowledges or refuses.
NetlinkAnswer Exchange(nl_sock* socket, nl_msg* message,
                       const std::function<void(nlmsghdr*)>& read);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_NETLINK_EXCHANGE_H_
