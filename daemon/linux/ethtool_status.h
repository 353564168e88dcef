// What the kernel answered about a netdev, as a status that names the netdev and what it lacks.
//
// A plain function of its arguments; any thread.
#ifndef QSPLIT_DAEMON_LINUX_ETHTOOL_STATUS_H_
#define QSPLIT_DAEMON_LINUX_ETHTOOL_STATUS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace qsplit::linux_sys {

// OK for 0. EOPNOTSUPP is UNIMPLEMENTED: "netdev d0 has no ntuple rules (ETHTOOL_GRXCLSRLCNT:
// EOPNOTSUPP)"; any other errno has the code that fits it: "netdev d0, ntuple rules:
// ETHTOOL_SRXCLSRLINS: Invalid argument (EINVAL): …". `kernel_says`: its own words, if any.
absl::Status EthtoolStatus(int error, const std::string& netdev, std::string_view thing,
                           std::string_view call, const std::string& kernel_says = {});

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_ETHTOOL_STATUS_H_
