// What a driver says about layouts, in the device's words.
//
// Pure functions; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_DRIVER_CHOICES_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_DRIVER_CHOICES_H_

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/backend/vfio/nic_driver.h"
#include "daemon/device/device.h"

namespace qsplit::vfio {

// A layout that a device offers, and what it can be set up with.
struct OfferedLayout {
  layout::VerifiedLayout layout;
  device::AllowedChoices allowed;
  const DrivenLayout* driven = nullptr;  // the driver's
};

// Those that the driver drives of those that are loaded. INTERNAL: the driver names a feature or a
// choice that the loaded layout does not have. NOT_FOUND: none of the driver's is loaded.
absl::StatusOr<std::vector<OfferedLayout>> OfferedLayouts(
    const DriverFacts& facts, std::span<const layout::VerifiedLayout> loaded);

// INVALID_ARGUMENT: a choice that is not among the allowed ones.
absl::Status CheckChoices(const OfferedLayout& offered, std::span<const uint32_t> features);

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_DRIVER_CHOICES_H_
