// Up to 32 descriptors of adjacent slots: as they were read, as the device may see them, and what
// became of the check.
//
// Private memory of one call. As thread-safe as its owner.
#ifndef QSPLIT_DAEMON_GUARD_DESCRIPTOR_BURST_H_
#define QSPLIT_DAEMON_GUARD_DESCRIPTOR_BURST_H_

#include <cstddef>
#include <cstdint>

namespace qsplit::guard {

template <size_t kWords>
struct DescriptorBurst {
  static constexpr uint32_t kMost = 32;

  uint32_t count = 0;
  // Bit i is descriptor i's: it is plain; it is one that the device reports.
  uint32_t plain = 0;
  uint32_t reports = 0;
  alignas(64) uint64_t copy[kMost * kWords];
  // Of those that are plain; of others anything.
  alignas(64) uint64_t checked[kMost * kWords];
  alignas(64) uint64_t bytes[kMost];

  uint64_t* CopyOf(uint32_t i) { return &copy[i * kWords]; }
  const uint64_t* CheckedOf(uint32_t i) const { return &checked[i * kWords]; }
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_DESCRIPTOR_BURST_H_
