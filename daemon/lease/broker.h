// The broker: all control state of the daemon behind one lock, and one method for each RPC.
//
//   ingress  --->  Broker  --->  sessions, regions, rules, leases  --->  Device
//
// A caller is a session (Authenticate turns its token into the number) or nobody (kNobody), which
// suffices for reads. Requests are untrusted: each method checks all of it, and on any error
// nothing has changed. Errors are absl::Status with a qsplit.v1.ErrorDetail (daemon/policy/error.h)
// and a message that begins with the call's name.
//
// A method and the end of its session never mix: the call completes before and is rolled back with
// the session, or gets UNAUTHENTICATED (SESSION_ENDED).
//
// Any thread may call any method. None waits for a client, and none holds the lock while a device
// opens or closes queues or counts, which may take long: each device has a thread here that does
// so, one lease after the other, and nobody but those who asked waits for it. They get an Answer,
// once, on that thread or their own; methods without one that open or close queues wait themselves
// (for tests and tools). No system calls but those that devices make.
#ifndef QSPLIT_DAEMON_LEASE_BROKER_H_
#define QSPLIT_DAEMON_LEASE_BROKER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/device/device.h"
#include "daemon/lease/event_hub.h"
#include "daemon/policy/policy.h"
#include "daemon/region/region_table.h"
#include "daemon/session/session_table.h"
#include "qsplit/v1/admin.pb.h"
#include "qsplit/v1/device.pb.h"
#include "qsplit/v1/layout_service.pb.h"
#include "qsplit/v1/lease.pb.h"
#include "qsplit/v1/queue.pb.h"
#include "qsplit/v1/region.pb.h"
#include "qsplit/v1/stats.pb.h"
#include "qsplit/v1/steering.pb.h"

namespace qsplit::lease {

using session::SessionId;

// The caller that has no session.
inline constexpr SessionId kNobody = 0;

struct BrokerOptions {
  // Names are unique. The broker is the only one to call them, from now on and until it is gone.
  std::vector<std::shared_ptr<device::Device>> devices;
  // Layouts to serve besides those that the devices offer.
  std::vector<layout::VerifiedLayout> layouts;
  std::shared_ptr<const policy::Policy> policy;  // null: Policy::RootOnly
  session::Clock clock;
  session::RandomSource random;
  // Whether a process exists and has been stopped (SIGSTOP, a debugger). Called without a lock.
  // Null: nobody looks.
  std::function<bool(int32_t pid)> is_stopped;
  size_t max_sessions = 4096;
  // A device has not let go of a lease: Maintain has work. On the caller's thread or a device's,
  // without a lock; must not call the broker.
  std::function<void()> on_left;
  // Takes descriptors that clients had, to close them: the last close of a large memfd takes its
  // time. Called likewise. Null: the broker closes them itself.
  std::function<void(std::shared_ptr<const linux_sys::OwnedFd>)> dispose;
};

template <typename Response>
using Answer = std::function<void(absl::StatusOr<Response>)>;

// What there is at the moment.
struct Totals {
  size_t sessions = 0;
  size_t regions = 0;
  size_t leases = 0;  // with those that a device has not let go of yet
  size_t rules = 0;   // with operators' rules
  bool operator==(const Totals&) const = default;
};

class Broker {
 public:
  explicit Broker(BrokerOptions options);
  // EndAll, and the devices' events no longer come here.
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // --- Sessions: for the session socket.
  // RESOURCE_EXHAUSTED (QUOTA): too many of this uid, or of all. UNAVAILABLE: stopping.
  absl::StatusOr<session::SessionTable::Opened> OpenSession(const session::Peer& peer,
                                                            std::string_view program);
  // The caller of an RPC, by its token. UNAUTHENTICATED: NO_SESSION or SESSION_ENDED.
  absl::StatusOr<SessionId> Authenticate(std::string_view token) const;
  absl::StatusOr<uint64_t> PutDescriptor(SessionId session, linux_sys::OwnedFd fd);
  // For RegisterRegion: ingress takes it, asks the kernel about it, and offers it.
  absl::StatusOr<linux_sys::OwnedFd> TakeDescriptor(SessionId session, uint64_t handle);
  // The grant's descriptors in the order of Grant.descriptors; once for each lease. NOT_FOUND:
  // none of this session's. FAILED_PRECONDITION: fetched already. ABORTED: revoked.
  absl::StatusOr<std::vector<std::shared_ptr<const linux_sys::OwnedFd>>> FetchGrant(
      SessionId session, LeaseId lease);
  // Rolls back all that the session had: its rules go, its queues stop, its mappings and regions
  // go. When it returns, the rules are gone and the rest is under way, which nobody waits for here.
  // Again or for an unknown number: nothing happens.
  void EndSession(SessionId session);
  // Graceful stop: ends every session and every watch, removes operators' rules, and waits until
  // devices have let go or have refused to three times; later calls get UNAVAILABLE.
  void EndAll();
  // Tries again what a device has refused to let go of. True: something has ended that a device
  // still holds; call it again soon (every method that changes something tries as well).
  bool Maintain();
  // Waits until no device works for the broker. True: as Maintain.
  bool Settle();

