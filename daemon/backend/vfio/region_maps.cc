#include "daemon/backend/vfio/region_maps.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/linux/mapping.h"

namespace qsplit::vfio {
namespace {

// Where shared functions see regions: above every address of 32 bits.
constexpr uint64_t kRegionsFrom = 0x1'0000'0000;
// Large enough for the IOMMU to use large pages where the memory has them.
constexpr uint64_t kLargePageBytes = uint64_t{2} << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<RegionMaps>> RegionMaps::Make(
    HostedFunction& function, std::span<const device::RegionMapping> regions, Addresses addresses) {
  std::unique_ptr<RegionMaps> made(new RegionMaps(function));
  for (const device::RegionMapping& region : regions) {
    uint64_t device_iova = region.iova;
    if (addresses == Addresses::kAsGiven) {
      absl::Status status = function.iovas().TakeAt(region.iova, region.length_bytes);
      if (!status.ok()) return status;
    } else {
      absl::StatusOr<uint64_t> taken =
          function.iovas().Take(region.length_bytes, kLargePageBytes, kRegionsFrom);
      if (!taken.ok()) return taken.status();
      device_iova = *taken;
    }
    using linux_sys::Mapping;
    absl::StatusOr<Mapping> memory =
        Mapping::Map(region.memory->get(), region.offset_bytes, region.length_bytes,
                     region.device_writable ? Mapping::Access::kReadWrite : Mapping::Access::kRead);
    // The mapping need not outlive this: the IOMMU's entries hold the pages.
    absl::Status status = memory.status();
    if (status.ok()) {
      status =
          function.MapDma(device_iova, memory->data(), region.length_bytes, region.device_writable);
    }
    if (!status.ok()) {
      function.iovas().Give(device_iova);
      return absl::Status(status.code(),
                          absl::StrCat("region ", region.region, ": ", status.message()));
    }
    made->regions_.push_back(
        {region.iova, device_iova, region.length_bytes, region.device_writable});
  }
  return made;
}

RegionMaps::~RegionMaps() {
  for (const MappedRegion& region : regions_) {
    // Addresses that the kernel would not unmap are never used again.
    if (function_.UnmapDma(region.device_iova, region.bytes).ok()) {
      function_.iovas().Give(region.device_iova);
    }
  }
}

}  // namespace qsplit::vfio
