#include "daemon/linux/ethtool_status.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"

namespace qsplit::linux_sys {

absl::Status EthtoolStatus(int error, const std::string& netdev, std::string_view thing,
                           std::string_view call, const std::string& kernel_says) {
  if (error == 0) return absl::OkStatus();
  const std::string more = kernel_says.empty() ? "" : absl::StrCat(": ", kernel_says);
  if (error == EOPNOTSUPP) {
    return absl::UnimplementedError(absl::StrCat("netdev ", netdev, " has no ", std::string(thing),
                                                 " (", std::string(call), ": EOPNOTSUPP)", more));
  }
  const absl::Status status = ErrnoStatus(
      error, absl::StrCat("netdev ", netdev, ", ", std::string(thing), ": ", std::string(call)));
  return absl::Status(status.code(), absl::StrCat(status.message(), more));
}

}  // namespace qsplit::linux_sys
