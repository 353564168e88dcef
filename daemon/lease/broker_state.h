// The broker's state and the steps that several calls share. Private to daemon/lease.
//
// All of it is guarded by `mutex`, but for the hub and the rooms' threads, which have locks of
// their own. A lease's life:
//
//   Acquire ──► OPENING ──► ACTIVE ──fault──► FAULTED
//                  │          │                  │
//                  │          ├── RevokeLease ───┴──► REVOKED    listed until released or the
//                  │          │                                  session ends
//                  └──────────┴── Release, end ─────► RELEASED   leaves the table
//
// Whatever ends a lease, its rules go at once, with the lock held; then its room's thread closes
// its queues, without it. A lease that ends while that thread opens it is closed as soon as it is
// open. A device that refuses leaves the lease `held`: its queues stay taken and its memory alive
// until a later try.
#ifndef QSPLIT_DAEMON_LEASE_BROKER_STATE_H_
#define QSPLIT_DAEMON_LEASE_BROKER_STATE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "daemon/lease/broker.h"
#include "daemon/lease/device_room.h"
#include "daemon/lease/lease_plan.h"
#include "daemon/lease/sight.h"

namespace qsplit::lease {

struct LeaseRecord {
  LeaseId id = 0;
  SessionId session = 0;
  session::Peer peer;
  std::string program;
  std::string tenant;
  DeviceRoom* room = nullptr;
  device::QueueRequest queues;
  std::string source_trouble;  // LeasePlan's
  absl::Time acquired;
  v1::LeaseState state = v1::LEASE_STATE_OPENING;  // never FAULTED: the hub counts faults
  bool held = true;                                // the device may still have its queues
  bool in_job = true;                              // the room's thread opens it or will close it
  bool told = false;                               // readers have heard of it
  bool fetched = false;                            // the grant's descriptors are gone to the client
  std::vector<std::shared_ptr<const linux_sys::OwnedFd>> descriptors;
  // Told once when the device has let go, or has refused to.
  std::vector<std::function<void(absl::Status)>> waiting;

  bool ended() const {
    return state == v1::LEASE_STATE_REVOKED || state == v1::LEASE_STATE_RELEASED;
  }
};

struct Broker::State {
  explicit State(BrokerOptions options);

  // The session of a caller. UNAUTHENTICATED, or UNAVAILABLE while stopping.
  absl::StatusOr<const session::Session*> Caller(SessionId id) const;
  const policy::Tenant& TenantOf(const session::Peer& peer) const {
    return policy->Find(peer.uid, peer.gid);
  }
  std::string KeyOf(const session::Peer& peer) const { return policy->KeyOf(peer.uid, peer.gid); }
  // The caller's session when policy makes it an admin, else PERMISSION_DENIED.
  absl::StatusOr<const session::Session*> Admin(SessionId id) const;
  bool IsAdmin(SessionId id) const;
  // What the caller may see, when its request says `all` or does not. Errors as Caller.
  absl::StatusOr<Sight> SightOf(SessionId id, bool all) const;

  // Layouts that ListLayouts and GetLayout know as well.
  void Serve(const std::vector<layout::VerifiedLayout>& more);

  absl::StatusOr<DeviceRoom*> Room(std::string_view name);
  absl::StatusOr<const DeviceRoom*> Room(std::string_view name) const;
  // A lease that the caller may touch: its own, with `admin` anybody's. NOT_FOUND.
  absl::StatusOr<LeaseRecord*> Lease(SessionId caller, LeaseId id, bool admin);
  // ABORTED (REVOKED) unless its queues run.
  static absl::Status CheckRuns(const LeaseRecord& lease);

  v1::Lease ToProto(const LeaseRecord& lease) const;
  v1::Device ToProto(const DeviceRoom& room, const device::DeviceState& state) const;
  v1::Device ToProto(const DeviceRoom& room) const { return ToProto(room, room.device->State()); }
  Usage UsageOf(const std::string& tenant) const;
  uint32_t RulesOf(const std::string& tenant) const;

  // Tells readers how the device is now.
  void Publish(const DeviceRoom& room);
  // The device's own events come to the hub from now on.
  void Listen(DeviceRoom& room);

