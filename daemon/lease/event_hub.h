// What happens to devices and leases, told to whoever watches; and the only place that devices'
// own threads reach: faults are counted here, link changes merged here.
//
// Thread-safe, with a lock of its own that is held over no call out of here. Publishing queues
// events; Flush calls the readers, with no lock held. Nothing here calls a device or waits.
#ifndef QSPLIT_DAEMON_LEASE_EVENT_HUB_H_
#define QSPLIT_DAEMON_LEASE_EVENT_HUB_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/device/device.h"
#include "daemon/lease/sight.h"
#include "daemon/lease/subscription.h"
#include "daemon/session/session_table.h"
#include "qsplit/v1/device.pb.h"
#include "qsplit/v1/lease.pb.h"

namespace qsplit::lease {

using device::LeaseId;
using DeviceSubscription = Subscription<v1::WatchDevicesResponse>;
using LeaseSubscription = Subscription<v1::WatchLeasesResponse>;

class EventHub {
 public:
  // Which leases a reader sees: those of its session, or all; `lease` 0: each of them.
  struct LeaseFilter {
    Sight sight;
    LeaseId lease = 0;  // 0: every lease in sight
  };

  // A device's whole state, from the broker. Readers hear of it when it differs from the last.
  void PublishDevice(const v1::Device& device);
  // The device's own part of it, from the device's thread.
  void PublishState(std::string_view device, const device::DeviceState& state);

  // A lease began (ACQUIRED), or ended (REVOKED, RELEASED).
  void PublishLease(v1::LeaseEvent event, const v1::Lease& lease);
  // The lease's rules changed; no event.
  void UpdateLease(const v1::Lease& lease);
  // From the device's thread. Faults of leases that are not known are dropped.
  void PublishFault(std::string_view device, const device::Fault& fault);
  // Forgets the lease; faults that come later are dropped.
  void ForgetLease(LeaseId lease);
  // Faults of a lease so far; 0 for one that is not known.
  uint64_t FaultsOf(LeaseId lease) const;

  // The present state is the first event. device "": all.
  std::shared_ptr<DeviceSubscription> WatchDevices(std::string device,
                                                   DeviceSubscription::OnReady on_ready);
  // One PRESENT for each lease that is there is the first.
  std::shared_ptr<LeaseSubscription> WatchLeases(const LeaseFilter& filter,
                                                 LeaseSubscription::OnReady on_ready);

  // Ends the lease readers of a session; those of all sessions but `admins` that see all leases;
  // every reader.
  void EndReadersOf(session::SessionId session, const absl::Status& status);
  void EndReadersOfAllBut(const std::set<session::SessionId>& admins, const absl::Status& status);
  void EndAllReaders(const absl::Status& status);

  // Calls on_ready of readers for whom something came. Call it with no lock held.
  void Flush();

 private:
  struct DeviceReader {
    std::string device;
    std::weak_ptr<DeviceSubscription> subscription;
  };
  struct LeaseReader {
    LeaseFilter filter;
    std::weak_ptr<LeaseSubscription> subscription;
  };
  struct KnownLease {
    v1::Lease lease;
    uint64_t faults = 0;
  };

  void TellDevice(const v1::Device& device);
  void TellLease(const v1::WatchLeasesResponse& event);

  mutable std::mutex mutex_;
  std::map<std::string, v1::Device, std::less<>> devices_;
  std::map<LeaseId, KnownLease> leases_;
  std::vector<DeviceReader> device_readers_;
  std::vector<LeaseReader> lease_readers_;
  std::vector<std::shared_ptr<DeviceSubscription>> ready_devices_;
  std::vector<std::shared_ptr<LeaseSubscription>> ready_leases_;
};

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_EVENT_HUB_H_
