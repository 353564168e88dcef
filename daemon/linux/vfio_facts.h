// What VFIO's information calls answer, made of their bytes.
//
// The answers are a fixed part and a chain of capabilities (linux/vfio.h, struct
// vfio_info_cap_header). They come from the kernel, and are checked all the same: an offset that
// leads out of the answer, or back, is an error. Pure functions; any thread.
#ifndef QSPLIT_DAEMON_LINUX_VFIO_FACTS_H_
#define QSPLIT_DAEMON_LINUX_VFIO_FACTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace qsplit::linux_sys {

// A part of a region that can be mapped.
struct VfioArea {
  uint64_t offset_bytes = 0;  // in the region
  uint64_t length_bytes = 0;
};

// What lies behind a device fd: a BAR, the configuration space.
struct VfioRegion {
  uint32_t index = 0;
  uint64_t length_bytes = 0;  // 0: the device has none of this index
  uint64_t fd_offset_bytes = 0;
  bool readable = false;
  bool writable = false;
  std::vector<VfioArea> mappable;  // empty: only read and write reach it
};

// Addresses that a function may use, both ends included.
struct IovaRange {
  uint64_t first = 0;
  uint64_t last = 0;
};

struct DmaSpace {
  uint64_t page_sizes = 0;                // one bit for each size in bytes
  std::vector<IovaRange> ranges;          // empty: the kernel does not say
  std::optional<uint32_t> mappings_left;  // none: the kernel does not say
};

// `answer` is as long as the kernel filled it. INTERNAL: it is malformed.
absl::StatusOr<VfioRegion> ParseVfioRegion(std::span<const std::byte> answer);
absl::StatusOr<DmaSpace> ParseDmaSpace(std::span<const std::byte> answer);

// The secret that a PF's driver and its VFs' drivers share: who opens a VF of a PF that vfio-pci
// has must know it. Bytes in the order of their text.
using VfToken = std::array<uint8_t, 16>;

// "bd8d9d2b-5a5f-4f5a-a211-f591514ba1f3" and back. INVALID_ARGUMENT: not of this form.
absl::StatusOr<VfToken> ParseVfToken(std::string_view text);
std::string VfTokenText(const VfToken& token);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_VFIO_FACTS_H_
