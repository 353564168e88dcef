// A netdev as an operator wants to know it before a daemon takes it. Changes nothing; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_DESCRIBE_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_DESCRIBE_H_

#include <string>

#include "absl/status/statusor.h"

namespace qsplit::af_xdp {

// In one line: whether it is there, its driver and queues, how XDP and AF_XDP run on it, who can
// steer, and what is in the way. NOT_FOUND: no such netdev or namespace.
absl::StatusOr<std::string> DescribeNetdev(const std::string& netns, const std::string& netdev);

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_DESCRIBE_H_
