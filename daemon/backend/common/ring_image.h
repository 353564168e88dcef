// A copy of what stands in a ring, for people who ask what is the matter with it.
//
// The ring is shared with a client and a device, which go on meanwhile: each word is read once, and
// no two need be of the same moment. What is read is shown and decides nothing. Any thread that
// keeps the memory alive.
#ifndef QSPLIT_DAEMON_BACKEND_COMMON_RING_IMAGE_H_
#define QSPLIT_DAEMON_BACKEND_COMMON_RING_IMAGE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/device/device.h"
#include "dataplane/ring_view.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::backend {

// Doorbells that are registers must be null in the view. INVALID_ARGUMENT: no such ring of the
// queue.
absl::StatusOr<device::RingImage> ReadRing(const v1::Queue& of_layout,
                                           const dataplane::QueueView& view,
                                           const device::RingSelection& wanted);

// The same for one of a lease's queues whose places are offsets into one piece of memory.
// FAILED_PRECONDITION: the queue is not among them.
absl::StatusOr<device::RingImage> ReadRing(const device::QueueRequest& lease,
                                           const std::vector<device::QueueGrant>& queues,
                                           std::byte* memory, const device::RingSelection& wanted);

// How many of the slots that can be posted into are with the device, as a check of a queue.
// `posted` counts those that the device can use now.
device::QueueCheck PostedCheck(bool transmit, uint32_t posted, bool stopped);

// How the device's side of the ring takes descriptors, in a few words ("in bursts, …"), as a check
// of a queue, which is always good.
device::QueueCheck DescriptorsCheck(std::string how);

}  // namespace qsplit::backend

#endif  // QSPLIT_DAEMON_BACKEND_COMMON_RING_IMAGE_H_
