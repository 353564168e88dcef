// The memory that a lease's queues may reach, by the addresses that the client uses and those that
// the device uses for the same bytes.
//
// Private memory, fixed for the life of a queue; the caller asks with numbers out of private copies
// of descriptors, which a hostile client chose: any address, any length. Never allocates after
// Create. One thread at a time: a lookup remembers where it found something.
#ifndef QSPLIT_DAEMON_GUARD_REGION_MAP_H_
#define QSPLIT_DAEMON_GUARD_REGION_MAP_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace qsplit::guard {

// A registered region as one lease sees it.
struct GuardedRegion {
  uint64_t iova = 0;         // what the client writes into descriptors for its first byte
  uint64_t bytes = 0;        // at least 1
  uint64_t device_iova = 0;  // what the device has to be told for the same byte
  bool device_writable = true;
};

class RegionMap {
 public:
  // INVALID_ARGUMENT: a region of no bytes, one past the end of the address space, two that overlap
  // in the client's addresses.
  static absl::StatusOr<RegionMap> Create(std::span<const GuardedRegion> regions);

  enum class Verdict : uint8_t { kReachable, kUnmapped, kReadOnly };
  // Whether all of [iova, iova + bytes) lies in one region that the device may read (may write, if
  // device_writes); then its address for the device. bytes 0 stands for a place alone.
  Verdict Translate(uint64_t iova, uint64_t bytes, bool device_writes, uint64_t* device_iova) {
    const GuardedRegion* region = &regions_[last_];
    if (!Holds(*region, iova, bytes)) [[unlikely]] {
      region = Search(iova, bytes);
      if (region == nullptr) return Verdict::kUnmapped;
    }
    if (device_writes && !region->device_writable) [[unlikely]] {
      return Verdict::kReadOnly;
    }
    *device_iova = region->device_iova + (iova - region->iova);
    return Verdict::kReachable;
  }

  // Whether a field that says addresses up to max_value in steps of `step` (a power of two) can say
  // the device's for each of the client's that it can say. INVALID_ARGUMENT: not in some region.
  absl::Status CheckReach(uint64_t max_value, uint64_t step) const;

  // Ascending by iova.
  std::span<const GuardedRegion> regions() const;

 private:
  RegionMap() = default;
  static bool Holds(const GuardedRegion& region, uint64_t iova, uint64_t bytes) {
    const uint64_t offset = iova - region.iova;
    return offset < region.bytes && bytes <= region.bytes - offset;
  }
  // The region that holds all of it, which is the first one to be looked at from now on; or null.
  const GuardedRegion* Search(uint64_t iova, uint64_t bytes);

  std::vector<GuardedRegion> regions_;  // ascending; the first one has no bytes and stands for none
  size_t last_ = 0;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_REGION_MAP_H_
