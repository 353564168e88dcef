// From a checked caller's request to what the device is asked to set up: queues, layout, sizes,
// protection, addresses. Decides everything and changes nothing.
//
// Pure functions; any thread.
#ifndef QSPLIT_DAEMON_LEASE_LEASE_PLAN_H_
#define QSPLIT_DAEMON_LEASE_LEASE_PLAN_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/device/device.h"
#include "daemon/lease/layout_offer.h"
#include "daemon/policy/policy.h"
#include "daemon/region/region_table.h"
#include "qsplit/v1/lease.pb.h"

namespace qsplit::lease {

inline constexpr int kMaxRegionsOfLease = 16;
// What SCM_RIGHTS takes in one packet.
inline constexpr size_t kMaxGrantDescriptors = 253;

// What the tenant has already, over all devices.
struct Usage {
  uint32_t leases = 0;
  uint32_t rx_queues = 0;
  uint32_t tx_queues = 0;
  // Of leases that are over, whose descriptors somebody has kept, so that nobody else can have
  // them.
  uint32_t kept_rx_queues = 0;
  uint32_t kept_tx_queues = 0;
  // Of regions, once for each lease that pins them, also of such as are over and kept.
  uint64_t pinned_bytes = 0;

  bool keeps() const { return kept_rx_queues + kept_tx_queues != 0; }
};

// What the plan is made from, besides the request.
struct Circumstances {
  const device::DeviceInfo& device;
  std::string trouble;  // DeviceState's
  std::span<const LayoutOffer> offers;
  const policy::Tenant& tenant;
  Usage usage;
  bool leased = false;         // some lease has queues of the device
  std::vector<bool> rx_taken;  // one for each queue of the device
  std::vector<bool> tx_taken;
  std::vector<bool> last_choice;               // by number, of either direction; may be shorter
  std::vector<uint32_t> leased_by_thread;      // QueueThreads::leased
  std::vector<const region::Region*> regions;  // of the request, in its order
};

struct LeasePlan {
  device::QueueRequest queues;  // `lease` is the caller's to fill in
  std::vector<std::string> roles_in_software;
  // Why the device does not check source addresses that policy names; empty: it does, or there are
  // none.
  std::string source_trouble;
};

// What the regions of a lease add up to.
uint64_t RegionBytes(const device::QueueRequest& queues);

// Errors: as LeaseService.AcquireLease, but for devices and regions that are not there.
absl::StatusOr<LeasePlan> PlanLease(const v1::AcquireLeaseRequest& request,
                                    const Circumstances& circumstances);

// INTERNAL or RESOURCE_EXHAUSTED: the device's grant does not fit the plan, or not into one packet.
absl::Status CheckGrant(const device::Grant& grant, const device::QueueRequest& queues);

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_LEASE_PLAN_H_
