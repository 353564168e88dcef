// How leases begin.
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <set>
#include <utility>

#include "daemon/lease/broker_state.h"
#include "daemon/lease/convert.h"
#include "daemon/policy/error.h"

namespace qsplit::lease {
namespace {

using policy::Error;
using policy::InCall;

constexpr std::string_view kCall = "AcquireLease";
// Until a device is asked again for a queue that is not free yet.
constexpr std::chrono::milliseconds kOpenPause(5);

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

void Broker::AcquireLease(SessionId caller, const v1::AcquireLeaseRequest& request,
                          Answer<v1::AcquireLeaseResponse> done) {
  Locked state(*state_);
  state->Retry();
  auto session = state->Caller(caller);
  if (!session.ok()) return state->Answered(done, InCall(kCall, session.status()));
  auto room = state->Room(request.device());
  if (!room.ok()) return state->Answered(done, InCall(kCall, room.status()));
  // Behind those that give queues of this device back.
  (*room)->jobs->Post([all = state_.get(), caller, request, room = *room, done = std::move(done)] {
    all->Open(caller, request, *room, done);
  });
}

void Broker::State::Open(SessionId caller, const v1::AcquireLeaseRequest& request, DeviceRoom& room,
                         const Answer<v1::AcquireLeaseResponse>& done) {
  std::shared_ptr<device::Device> device;
  absl::StatusOr<LeasePlan> plan;
  {
    Locked lock(*this);
    plan = Book(caller, request, room);
    if (!plan.ok()) return Answered(done, InCall(kCall, plan.status()));
    device = room.device;
  }
  // Before they run: all that is counted from now on is this lease's.
  const device::DeviceCounters counters = device->ReadCounters();
  {
    Locked lock(*this);
    room.Rebase(plan->queues, counters);
  }
  Try(std::make_shared<const LeasePlan>(*std::move(plan)), room, 0, done);
}

void Broker::State::Try(std::shared_ptr<const LeasePlan> plan, DeviceRoom& room, uint32_t waited_ms,
                        const Answer<v1::AcquireLeaseResponse>& done) {
  const LeaseId id = plan->queues.lease;
  std::shared_ptr<device::Device> device;
  {
    Locked lock(*this);
    // Not for a lease that has ended while it waited.
    if (leases.at(id).state == v1::LEASE_STATE_OPENING) device = room.device;
  }
  absl::StatusOr<device::Grant> grant = absl::UnavailableError("it has ended");
  const absl::Time begin = clock();
  if (device != nullptr) grant = device->OpenQueues(plan->queues);
  waited_ms += static_cast<uint32_t>((clock() - begin) / absl::Milliseconds(1));
  absl::Status wrong;
  {
    Locked lock(*this);
    LeaseRecord& lease = leases.at(id);
    if (absl::IsUnavailable(grant.status()) && lease.state == v1::LEASE_STATE_OPENING &&
        waited_ms < device->info().open_patience_ms) {
      // Whoever holds on to a queue holds up nobody but those who want it.
      room.jobs->PostAfter(kOpenPause, [this, plan, &room, waited_ms, done] {
        Try(plan, room, waited_ms + static_cast<uint32_t>(kOpenPause.count()), done);
      });
      return;
    }
    auto response = Opened(lease, *plan, std::move(grant));
    if (response.ok()) return Answered(done, std::move(response));
    wrong = InCall(kCall, response.status());
    if (!lease.held) {
      Forget(id);
      return Answered(done, wrong);
    }
    ++room.closings;
  }
  // At once, before whatever waits for this device.
  Close(id);
  done(wrong);
}

absl::StatusOr<LeasePlan> Broker::State::Book(SessionId caller,
                                              const v1::AcquireLeaseRequest& request,
                                              DeviceRoom& room) {
  auto session = Caller(caller);
  if (!session.ok()) return session.status();
  auto named = FindRegions(regions, caller, request);
  if (!named.ok()) return named.status();
  const session::Peer& peer = (*session)->peer;
  const std::string tenant = KeyOf(peer);
  auto plan = PlanLease(request, {.device = room.device->info(),
                                  .trouble = room.device->State().trouble,
                                  .offers = room.offers,
                                  .tenant = TenantOf(peer),
                                  .usage = UsageOf(tenant),
                                  .leased = room.Leased(),
                                  .rx_taken = room.RxTaken(),
                                  .tx_taken = room.TxTaken(),
                                  .regions = *named});
  if (!plan.ok()) return plan;
  const LeaseId id = next_lease++;
  plan->queues.lease = id;
  plan->queues.holder_pid = peer.pid;
  room.Take(plan->queues);
  for (const auto& region : plan->queues.regions) regions.Use(region.region, id);
  leases.emplace(id, LeaseRecord{.id = id,
                                 .session = caller,
                                 .peer = peer,
                                 .program = (*session)->program,
                                 .tenant = tenant,
                                 .room = &room,
                                 .queues = plan->queues,
                                 .source_trouble = plan->source_trouble,
                                 .acquired = clock()});
  Publish(room);
  return plan;
}

absl::StatusOr<v1::AcquireLeaseResponse> Broker::State::Opened(
    LeaseRecord& lease, const LeasePlan& plan, absl::StatusOr<device::Grant> grant) {
  absl::Status wrong;
  if (!grant.ok()) {
    wrong = policy::FromDevice(grant.status());
  } else if (lease.state == v1::LEASE_STATE_OPENING) {
    wrong = CheckGrant(*grant, lease.queues);
  }
  if (lease.state != v1::LEASE_STATE_OPENING) {
    // It has ended meanwhile: with its session or the daemon, or by itself.
    const auto session = Caller(lease.session);
    wrong = session.ok() ? Error(v1::ERROR_REASON_REVOKED, "", fmt::format("{}", lease.id), "",
                                 fmt::format("lease {} was taken back while it was set up; acquire "
                                             "another",
                                             lease.id))
                         : session.status();
  }
  if (!wrong.ok()) {
    lease.state = v1::LEASE_STATE_RELEASED;
    if (grant.ok()) return wrong;  // the device has it still
    lease.in_job = false;
    GiveBack(lease);
    Tell(lease, absl::OkStatus());
    return wrong;
  }
  lease.in_job = false;
  lease.told = true;
  lease.state = v1::LEASE_STATE_ACTIVE;
  for (auto& fd : grant->fds) lease.descriptors.push_back(fd.fd);
  v1::AcquireLeaseResponse response;
  *response.mutable_lease() = ToProto(lease);
  *response.mutable_grant() = lease::ToProto(*grant, lease.queues);
  for (const std::string& role : plan.roles_in_software) response.add_roles_in_software(role);
  response.set_mtu_bytes(lease.room->device->State().mtu_bytes);
  hub->PublishLease(v1::LEASE_EVENT_ACQUIRED, response.lease());
  Publish(*lease.room);
  return response;
}

}  // namespace qsplit::lease
