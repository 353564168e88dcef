#include "daemon/backend/softnic/region_maps.h"

#include <utility>

namespace qsplit::softnic {

absl::StatusOr<RegionMaps::Shared> RegionMaps::Map(const device::RegionMapping& region,
                                                   const linux_sys::MemfdFacts& facts,
                                                   absl::Duration budget) {
  using linux_sys::Mapping;
  const Key key(facts.device, facts.inode, region.offset_bytes, region.length_bytes,
                region.device_writable);
  const std::lock_guard lock(mutex_);
  std::erase_if(maps_, [](const auto& entry) { return entry.second.expired(); });
  if (const auto found = maps_.find(key); found != maps_.end()) {
    if (Shared shared = found->second.lock()) return shared;
  }
  absl::StatusOr<Mapping> mapping =
      Mapping::Map(region.memory->get(), region.offset_bytes, region.length_bytes,
                   region.device_writable ? Mapping::Access::kReadWrite : Mapping::Access::kRead);
  if (!mapping.ok()) return mapping.status();
  if (absl::Status status = mapping->Populate(budget); !status.ok()) return status;
  Shared shared = std::make_shared<const Mapping>(*std::move(mapping));
  maps_[key] = shared;
  return shared;
}

}  // namespace qsplit::softnic