  // The device is lost for good: its leases are revoked, and operators' rules removed. Returns how
  // many of both.
  struct Lost {
    uint32_t leases = 0;
    uint32_t rules = 0;
  };
  Lost VacateDevice(std::string_view name);
  // Another device of the same name takes the place of one that nobody has a lease of. NOT_FOUND:
  // no device of its name. FAILED_PRECONDITION (IN_USE): a lease or an operator's rule stands.
  absl::Status ReplaceDevice(std::shared_ptr<device::Device> device);

  // --- DeviceService.
  v1::ListDevicesResponse ListDevices() const;
  absl::StatusOr<v1::GetDeviceResponse> GetDevice(const v1::GetDeviceRequest& request) const;
  absl::StatusOr<v1::SetDeviceResponse> SetDevice(SessionId caller,
                                                  const v1::SetDeviceRequest& request);
  absl::StatusOr<std::shared_ptr<DeviceSubscription>> WatchDevices(
      const v1::WatchDevicesRequest& request, DeviceSubscription::OnReady on_ready);

  // --- LayoutService.
  v1::ListLayoutsResponse ListLayouts() const;
  absl::StatusOr<v1::GetLayoutResponse> GetLayout(const v1::GetLayoutRequest& request) const;

  // --- RegionService. `memory` is what TakeDescriptor gave, with the kernel's facts.
  absl::StatusOr<v1::RegisterRegionResponse> RegisterRegion(
      SessionId caller, const v1::RegisterRegionRequest& request,
      const region::OfferedMemory& memory);
  absl::StatusOr<v1::UnregisterRegionResponse> UnregisterRegion(
      SessionId caller, const v1::UnregisterRegionRequest& request);
  absl::StatusOr<v1::ListRegionsResponse> ListRegions(SessionId caller,
                                                      const v1::ListRegionsRequest& request) const;

  // --- LeaseService.
  absl::StatusOr<v1::AcquireLeaseResponse> AcquireLease(SessionId caller,
                                                        const v1::AcquireLeaseRequest& request);
  void AcquireLease(SessionId caller, const v1::AcquireLeaseRequest& request,
                    Answer<v1::AcquireLeaseResponse> done);
  absl::StatusOr<v1::GetLeaseResponse> GetLease(SessionId caller,
                                                const v1::GetLeaseRequest& request) const;
  absl::StatusOr<v1::ListLeasesResponse> ListLeases(SessionId caller,
                                                    const v1::ListLeasesRequest& request) const;
  absl::StatusOr<v1::ReleaseLeaseResponse> ReleaseLease(SessionId caller,
                                                        const v1::ReleaseLeaseRequest& request);
  void ReleaseLease(SessionId caller, const v1::ReleaseLeaseRequest& request,
                    Answer<v1::ReleaseLeaseResponse> done);
  absl::StatusOr<std::shared_ptr<LeaseSubscription>> WatchLeases(
      SessionId caller, const v1::WatchLeasesRequest& request, LeaseSubscription::OnReady on_ready);

  // --- SteeringService.
  absl::StatusOr<v1::AddRuleResponse> AddRule(SessionId caller, const v1::AddRuleRequest& request);
  absl::StatusOr<v1::RemoveRuleResponse> RemoveRule(SessionId caller,
                                                    const v1::RemoveRuleRequest& request);
  // For nobody: no rules.
  absl::StatusOr<v1::ListRulesResponse> ListRules(SessionId caller,
                                                  const v1::ListRulesRequest& request) const;
  absl::StatusOr<v1::GetRssResponse> GetRss(const v1::GetRssRequest& request) const;
  absl::StatusOr<v1::SetRssResponse> SetRss(SessionId caller, const v1::SetRssRequest& request);

  // --- StatsService. A queue's counters begin when it is leased, and again when it is given back.
  // Those of leased queues are the holder's and the admin's; others see zeros and no lease. For
  // WatchStats, ingress calls this at each interval, with that call's name for errors.
  absl::StatusOr<v1::GetStatsResponse> GetStats(SessionId caller,
                                                const v1::GetStatsRequest& request,
                                                std::string_view call = "GetStats") const;

  // --- QueueService.
  absl::StatusOr<v1::ExplainQueueResponse> ExplainQueue(
      SessionId caller, const v1::ExplainQueueRequest& request) const;
  absl::StatusOr<v1::ReadQueueResponse> ReadQueue(SessionId caller,
                                                  const v1::ReadQueueRequest& request) const;

  // --- AdminService.
  absl::StatusOr<v1::RevokeLeaseResponse> RevokeLease(SessionId caller,
                                                      const v1::RevokeLeaseRequest& request);
  void RevokeLease(SessionId caller, const v1::RevokeLeaseRequest& request,
                   Answer<v1::RevokeLeaseResponse> done);
  absl::StatusOr<v1::InjectFaultResponse> InjectFault(SessionId caller,
                                                      const v1::InjectFaultRequest& request);
  // For ReloadPolicy: ingress checks first, reads the configuration, then sets.
  absl::Status CheckAdmin(SessionId caller, std::string_view call) const;
  // What is leased stays leased; new calls are judged by the new policy.
  void SetPolicy(std::shared_ptr<const policy::Policy> policy);

  Totals totals() const;
  // For tests: a sentence for the first invariant that does not hold; empty when all hold.
  std::string BrokenInvariant() const;

 private:
  struct State;
  class Locked;

  std::unique_ptr<State> state_;
};

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_BROKER_H_
