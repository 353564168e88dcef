// The addresses by which one function reaches memory: which of them are given out.
//
// Pure bookkeeping, no IOMMU in it; one thread at a time. Neighbours stand at least a page apart,
// so that what runs over an end meets nothing, and the window of interrupts is never given out.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IOVA_SPACE_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IOVA_SPACE_H_

#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace qsplit::vfio {

class IovaSpace {
 public:
  static constexpr uint64_t kPageBytes = 4096;

  // Addresses [0, end).
  explicit IovaSpace(uint64_t end) : end_(end) {}

  uint64_t end() const { return end_; }

  // The lowest free stretch at or above `from`. bytes: not 0; alignment: a power of two, a page at
  // least. RESOURCE_EXHAUSTED: there is none.
  absl::StatusOr<uint64_t> Take(uint64_t bytes, uint64_t alignment, uint64_t from);
  // This stretch and no other. RESOURCE_EXHAUSTED: some of it is taken, or not to be had.
  absl::Status TakeAt(uint64_t iova, uint64_t bytes);
  // Of an address that is not taken: nothing happens.
  void Give(uint64_t iova) { taken_.erase(iova); }

 private:
  // The end of what stands in the way of [iova, iova + bytes); 0: nothing does.
  uint64_t Obstacle(uint64_t iova, uint64_t bytes) const;

  uint64_t end_;
  std::map<uint64_t, uint64_t> taken_;  // first address to end
};

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IOVA_SPACE_H_
