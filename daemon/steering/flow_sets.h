// Matches as sets of packets: which lies inside which, and which have packets in common.
//
// The answers err on the side of refusing: Covers may say no, and Intersects yes, where the truth
// depends on how headers hang together in ways that masks do not show. Pure functions; any thread.
#ifndef QSPLIT_DAEMON_STEERING_FLOW_SETS_H_
#define QSPLIT_DAEMON_STEERING_FLOW_SETS_H_

#include "daemon/device/flow_rule.h"

namespace qsplit::steering {

// Whether a packet with this key matches.
bool Matches(const device::FlowMatch& match, const device::FlowKey& packet);

// The match with what follows from it written in as well: IPv4 has Ethernet type 0x0800, ports are
// the first bytes behind the IP header, and so on. The same packets match. It is no match to
// program a device with. Where what follows contradicts what it says, no packet matches, and the
// match stays as it is in that field.
device::FlowMatch WithConsequences(const device::FlowMatch& match);

// True when every packet that matches `rule` matches `scope`.
bool Covers(const device::FlowMatch& scope, const device::FlowMatch& rule);

// False when no packet matches both.
bool Intersects(const device::FlowMatch& a, const device::FlowMatch& b);

}  // namespace qsplit::steering

#endif  // QSPLIT_DAEMON_STEERING_FLOW_SETS_H_
