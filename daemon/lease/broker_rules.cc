// The broker's calls about steering: rules and RSS.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "daemon/lease/broker.h"
#include "daemon/lease/broker_state.h"
#include "daemon/lease/convert.h"
#include "daemon/lease/transmission.h"
#include "daemon/policy/error.h"
#include "daemon/steering/flow_match.h"

namespace qsplit::lease {
namespace {

using policy::Error;
using policy::InCall;

std::string List(const std::vector<uint32_t>& numbers) {
  return numbers.empty() ? "none" : fmt::format("{}", fmt::join(numbers, ", "));
}

absl::Status NoAction() {
  return Error(v1::ERROR_REASON_MALFORMED, "action", "", "",
               "the rule has no action; give it queue, lease_queue, drop, pass or reflect");
}

// An action that names no queue; nullopt: it names one.
absl::StatusOr<std::optional<device::FlowAction>> Queueless(const v1::AddRuleRequest& request) {
  switch (request.action_case()) {
    case v1::AddRuleRequest::kDrop:
      if (request.drop()) return device::FlowAction{device::FlowAction::kDrop};
      break;
    case v1::AddRuleRequest::kPass:
      if (request.pass()) return device::FlowAction{device::FlowAction::kPass};
      break;
    case v1::AddRuleRequest::kReflect:
      if (request.reflect()) return device::FlowAction{device::FlowAction::kReflect};
      break;
    case v1::AddRuleRequest::ACTION_NOT_SET:
      break;
    default:
      return std::nullopt;
  }
  return NoAction();
}

// The action of a rule of a lease.
absl::StatusOr<device::FlowAction> ActionOf(const v1::AddRuleRequest& request,
                                            const DeviceRoom& room, const LeaseRecord& lease) {
  const std::vector<uint32_t>& own = lease.queues.rx_queues;
  auto queueless = Queueless(request);
  if (!queueless.ok()) return queueless.status();
  if (*queueless) return **queueless;
  switch (request.action_case()) {
    case v1::AddRuleRequest::kLeaseQueue:
      if (request.lease_queue() < own.size()) return device::FlowAction{own[request.lease_queue()]};
      return Error(v1::ERROR_REASON_OUT_OF_RANGE, "lease_queue",
                   fmt::format("{}", request.lease_queue()), fmt::format("{}", own.size()),
                   fmt::format("lease_queue {} is past the lease's {} receive queues",
                               request.lease_queue(), own.size()));
    case v1::AddRuleRequest::kQueue: {
      const uint32_t queue = request.queue();
      if (std::find(own.begin(), own.end(), queue) != own.end()) return device::FlowAction{queue};
      const std::string value = fmt::format("{}", queue);
      if (queue >= room.rx_holder.size()) {
        return Error(v1::ERROR_REASON_OUT_OF_RANGE, "queue", value,
                     fmt::format("{}", room.rx_holder.size() - 1),
                     fmt::format("queue {} is past the device's last, {}", queue,
                                 room.rx_holder.size() - 1));
      }
      return Error(v1::ERROR_REASON_NOT_ALLOWED, "queue", value, List(own),
                   fmt::format("queue {} is not of lease {}, whose receive queues are: {}", queue,
                               lease.id, List(own)));
    }
    default:
      return NoAction();
  }
}

// The action of an operator's rule, of no lease.
absl::StatusOr<device::FlowAction> OperatorAction(const v1::AddRuleRequest& request,
                                                  const DeviceRoom& room) {
  auto queueless = Queueless(request);
  if (!queueless.ok()) return queueless.status();
  if (*queueless) return **queueless;
  switch (request.action_case()) {
    case v1::AddRuleRequest::kQueue: {
      const uint32_t queue = request.queue();
      if (queue >= room.rx_holder.size()) {
        return Error(v1::ERROR_REASON_OUT_OF_RANGE, "queue", fmt::format("{}", queue),
                     fmt::format("{}", room.rx_holder.size()),
                     fmt::format("queue {} is not there; the device has {} receive queues", queue,
                                 room.rx_holder.size()));
      }
      if (room.rx_holder[queue] != 0) {
        return Error(v1::ERROR_REASON_MALFORMED, "lease_id", "0",
                     fmt::format("{}", room.rx_holder[queue]),
                     fmt::format("queue {} is leased; give lease_id {}, so that the rule ends with "
                                 "the lease",
                                 queue, room.rx_holder[queue]));
      }
      return device::FlowAction{queue};
    }
    case v1::AddRuleRequest::kLeaseQueue:
      return Error(v1::ERROR_REASON_MALFORMED, "lease_queue",
                   fmt::format("{}", request.lease_queue()), "",
                   "lease_queue without a lease_id; give the lease, or queue");
    default:
      return NoAction();
  }
}

}  // namespace

absl::StatusOr<v1::AddRuleResponse> Broker::AddRule(SessionId caller,
                                                    const v1::AddRuleRequest& request) {
  constexpr std::string_view kCall = "AddRule";
  Locked state(*state_);
  state->Retry();
  auto session = request.lease_id() == 0 ? state->Admin(caller) : state->Caller(caller);
  if (!session.ok()) return InCall(kCall, session.status());
  const bool admin = state->IsAdmin(caller);

  LeaseRecord* lease = nullptr;
  DeviceRoom* room = nullptr;
  if (request.lease_id() != 0) {
    auto found = state->Lease(caller, request.lease_id(), admin);
    if (!found.ok()) return InCall(kCall, found.status());
    lease = *found;
    room = lease->room;
    if (absl::Status status = State::CheckRuns(*lease); !status.ok()) return InCall(kCall, status);
  }
  if (lease == nullptr || !request.device().empty()) {
    auto found = state->Room(request.device());
    if (!found.ok()) return InCall(kCall, found.status());
    if (room != nullptr && room != *found) {
      return InCall(kCall,
                    Error(v1::ERROR_REASON_MALFORMED, "device", request.device(), room->name(),
                          fmt::format("lease {} is of device {}; leave device out", lease->id,
                                      room->name())));
    }
    room = *found;
  }
  auto action =
      lease != nullptr ? ActionOf(request, *room, *lease) : OperatorAction(request, *room);
  if (!action.ok()) return InCall(kCall, action.status());
  auto match = steering::ToMatch(request.match());
  if (!match.ok()) return InCall(kCall, match.status());

  const session::Peer& peer = lease != nullptr ? lease->peer : (*session)->peer;
  const policy::Tenant& tenant = state->TenantOf(peer);
  if (action->reflects()) {
    if (absl::Status status = CheckReflection(tenant, room->device->info()); !status.ok()) {
      return InCall(kCall, status);
    }
  }
  steering::WantedRule wanted;
  wanted.match = *match;
  wanted.action = *action;
  if (request.has_location()) wanted.location = request.location();
  wanted.lease = request.lease_id();
  wanted.tenant = lease != nullptr ? lease->tenant : state->KeyOf(peer);
  if (const uint32_t rules = state->RulesOf(wanted.tenant); rules >= tenant.quota.max_rules) {
    return InCall(kCall,
                  Error(v1::ERROR_REASON_QUOTA, "", fmt::format("{}", rules + 1),
                        fmt::format("{}", tenant.quota.max_rules),
                        fmt::format("policy allows {} rules; remove one", tenant.quota.max_rules)));
  }
  auto location = room->rules.Place(wanted, tenant.scope, admin);
  if (!location.ok()) return InCall(kCall, location.status());

  steering::OwnedRule rule{{*location, wanted.match, wanted.action}, wanted.lease, wanted.tenant};
  if (absl::Status status = room->device->AddRule(rule.rule); !status.ok()) {
    return InCall(kCall, policy::FromDevice(status));
  }
  v1::AddRuleResponse response;
  *response.mutable_rule() = ToProto(room->name(), rule);
  room->rules.Add(std::move(rule));
  if (lease != nullptr) state->hub->UpdateLease(state->ToProto(*lease));
  state->Publish(*room);
  return response;
}

absl::StatusOr<v1::RemoveRuleResponse> Broker::RemoveRule(SessionId caller,
                                                          const v1::RemoveRuleRequest& request) {
  constexpr std::string_view kCall = "RemoveRule";
  Locked state(*state_);
  auto session = state->Caller(caller);
  if (!session.ok()) return InCall(kCall, session.status());
  auto found = state->Room(request.device());
  if (!found.ok()) return InCall(kCall, found.status());
  DeviceRoom& room = **found;
  const std::string value = fmt::format("{}", request.location());
  const steering::OwnedRule* rule = room.rules.Find(request.location());
  if (rule == nullptr) {
    return InCall(kCall, Error(v1::ERROR_REASON_NOT_FOUND, "location", value, "",
                               fmt::format("there is no rule at location {}", value)));
  }
  const auto lease = state->leases.find(rule->lease);
  const bool own = lease != state->leases.end() && lease->second.session == caller;
  if (!own && !state->IsAdmin(caller)) {
    return InCall(kCall, Error(v1::ERROR_REASON_NOT_ALLOWED, "location", value, "",
                               fmt::format("the rule at location {} is not yours", value)));
  }
  const absl::Status status = room.device->RemoveRule(request.location());
  if (!status.ok() && !absl::IsNotFound(status)) return InCall(kCall, policy::FromDevice(status));
  room.rules.Remove(request.location());
  if (lease != state->leases.end()) state->hub->UpdateLease(state->ToProto(lease->second));
  state->Publish(room);
  return v1::RemoveRuleResponse();
}

absl::StatusOr<v1::ListRulesResponse> Broker::ListRules(SessionId caller,
                                                        const v1::ListRulesRequest& request) const {
  constexpr std::string_view kCall = "ListRules";
  Locked state(*state_);
  Sight sight;
  if (caller != kNobody || request.all()) {
    auto found = state->SightOf(caller, request.all());
    if (!found.ok()) return InCall(kCall, found.status());
    sight = *found;
  }
  if (!request.device().empty()) {
    if (auto room = state->Room(request.device()); !room.ok()) return InCall(kCall, room.status());
  }
  v1::ListRulesResponse response;
  for (const auto& [name, room] : state->rooms) {
    if (!request.device().empty() && request.device() != name) continue;
    std::map<uint32_t, device::RuleCounters> counters;
    for (const auto& counter : room.device->ReadRuleCounters()) {
      counters[counter.location] = counter;
    }
    for (const steering::OwnedRule* rule : room.rules.List()) {
      const auto lease = state->leases.find(rule->lease);
      const bool seen = lease == state->leases.end()
                            ? sight.reach == Sight::Reach::kAll
                            : sight.Sees(lease->second.session, lease->second.peer.uid);
      if (caller == kNobody || !seen) continue;
      v1::Rule* to = response.add_rules();
      *to = ToProto(name, *rule);
      to->set_packets(counters[rule->rule.location].packets);
      to->set_bytes(counters[rule->rule.location].bytes);
    }
  }
  return response;
}

absl::StatusOr<v1::GetRssResponse> Broker::GetRss(const v1::GetRssRequest& request) const {
  Locked state(*state_);
  auto room = state->Room(request.device());
  if (!room.ok()) return InCall("GetRss", room.status());
  auto config = (*room)->device->GetRss();
  if (!config.ok()) return InCall("GetRss", policy::FromDevice(config.status()));
  v1::GetRssResponse response;
  *response.mutable_rss() = ToProto((*room)->device->info(), *config);
  return response;
}

absl::StatusOr<v1::SetRssResponse> Broker::SetRss(SessionId caller,
                                                  const v1::SetRssRequest& request) {
  constexpr std::string_view kCall = "SetRss";
  Locked state(*state_);
  auto session = state->Admin(caller);
  if (!session.ok()) return InCall(kCall, session.status());
  auto found = state->Room(request.device());
  if (!found.ok()) return InCall(kCall, found.status());
  DeviceRoom& room = **found;
  const device::DeviceInfo& info = room.device->info();
  auto config = room.device->GetRss();
  if (!config.ok()) return InCall(kCall, policy::FromDevice(config.status()));

  const auto size = static_cast<uint32_t>(request.indirection_size());
  if (size != 0 && (request.reset() || size != info.rss_table_size)) {
    return InCall(kCall, Error(v1::ERROR_REASON_OUT_OF_RANGE, "indirection",
                               fmt::format("{}", size), fmt::format("{}", info.rss_table_size),
                               fmt::format("the table has {} entries; give {}, or none with reset",
                                           size, info.rss_table_size)));
  }
  for (uint32_t queue : request.indirection()) {
    if (queue == device::kNoQueue) continue;
    const std::string value = fmt::format("{}", queue);
    if (queue >= info.rx_queues) {
      return InCall(kCall, Error(v1::ERROR_REASON_OUT_OF_RANGE, "indirection", value,
                                 fmt::format("{}", info.rx_queues),
                                 fmt::format("queue {} is not there; the device has {} receive "
                                             "queues",
                                             queue, info.rx_queues)));
    }
    const auto lease = state->leases.find(room.rx_holder[queue]);
    if (lease != state->leases.end() && !lease->second.queues.join_rss) {
      return InCall(kCall,
                    Error(v1::ERROR_REASON_OUT_OF_RANGE, "indirection", value, "",
                          fmt::format("queue {} is leased outside of RSS; choose another", queue)));
    }
  }
  if (!request.key().empty()) {
    if (request.key().size() != config->key.size()) {
      return InCall(
          kCall,
          Error(v1::ERROR_REASON_OUT_OF_RANGE, "key", fmt::format("{} bytes", request.key().size()),
                "40 bytes", fmt::format("the key has {} bytes; give 40", request.key().size())));
    }
    std::copy(request.key().begin(), request.key().end(), config->key.begin());
  }
  if (size != 0) {
    config->indirection.assign(request.indirection().begin(), request.indirection().end());
  } else if (request.reset()) {
    config->indirection.clear();
  }
  if (absl::Status status = room.device->SetRss(*config); !status.ok()) {
    return InCall(kCall, policy::FromDevice(status));
  }
  config = room.device->GetRss();
  if (!config.ok()) return InCall(kCall, policy::FromDevice(config.status()));
  v1::SetRssResponse response;
  *response.mutable_rss() = ToProto(info, *config);
  return response;
}

}  // namespace qsplit::lease
