// The memory of rings, as a back end makes it before either side is there.
//
// Afterwards it is shared with a peer and may change at any moment; nothing here reads it again.
// Any thread.
#ifndef QSPLIT_DAEMON_BACKEND_COMMON_RING_MEMORY_H_
#define QSPLIT_DAEMON_BACKEND_COMMON_RING_MEMORY_H_

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/linux/mapping.h"
#include "daemon/linux/owned_fd.h"
#include "dataplane/ring_view.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::backend {

// Zeroed memory of whole pages behind a descriptor that a client may get.
struct RingMemory {
  std::shared_ptr<const linux_sys::OwnedFd> memfd;
  linux_sys::Mapping memory;
};
// RESOURCE_EXHAUSTED: no memory.
absl::StatusOr<RingMemory> MakeRingMemory(uint64_t bytes);

// Puts into a queue's rings what both sides expect to find there.
absl::Status StartRings(const layout::VerifiedLayout& layout, const v1::Queue& of_layout,
                        const dataplane::QueueView& view);

// How large each receive buffer of a queue is: what was asked for, 0 for 2048 bytes; 0 where posted
// descriptors say it themselves. INVALID_ARGUMENT: a size that the layout does not have.
absl::StatusOr<uint32_t> ChooseBufferBytes(const layout::VerifiedLayout& layout,
                                           const v1::Queue& queue,
                                           std::span<const uint32_t> choices, uint32_t asked);

}  // namespace qsplit::backend

#endif  // QSPLIT_DAEMON_BACKEND_COMMON_RING_MEMORY_H_
