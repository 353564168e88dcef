// Until the program with rules is here: all that arrives at a queue with a socket goes there.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_STEERING_PROGRAM_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_STEERING_PROGRAM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/device/device.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::af_xdp {

class SteeringProgram {
 public:
  static absl::StatusOr<std::unique_ptr<SteeringProgram>> Attach(const std::string& netns,
                                                                 uint32_t ifindex, bool native,
                                                                 uint32_t queues);
  uint32_t rule_capacity() const { return 1024; }
  absl::Status GiveQueue(uint32_t queue, device::LeaseId lease, int socket);
  absl::Status TakeQueue(uint32_t queue);
  absl::Status AddRule(const device::FlowRule& rule);
  absl::Status RemoveRule(uint32_t location);
  std::vector<device::RuleCounters> ReadRuleCounters() const { return {}; }
  void AddCounters(device::DeviceCounters*) const {}

 private:
  linux_sys::OwnedFd map_, program_, link_;
};

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_STEERING_PROGRAM_H_
