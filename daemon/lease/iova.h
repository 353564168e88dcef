// Where a device sees the regions of a lease.
//
// Pure functions; any thread. Addresses are chosen here and nowhere else; each lease has an
// address space of its own.
#ifndef QSPLIT_DAEMON_LEASE_IOVA_H_
#define QSPLIT_DAEMON_LEASE_IOVA_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/device/device.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::lease {

// Addresses that may be given out: [first, end).
struct IovaRange {
  // Above every address of 32 bits, so that one that is cut short meets nothing.
  uint64_t first = 0x1'0000'0000;
  uint64_t end = uint64_t{1} << 47;
  // Addresses are offsets into one stretch of memory: DeviceInfo::regions_adjoin.
  bool adjoin = false;
};
// What descriptors of the layout can name and the device's IOMMU translates. Ranges of 32 bits and
// little more begin at 1 MiB, so that a null address meets nothing; those of a device whose regions
// adjoin begin where it says.
IovaRange RangeOf(const v1::Layout& layout, const device::DeviceInfo& device = {});

struct IovaWish {
  uint64_t length_bytes = 0;  // not 0
  uint64_t page_bytes = 0;    // a power of two
};

// One address for each wish, aligned to its page size, ascending, at least a page apart, so that
// what runs over a region's end meets nothing, and outside of the interrupts' window. In a range
// that adjoins: from its first address on, one right behind the other, whatever their page size.
// RESOURCE_EXHAUSTED: they do not fit into the range.
absl::StatusOr<std::vector<uint64_t>> AssignIovas(std::span<const IovaWish> wishes,
                                                  IovaRange range = {});

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_IOVA_H_
