#include "daemon/steering/rule_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/policy/error.h"
#include "daemon/steering/flow_sets.h"
#include "daemon/steering/flow_words.h"

namespace qsplit::steering {
namespace {

using policy::Error;

bool InScope(const policy::Scope& scope, const device::FlowMatch& match) {
  return scope.any || std::any_of(scope.matches.begin(), scope.matches.end(),
                                  [&](const auto& part) { return Covers(part, match); });
}

}  // namespace

absl::StatusOr<uint32_t> RuleTable::Place(const WantedRule& wanted, const policy::Scope& scope,
                                          bool admin) const {
  if (capacity_ == 0) {
    return Error(v1::ERROR_REASON_UNSUPPORTED, "", "", "", "the device has no steering rules");
  }
  if (wanted.location && *wanted.location >= capacity_) {
    return Error(v1::ERROR_REASON_OUT_OF_RANGE, "location", fmt::format("{}", *wanted.location),
                 fmt::format("{}", capacity_ - 1),
                 fmt::format("location {} is past the table's last, {}; leave it out for any free "
                             "one",
                             *wanted.location, capacity_ - 1));
  }
  if (!admin && !InScope(scope, wanted.match)) {
    if (scope.matches.empty()) {
      return Error(v1::ERROR_REASON_OUT_OF_SCOPE, "match", Words(wanted.match), "",
                   "policy gives no traffic to rules of yours; ask the administrator for a scope");
    }
    const std::string allowed = Words(scope.matches);
    return Error(v1::ERROR_REASON_OUT_OF_SCOPE, "match", Words(wanted.match), allowed,
                 fmt::format("{} reaches beyond the traffic that policy gives you, {}; match more "
                             "narrowly",
                             Words(wanted.match), allowed));
  }
  for (const auto& [location, owned] : rules_) {
    if (owned.tenant == wanted.tenant) {
      if (owned.rule.match == wanted.match) {
        return Error(v1::ERROR_REASON_RULE_EXISTS, "match", "", fmt::format("{}", location),
                     fmt::format("your rule at location {} takes the same traffic; remove it first",
                                 location));
      }
    } else if (!admin && Intersects(owned.rule.match, wanted.match)) {
      return Error(v1::ERROR_REASON_TRAFFIC_TAKEN, "match", Words(wanted.match), "",
                   fmt::format("some of the traffic of {} is not free to be taken; match more "
                               "narrowly",
                               Words(wanted.match)));
    }
  }
  if (wanted.location) {
    if (rules_.contains(*wanted.location)) {
      return Error(
          v1::ERROR_REASON_RULE_EXISTS, "location", fmt::format("{}", *wanted.location), "",
          fmt::format("location {} is taken; leave it out for any free one", *wanted.location));
    }
    return *wanted.location;
  }
  uint32_t free = capacity_ - 1;
  for (auto it = rules_.rbegin(); it != rules_.rend() && it->first == free; ++it) {
    if (free == 0) {
      return Error(v1::ERROR_REASON_RULES_FULL, "", "", fmt::format("{}", capacity_),
                   fmt::format("all {} places of the device's rule table are taken; remove a rule",
                               capacity_));
    }
    --free;
  }
  return free;
}

void RuleTable::Add(OwnedRule rule) {
  const uint32_t location = rule.rule.location;
  rules_.insert_or_assign(location, std::move(rule));
}

void RuleTable::Remove(uint32_t location) { rules_.erase(location); }

const OwnedRule* RuleTable::Find(uint32_t location) const {
  const auto found = rules_.find(location);
  return found == rules_.end() ? nullptr : &found->second;
}

std::vector<const OwnedRule*> RuleTable::List() const {
  std::vector<const OwnedRule*> list;
  list.reserve(rules_.size());
  for (const auto& [location, rule] : rules_) list.push_back(&rule);
  return list;
}

std::vector<uint32_t> RuleTable::LocationsOf(LeaseId lease) const {
  std::vector<uint32_t> locations;
  for (const auto& [location, rule] : rules_) {
    if (rule.lease == lease) locations.push_back(location);
  }
  return locations;
}

uint32_t RuleTable::CountOf(std::string_view tenant) const {
  return static_cast<uint32_t>(std::count_if(rules_.begin(), rules_.end(), [&](const auto& entry) {
    return entry.second.tenant == tenant;
  }));
}

bool RuleTable::OperatorUses(uint32_t queue) const {
  return std::any_of(rules_.begin(), rules_.end(), [&](const auto& entry) {
    const OwnedRule& owned = entry.second;
    return owned.lease == 0 && owned.rule.action.queue == queue;
  });
}

}  // namespace qsplit::steering
