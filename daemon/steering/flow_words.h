// A match in words, for error messages and logs: "udp4 dst-port 4242 dst-ip 10.9.0.2/32".
//
// Pure functions; any thread.
#ifndef QSPLIT_DAEMON_STEERING_FLOW_WORDS_H_
#define QSPLIT_DAEMON_STEERING_FLOW_WORDS_H_

#include <span>
#include <string>

#include "daemon/device/flow_rule.h"

namespace qsplit::steering {

// The flow type, then each field that is compared: its name as in the protocol with '-' for '_',
// its value, and "/mask" (bits that are 1 are compared) where not all bits are.
std::string Words(const device::FlowMatch& match);

// Several, "; " between them; after 8 it says how many more there are.
std::string Words(std::span<const device::FlowMatch> matches);

}  // namespace qsplit::steering

#endif  // QSPLIT_DAEMON_STEERING_FLOW_WORDS_H_
