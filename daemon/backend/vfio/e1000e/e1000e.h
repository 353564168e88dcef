// Intel 82574 (1 GbE, two receive and two transmit queues).
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_E1000E_E1000E_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_E1000E_E1000E_H_

#include <cstdint>
#include <memory>

#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/nic_driver.h"

namespace qsplit::vfio {

// nullptr: a device id that it does not know. `function` outlives the driver.
std::unique_ptr<NicDriver> MakeE1000e(uint16_t device_id, FunctionAccess& function);

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_E1000E_E1000E_H_
