// How far the holder of a queue has come, by what stands in the memory of the queue's rings. Two
// looks tell whether a program goes on: device::QueueProgress.
//
//   position   doorbells and index cells that the holder writes; of a ring that has none that can
//   be
//              read, the slots, which the device writes as well: then the same position still says
//              that the holder has posted nothing, and another one may be the device's doing
//   waiting    not to be seen: bytes of slots do not tell a packet that was taken from one that
//              was not
//
// The memory is shared with a client and a device, which go on meanwhile: each word is read once,
// and what is read is compared and counted, and decides nothing. Any thread that keeps it alive.
#ifndef QSPLIT_DAEMON_BACKEND_COMMON_RING_PROGRESS_H_
#define QSPLIT_DAEMON_BACKEND_COMMON_RING_PROGRESS_H_

#include <optional>
#include <vector>

#include "daemon/device/device.h"
#include "dataplane/ring_view.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::backend {

// Doorbells that are registers must be null in the view. `bells`: what was read of those, if
// anything was; any number that differs when the holder has rung one.
device::QueueProgress ProgressOf(const v1::Queue& of_layout, const dataplane::QueueView& view,
                                 std::optional<uint64_t> bells = std::nullopt);

// The same for one of a lease's queues whose places are offsets into one piece of memory. Absent:
// the queue is not among them.
std::optional<device::QueueProgress> ProgressOf(const device::QueueRequest& lease,
                                                const std::vector<device::QueueGrant>& queues,
                                                std::byte* memory, bool transmit, uint32_t queue);

}  // namespace qsplit::backend

#endif  // QSPLIT_DAEMON_BACKEND_COMMON_RING_PROGRESS_H_
