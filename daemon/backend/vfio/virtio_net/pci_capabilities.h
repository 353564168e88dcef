// Where a virtio function keeps its registers: PCI capabilities (virtio 1.2, 4.1.4), out of a copy
// of its configuration space. A pure function of bytes that may be anything: it follows no more
// links than there can be, and gives out no place that its BAR does not have.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_PCI_CAPABILITIES_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_PCI_CAPABILITIES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"

namespace qsplit::vfio::virtio_net {

inline constexpr size_t kBars = 6;
inline constexpr size_t kConfigSpaceBytes = 256;

// Inside of its BAR, whole.
struct Structure {
  uint32_t bar = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

struct Capabilities {
  Structure common;                // 4.1.4.3, 56 bytes at least
  Structure notify;                // 4.1.4.4
  Structure device;                // 4.1.4.6, 8 bytes at least
  uint32_t notify_multiplier = 0;  // bytes: 0, or a power of two from 2 on
  uint32_t vectors = 0;            // of MSI-X; 0: it has none
};

// bar_bytes: 0 for a BAR that is not there, or not of memory. Of several structures of a kind the
// first one that can be used counts (4.1.4.1). INVALID_ARGUMENT: what is wrong with which
// capability, or missing.
absl::StatusOr<Capabilities> FindCapabilities(std::span<const std::byte, kConfigSpaceBytes> config,
                                              const std::array<uint64_t, kBars>& bar_bytes);

}  // namespace qsplit::vfio::virtio_net

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_PCI_CAPABILITIES_H_
