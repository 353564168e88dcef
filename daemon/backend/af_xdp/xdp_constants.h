// Steering rules as constants of the XDP program: bpf/steering_constants.h.
//
// Pure: no system call. Any thread.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_XDP_CONSTANTS_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_XDP_CONSTANTS_H_

#include <cstdint>
#include <optional>
#include <span>

#include "daemon/backend/af_xdp/bpf/steering_constants.h"
#include "daemon/device/flow_rule.h"

namespace qsplit::af_xdp {

// For the rules of a generation, which is not 0; locations are unique and below kSteeringRules.
// Empty: more of them than there is room for can take a plain packet.
std::optional<SteeringConstants> ConstantsOf(std::span<const device::FlowRule> rules,
                                             uint64_t generation);

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_XDP_CONSTANTS_H_
