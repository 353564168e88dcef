// Survives memory that goes away under a mapping.
//
// A sealed memfd cannot shrink, but its owner can still punch holes into it; where the kernel then
// has no page to put there (huge pages, a memory limit), the next access raises SIGBUS, which would
// kill the daemon. The guard's handler puts private zero pages in the place instead: the owner has
// lost its packets, and nobody else has lost anything. Faults at addresses that are not guarded go
// to the handler that was there before.
//
//   Mapping::Map ──Add──► table (fixed, read by the handler without locks) ──Remove── ~Mapping
//
// Add and Remove: any thread. The handler runs on the thread that faulted; it allocates nothing and
// takes no lock.
#ifndef QSPLIT_DAEMON_LINUX_BUS_GUARD_H_
#define QSPLIT_DAEMON_LINUX_BUS_GUARD_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"

namespace qsplit::linux_sys {

// One guarded range, for as long as the object lives; it must not outlive the mapping by any use of
// the addresses for something else.
class BusGuard {
 public:
  // The most ranges at a time, in the process.
  static constexpr uint32_t kMaxRanges = 4096;

  // `page_bytes`: granularity of the mapping, a power of two; base and length are multiples of it.
  // `writable`: what the replacement pages allow. RESOURCE_EXHAUSTED: kMaxRanges are guarded.
  static absl::StatusOr<BusGuard> Add(void* base, size_t length, size_t page_bytes, bool writable);

  BusGuard() = default;
  BusGuard(BusGuard&& other) noexcept : slot_(std::exchange(other.slot_, kNone)) {}
  BusGuard& operator=(BusGuard&& other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  BusGuard(const BusGuard&) = delete;
  BusGuard& operator=(const BusGuard&) = delete;
  ~BusGuard();

  // Pages that the guard has had to replace so far.
  uint32_t replaced_pages() const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  explicit BusGuard(uint32_t slot) : slot_(slot) {}
  uint32_t slot_ = kNone;
};

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_BUS_GUARD_H_
