// Whether a device can give a lease the queues that it asks for: what back ends check alike.
//
// Pure functions; any thread. A back end says no before it has changed anything.
#ifndef QSPLIT_DAEMON_BACKEND_COMMON_QUEUE_CHECKS_H_
#define QSPLIT_DAEMON_BACKEND_COMMON_QUEUE_CHECKS_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "daemon/device/device.h"

namespace qsplit::backend {

// At least one queue, all of them the device's, each direction's in ascending order.
// INVALID_ARGUMENT.
absl::Status CheckQueueNumbers(const device::QueueRequest& request, const device::DeviceInfo& info);

// That a lease which is open leaves the request its number and its queues. ALREADY_EXISTS: the
// number is its own. RESOURCE_EXHAUSTED: one of the queues is.
absl::Status CheckApart(const device::QueueRequest& request, device::LeaseId open,
                        std::span<const uint32_t> open_rx, std::span<const uint32_t> open_tx);

}  // namespace qsplit::backend

#endif  // QSPLIT_DAEMON_BACKEND_COMMON_QUEUE_CHECKS_H_
