// The regions of a lease, mapped for the function.
//
// A region's memory belongs to a client, who may write it at any moment and take pages away from
// it; the function keeps reaching the pages that were there when it was mapped, which are nobody
// else's. Nothing here reads it. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_REGION_MAPS_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_REGION_MAPS_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/vfio/hosted_function.h"
#include "daemon/device/device.h"

namespace qsplit::vfio {

// Where the function sees a region that the client knows by another address.
struct MappedRegion {
  uint64_t iova = 0;  // the client's
  uint64_t device_iova = 0;
  uint64_t bytes = 0;
  bool device_writable = false;
};

class RegionMaps {
 public:
  enum class Addresses : uint8_t {
    kAsGiven,    // the function's are the client's: the address space is this lease's alone
    kTranslated  // the function's are this class's choice: leases share the address space
  };
  // All or none. RESOURCE_EXHAUSTED: names the limit, or the addresses that are taken.
  static absl::StatusOr<std::unique_ptr<RegionMaps>> Make(
      HostedFunction& function, std::span<const device::RegionMapping> regions,
      Addresses addresses);
  // Unmaps: afterwards the function does not reach the memory, whatever it does.
  ~RegionMaps();
  RegionMaps(const RegionMaps&) = delete;
  RegionMaps& operator=(const RegionMaps&) = delete;

  std::span<const MappedRegion> regions() const { return regions_; }

 private:
  explicit RegionMaps(HostedFunction& function) : function_(function) {}

  HostedFunction& function_;
  std::vector<MappedRegion> regions_;
};

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_REGION_MAPS_H_
