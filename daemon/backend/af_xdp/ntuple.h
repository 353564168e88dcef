// A device's steering rule as an ntuple rule of ethtool's, and back.
//
// Both forms compare the bits that are 1 in the mask. The words `m` of `ethtool -N` mean the
// opposite; that program inverts them before it asks the kernel.
//
// Pure functions; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_NTUPLE_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_NTUPLE_H_

#include "absl/status/statusor.h"
#include "daemon/device/flow_rule.h"
#include "daemon/linux/ethtool_link.h"

namespace qsplit::af_xdp {

// The location is taken as it is; RX_CLS_LOC_ANY is one. UNIMPLEMENTED: the match compares
// something that an ntuple rule of its flow type has no place for; the message names it.
// INVALID_ARGUMENT: value bits outside of the mask.
absl::StatusOr<linux_sys::NtupleRule> ToNtuple(const device::FlowRule& rule);

// UNIMPLEMENTED: the rule, an administrator's, is none that a device::FlowRule can say: another
// flow type, user-defined bytes, an RSS context, a virtual function, wake-on-LAN.
absl::StatusOr<device::FlowRule> FromNtuple(const linux_sys::NtupleRule& ntuple);

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_NTUPLE_H_
