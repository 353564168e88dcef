// The drivers of the 82576 and the I350.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_IGB_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_IGB_H_

#include <cstdint>
#include <memory>

#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/nic_driver.h"

namespace qsplit::vfio {

// For a function of vendor 0x8086; nullptr: none of these. `function` must outlive the driver.
std::unique_ptr<NicDriver> MakeIgb(uint16_t device_id, bool is_vf, FunctionAccess& function);

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_IGB_H_
