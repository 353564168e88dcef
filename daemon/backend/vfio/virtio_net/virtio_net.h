// Virtio 1.2 network devices, modern PCI transport.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_VIRTIO_NET_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_VIRTIO_NET_H_

#include <cstdint>
#include <memory>

#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/nic_driver.h"

namespace qsplit::vfio {

// nullptr: a device id that it does not know; it knows no transitional devices. `function` outlives
// the driver.
std::unique_ptr<NicDriver> MakeVirtioNet(uint16_t device_id, FunctionAccess& function);

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_VIRTIO_NET_H_
