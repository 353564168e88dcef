// A lease of a whole function: the client has its descriptor, writes its rings and its doorbells,
// and could write every register. Its address space holds nothing but the lease's regions and
// rings, and one page or two of the driver's own.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_DIRECT_LEASE_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_DIRECT_LEASE_H_

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/vfio/open_lease.h"
#include "daemon/backend/vfio/real_rings.h"
#include "daemon/backend/vfio/region_maps.h"

namespace qsplit::vfio {

class DirectLease : public OpenLease {
 public:
  // Errors as RealRings::Make, RegionMaps::Make and NicDriver::StartQueue; nothing is left then.
  static absl::StatusOr<std::unique_ptr<OpenLease>> Make(const LeaseParts& parts,
                                                         const device::QueueRequest& request);

  absl::Status Stop(NicDriver& driver) override { return rings_->Stop(driver); }
  std::vector<device::QueueCheck> Examine(uint32_t queue, bool transmit) const override;
  std::optional<device::QueueProgress> Progress(uint32_t queue, bool transmit) const override {
    return rings_->Progress(queue, transmit);
  }
  absl::StatusOr<device::RingImage> ReadRing(const device::RingSelection& wanted) const override {
    return rings_->Read(wanted);
  }

 private:
  explicit DirectLease(const device::QueueRequest& request) : OpenLease(request) {}

  // Writes the grant.
  absl::Status Hand(const LeaseParts& parts);
  // The place of a register in the areas of the grant.
  absl::StatusOr<device::Place> PlaceOf(const RegisterPlace& at, const HostedFunction& function);
  absl::Status PlaceBells(const std::vector<RegisterPlace>& at, const HostedFunction& function,
                          std::vector<device::Place>* places);

  std::unique_ptr<RegionMaps> regions_;
  std::unique_ptr<RealRings> rings_;
};

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_DIRECT_LEASE_H_