  // --- For AcquireLease. Open and Try run on the room's thread; Book plans the lease and puts it
  // down as OPENING; Try asks the device, now and again where a queue is not free yet, between
  // others' jobs; Opened makes it ACTIVE, or says why it is not. A queue that somebody holds on to
  // is avoided for a while, and the lease is planned anew with others if there are enough.
  struct Opening;
  void Open(const std::shared_ptr<Opening>& opening);
  // Where the device pins memory ahead: between Open and Try, aside, so that nobody waits for what
  // another tenant has to be pinned.
  void Pin(const std::shared_ptr<Opening>& opening);
  void Try(const std::shared_ptr<Opening>& opening);
  // QueueThreads::leased, of all devices that share the threads of this one.
  std::vector<uint32_t> LeasedByThread(const DeviceRoom& room) const;
  absl::StatusOr<LeasePlan> Book(SessionId caller, const v1::AcquireLeaseRequest& request,
                                 DeviceRoom& room);
  // What refuses a plan may be over in a moment: the tenant keeps descriptors of leases that are
  // over, perhaps only until they are closed.
  bool MayLetGo(const Opening& opening, const absl::Status& refusal) const;
  // The lease, which the device did not open, is to have other queues.
  bool Elsewhere(const Opening& opening) const;
  absl::StatusOr<v1::AcquireLeaseResponse> Opened(LeaseRecord& lease, const LeasePlan& plan,
                                                  absl::StatusOr<device::Grant> grant);

  // --- For everything that ends leases.
  // Ends a lease as REVOKED or RELEASED. `done` hears when the device has let go, or has refused
  // to; an error of it (NOT_READY) is also returned where it is known at once. `ask` false: the
  // device is busy and is not asked now.
  absl::Status EndLease(LeaseId id, v1::LeaseState state, std::function<void(absl::Status)> done,
                        bool ask = true);
  // EndLease for all leases of a session, then its regions and descriptors. A device that is busy
  // is asked once, not once for each lease, for each time may take 50 ms; so does Retry.
  void EndSession(SessionId id);
  // Another try for what devices did not let go of; true: something has ended and is still held.
  bool Retry();
  // Removes the rules of a lease that has ended, and has the room's thread close its queues. What
  // has been done is not done again. On an error the rest waits for Retry.
  absl::Status BeginClose(LeaseRecord& lease);
  // On the room's thread: closes the queues.
  void Close(LeaseId id);
  // The device has let go of it.
  void GiveBack(LeaseRecord& lease);
  // Readers hear of its end; the record is gone after it when it was RELEASED.
  void Forget(LeaseId id);
  void RemoveOperatorRules();
  // Of one device; how many.
  uint32_t RemoveOperatorRules(DeviceRoom& room);
  // Gives an answer after the lock is let go.
  template <typename Response>
  void Answered(const Answer<Response>& done,
                std::type_identity_t<absl::StatusOr<Response>> response) {
    answers.push_back(
        [done, response = std::move(response)]() mutable { done(std::move(response)); });
  }
  // The same for those who wait for a lease's end.
  void Tell(LeaseRecord& lease, const absl::Status& status);

  mutable std::mutex mutex;
  const session::Clock clock;
  const std::function<bool(int32_t pid)> is_stopped;
  std::shared_ptr<const policy::Policy> policy;
  session::SessionTable sessions;
  region::RegionTable regions;
  std::map<std::string, DeviceRoom, std::less<>> rooms;
  std::map<LeaseId, LeaseRecord> leases;
  LeaseId next_lease = 1;
  std::vector<layout::VerifiedLayout> layouts;  // by name, each digest once
  const std::shared_ptr<EventHub> hub = std::make_shared<EventHub>();
  const std::function<void()> on_left;
  const std::function<void(std::shared_ptr<const linux_sys::OwnedFd>)> dispose;
  bool stopping = false;
  bool left = false;  // something waits for Retry since on_left was called last
  // Closed after the lock is let go: closing may free much memory.
  std::vector<std::shared_ptr<const linux_sys::OwnedFd>> trash;
  // Made after the lock is let go.
  std::vector<std::function<void()>> answers;
};

// Holds the lock; afterwards closes what was thrown away, calls readers and gives answers.
class Broker::Locked {
 public:
  explicit Locked(State& state) : state_(state), lock_(state.mutex) {}
  ~Locked() {
    std::vector<std::shared_ptr<const linux_sys::OwnedFd>> trash;
    trash.swap(state_.trash);
    std::vector<std::function<void()>> answers;
    answers.swap(state_.answers);
    const bool left = std::exchange(state_.left, false);
    lock_.unlock();
    if (left && state_.on_left) state_.on_left();
    for (auto& fd : trash) {
      if (fd != nullptr && state_.dispose) state_.dispose(std::move(fd));
    }
    trash.clear();
    state_.hub->Flush();
    for (const auto& answer : answers) answer();
  }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
  State* operator->() const { return &state_; }

 private:
  State& state_;
  std::unique_lock<std::mutex> lock_;
};

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_BROKER_STATE_H_
