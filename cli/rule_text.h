// Rules as `qsplit rule list` prints them. Pure functions.
#ifndef QSPLIT_CLI_RULE_TEXT_H_
#define QSPLIT_CLI_RULE_TEXT_H_

#include <functional>
#include <string>

#include "cli/table.h"
#include "qsplit/v1/device.pb.h"
#include "qsplit/v1/steering.pb.h"

namespace qsplit::cli {

// A line each. Where some are of kernel netdevs, of which `devices` knows, a column says where each
// stands: "xdp" the daemon's XDP program, "nic, xdp" the NIC as well, "device" any other device.
// `match`: a rule's, in words.
Table RuleTable(const v1::ListRulesResponse& rules, const v1::ListDevicesResponse& devices,
                const std::function<std::string(const v1::Rule&)>& match);

}  // namespace qsplit::cli

#endif  // QSPLIT_CLI_RULE_TEXT_H_
