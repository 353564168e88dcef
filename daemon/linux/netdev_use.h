// What a netdev is used for by this host, so that taking it away would hurt.
//
// Asked of the kernel by rtnetlink, in this process's network namespace, and old at once: an
// administrator can give it an address a moment later. Any thread.
#ifndef QSPLIT_DAEMON_LINUX_NETDEV_USE_H_
#define QSPLIT_DAEMON_LINUX_NETDEV_USE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace qsplit::linux_sys {

// Each use in words, as "carries address 10.0.0.1/24", "carries the default route (IPv4)", "is a
// port of bridge br0", "has vlan0.7 on top of it"; none: it can go. Link-local addresses, which an
// interface has by itself, are no use. NOT_FOUND: no such netdev here.
absl::StatusOr<std::vector<std::string>> NetdevUses(const std::string& netdev);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_NETDEV_USE_H_
