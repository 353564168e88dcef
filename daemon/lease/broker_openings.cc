// How leases begin.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "daemon/device/held_queue.h"
#include "daemon/lease/broker_state.h"
#include "daemon/lease/convert.h"
#include "daemon/policy/error.h"

namespace qsplit::lease {
namespace {

using policy::Error;
using policy::InCall;

constexpr std::string_view kCall = "AcquireLease";
// Until a device is asked again for a queue that is not free yet: each time pins the lease's
// memory.
constexpr std::chrono::milliseconds kFirstOpenPause(5);
constexpr std::chrono::milliseconds kLongestOpenPause(20);
// For which a queue that could not be had is a lease's last choice.
constexpr absl::Duration kAvoid = absl::Seconds(5);

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

// One call, until it is answered.
struct Broker::State::Opening {
  SessionId caller = 0;
  v1::AcquireLeaseRequest request;
  DeviceRoom& room;
  Answer<v1::AcquireLeaseResponse> done;
  absl::Time begin;
  // What is booked now, and the device that its memory was pinned for.
  std::optional<LeasePlan> plan = {};
  std::shared_ptr<device::Device> device = nullptr;
  absl::Status pinned = {};
  std::chrono::milliseconds pause = kFirstOpenPause;
  uint32_t waited_ms = 0;
  uint32_t patience_ms = 0;
  uint32_t kept_ms = 0;  // waited for descriptors that the tenant may be about to close
};

void Broker::AcquireLease(SessionId caller, const v1::AcquireLeaseRequest& request,
                          Answer<v1::AcquireLeaseResponse> done) {
  Locked state(*state_);
  state->Retry();
  auto session = state->Caller(caller);
  if (!session.ok()) return state->Answered(done, InCall(kCall, session.status()));
  auto room = state->Room(request.device());
  if (!room.ok()) return state->Answered(done, InCall(kCall, room.status()));
  // Behind those that give queues of this device back.
  const auto opening = std::make_shared<State::Opening>(State::Opening{.caller = caller,
                                                                       .request = request,
                                                                       .room = **room,
                                                                       .done = std::move(done),
                                                                       .begin = state->clock()});
  (*room)->jobs->Post([all = state_.get(), opening] { all->Open(opening); });
}

void Broker::State::Open(const std::shared_ptr<Opening>& opening) {
  DeviceRoom& room = opening->room;
  std::shared_ptr<device::Device> device;
  {
    Locked lock(*this);
    absl::StatusOr<LeasePlan> plan = Book(opening->caller, opening->request, room);
    if (!plan.ok() && MayLetGo(*opening, plan.status())) {
      opening->kept_ms += static_cast<uint32_t>(kLongestOpenPause.count());
      room.jobs->PostAfter(kLongestOpenPause, [this, opening] { Open(opening); });
      return;
    }
    if (!plan.ok()) return Answered(opening->done, InCall(kCall, plan.status()));
    opening->plan = *std::move(plan);
    device = room.device;
    opening->device = device;
    opening->pinned = absl::OkStatus();
    opening->pause = kFirstOpenPause;
    opening->waited_ms = 0;
    opening->patience_ms = device->info().open_patience_ms;
    // What could not be had a moment ago is asked for once.
    const std::vector<bool> avoided = room.Avoided(clock());
    const device::QueueRequest& queues = opening->plan->queues;
    for (const auto* numbers : {&queues.rx_queues, &queues.tx_queues}) {
      for (uint32_t queue : *numbers) {
        if (avoided[queue]) opening->patience_ms = 0;
      }
    }
  }
  // Before they run: all that is counted from now on is this lease's.
  const device::DeviceCounters counters = device->ReadCounters();
  std::string tenant;
  {
    Locked lock(*this);
    room.Rebase(opening->plan->queues, counters);
    tenant = leases.at(opening->plan->queues.lease).tenant;
  }
  if (!device->info().pins_ahead) return Try(opening);
  // Where only the tenant's own wait for it.
  room.jobs->PostAside(tenant, [this, opening] { Pin(opening); });
}

void Broker::State::Pin(const std::shared_ptr<Opening>& opening) {
  device::QueueRequest& queues = opening->plan->queues;
  bool opens = false;
  {
    Locked lock(*this);
    opens = leases.at(queues.lease).state == v1::LEASE_STATE_OPENING;
  }
  if (opens) {
    absl::StatusOr<std::shared_ptr<device::PinnedMemory>> pinned =
        opening->device->PinMemory(queues);
    opening->pinned = pinned.status();
    if (pinned.ok()) queues.pinned = *std::move(pinned);
  }
  opening->room.jobs->Post([this, opening] { Try(opening); });
}

bool Broker::State::MayLetGo(const Opening& opening, const absl::Status& refusal) const {
  const auto detail = policy::DetailOf(refusal);
  if (!detail || detail->reason() != v1::ERROR_REASON_QUOTA ||
      opening.kept_ms >= opening.room.device->info().open_patience_ms) {
    return false;
  }
  const auto session = Caller(opening.caller);
  return session.ok() && UsageOf(KeyOf((*session)->peer)).keeps();
}

bool Broker::State::Elsewhere(const Opening& opening) const {
  const v1::AcquireLeaseRequest& request = opening.request;
  const device::QueueRequest& queues = opening.plan->queues;
  return clock() - opening.begin < kAvoid && !request.has_first_rx_queue() &&
         !request.has_first_tx_queue() && queues.rx_queues.size() <= opening.room.FreeRx(clock()) &&
         queues.tx_queues.size() <= opening.room.FreeTx(clock());
}

void Broker::State::Try(const std::shared_ptr<Opening>& opening) {
  const LeasePlan& plan = *opening->plan;
  const LeaseId id = plan.queues.lease;
  DeviceRoom& room = opening->room;
  std::shared_ptr<device::Device> device;
  {
    Locked lock(*this);
    // Not for a lease that has ended while it waited.
    const bool opens = leases.at(id).state == v1::LEASE_STATE_OPENING;
    if (opens && room.device == opening->device) device = room.device;
  }
  absl::StatusOr<device::Grant> grant = absl::UnavailableError("it has ended");
  const absl::Time begin = clock();
  if (device != nullptr && !opening->pinned.ok()) grant = opening->pinned;
  if (device != nullptr && opening->pinned.ok()) grant = device->OpenQueues(plan.queues);
  opening->waited_ms += static_cast<uint32_t>((clock() - begin) / absl::Milliseconds(1));
  absl::Status wrong;
  bool elsewhere = false;
  {
    Locked lock(*this);
    LeaseRecord& lease = leases.at(id);
    const bool opens = lease.state == v1::LEASE_STATE_OPENING;
    const std::optional<uint32_t> held = device::HeldQueueOf(grant.status());
    if ((absl::IsUnavailable(grant.status()) || held) && opens &&
        opening->waited_ms < opening->patience_ms) {
      // Whoever holds on to a queue holds up nobody but those who want it.
      const std::chrono::milliseconds pause = opening->pause;
      opening->waited_ms += static_cast<uint32_t>(pause.count());
      opening->pause = std::min(2 * pause, kLongestOpenPause);
      room.jobs->PostAfter(pause, [this, opening] { Try(opening); });
      return;
    }
    if (held) room.Avoid(*held, clock() + kAvoid);
    auto response = Opened(lease, plan, std::move(grant));
    if (response.ok()) return Answered(opening->done, std::move(response));
    wrong = InCall(kCall, response.status());
    if (!lease.held) {
      Forget(id);
      elsewhere = held && opens && Elsewhere(*opening);
      if (!elsewhere) return Answered(opening->done, wrong);
    } else {
      ++room.closings;
    }
  }
  if (elsewhere) {
    // Behind what waits for the device.
    return room.jobs->Post([this, opening] { Open(opening); });
  }
  // At once, before whatever waits for this device.
  Close(id);
  opening->done(wrong);
}

std::vector<uint32_t> Broker::State::LeasedByThread(const DeviceRoom& room) const {
  std::vector<uint32_t> leased;
  const device::DeviceInfo& info = room.device->info();
  if (info.queue_threads.empty()) return leased;
  for (const auto& [name, other] : rooms) {
    const device::DeviceInfo& of_other = other.device->info();
    const bool shares = of_other.backend == info.backend && of_other.worker == info.worker;
    if (&other == &room || (!info.worker.empty() && shares)) other.CountByThread(&leased);
  }
  return leased;
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
                                  .last_choice = room.Avoided(clock()),
                                  .leased_by_thread = LeasedByThread(room),
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
    const std::optional<uint32_t> held = device::HeldQueueOf(grant.status());
    if (held && absl::IsResourceExhausted(wrong)) {
      wrong = Error(v1::ERROR_REASON_NO_FREE_QUEUE, "", fmt::format("{}", *held), "",
                    std::string(wrong.message()));
    }
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
  for (uint32_t queue : lease.queues.rx_queues) lease.room->avoided_until.erase(queue);
  for (uint32_t queue : lease.queues.tx_queues) lease.room->avoided_until.erase(queue);
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
