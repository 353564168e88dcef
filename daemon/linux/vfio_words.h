// Why VFIO refuses, in words that say what to do.
//
// The kernel has an errno for several causes each; what else is known when it fails tells them
// apart. Pure functions of what they are given; any thread.
#ifndef QSPLIT_DAEMON_LINUX_VFIO_WORDS_H_
#define QSPLIT_DAEMON_LINUX_VFIO_WORDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "daemon/linux/pci_function.h"

namespace qsplit::linux_sys {

// What opening a function does, in this order.
enum class VfioStep : uint8_t {
  kOpenContainer,  // open /dev/vfio/vfio
  kApiVersion,     // VFIO_GET_API_VERSION, VFIO_CHECK_EXTENSION
  kOpenGroup,      // open /dev/vfio/N
  kViable,         // VFIO_GROUP_GET_STATUS says that the group is not viable
  kSetContainer,   // VFIO_GROUP_SET_CONTAINER
  kSetIommu,       // VFIO_SET_IOMMU
  kDeviceFd,       // VFIO_GROUP_GET_DEVICE_FD
};

struct VfioOpenFacts {
  PciAddress address;
  uint32_t group = 0;
  std::vector<PciGroupMember> members;  // of the group
  bool noiommu_node = false;            // /dev/vfio/noiommu-N is there
  bool is_vf = false;
  bool token_given = false;
};

// `error`: the errno; 0 where the call answered, and the answer is the trouble.
//   FAILED_PRECONDITION  the system is not set up for it
//   UNAVAILABLE          somebody else has the group or the function
//   PERMISSION_DENIED    this process may not, or does not know the token
absl::Status VfioOpenRefusal(VfioStep step, int error, const VfioOpenFacts& facts);

struct DmaFacts {
  uint64_t iova = 0;
  uint64_t length_bytes = 0;
  bool may_lock = false;                   // the process has CAP_IPC_LOCK
  std::optional<uint64_t> memlock_bytes;   // RLIMIT_MEMLOCK; none: unlimited
  std::optional<uint32_t> mappings_limit;  // dma_entry_limit of module vfio_iommu_type1
  std::optional<uint32_t> mappings_left;   // of this container
};

//   RESOURCE_EXHAUSTED  a limit, which is named
//   ALREADY_EXISTS      something is mapped there
//   INVALID_ARGUMENT    not aligned, or where the IOMMU cannot map
absl::Status DmaRefusal(int error, const DmaFacts& facts);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_VFIO_WORDS_H_
