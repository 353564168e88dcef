// The broker's state and the steps that several calls share. Private to daemon/lease.
//
// All of it is guarded by `mutex`, but for the hub, which has a lock of its own. A lease's life:
//
//   Acquire ──► ACTIVE ──fault──► FAULTED
//                 │                  │
//                 ├── RevokeLease ───┴──► REVOKED    stays listed until released or the session
//                 ends └── Release, end ──────► RELEASED  leaves the table
//
// Whatever ends a lease, TearDown takes it apart: its rules, then its queues and mappings. A device
// that refuses leaves it `held`: its queues stay taken and its memory alive until a later try.
#ifndef QSPLIT_DAEMON_LEASE_BROKER_STATE_H_
#define QSPLIT_DAEMON_LEASE_BROKER_STATE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/lease/broker.h"
#include "daemon/lease/lease_plan.h"
#include "daemon/lease/sight.h"
#include "daemon/steering/rule_table.h"

namespace qsplit::lease {

struct DeviceRoom {
  std::shared_ptr<device::Device> device;
  steering::RuleTable rules;
  std::vector<LeaseId> rx_holder;  // by queue; 0: free
  std::vector<LeaseId> tx_holder;
  // The device's counters when each queue last changed hands: what a former holder's traffic was is
  // not told to the next.
  std::vector<device::QueueCounters> rx_base, tx_base;

  const std::string& name() const { return device->info().name; }
  // Queues that no new lease can have: leased, or an operator's rule sends to it.
  std::vector<bool> RxTaken() const;
  std::vector<bool> TxTaken() const;
  // Lets the counters of these queues begin at `now`.
  void Rebase(const device::QueueRequest& queues, const device::DeviceCounters& now);
};

// What was counted since `base`.
device::QueueCounters Since(const device::QueueCounters& now, const device::QueueCounters& base);

struct LeaseRecord {
  LeaseId id = 0;
  SessionId session = 0;
  session::Peer peer;
  std::string program;
  std::string tenant;
  DeviceRoom* room = nullptr;
  device::QueueRequest queues;
  absl::Time acquired;
  v1::LeaseState state = v1::LEASE_STATE_ACTIVE;  // never FAULTED: the hub counts faults
  bool held = true;                               // the device may still have its queues
  bool fetched = false;                           // the grant's descriptors are gone to the client
  std::vector<std::shared_ptr<const linux_sys::OwnedFd>> descriptors;
};

struct Broker::State {
  State(BrokerOptions options);

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
  // Rules, queues, mappings, in this order; what has been done is not done again. On an error the
  // rest waits for Retry.
  absl::Status TearDown(LeaseRecord& lease);
  // Ends a lease as REVOKED or RELEASED. The record is gone after it when it was RELEASED and the
  // device has let go. `ask` false: the device is busy and is not asked now.
  absl::Status EndLease(LeaseId id, v1::LeaseState state, bool ask = true);
  // EndLease for all leases of a session, then its regions and descriptors. A device that is busy
  // is asked once, not once for each lease, for each time may take 50 ms; so does Retry.
  void EndSession(SessionId id);
  // Another try for what devices did not let go of; true: something is left.
  bool Retry();

  mutable std::mutex mutex;
  const session::Clock clock;
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

 private:
  void Finish(LeaseId id);
};

// Holds the lock; afterwards closes what was thrown away and calls readers.
class Broker::Locked {
 public:
  explicit Locked(State& state) : state_(state), lock_(state.mutex) {}
  ~Locked() {
    std::vector<std::shared_ptr<const linux_sys::OwnedFd>> trash;
    trash.swap(state_.trash);
    const bool left = std::exchange(state_.left, false);
    lock_.unlock();
    if (left && state_.on_left) state_.on_left();
    for (auto& fd : trash) {
      if (fd != nullptr && state_.dispose) state_.dispose(std::move(fd));
    }
    trash.clear();
    state_.hub->Flush();
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
