// What policy lets a tenant send on a device: at all, and with which source addresses.
//
// Decides and changes nothing. Pure functions; any thread.
#ifndef QSPLIT_DAEMON_LEASE_TRANSMISSION_H_
#define QSPLIT_DAEMON_LEASE_TRANSMISSION_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/device/device.h"
#include "daemon/policy/policy.h"

namespace qsplit::lease {

// How the source addresses of a lease's packets are checked.
struct SourcePlan {
  device::SourceFilter filter;  // for the device; empty: nothing is checked
  std::string trouble;          // policy names addresses and the device cannot check them: why
};

// For a lease with so many transmit queues, 0 too. Who gets a function whole, with its registers,
// can send without any. PERMISSION_DENIED (NOT_ALLOWED): policy grants no transmission on this
// device, or wants source addresses checked that the device cannot check.
absl::StatusOr<SourcePlan> PlanTransmission(const policy::Tenant& tenant,
                                            const device::DeviceInfo& device, uint32_t tx_queues);

// For a rule that sends packets back. PERMISSION_DENIED (NOT_ALLOWED): policy grants no
// transmission on this device, or wants source addresses checked: packets that go back bear those
// of others, and no device checks them.
absl::Status CheckReflection(const policy::Tenant& tenant, const device::DeviceInfo& device);

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_TRANSMISSION_H_
