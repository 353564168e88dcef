// The broker's calls about regions and leases.
#include <fmt/format.h>

#include <future>
#include <memory>
#include <utility>

#include "daemon/lease/broker.h"
#include "daemon/lease/broker_state.h"
#include "daemon/lease/convert.h"
#include "daemon/policy/error.h"

namespace qsplit::lease {
namespace {

using policy::InCall;

// Waits for the answer of a method that has one.
template <typename Response, typename Begin>
absl::StatusOr<Response> Await(Begin begin) {
  // Shared: who gives the answer is not through with it when we have it.
  const auto answer = std::make_shared<std::promise<absl::StatusOr<Response>>>();
  begin([answer](absl::StatusOr<Response> response) { answer->set_value(std::move(response)); });
  return answer->get_future().get();
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

void Broker::ReleaseLease(SessionId caller, const v1::ReleaseLeaseRequest& request,
                          Answer<v1::ReleaseLeaseResponse> done) {
  constexpr std::string_view kCall = "ReleaseLease";
  Locked state(*state_);
  state->Retry();
  auto session = state->Caller(caller);
  if (!session.ok()) return state->Answered(done, InCall(kCall, session.status()));
  auto lease = state->Lease(caller, request.lease_id(), false);
  if (!lease.ok()) return state->Answered(done, InCall(kCall, lease.status()));
  (void)state->EndLease(request.lease_id(), v1::LEASE_STATE_RELEASED,
                        [done = std::move(done)](const absl::Status& status) {
                          if (!status.ok()) return done(InCall(kCall, status));
                          done(v1::ReleaseLeaseResponse());
                        });
}

void Broker::RevokeLease(SessionId caller, const v1::RevokeLeaseRequest& request,
                         Answer<v1::RevokeLeaseResponse> done) {
  constexpr std::string_view kCall = "RevokeLease";
  Locked state(*state_);
  state->Retry();
  auto session = state->Admin(caller);
  if (!session.ok()) return state->Answered(done, InCall(kCall, session.status()));
  auto lease = state->Lease(caller, request.lease_id(), true);
  if (!lease.ok()) return state->Answered(done, InCall(kCall, lease.status()));
  // Again: nothing to do.
  if (!(*lease)->held) return state->Answered(done, v1::RevokeLeaseResponse());
  (void)state->EndLease(request.lease_id(), v1::LEASE_STATE_REVOKED,
                        [done = std::move(done)](const absl::Status& status) {
                          if (!status.ok()) return done(InCall(kCall, status));
                          done(v1::RevokeLeaseResponse());
                        });
}

absl::StatusOr<v1::AcquireLeaseResponse> Broker::AcquireLease(
    SessionId caller, const v1::AcquireLeaseRequest& request) {
  return Await<v1::AcquireLeaseResponse>(
      [&](auto done) { AcquireLease(caller, request, std::move(done)); });
}

absl::StatusOr<v1::ReleaseLeaseResponse> Broker::ReleaseLease(
    SessionId caller, const v1::ReleaseLeaseRequest& request) {
  return Await<v1::ReleaseLeaseResponse>(
      [&](auto done) { ReleaseLease(caller, request, std::move(done)); });
}

absl::StatusOr<v1::RevokeLeaseResponse> Broker::RevokeLease(SessionId caller,
                                                            const v1::RevokeLeaseRequest& request) {
  return Await<v1::RevokeLeaseResponse>(
      [&](auto done) { RevokeLease(caller, request, std::move(done)); });
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
