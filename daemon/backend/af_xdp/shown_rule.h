// Whether a rule that stands in a NIC may be one that was asked of it.
//
// Drivers show rules in their own words: IP_USER_FLOW with UDP's number comes back as UDP_V4_FLOW,
// FLOW_EXT stands where nothing behind it is compared. Addresses, ports and tags are those that
// were asked for.
//
// Pure functions; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_SHOWN_RULE_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_SHOWN_RULE_H_

#include "daemon/linux/ethtool_link.h"

namespace qsplit::af_xdp {

// It stands at the same location, brings packets to the same queue, compares the same bits of
// fields with the same values, and what its flow type demands is no less than what the other's
// does.
bool MayShow(const linux_sys::NtupleRule& shown, const linux_sys::NtupleRule& asked);

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_SHOWN_RULE_H_
