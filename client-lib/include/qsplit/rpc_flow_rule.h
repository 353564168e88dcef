// Steering rules between FlowRule and the protocol's messages, for programs that call the daemon by
// the generated stubs. Pure functions; any thread. Unlike most public headers it includes protobuf.
#ifndef QSPLIT_RPC_FLOW_RULE_H_
#define QSPLIT_RPC_FLOW_RULE_H_

#include "absl/status/statusor.h"
#include "qsplit/flow_rule.h"
#include "qsplit/v1/steering.pb.h"

namespace qsplit {

// The match alone.
v1::FlowMatch ToProto(const FlowRule& rule);

// Fills match, action and location of a request; device and lease are the caller's. `of_lease`: the
// rule's queue is an index into the lease's receive queues, else a number of the device.
void FillRequest(const FlowRule& rule, bool of_lease, v1::AddRuleRequest* request);

// A rule out of a list; queue is a number of the device. INVALID_ARGUMENT: an address of the wrong
// length or a flow type that this library does not know.
absl::StatusOr<FlowRule> FromProto(const v1::Rule& rule);

}  // namespace qsplit

#endif  // QSPLIT_RPC_FLOW_RULE_H_
