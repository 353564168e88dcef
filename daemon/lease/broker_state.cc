#include "daemon/lease/broker_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "daemon/lease/convert.h"
#include "daemon/lease/feature_choice.h"
#include "daemon/policy/error.h"

namespace qsplit::lease {
namespace {

using policy::Error;

std::vector<bool> Taken(const std::vector<LeaseId>& holders) {
  std::vector<bool> taken(holders.size());
  for (size_t i = 0; i < holders.size(); ++i) taken[i] = holders[i] != 0;
  return taken;
}

uint32_t Free(const std::vector<bool>& taken) {
  return static_cast<uint32_t>(std::count(taken.begin(), taken.end(), false));
}

}  // namespace

std::vector<bool> DeviceRoom::RxTaken() const {
  std::vector<bool> taken = Taken(rx_holder);
  for (const steering::OwnedRule* rule : rules.List()) {
    const uint32_t queue = rule->rule.action.queue;
    if (rule->lease == 0 && queue < taken.size()) taken[queue] = true;
  }
  return taken;
}

std::vector<bool> DeviceRoom::TxTaken() const { return Taken(tx_holder); }

void DeviceRoom::Rebase(const device::QueueRequest& queues, const device::DeviceCounters& now) {
  for (uint32_t queue : queues.rx_queues) {
    if (queue < now.rx.size()) rx_base[queue] = now.rx[queue];
  }
  for (uint32_t queue : queues.tx_queues) {
    if (queue < now.tx.size()) tx_base[queue] = now.tx[queue];
  }
}

device::QueueCounters Since(const device::QueueCounters& now, const device::QueueCounters& base) {
  using Counters = device::QueueCounters;
  constexpr uint64_t Counters::*kAll[] = {&Counters::packets,
                                          &Counters::bytes,
                                          &Counters::completions,
                                          &Counters::descriptors,
                                          &Counters::drops_no_descriptor,
                                          &Counters::drops_too_long,
                                          &Counters::drops_down,
                                          &Counters::drops_injected,
                                          &Counters::checksum_errors,
                                          &Counters::faults,
                                          &Counters::events,
                                          &Counters::wakeups};
  static_assert(sizeof(Counters) == std::size(kAll) * sizeof(uint64_t), "name each counter");
  Counters since;
  for (uint64_t Counters::*counter : kAll) {
    // Less than before: the device began anew.
    since.*counter = now.*counter >= base.*counter ? now.*counter - base.*counter : now.*counter;
  }
  return since;
}

Broker::State::State(BrokerOptions options)
    : clock(std::move(options.clock)),
      policy(options.policy ? std::move(options.policy) : policy::Policy::RootOnly()),
      sessions(clock, std::move(options.random), options.max_sessions),
      layouts(std::move(options.layouts)),
      on_left(std::move(options.on_left)),
      dispose(std::move(options.dispose)) {
  for (auto& device : options.devices) {
    const device::DeviceInfo& info = device->info();
    for (const auto& layout : info.layouts) layouts.push_back(layout);
    rooms.emplace(info.name, DeviceRoom{device, steering::RuleTable(info.rule_capacity),
                                        std::vector<LeaseId>(info.rx_queues),
                                        std::vector<LeaseId>(info.tx_queues),
                                        std::vector<device::QueueCounters>(info.rx_queues),
                                        std::vector<device::QueueCounters>(info.tx_queues)});
  }
  std::stable_sort(layouts.begin(), layouts.end(), [](const auto& a, const auto& b) {
    return a.name() != b.name() ? a.name() < b.name() : a.digest() < b.digest();
  });
  layouts.erase(std::unique(layouts.begin(), layouts.end()), layouts.end());
}

absl::StatusOr<const session::Session*> Broker::State::Caller(SessionId id) const {
  if (stopping) {
    return Error(v1::ERROR_REASON_NOT_READY, "", "", "",
                 "the daemon is stopping; connect again when it has started");
  }
  return sessions.Get(id);
}

bool Broker::State::IsAdmin(SessionId id) const {
  const session::Session* session = sessions.Find(id);
  return session != nullptr && TenantOf(session->peer).admin;
}

absl::StatusOr<const session::Session*> Broker::State::Admin(SessionId id) const {
  auto session = Caller(id);
  if (session.ok() && !TenantOf((*session)->peer).admin) {
    return Error(v1::ERROR_REASON_NOT_ALLOWED, "", fmt::format("uid {}", (*session)->peer.uid),
                 "admin",
                 "this is for administrators; run it as root or as a uid that policy "
                 "makes an admin");
  }
  return session;
}

absl::StatusOr<Sight> Broker::State::SightOf(SessionId id, bool all) const {
  auto session = Caller(id);
  if (!session.ok()) return session.status();
  Sight sight{.session = id, .uid = (*session)->peer.uid};
  if (all) sight.reach = IsAdmin(id) ? Sight::Reach::kAll : Sight::Reach::kUid;
  return sight;
}

absl::StatusOr<const DeviceRoom*> Broker::State::Room(std::string_view name) const {
  const auto found = rooms.find(name);
  if (found != rooms.end()) return &found->second;
  std::string names;
  for (const auto& [known, room] : rooms) names += (names.empty() ? "" : ", ") + known;
  const std::string shown(name.substr(0, 64));
  return Error(
      v1::ERROR_REASON_NOT_FOUND, "device", shown, names,
      fmt::format("there is no device '{}'; there are: {}", shown, names.empty() ? "none" : names));
}

absl::StatusOr<DeviceRoom*> Broker::State::Room(std::string_view name) {
  auto room = std::as_const(*this).Room(name);
  if (!room.ok()) return room.status();
  return const_cast<DeviceRoom*>(*room);  // of this, which is not const
}

absl::StatusOr<LeaseRecord*> Broker::State::Lease(SessionId caller, LeaseId id, bool admin) {
  const auto found = leases.find(id);
  if (found == leases.end() || found->second.state == v1::LEASE_STATE_RELEASED ||
      (!admin && found->second.session != caller)) {
    return Error(v1::ERROR_REASON_NOT_FOUND, "lease_id", fmt::format("{}", id), "",
                 admin ? fmt::format("there is no lease {}", id)
                       : fmt::format("lease {} is none of this session's", id));
  }
  return &found->second;
}

absl::Status Broker::State::CheckRuns(const LeaseRecord& lease) {
  if (lease.state == v1::LEASE_STATE_ACTIVE) return absl::OkStatus();
  return Error(v1::ERROR_REASON_REVOKED, "lease_id", fmt::format("{}", lease.id), "",
               fmt::format("lease {} was revoked; release it and acquire another", lease.id));
}

v1::Lease Broker::State::ToProto(const LeaseRecord& lease) const {
  v1::Lease to;
  to.set_lease_id(lease.id);
  to.set_session_id(lease.session);
  to.set_device(lease.room->name());
  for (uint32_t queue : lease.queues.rx_queues) to.add_rx_queues(queue);
  for (uint32_t queue : lease.queues.tx_queues) to.add_tx_queues(queue);
  *to.mutable_layout() = lease::ToProto(lease.queues.layout);
  const v1::Layout& layout = lease.queues.layout.message();
  for (size_t i = 0; i < lease.queues.features.size(); ++i) {
    to.add_features(NameOfChoice(layout.features(static_cast<int>(i)), lease.queues.features[i]));
  }
  to.set_protection(lease::ToProto(lease.queues.protection));
  to.set_in_rss(lease.queues.join_rss);
  to.set_uid(lease.peer.uid);
  to.set_pid(lease.peer.pid);
  to.set_program(lease.program);
  to.set_faults(hub->FaultsOf(lease.id));
  to.set_state(lease.state == v1::LEASE_STATE_ACTIVE && to.faults() > 0 ? v1::LEASE_STATE_FAULTED
                                                                        : lease.state);
  for (uint32_t location : lease.room->rules.LocationsOf(lease.id)) to.add_rules(location);
  for (const auto& region : lease.queues.regions) to.add_region_ids(region.region);
  const int64_t age = absl::ToInt64Nanoseconds(clock() - lease.acquired);
  if (lease.queues.limit.any()) *to.mutable_limit() = lease::ToProto(lease.queues.limit);
  to.set_age_ns(static_cast<uint64_t>(std::max<int64_t>(age, 0)));
  return to;
}

v1::Device Broker::State::ToProto(const DeviceRoom& room, const device::DeviceState& state) const {
  v1::Device to = lease::ToProto(room.device->info(), state);
  to.set_free_rx_queues(Free(room.RxTaken()));
  to.set_free_tx_queues(Free(room.TxTaken()));
  to.set_rules(static_cast<uint32_t>(room.rules.size()));
  return to;
}

Usage Broker::State::UsageOf(const std::string& tenant) const {
  Usage usage;
  for (const auto& [id, lease] : leases) {
    if (lease.tenant != tenant || !lease.held) continue;
    ++usage.leases;
    usage.rx_queues += static_cast<uint32_t>(lease.queues.rx_queues.size());
    usage.tx_queues += static_cast<uint32_t>(lease.queues.tx_queues.size());
  }
  return usage;
}

uint32_t Broker::State::RulesOf(const std::string& tenant) const {
  uint32_t rules = 0;
  for (const auto& [name, room] : rooms) rules += room.rules.CountOf(tenant);
  return rules;
}

void Broker::State::Publish(const DeviceRoom& room) {
  // The device's thread publishes as well; what is read here may be old when it arrives there.
  for (int tries = 0; tries < 4; ++tries) {
    const device::DeviceState state = room.device->State();
    hub->PublishDevice(ToProto(room, state));
    if (room.device->State() == state) return;
  }
}

absl::Status Broker::State::TearDown(LeaseRecord& lease) {
  if (!lease.held) return absl::OkStatus();
  DeviceRoom& room = *lease.room;
  for (uint32_t location : room.rules.LocationsOf(lease.id)) {
    absl::Status status = room.device->RemoveRule(location);
    if (!status.ok() && !absl::IsNotFound(status)) return status;
    room.rules.Remove(location);
  }
  if (absl::Status status = room.device->CloseQueues(lease.id); !status.ok()) return status;
  lease.held = false;
  room.Rebase(lease.queues, room.device->ReadCounters());
  for (auto* holders : {&room.rx_holder, &room.tx_holder}) {
    std::replace(holders->begin(), holders->end(), lease.id, LeaseId{0});
  }
  for (auto& region : lease.queues.regions) {
    regions.Unuse(region.region, lease.id);
    trash.push_back(std::move(region.memory));
  }
  lease.queues.regions.clear();
  return absl::OkStatus();
}

void Broker::State::Finish(LeaseId id) {
  const auto found = leases.find(id);
  const LeaseRecord& lease = found->second;
  hub->PublishLease(
      lease.state == v1::LEASE_STATE_REVOKED ? v1::LEASE_EVENT_REVOKED : v1::LEASE_EVENT_RELEASED,
      ToProto(lease));
  const DeviceRoom& room = *lease.room;
  if (lease.state == v1::LEASE_STATE_RELEASED) {
    hub->ForgetLease(id);
    leases.erase(found);
  }
  Publish(room);
}

absl::Status Broker::State::EndLease(LeaseId id, v1::LeaseState state, bool ask) {
  const auto found = leases.find(id);
  if (found == leases.end()) return absl::OkStatus();
  LeaseRecord& lease = found->second;
  lease.state = state;
  for (auto& fd : lease.descriptors) trash.push_back(std::move(fd));
  lease.descriptors.clear();
  if (!lease.held) {  // a revoked one, given back
    hub->ForgetLease(id);
    leases.erase(found);
    return absl::OkStatus();
  }
  hub->UpdateLease(ToProto(lease));
  absl::Status status = ask ? TearDown(lease) : absl::UnavailableError("busy");
  if (!status.ok()) {
    left = true;
    return Error(v1::ERROR_REASON_NOT_READY, "lease_id", fmt::format("{}", id), "",
                 fmt::format("the device has not let go of lease {} yet ({}); the daemon keeps "
                             "trying, and its queues stay taken until then",
                             id, std::string(status.message())));
  }
  Finish(id);
  return absl::OkStatus();
}

void Broker::State::EndSession(SessionId id) {
  if (sessions.Find(id) == nullptr) return;
  std::vector<LeaseId> ids;
  for (const auto& [lease_id, lease] : leases) {
    if (lease.session == id) ids.push_back(lease_id);
  }
  std::set<const DeviceRoom*> busy;
  for (LeaseId lease : ids) {  // Retry has the rest
    const DeviceRoom* room = leases.at(lease).room;
    if (absl::IsUnavailable(EndLease(lease, v1::LEASE_STATE_RELEASED, !busy.contains(room)))) {
      busy.insert(room);
    }
  }
  for (auto& memory : regions.RemoveAll(id)) trash.push_back(std::move(memory));
  for (linux_sys::OwnedFd& fd : sessions.Close(id)) {
    trash.push_back(std::make_shared<const linux_sys::OwnedFd>(std::move(fd)));
  }
  hub->EndReadersOf(id, sessions.Get(id).status());
}

bool Broker::State::Retry() {
  std::vector<LeaseId> waiting;
  for (const auto& [id, lease] : leases) {
    if (lease.held && lease.state != v1::LEASE_STATE_ACTIVE) waiting.push_back(id);
  }
  left = false;
  std::set<const DeviceRoom*> busy;
  for (LeaseId id : waiting) {
    LeaseRecord& lease = leases.at(id);
    if (!busy.contains(lease.room)) {
      const absl::Status status = TearDown(lease);
      if (status.ok()) {
        Finish(id);
        continue;
      }
      if (absl::IsUnavailable(status)) busy.insert(lease.room);
    }
    left = true;
  }
  return left;
}

}  // namespace qsplit::lease
