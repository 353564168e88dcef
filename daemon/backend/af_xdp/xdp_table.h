// Steering rules in the form that the XDP program searches: bpf/steering_memory.h.
//
// Writes private memory; steering_program.h publishes it. Pure: no system call. Any thread.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_XDP_TABLE_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_XDP_TABLE_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "daemon/backend/af_xdp/bpf/steering_memory.h"
#include "daemon/device/flow_rule.h"

namespace qsplit::af_xdp {

// Fills `table` but for its generation. Locations are unique and below kSteeringRules. Value bits
// outside of the mask are ignored; of rules with one mask and value the lowest location stays, for
// no packet meets the others. The hash's seed comes from `seed`, which nobody outside can guess:
// chains stay short whatever tenants put into their rules. INTERNAL: no seed of many keeps them
// short, which means that something is wrong with `seed`.
absl::Status FillTable(std::span<const device::FlowRule> rules, uint64_t seed,
                       SteeringTable* table);

// Writes `from` over `to`, which packets may be reading, and gives it `generation`: they see that
// it changed. Only the parts in use are written.
void Overwrite(const SteeringTable& from, uint64_t generation, SteeringTable* to);

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_XDP_TABLE_H_
