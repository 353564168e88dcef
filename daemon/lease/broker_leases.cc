// The broker's calls about regions and leases.
#include <fmt/format.h>

#include <set>
#include <utility>

#include "daemon/lease/broker.h"
#include "daemon/lease/broker_state.h"
#include "daemon/lease/convert.h"
#include "daemon/policy/error.h"

namespace qsplit::lease {
namespace {

using policy::Error;
using policy::InCall;

// The regions that a request names, checked to be this session's.
absl::StatusOr<std::vector<const region::Region*>> FindRegions(
    const region::RegionTable& table, SessionId session, const v1::AcquireLeaseRequest& request) {
  if (request.region_ids().empty() || request.region_ids_size() > kMaxRegionsOfLease) {
    return Error(v1::ERROR_REASON_OUT_OF_RANGE, "region_ids",
                 fmt::format("{}", request.region_ids_size()),
                 fmt::format("1..{}", kMaxRegionsOfLease),
                 fmt::format("{} regions are named; name 1 to {}", request.region_ids_size(),
                             kMaxRegionsOfLease));
  }
  std::set<region::RegionId> seen;
  std::vector<const region::Region*> regions;
  for (region::RegionId id : request.region_ids()) {
    if (!seen.insert(id).second) {
      return Error(v1::ERROR_REASON_MALFORMED, "region_ids", fmt::format("{}", id), "each once",
                   fmt::format("region {} is named twice; name it once", id));
    }
    auto region = table.Get(session, id, "region_ids");
    if (!region.ok()) return region.status();
    regions.push_back(*region);
  }
  return regions;
}

}  // namespace

absl::StatusOr<v1::RegisterRegionResponse> Broker::RegisterRegion(
    SessionId caller, const v1::RegisterRegionRequest& request,
    const region::OfferedMemory& memory) {
  constexpr std::string_view kCall = "RegisterRegion";
  Locked state(*state_);
  auto session = state->Caller(caller);
  if (!session.ok()) return InCall(kCall, session.status());
  const session::Peer& peer = (*session)->peer;
  const policy::Quota& quota = state->TenantOf(peer).quota;
  auto region = state->regions.Register(
      caller, peer.uid, state->KeyOf(peer), memory,
      {request.offset_bytes(), request.length_bytes(), request.read_only(), request.name()},
      {quota.max_regions, quota.max_region_bytes});
  if (!region.ok()) return InCall(kCall, region.status());
  v1::RegisterRegionResponse response;
  *response.mutable_region() = ToProto(**region);
  return response;
}

absl::StatusOr<v1::UnregisterRegionResponse> Broker::UnregisterRegion(
    SessionId caller, const v1::UnregisterRegionRequest& request) {
  constexpr std::string_view kCall = "UnregisterRegion";
  Locked state(*state_);
  auto session = state->Caller(caller);
  if (!session.ok()) return InCall(kCall, session.status());
  auto memory = state->regions.Unregister(caller, request.region_id());
  if (!memory.ok()) return InCall(kCall, memory.status());
  state->trash.push_back(*std::move(memory));
  return v1::UnregisterRegionResponse();
}

absl::StatusOr<v1::ListRegionsResponse> Broker::ListRegions(
    SessionId caller, const v1::ListRegionsRequest& request) const {
  Locked state(*state_);
  auto sight = state->SightOf(caller, request.all());
  if (!sight.ok()) return InCall("ListRegions", sight.status());
  v1::ListRegionsResponse response;
  for (const region::Region* region : state->regions.List()) {
    if (sight->Sees(region->session, region->uid)) *response.add_regions() = ToProto(*region);
  }
  return response;
}

absl::StatusOr<v1::AcquireLeaseResponse> Broker::AcquireLease(
    SessionId caller, const v1::AcquireLeaseRequest& request) {
  constexpr std::string_view kCall = "AcquireLease";
  Locked state(*state_);
  state->Retry();
  auto session = state->Caller(caller);
  if (!session.ok()) return InCall(kCall, session.status());
  auto found = state->Room(request.device());
  if (!found.ok()) return InCall(kCall, found.status());
  DeviceRoom& room = **found;
  auto regions = FindRegions(state->regions, caller, request);
  if (!regions.ok()) return InCall(kCall, regions.status());

  const session::Peer peer = (*session)->peer;
  const std::string tenant = state->KeyOf(peer);
  auto plan = PlanLease(request, {.device = room.device->info(),
                                  .tenant = state->TenantOf(peer),
                                  .usage = state->UsageOf(tenant),
                                  .rx_taken = room.RxTaken(),
                                  .tx_taken = room.TxTaken(),
                                  .regions = *regions});
  if (!plan.ok()) return InCall(kCall, plan.status());
  const LeaseId id = state->next_lease++;
  plan->queues.lease = id;

  // Before they run: all that is counted from now on is this lease's.
  const device::DeviceCounters counters = room.device->ReadCounters();
  auto grant = room.device->OpenQueues(plan->queues);
  if (!grant.ok()) return InCall(kCall, policy::FromDevice(grant.status()));

  LeaseRecord record{.id = id,
                     .session = caller,
                     .peer = peer,
                     .program = (*session)->program,
                     .tenant = tenant,
                     .room = &room,
                     .queues = std::move(plan->queues),
                     .acquired = state->clock()};
  for (auto& fd : grant->fds) record.descriptors.push_back(fd.fd);
  room.Rebase(record.queues, counters);
  for (uint32_t queue : record.queues.rx_queues) room.rx_holder[queue] = id;
  for (uint32_t queue : record.queues.tx_queues) room.tx_holder[queue] = id;
  for (const auto& region : record.queues.regions) state->regions.Use(region.region, id);
  const LeaseRecord& lease = state->leases.emplace(id, std::move(record)).first->second;

  if (absl::Status status = CheckGrant(*grant, lease.queues); !status.ok()) {
    (void)state->EndLease(id, v1::LEASE_STATE_RELEASED);  // Retry has the rest
    return InCall(kCall, status);
  }
  v1::AcquireLeaseResponse response;
  *response.mutable_lease() = state->ToProto(lease);
  *response.mutable_grant() = ToProto(*grant, lease.queues);
  for (const std::string& role : plan->roles_in_software) response.add_roles_in_software(role);
  state->hub->PublishLease(v1::LEASE_EVENT_ACQUIRED, response.lease());
  state->Publish(room);
  return response;
}

absl::StatusOr<v1::GetLeaseResponse> Broker::GetLease(SessionId caller,
                                                      const v1::GetLeaseRequest& request) const {
  Locked state(*state_);
  auto session = state->Caller(caller);
  if (!session.ok()) return InCall("GetLease", session.status());
  auto lease = state->Lease(caller, request.lease_id(), state->IsAdmin(caller));
  if (!lease.ok()) return InCall("GetLease", lease.status());
  v1::GetLeaseResponse response;
  *response.mutable_lease() = state->ToProto(**lease);
  return response;
}

absl::StatusOr<v1::ListLeasesResponse> Broker::ListLeases(
    SessionId caller, const v1::ListLeasesRequest& request) const {
  Locked state(*state_);
  auto sight = state->SightOf(caller, request.all());
  if (!sight.ok()) return InCall("ListLeases", sight.status());
  v1::ListLeasesResponse response;
  for (const auto& [id, lease] : state->leases) {
    // Released, but the device has not let go yet: an administrator's matter.
    const bool lingers = lease.state == v1::LEASE_STATE_RELEASED;
    if (lingers && sight->reach != Sight::Reach::kAll) continue;
    if (sight->Sees(lease.session, lease.peer.uid)) *response.add_leases() = state->ToProto(lease);
  }
  return response;
}

absl::StatusOr<v1::ReleaseLeaseResponse> Broker::ReleaseLease(
    SessionId caller, const v1::ReleaseLeaseRequest& request) {
  constexpr std::string_view kCall = "ReleaseLease";
  Locked state(*state_);
  state->Retry();
  auto session = state->Caller(caller);
  if (!session.ok()) return InCall(kCall, session.status());
  auto lease = state->Lease(caller, request.lease_id(), false);
  if (!lease.ok()) return InCall(kCall, lease.status());
  if (absl::Status status = state->EndLease(request.lease_id(), v1::LEASE_STATE_RELEASED);
      !status.ok()) {
    return InCall(kCall, status);
  }
  return v1::ReleaseLeaseResponse();
}

absl::StatusOr<v1::RevokeLeaseResponse> Broker::RevokeLease(SessionId caller,
                                                            const v1::RevokeLeaseRequest& request) {
  constexpr std::string_view kCall = "RevokeLease";
  Locked state(*state_);
  state->Retry();
  auto session = state->Admin(caller);
  if (!session.ok()) return InCall(kCall, session.status());
  auto lease = state->Lease(caller, request.lease_id(), true);
  if (!lease.ok()) return InCall(kCall, lease.status());
  // Again: nothing to do.
  if (!(*lease)->held) return v1::RevokeLeaseResponse();
  if (absl::Status status = state->EndLease(request.lease_id(), v1::LEASE_STATE_REVOKED);
      !status.ok()) {
    return InCall(kCall, status);
  }
  return v1::RevokeLeaseResponse();
}

absl::StatusOr<std::shared_ptr<LeaseSubscription>> Broker::WatchLeases(
    SessionId caller, const v1::WatchLeasesRequest& request, LeaseSubscription::OnReady on_ready) {
  constexpr std::string_view kCall = "WatchLeases";
  Locked state(*state_);
  auto sight = state->SightOf(caller, request.all());
  if (!sight.ok()) return InCall(kCall, sight.status());
  EventHub::LeaseFilter filter{*sight, request.lease_id()};
  if (request.lease_id() != 0) {
    auto lease = state->Lease(caller, request.lease_id(), state->IsAdmin(caller));
    if (!lease.ok()) return InCall(kCall, lease.status());
    // Somebody else's, so the caller is an administrator.
    if ((*lease)->session != caller) filter.sight.reach = Sight::Reach::kAll;
  }
  return state->hub->WatchLeases(filter, std::move(on_ready));
}

}  // namespace qsplit::lease
