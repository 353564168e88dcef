// A netdev as an operator wants to know it before a daemon takes it, and what of the configuration
// it cannot do. Changes nothing; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_DESCRIBE_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_DESCRIBE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/af_xdp/af_xdp_device.h"

namespace qsplit::af_xdp {

struct NetdevReport {
  // In one line: whether it is there, its driver and queues, how XDP and AF_XDP run on it, who can
  // steer, and what is in the way.
  std::string text;
  // What a device would be made without, in sentences.
  std::vector<std::string> warnings;
  // Why no device could be made.
  std::vector<absl::Status> errors;
};

// NOT_FOUND: no such netdev or namespace.
absl::StatusOr<NetdevReport> ReportNetdev(const AfXdpConfig& config);

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_DESCRIBE_H_
