// The steering rules of one device: who has them, where they stand, and which new ones may join.
//
// It decides; the caller tells the device and then calls Add or Remove, so that the table holds
// what the device holds. Pure logic. Not thread-safe: the broker's lock guards it.
#ifndef QSPLIT_DAEMON_STEERING_RULE_TABLE_H_
#define QSPLIT_DAEMON_STEERING_RULE_TABLE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/device/device.h"
#include "daemon/device/flow_rule.h"
#include "daemon/policy/policy.h"

namespace qsplit::steering {

using device::LeaseId;

struct OwnedRule {
  device::FlowRule rule;
  LeaseId lease = 0;   // 0: an operator's, of no lease
  std::string tenant;  // policy::Policy::KeyOf of the lease's holder or of the operator
};

// A rule that somebody wants, with its match checked (flow_match.h).
struct WantedRule {
  device::FlowMatch match;
  device::FlowAction action;
  std::optional<uint32_t> location;  // absent: any
  LeaseId lease = 0;
  std::string tenant;
};

class RuleTable {
 public:
  explicit RuleTable(uint32_t capacity) : capacity_(capacity) {}

  // Whether it may join, and where: the location given, or the highest free one (as ethtool
  // chooses, so that rules put in by hand can stand before it). `scope` is what policy gives the
  // tenant; an admin is exempt from it and may take others' traffic. Changes nothing.
  //
  // PERMISSION_DENIED: OUT_OF_SCOPE, or TRAFFIC_TAKEN (it meets another tenant's rule; the message
  // does not say which). ALREADY_EXISTS (RULE_EXISTS): the location is taken, or the tenant has
  // the same match. RESOURCE_EXHAUSTED (RULES_FULL). INVALID_ARGUMENT (OUT_OF_RANGE): no such
  // location. UNIMPLEMENTED (UNSUPPORTED): the device has no rules.
  absl::StatusOr<uint32_t> Place(const WantedRule& wanted, const policy::Scope& scope,
                                 bool admin) const;

  // The rule now stands in the device / no longer does.
  void Add(OwnedRule rule);
  void Remove(uint32_t location);

  const OwnedRule* Find(uint32_t location) const;
  // By location.
  std::vector<const OwnedRule*> List() const;
  std::vector<uint32_t> LocationsOf(LeaseId lease) const;
  uint32_t CountOf(std::string_view tenant) const;
  // Some rule that belongs to no lease sends to this queue.
  bool OperatorUses(uint32_t queue) const;

  uint32_t capacity() const { return capacity_; }
  size_t size() const { return rules_.size(); }

 private:
  uint32_t capacity_;
  std::map<uint32_t, OwnedRule> rules_;
};

}  // namespace qsplit::steering

#endif  // QSPLIT_DAEMON_STEERING_RULE_TABLE_H_
