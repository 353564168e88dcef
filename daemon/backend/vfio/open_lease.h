// What a lease has of a function while it lasts: one class for each protection mode.
//
// Making it maps memory and starts queues, Stop stops them, and the destructor unmaps: from then on
// the function reaches nothing of the lease's, whatever it was told. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_OPEN_LEASE_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_OPEN_LEASE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/vfio/driver_choices.h"
#include "daemon/backend/vfio/hosted_function.h"
#include "daemon/backend/vfio/nic_driver.h"
#include "daemon/device/device.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::dataplane {
class BurstCache;
}

namespace qsplit::vfio {

// What a lease is made of.
struct LeaseParts {
  HostedFunction& function;
  NicDriver& driver;
  const OfferedLayout& layout;  // of the request
  uint32_t default_slots = 0;
  // The eventfd of each MSI-X vector of the driver's; null: it could not be had.
  std::span<const std::shared_ptr<const linux_sys::OwnedFd>> vector_events;
  // As guard::GuardOptions'.
  dataplane::BurstCache* bursts = nullptr;
};

class OpenLease {
 public:
  virtual ~OpenLease() = default;

  // Once.
  device::Grant TakeGrant() { return std::move(grant_); }
  const device::QueueRequest& request() const { return request_; }

  // Tries all queues, and tells of the first that did not confirm that it has stopped.
  virtual absl::Status Stop(NicDriver& driver) = 0;
  // Adds what this process has counted for the lease's queues.
  virtual void AddCounters(device::DeviceCounters*) const {}
  // As Device::ExamineQueue, ReadProgress and ReadRing, for a queue of the lease.
  virtual std::vector<device::QueueCheck> Examine(uint32_t queue, bool transmit) const = 0;
  virtual std::optional<device::QueueProgress> Progress(uint32_t queue, bool transmit) const = 0;
  virtual absl::StatusOr<device::RingImage> ReadRing(const device::RingSelection& wanted) const = 0;

 protected:
  explicit OpenLease(device::QueueRequest request) : request_(std::move(request)) {}

  const device::QueueRequest request_;
  device::Grant grant_;
};

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_OPEN_LEASE_H_
