// Between the contract's matches (qsplit.v1.FlowMatch, untrusted) and a device's
// (device::FlowMatch, checked: no value bit outside of its mask, only fields that the flow type
// has, the flow type's own demands written in).
//
// Pure functions; any thread.
#ifndef QSPLIT_DAEMON_STEERING_FLOW_MATCH_H_
#define QSPLIT_DAEMON_STEERING_FLOW_MATCH_H_

#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "daemon/device/flow_rule.h"
#include "qsplit/v1/steering.pb.h"

namespace qsplit::steering {

// The checked form of a request's match. INVALID_ARGUMENT: MALFORMED (no flow type, a field that
// the type lacks, a wrong number of bytes, an empty mask, value bits outside of the mask) or
// OUT_OF_RANGE (wider than the field). `field` is the path of the match in the request, "match".
absl::StatusOr<device::FlowMatch> ToMatch(const v1::FlowMatch& request,
                                          std::string_view field = "match");

// The contract's form of a checked match: ToMatch(FromMatch(m)) == m.
v1::FlowMatch FromMatch(const device::FlowMatch& match);

v1::FlowType ToProto(device::FlowType type);
std::optional<device::FlowType> FromProto(v1::FlowType type);

}  // namespace qsplit::steering

#endif  // QSPLIT_DAEMON_STEERING_FLOW_MATCH_H_
