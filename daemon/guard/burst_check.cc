#include "daemon/guard/burst_check.h"

#include "daemon/guard/wide_burst.h"
#include "dataplane/barriers.h"

namespace qsplit::guard {
namespace {

template <size_t kWords>
uint64_t NumberIn(const typename BurstPlan<kWords>::Number& number, const uint64_t* words) {
  uint64_t bits = 0;
  for (size_t i = 0; i < kWords; ++i) bits |= words[i] & number.bits[i];
  return bits >> number.shift;
}

// The region that holds all of it; null: none that the plan knows.
template <size_t kWords>
const typename BurstPlan<kWords>::Region* RegionOf(const BurstPlan<kWords>& plan, uint64_t iova,
                                                   uint64_t bytes) {
  for (size_t i = 0; i < plan.region_count; ++i) {
    const auto& region = plan.regions[i];
    if (bytes <= region.bytes && iova - region.iova <= region.bytes - bytes) return &region;
  }
  return nullptr;
}

template <size_t kWords>
bool CheckOne(const BurstPlan<kWords>& plan, const uint64_t* copy, uint64_t* checked,
              uint64_t* bytes) {
  uint64_t differ = 0;
  uint64_t done = 0;
  for (size_t i = 0; i < kWords; ++i) {
    differ |= (copy[i] & plan.mask[i]) ^ plan.value[i];
    checked[i] = copy[i] & plan.kept[i];
    done |= checked[i] & plan.done[i];
  }
  const uint64_t iova = NumberIn<kWords>(plan.address, checked);
  *bytes = plan.set_bytes + NumberIn<kWords>(plan.length, checked);
  if (differ != 0 || (iova & plan.alignment_mask) != 0 || *bytes < plan.min_bytes ||
      *bytes > plan.max_bytes || done == plan.done_value) {
    return false;
  }
  if (plan.total.there() && NumberIn<kWords>(plan.total, checked) != *bytes) return false;
  const auto* const region = RegionOf(plan, iova, *bytes);
  if (region == nullptr) return false;
  for (size_t i = 0; i < kWords; ++i) {
    if (plan.address.bits[i] != 0) checked[i] += region->delta;
  }
  return true;
}

template <size_t kWords>
void CheckWordByWord(const BurstPlan<kWords>& plan, DescriptorBurst<kWords>* burst) {
  const bool asked = plan.report.there();
  uint32_t plain = 0;
  uint32_t reports = 0;
  for (uint32_t i = 0; i < burst->count; ++i) {
    uint64_t* const checked = &burst->checked[i * kWords];
    if (!CheckOne(plan, &burst->copy[i * kWords], checked, &burst->bytes[i])) continue;
    plain |= uint32_t{1} << i;
    if (!asked || NumberIn<kWords>(plan.report, checked) != 0) reports |= uint32_t{1} << i;
  }
  burst->plain = plain;
  burst->reports = reports;
}

}  // namespace

template <size_t kWords>
BurstCheck<kWords>::BurstCheck(const Plan& plan, GuardOptions::Checks checks)
    : plan_(plan),
      there_(checks != GuardOptions::Checks::kOneByOne),
      wide_(checks == GuardOptions::Checks::kFastest && wide::IsSupported()) {}

template <size_t kWords>
void BurstCheck<kWords>::Read(const std::byte* first, uint32_t count, Burst* burst) const {
  burst->count = count;
  if (wide_) return wide::Read(first, burst);
  for (size_t i = 0; i < count * kWords; ++i) {
    burst->copy[i] = dataplane::LoadRelaxed<uint64_t>(first + i * sizeof(uint64_t));
  }
}

template <size_t kWords>
void BurstCheck<kWords>::Check(Burst* burst) const {
  if (wide_) return wide::Check(plan_, burst);
  CheckWordByWord(plan_, burst);
}

template <size_t kWords>
void BurstCheck<kWords>::Store(const Burst& burst, uint32_t first, uint32_t count,
                               std::byte* to) const {
  if (wide_) return wide::Store(burst, first, count, to);
  const uint64_t* const from = burst.CheckedOf(first);
  for (size_t i = 0; i < count * kWords; ++i) {
    dataplane::StoreRelaxed<uint64_t>(to + i * sizeof(uint64_t), from[i]);
  }
}

template class BurstCheck<2>;
template class BurstCheck<4>;

}  // namespace qsplit::guard
