#include "daemon/guard/region_map.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace qsplit::guard {

absl::StatusOr<RegionMap> RegionMap::Create(std::span<const GuardedRegion> regions) {
  RegionMap map;
  map.regions_.push_back({});
  map.regions_.insert(map.regions_.end(), regions.begin(), regions.end());
  const auto by_iova = [](const GuardedRegion& a, const GuardedRegion& b) {
    return a.iova < b.iova;
  };
  std::sort(map.regions_.begin() + 1, map.regions_.end(), by_iova);
  for (size_t i = 1; i < map.regions_.size(); ++i) {
    const GuardedRegion& region = map.regions_[i];
    if (region.bytes == 0 || region.bytes - 1 > UINT64_MAX - region.iova ||
        region.bytes - 1 > UINT64_MAX - region.device_iova) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "region at iova %#x: %d bytes from there, or from the device's %#x, are no range",
          region.iova, region.bytes, region.device_iova));
    }
    const GuardedRegion& before = map.regions_[i - 1];
    if (i > 1 && region.iova - before.iova < before.bytes) {
      return absl::InvalidArgumentError(
          absl::StrFormat("regions at iova %#x and %#x overlap", before.iova, region.iova));
    }
  }
  map.last_ = map.regions_.size() - 1;
  return map;
}

std::span<const GuardedRegion> RegionMap::regions() const { return std::span(regions_).subspan(1); }

absl::Status RegionMap::CheckReach(uint64_t max_value, uint64_t step) const {
  for (const GuardedRegion& region : regions()) {
    if (region.device_iova + (region.bytes - 1) <= max_value &&
        (region.device_iova - region.iova) % step == 0) {
      continue;
    }
    return absl::InvalidArgumentError(absl::StrFormat(
        "region at iova %#x: the layout's descriptors cannot say the device's address %#x for it "
        "(up to %#x, in steps of %d)",
        region.iova, region.device_iova, max_value, step));
  }
  return absl::OkStatus();
}

const GuardedRegion* RegionMap::Search(uint64_t iova, uint64_t bytes) {
  const auto behind = std::upper_bound(
      regions_.begin() + 1, regions_.end(), iova,
      [](uint64_t address, const GuardedRegion& region) { return address < region.iova; });
  const GuardedRegion& region = *(behind - 1);
  if (!Holds(region, iova, bytes)) return nullptr;
  last_ = static_cast<size_t>(behind - regions_.begin()) - 1;
  return &region;
}

}  // namespace qsplit::guard
