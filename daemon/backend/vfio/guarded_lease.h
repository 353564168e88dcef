// A lease of some queues of a function that others use as well: the client has shadow rings, and
// the guard alone writes those that the function reads. Regions stand at addresses of the daemon's
// choice in the function's address space, which the client never learns.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_GUARDED_LEASE_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_GUARDED_LEASE_H_

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/common/ring_memory.h"
#include "daemon/backend/common/worker.h"
#include "daemon/backend/vfio/guard_poller.h"
#include "daemon/backend/vfio/open_lease.h"
#include "daemon/backend/vfio/real_rings.h"
#include "daemon/backend/vfio/region_maps.h"

namespace qsplit::vfio {

class GuardedLease : public OpenLease {
 public:
  // The worker and the poller, which is the worker's already, outlive the lease. Errors as
  // RealRings::Make, RegionMaps::Make, GuardedQueue::Create and NicDriver::StartQueue; nothing is
  // left then. UNAVAILABLE: the worker is busy.
  static absl::StatusOr<std::unique_ptr<OpenLease>> Make(const LeaseParts& parts,
                                                         const device::QueueRequest& request,
                                                         backend::Worker& worker,
                                                         GuardPoller& poller);
  ~GuardedLease() override;

  absl::Status Stop(NicDriver& driver) override;
  void AddCounters(device::DeviceCounters* counters) const override;
  std::vector<device::QueueCheck> Examine(uint32_t queue, bool transmit) const override;
  // Of the shadow, which is what the client wrote.
  std::optional<device::QueueProgress> Progress(uint32_t queue, bool transmit) const override;
  absl::StatusOr<device::RingImage> ReadRing(const device::RingSelection& wanted) const override;

 private:
  GuardedLease(const device::QueueRequest& request, backend::Worker& worker, GuardPoller& poller)
      : OpenLease(request), worker_(worker), poller_(poller) {}

  // The memory that the client gets, and the grant of it.
  absl::Status MakeShadow(const LeaseParts& parts);
  absl::Status MakeEnds(const LeaseParts& parts);
  absl::Status MakeEnd(const LeaseParts& parts, const RealQueue& real, device::QueueGrant* grant);
  void LeaveWorker();

  backend::Worker& worker_;
  GuardPoller& poller_;
  // Destroyed last to first: the queues before the memory that they point to.
  std::unique_ptr<RegionMaps> regions_;
  std::unique_ptr<RealRings> rings_;
  backend::RingMemory shadow_;
  std::vector<device::QueueGrant> shadow_rx_, shadow_tx_;  // where things stand in it
  GuardedSide side_;
  bool polled_ = false;
};

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_GUARDED_LEASE_H_
