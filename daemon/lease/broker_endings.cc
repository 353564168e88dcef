// How leases and sessions end.
#include <fmt/format.h>

#include <set>
#include <utility>

#include "daemon/lease/broker_state.h"
#include "daemon/policy/error.h"

namespace qsplit::lease {
namespace {

using policy::Error;

absl::Status NotYet(LeaseId id, const absl::Status& why) {
  return Error(v1::ERROR_REASON_NOT_READY, "lease_id", fmt::format("{}", id), "",
               fmt::format("the device has not let go of lease {} yet ({}); the daemon keeps "
                           "trying, and its queues stay taken until then",
                           id, std::string(why.message())));
}

}  // namespace

void Broker::State::Tell(LeaseRecord& lease, const absl::Status& status) {
  for (auto& waiting : std::exchange(lease.waiting, {})) {
    answers.push_back([waiting = std::move(waiting), status] { waiting(status); });
  }
}

absl::Status Broker::State::EndLease(LeaseId id, v1::LeaseState state,
                                     std::function<void(absl::Status)> done, bool ask) {
  LeaseRecord& lease = leases.at(id);
  // Nobody has been told of a lease that is not open yet: nothing of it stays listed.
  lease.state = lease.told ? state : v1::LEASE_STATE_RELEASED;
  if (done) lease.waiting.push_back(std::move(done));
  for (auto& fd : lease.descriptors) trash.push_back(std::move(fd));
  lease.descriptors.clear();
  if (!lease.held) {  // a revoked one, given back
    Tell(lease, absl::OkStatus());
    hub->ForgetLease(id);
    leases.erase(id);
    return absl::OkStatus();
  }
  hub->UpdateLease(ToProto(lease));
  if (lease.in_job) return absl::OkStatus();
  absl::Status status = ask ? BeginClose(lease) : absl::UnavailableError("busy");
  if (!status.ok()) {
    left = true;
    Tell(lease, NotYet(id, status));
  }
  return status;
}

absl::Status Broker::State::BeginClose(LeaseRecord& lease) {
  DeviceRoom& room = *lease.room;
  for (uint32_t location : room.rules.LocationsOf(lease.id)) {
    absl::Status status = room.device->RemoveRule(location);
    if (!status.ok() && !absl::IsNotFound(status)) return status;
    room.rules.Remove(location);
  }
  lease.in_job = true;
  ++room.closings;
  room.jobs->Post([this, id = lease.id] { Close(id); });
  return absl::OkStatus();
}

void Broker::State::Close(LeaseId id) {
  std::shared_ptr<device::Device> device;
  {
    Locked lock(*this);
    const DeviceRoom& room = *leases.at(id).room;
    if (!room.busy) device = room.device;
  }
  const absl::Status status =
      device != nullptr ? device->CloseQueues(id) : absl::UnavailableError("busy");
  const device::DeviceCounters counters =
      status.ok() ? device->ReadCounters() : device::DeviceCounters();
  Locked lock(*this);
  LeaseRecord& lease = leases.at(id);
  DeviceRoom& room = *lease.room;
  lease.in_job = false;
  room.busy = --room.closings > 0 && (room.busy || absl::IsUnavailable(status));
  if (!status.ok()) {
    left = true;
    Tell(lease, NotYet(id, status));
    return;
  }
  if (lease.told) room.NoteFormer(lease.tenant, lease.queues);
  GiveBack(lease);
  room.Rebase(lease.queues, counters);
  Tell(lease, absl::OkStatus());
  Forget(id);
}

void Broker::State::GiveBack(LeaseRecord& lease) {
  lease.held = false;
  lease.room->GiveBack(lease.id);
  for (auto& region : lease.queues.regions) {
    regions.Unuse(region.region, lease.id);
    trash.push_back(std::move(region.memory));
  }
  lease.queues.regions.clear();
}

void Broker::State::Forget(LeaseId id) {
  const auto found = leases.find(id);
  const LeaseRecord& lease = found->second;
  if (lease.told) {
    hub->PublishLease(
        lease.state == v1::LEASE_STATE_REVOKED ? v1::LEASE_EVENT_REVOKED : v1::LEASE_EVENT_RELEASED,
        ToProto(lease));
  }
  const DeviceRoom& room = *lease.room;
  if (lease.state == v1::LEASE_STATE_RELEASED) {
    hub->ForgetLease(id);
    leases.erase(found);
  }
  Publish(room);
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
    if (absl::IsUnavailable(
            EndLease(lease, v1::LEASE_STATE_RELEASED, nullptr, !busy.contains(room)))) {
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
  left = false;
  bool held = false;
  std::set<const DeviceRoom*> busy;
  for (auto& [id, lease] : leases) {
    if (!lease.ended() || !lease.held) continue;
    held = true;
    if (lease.in_job) continue;
    if (!busy.contains(lease.room)) {
      const absl::Status status = BeginClose(lease);
      if (status.ok()) continue;
      if (absl::IsUnavailable(status)) busy.insert(lease.room);
    }
    left = true;
  }
  return held;
}

uint32_t Broker::State::RemoveOperatorRules(DeviceRoom& room) {
  uint32_t removed = 0;
  for (uint32_t location : room.rules.LocationsOf(0)) {
    const absl::Status status = room.device->RemoveRule(location);
    if (!status.ok() && !absl::IsNotFound(status)) continue;
    room.rules.Remove(location);
    ++removed;
  }
  return removed;
}

void Broker::State::RemoveOperatorRules() {
  for (auto& [name, room] : rooms) RemoveOperatorRules(room);
}

Broker::Lost Broker::VacateDevice(std::string_view name) {
  Lost lost;
  Locked state(*state_);
  const auto room = state->Room(name);
  if (!room.ok()) return lost;
  std::vector<LeaseId> ids;
  for (const auto& [id, lease] : state->leases) {
    if (lease.room == *room && lease.held && !lease.ended()) ids.push_back(id);
  }
  // Retry has those that the device does not let go of.
  for (const LeaseId id : ids) (void)state->EndLease(id, v1::LEASE_STATE_REVOKED, nullptr);
  lost.leases = static_cast<uint32_t>(ids.size());
  lost.rules = state->RemoveOperatorRules(**room);
  return lost;
}

void Broker::EndSession(SessionId session) {
  Locked state(*state_);
  state->EndSession(session);
}

void Broker::EndAll() {
  {
    Locked state(*state_);
    state->stopping = true;
    for (SessionId id : state->sessions.ids()) state->EndSession(id);
    state->RemoveOperatorRules();
  }
  for (int tries = 0; Settle() && tries < 3; ++tries) Maintain();
  Locked state(*state_);
  state->hub->EndAllReaders(Error(v1::ERROR_REASON_NOT_READY, "", "", "",
                                  "the daemon is stopping; watch again when it has started"));
}

bool Broker::Maintain() {
  Locked state(*state_);
  bool left = state->Retry();
  if (!state->stopping) return left;
  state->RemoveOperatorRules();
  for (const auto& [name, room] : state->rooms) left |= !room.rules.LocationsOf(0).empty();
  return left;
}

bool Broker::Settle() {
  // The rooms stay where they are.
  for (auto& [name, room] : state_->rooms) room.jobs->WaitIdle();
  Locked state(*state_);
  for (const auto& [id, lease] : state->leases) {
    if (lease.ended() && lease.held) return true;
  }
  return false;
}

}  // namespace qsplit::lease
