#include "daemon/lease/broker_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "daemon/lease/convert.h"
#include "daemon/lease/feature_choice.h"
#include "daemon/policy/error.h"

namespace qsplit::lease {
namespace {

using policy::Error;

}  // namespace

Broker::State::State(BrokerOptions options)
    : clock(std::move(options.clock)),
      is_stopped(std::move(options.is_stopped)),
      policy(options.policy ? std::move(options.policy) : policy::Policy::RootOnly()),
      sessions(clock, std::move(options.random), options.max_sessions),
      layouts(std::move(options.layouts)),
      on_left(std::move(options.on_left)),
      dispose(std::move(options.dispose)) {
  for (auto& device : options.devices) rooms.emplace(device->info().name, device);
  for (const auto& [name, room] : rooms) Serve(room.device->info().layouts);
}

void Broker::State::Serve(const std::vector<layout::VerifiedLayout>& more) {
  layouts.insert(layouts.end(), more.begin(), more.end());
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
  if (lease.state == v1::LEASE_STATE_OPENING) {
    return Error(
        v1::ERROR_REASON_NOT_READY, "lease_id", fmt::format("{}", lease.id), "",
        fmt::format("lease {} is being set up; wait until AcquireLease returns", lease.id));
  }
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
  if (lease.queues.source.any()) to.set_source_check(v1::SOURCE_CHECK_ENFORCED);
  if (!lease.source_trouble.empty()) {
    to.set_source_check(v1::SOURCE_CHECK_NOT_ENFORCED);
    to.set_source_check_reason(lease.source_trouble);
  }
  to.set_age_ns(static_cast<uint64_t>(std::max<int64_t>(age, 0)));
  return to;
}

v1::Device Broker::State::ToProto(const DeviceRoom& room, const device::DeviceState& state) const {
  v1::Device to = lease::ToProto(room.device->info(), state);
  to.set_free_rx_queues(room.FreeRx(clock()));
  to.set_free_tx_queues(room.FreeTx(clock()));
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
    if (lease.room->device->info().pins_memory) usage.pinned_bytes += RegionBytes(lease.queues);
  }
  std::set<LeaseId> kept;
  for (const auto& [name, room] : rooms) {
    for (const auto& [queue, former] : room.former) {
      if (former.tenant != tenant || !room.device->Kept(queue)) continue;
      usage.kept_rx_queues += former.rx;
      usage.kept_tx_queues += former.tx;
      // Any of a lease's descriptors keeps all of its memory.
      if (kept.insert(former.lease).second) usage.pinned_bytes += former.pinned_bytes;
    }
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

void Broker::State::Listen(DeviceRoom& room) {
  // The hub outlives the broker where a device's thread still speaks to it.
  device::DeviceEvents events;
  events.fault = [hub = hub, device = room.name()](const device::Fault& fault) {
    hub->PublishFault(device, fault);
    hub->Flush();
  };
  events.state = [hub = hub, device = room.name()](const device::DeviceState& now) {
    hub->PublishState(device, now);
    hub->Flush();
  };
  room.device->SetEvents(std::move(events));
  Publish(room);
}

}  // namespace qsplit::lease
