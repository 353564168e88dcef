// A device of the daemon's, as a program sees it, and how to get queues of it.
//
// DeviceInfo is a snapshot. Any thread may call Device.
#ifndef QSPLIT_DEVICE_H_
#define QSPLIT_DEVICE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace qsplit {

namespace internal {
class Core;
}
class Lease;
struct LeaseOptions;

// What keeps a device from memory that is not its lease's.
enum class ProtectionMode : uint8_t { kAny = 0, kDirect = 1, kGuarded = 2, kKernel = 3 };
// "direct", …; "any".
const char* ProtectionModeName(ProtectionMode mode);

// A device at one moment.
struct DeviceInfo {
  std::string name;
  // "softnic", "af_xdp" or "vfio".
  std::string backend;
  bool link_up = false;
  // Mbit/s; 0: unknown.
  uint32_t link_mbps = 0;
  // Largest payload of a frame in bytes, without the Ethernet header.
  uint32_t mtu_bytes = 0;
  std::array<uint8_t, 6> mac{};
  // -1: none.
  int32_t numa_node = -1;
  uint32_t rx_queues = 0;
  uint32_t tx_queues = 0;
  // Of these, how many no lease holds.
  uint32_t free_rx_queues = 0;
  uint32_t free_tx_queues = 0;
  // Slots of a ring when the request names none.
  uint32_t default_slots = 0;
  // Bytes of a buffer when the request names none.
  uint32_t buffer_bytes = 2048;
  // Steering rules that fit, and that are there.
  uint32_t rule_capacity = 0;
  uint32_t rules = 0;
  // Names of layouts that its queues can be set up with; the first is the default.
  std::vector<std::string> layouts;
  // Kernel netdev that carries the traffic of queues that nobody leases; empty: none.
  std::string representor;
  // True: transmit queues are had only where policy grants them by the device's name.
  bool transmit_needs_grant = false;
  // What holds it back, in a sentence; empty: nothing.
  std::string trouble;
};

// A handle that keeps the session alive.
class Device {
 public:
  Device(std::shared_ptr<internal::Core> core, DeviceInfo info);

  // As it was when it was opened or last refreshed.
  const DeviceInfo& info() const { return info_; }
  const std::string& name() const { return info_.name; }
  // Asks the daemon anew. NOT_FOUND: the device is gone.
  absl::Status Refresh();

  // Acquires queues, all or nothing, maps the grant, slices buffers, and posts them: what comes
  // back receives and sends. NOT_FOUND: no such layout. INVALID_ARGUMENT: no queue asked for, a
  // size out of range. RESOURCE_EXHAUSTED: no free queue, quota. PERMISSION_DENIED: policy.
  // UNIMPLEMENTED: no layout has the roles, the protection mode is not to be had, or this library
  // cannot drive the layout's rings. INTERNAL: the daemon's grant contradicts itself. #include
  // <qsplit/lease.h>.
  absl::StatusOr<Lease> Acquire(const LeaseOptions& options) const;

 private:
  std::shared_ptr<internal::Core> core_;
  DeviceInfo info_;
};

}  // namespace qsplit

#endif  // QSPLIT_DEVICE_H_
