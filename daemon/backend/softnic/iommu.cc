#include "daemon/backend/softnic/iommu.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace qsplit::softnic {
namespace {

constexpr uint64_t kPageBytes = 4096;
// For all regions. What is populated here the worker need not fault in. Memory was provided when
// the region was registered; callers hold locks now, and pages that are left over cost one fault
// each.
constexpr absl::Duration kPopulateBudget = absl::Milliseconds(2);

absl::StatusOr<linux_sys::MemfdFacts> Check(const device::RegionMapping& region) {
  const auto refuse = [&region](const std::string& why) {
    return absl::InvalidArgumentError(absl::StrCat("region ", region.region, ": ", why));
  };
  if (region.memory == nullptr || !region.memory->valid()) return refuse("has no memory");
  if (region.length_bytes == 0 || region.length_bytes % kPageBytes != 0 ||
      region.offset_bytes % kPageBytes != 0 || region.iova % kPageBytes != 0) {
    return refuse(
        absl::StrFormat("offset 0x%x, length 0x%x and address 0x%x must be multiples of "
                        "the page size 0x%x, the length not 0",
                        region.offset_bytes, region.length_bytes, region.iova, kPageBytes));
  }
  if (region.iova + region.length_bytes < region.iova) {
    return refuse(absl::StrFormat("address 0x%x plus length 0x%x wraps around", region.iova,
                                  region.length_bytes));
  }
  absl::StatusOr<linux_sys::MemfdFacts> facts = linux_sys::InspectMemfd(region.memory->get());
  if (!facts.ok()) return facts.status();
  if (!facts->is_memfd) return refuse(absl::StrCat("is a ", facts->kind, ", not a memfd"));
  if (!facts->seal_shrink) return refuse("is not sealed with F_SEAL_SHRINK");
  if (region.offset_bytes > facts->size_bytes ||
      region.length_bytes > facts->size_bytes - region.offset_bytes) {
    return refuse(absl::StrFormat("offset 0x%x plus length 0x%x is past the memfd's end at 0x%x",
                                  region.offset_bytes, region.length_bytes, facts->size_bytes));
  }
  return facts;
}

}  // namespace

absl::StatusOr<Iommu> Iommu::Create(std::span<const device::RegionMapping> regions,
                                    RegionMaps& maps) {
  Iommu iommu;
  const absl::Duration budget =
      regions.empty() ? kPopulateBudget : kPopulateBudget / static_cast<int64_t>(regions.size());
  for (const device::RegionMapping& region : regions) {
    absl::StatusOr<linux_sys::MemfdFacts> facts = Check(region);
    if (!facts.ok()) return facts.status();
    absl::StatusOr<RegionMaps::Shared> mapping = maps.Map(region, *facts, budget);
    if (!mapping.ok()) return mapping.status();
    iommu.entries_.push_back({region.iova, region.iova + region.length_bytes, (*mapping)->data(),
                              region.device_writable});
    iommu.mappings_.push_back(*std::move(mapping));
  }
  std::sort(iommu.entries_.begin(), iommu.entries_.end(),
            [](const Entry& a, const Entry& b) { return a.begin < b.begin; });
  for (size_t i = 1; i < iommu.entries_.size(); ++i) {
    if (iommu.entries_[i].begin < iommu.entries_[i - 1].end) {
      return absl::InvalidArgumentError(
          absl::StrFormat("two regions overlap at address 0x%x", iommu.entries_[i].begin));
    }
  }
  return iommu;
}

Iommu::Translation Iommu::Search(uint64_t iova, uint64_t bytes, Access access,
                                 Cursor* cursor) const {
  const auto after = std::upper_bound(entries_.begin(), entries_.end(), iova,
                                      [](uint64_t a, const Entry& e) { return a < e.begin; });
  if (after == entries_.begin()) return {};
  const auto entry = after - 1;
  if (!entry->Has(iova, bytes)) return {};
  cursor->last = static_cast<uint32_t>(entry - entries_.begin());
  return Found(*entry, iova, access);
}

}  // namespace qsplit::softnic
