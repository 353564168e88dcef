// How a netdev spread and steered packets before the daemon touched it, as plain values, and the
// way back to it.
//
// Read before the first change, written to the journal as fields, restored when the last lease
// ends or by the next daemon. Restoring changes only what differs, so that it can be done twice.
// Whoever drives the netdev's EthtoolLink calls it.
#ifndef QSPLIT_DAEMON_LINUX_NETDEV_STEERING_H_
#define QSPLIT_DAEMON_LINUX_NETDEV_STEERING_H_

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/linux/ethtool_link.h"

namespace qsplit::linux_sys {

struct NetdevSteering {
  std::optional<ChannelCounts> channels;  // absent: the netdev has none
  std::optional<RssState> rss;            // absent: the netdev has none, or an empty table
  std::map<std::string, bool> features;   // those that were asked for, if they can change: on
};

// `features`: names of those that the daemon may change. Rules are not read: nothing of the
// daemon's takes others' away, and some drivers refuse the question.
absl::StatusOr<NetdevSteering> ReadSteering(EthtoolLink& link,
                                            std::span<const std::string> features);

// Takes away those rules that still stand as they were (as GetRule showed them after InsertRule).
// What else stands in their places stays. It goes on after an error and returns the first.
absl::Status RemoveRules(EthtoolLink& link, std::span<const NtupleRule> added);

// RemoveRules first; then channels, RSS, features. Rules of others stay. An even table
// (EvenRssTable) is reset to nobody's wish; another one, were it the driver's own, comes back as a
// wish. It goes on after an error and returns the first.
absl::Status RestoreSteering(EthtoolLink& link, const NetdevSteering& before,
                             std::span<const NtupleRule> added);

// For the journal: names of a-z 0-9 _, values of any bytes.
using SteeringFields = std::map<std::string, std::string>;
SteeringFields ToFields(const NetdevSteering& steering);
// DATA_LOSS: not made by ToFields; the message names the field.
absl::StatusOr<NetdevSteering> SteeringOfFields(const SteeringFields& fields);
// A list of rules, for `added`: the bytes of each, in hexadecimal, a blank between two.
std::string ToText(std::span<const NtupleRule> rules);
absl::StatusOr<std::vector<NtupleRule>> RulesOfText(const std::string& text);

// Field by field: the structs have gaps.
bool SameRule(const NtupleRule& a, const NtupleRule& b);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_NETDEV_STEERING_H_
