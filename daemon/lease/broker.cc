#include "daemon/lease/broker.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "daemon/lease/broker_state.h"
#include "daemon/policy/error.h"

namespace qsplit::lease {

Broker::Broker(BrokerOptions options) : state_(std::make_unique<State>(std::move(options))) {
  Locked state(*state_);
  for (auto& [name, room] : state->rooms) state->Listen(room);
}

Broker::~Broker() {
  EndAll();
  for (auto& [name, room] : state_->rooms) room.device->SetEvents({});
}

Totals Broker::totals() const {
  Locked state(*state_);
  Totals totals;
  totals.sessions = state->sessions.size();
  totals.regions = state->regions.size();
  totals.leases = state->leases.size();
  for (const auto& [name, room] : state->rooms) totals.rules += room.rules.size();
  return totals;
}

void Broker::SetPolicy(std::shared_ptr<const policy::Policy> policy) {
  Locked state(*state_);
  state->policy = policy ? std::move(policy) : policy::Policy::RootOnly();
  std::set<SessionId> admins;
  for (SessionId id : state->sessions.ids()) {
    if (state->IsAdmin(id)) admins.insert(id);
  }
  state->hub->EndReadersOfAllBut(
      admins, policy::Error(v1::ERROR_REASON_NOT_ALLOWED, "all", "true", "admin",
                            "WatchLeases: a new policy no longer lets you see all leases; watch "
                            "your own"));
}

absl::Status Broker::CheckAdmin(SessionId caller, std::string_view call) const {
  Locked state(*state_);
  return policy::InCall(call, state->Admin(caller).status());
}

std::string Broker::BrokenInvariant() const {
  Locked state(*state_);
  for (const auto& [name, room] : state->rooms) {
    size_t held = 0;
    for (const auto* holders : {&room.rx_holder, &room.tx_holder}) {
      for (size_t queue = 0; queue < holders->size(); ++queue) {
        const LeaseId id = (*holders)[queue];
        if (id == 0) continue;
        ++held;
        const auto lease = state->leases.find(id);
        if (lease == state->leases.end() || !lease->second.held || lease->second.room != &room) {
          return fmt::format("queue {} of {} is held by lease {}, which is not there", queue, name,
                             id);
        }
      }
    }
    size_t leased = 0;
    for (const auto& [id, lease] : state->leases) {
      if (lease.room == &room && lease.held) {
        leased += lease.queues.rx_queues.size() + lease.queues.tx_queues.size();
      }
    }
    if (leased != held) {
      return fmt::format("{}: {} queues are held and {} are in leases", name, held, leased);
    }
    if (room.rules.size() > room.rules.capacity()) return fmt::format("{}: too many rules", name);
    for (const steering::OwnedRule* rule : room.rules.List()) {
      const uint32_t queue = rule->rule.action.queue;
      if (rule->rule.action.to_queue() &&
          (queue >= room.rx_holder.size() || room.rx_holder[queue] != rule->lease)) {
        return fmt::format("the rule at {} of {} sends to queue {}, which is not its lease's",
                           rule->rule.location, name, queue);
      }
      const auto lease = state->leases.find(rule->lease);
      if (rule->lease != 0 && (lease == state->leases.end() || !lease->second.held)) {
        return fmt::format("the rule at {} of {} has outlived its lease {}", rule->rule.location,
                           name, rule->lease);
      }
    }
  }
  for (const auto& [id, lease] : state->leases) {
    if (state->sessions.Find(lease.session) == nullptr &&
        !(lease.held && lease.state == v1::LEASE_STATE_RELEASED)) {
      return fmt::format("lease {} has outlived its session", id);
    }
    if (lease.state == v1::LEASE_STATE_OPENING && !lease.in_job) {
      return fmt::format("lease {} opens and nobody is at it", id);
    }
    if (!lease.held && lease.state != v1::LEASE_STATE_REVOKED) {
      return fmt::format("lease {} holds nothing and is still listed", id);
    }
  }
  for (const region::Region* region : state->regions.List()) {
    if (state->sessions.Find(region->session) == nullptr) {
      return fmt::format("region {} has outlived its session", region->id);
    }
    for (LeaseId id : region->leases) {
      const auto lease = state->leases.find(id);
      if (lease == state->leases.end() || !lease->second.held) {
        return fmt::format("region {} is used by lease {}, which is not there", region->id, id);
      }
    }
  }
  return "";
}

}  // namespace qsplit::lease
