#include "daemon/lease/iova.h"

#include "daemon/policy/error.h"

namespace qsplit::lease {
namespace {

absl::Status TooMuch() {
  return policy::Error(v1::ERROR_REASON_QUOTA, "region_ids", "", policy::Hex(kIovaEnd),
                       "the regions do not fit into the device's address space; use smaller ones");
}

// Rounds up; 0 when that overflows.
uint64_t AlignUp(uint64_t value, uint64_t page) {
  const uint64_t up = (value + (page - 1)) & ~(page - 1);
  return up < value ? 0 : up;
}

}  // namespace

absl::StatusOr<std::vector<uint64_t>> AssignIovas(std::span<const IovaWish> wishes,
                                                  uint64_t first) {
  std::vector<uint64_t> iovas;
  uint64_t next = first;
  for (const IovaWish& wish : wishes) {
    if (wish.length_bytes > kIovaEnd || wish.page_bytes > kIovaEnd) return TooMuch();
    uint64_t iova = AlignUp(next, wish.page_bytes);
    if (iova < kInterruptWindowEnd && iova + wish.length_bytes > kInterruptWindow) {
      iova = AlignUp(kInterruptWindowEnd, wish.page_bytes);
    }
    if (iova < next || iova > kIovaEnd - wish.length_bytes) return TooMuch();
    iovas.push_back(iova);
    next = iova + wish.length_bytes + wish.page_bytes;
  }
  return iovas;
}

}  // namespace qsplit::lease
