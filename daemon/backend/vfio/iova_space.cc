#include "daemon/backend/vfio/iova_space.h"

#include <iterator>

#include "absl/strings/str_format.h"
#include "daemon/device/interrupt_window.h"

namespace qsplit::vfio {

uint64_t IovaSpace::Obstacle(uint64_t iova, uint64_t bytes) const {
  const uint64_t end = iova + bytes;
  if (device::MeetsInterruptWindow(iova, bytes)) return device::kInterruptWindowEnd;
  // The last that begins before our end and its page of distance.
  auto next = taken_.lower_bound(end + kPageBytes);
  if (next == taken_.begin()) return 0;
  const auto& [first, taken_end] = *std::prev(next);
  return taken_end + kPageBytes > iova ? taken_end + kPageBytes : 0;
}

absl::StatusOr<uint64_t> IovaSpace::Take(uint64_t bytes, uint64_t alignment, uint64_t from) {
  uint64_t at = from;
  while (true) {
    const uint64_t aligned = (at + alignment - 1) & ~(alignment - 1);
    if (bytes == 0 || aligned < at || aligned > end_ || bytes > end_ - aligned) {
      return absl::ResourceExhaustedError(absl::StrFormat(
          "no %#x bytes of addresses are free between %#x and %#x", bytes, from, end_));
    }
    const uint64_t obstacle = Obstacle(aligned, bytes);
    if (obstacle == 0) {
      taken_[aligned] = aligned + bytes;
      return aligned;
    }
    at = obstacle;
  }
}

absl::Status IovaSpace::TakeAt(uint64_t iova, uint64_t bytes) {
  if (bytes == 0 || iova > end_ || bytes > end_ - iova) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("the IOMMU maps addresses below %#x; %#x bytes at %#x are not among them",
                        end_, bytes, iova));
  }
  if (Obstacle(iova, bytes) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("%#x bytes at %#x: the addresses are taken", bytes, iova));
  }
  taken_[iova] = iova + bytes;
  return absl::OkStatus();
}

}  // namespace qsplit::vfio
