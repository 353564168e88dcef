#include "daemon/lease/iova.h"

#include <algorithm>

#include "daemon/device/interrupt_window.h"
#include "daemon/policy/error.h"

namespace qsplit::lease {
namespace {

constexpr uint64_t kLowest = uint64_t{1} << 20;

absl::Status TooMuch(const IovaRange& range) {
  return policy::Error(v1::ERROR_REASON_QUOTA, "region_ids", "", policy::Hex(range.end),
                       "the regions do not fit into the addresses that the layout's descriptors "
                       "and the device's IOMMU reach; use smaller ones, or another layout");
}

// The largest address that a field can say.
uint64_t Reach(const v1::Field& field) {
  uint32_t bits = 0;
  for (const v1::Bits& part : field.parts()) bits += part.bits();
  const uint64_t raw = bits >= 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
  const uint64_t unit = std::max<uint64_t>(field.scale().multiplier(), 1);
  return raw > UINT64_MAX / unit ? UINT64_MAX : raw * unit;
}

// Rounds up; 0 when that overflows.
uint64_t AlignUp(uint64_t value, uint64_t page) {
  const uint64_t up = (value + (page - 1)) & ~(page - 1);
  return up < value ? 0 : up;
}

}  // namespace

IovaRange RangeOf(const v1::Layout& layout, const device::DeviceInfo& device) {
  IovaRange range;
  if (device.iova_end) range.end = std::min(range.end, *device.iova_end);
  for (const v1::Form& form : layout.forms()) {
    for (const v1::Field& field : form.fields()) {
      if (field.role() != "buffer.address" || field.parts().empty()) continue;
      range.end = std::min(range.end, std::max(Reach(field), uint64_t{1}));
    }
  }
  if (device.regions_adjoin) {
    range.adjoin = true;
    range.first = device.iova_first.value_or(0);
    return range;
  }
  if (range.end < 2 * range.first) range.first = kLowest;
  if (device.iova_first) range.first = std::max(range.first, *device.iova_first);
  return range;
}

absl::StatusOr<std::vector<uint64_t>> AssignIovas(std::span<const IovaWish> wishes,
                                                  IovaRange range) {
  std::vector<uint64_t> iovas;
  uint64_t next = range.first;
  for (const IovaWish& wish : wishes) {
    if (wish.length_bytes > range.end || wish.page_bytes > range.end) return TooMuch(range);
    uint64_t iova = range.adjoin ? next : AlignUp(next, wish.page_bytes);
    if (!range.adjoin && device::MeetsInterruptWindow(iova, wish.length_bytes)) {
      iova = AlignUp(device::kInterruptWindowEnd, wish.page_bytes);
    }
    if (iova < next || iova > range.end - wish.length_bytes) return TooMuch(range);
    iovas.push_back(iova);
    next = iova + wish.length_bytes + (range.adjoin ? 0 : wish.page_bytes);
  }
  return iovas;
}

}  // namespace qsplit::lease
