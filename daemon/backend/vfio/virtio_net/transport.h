// The registers of a virtio function over PCI (virtio 1.2, 4.1): status, features, queues, and the
// network device's configuration.
//
// What is read here is hostile while the function is leased whole: nothing that was read decides an
// address without a bound, and each wait has an end. One thread.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_TRANSPORT_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_TRANSPORT_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/nic_driver.h"
#include "daemon/backend/vfio/virtio_net/pci_capabilities.h"
#include "daemon/backend/vfio/virtio_net/registers.h"

namespace qsplit::vfio::virtio_net {

// 2.7 and 2.8: the three parts of a virtqueue. In a packed one `driver` and `device` are the event
// suppression structures.
struct QueueAddresses {
  uint64_t descriptors = 0;
  uint64_t driver = 0;
  uint64_t device = 0;
};

class Transport {
 public:
  // Reads where things are. INVALID_ARGUMENT: FindCapabilities.
  static absl::StatusOr<Transport> Find(FunctionAccess& function);

  uint32_t vectors() const { return places_.vectors; }
  uint64_t config_bytes() const { return places_.device.bytes; }
  bool has_queue_reset() const { return places_.common.bytes >= kCommonBytesWithReset; }

  // 2.4, 4.1.4.3.2: until the status reads 0. UNAVAILABLE: not within `limit`.
  absl::Status Reset(absl::Duration limit);
  uint8_t Status() const;
  void AddStatus(uint8_t bits);
  uint64_t DeviceFeatures();
  void WriteDriverFeatures(uint64_t features);
  uint32_t QueueCount() const;
  // RESOURCE_EXHAUSTED: the device took no such vector.
  absl::Status SetConfigVector(uint16_t vector);

  // 0: there is no such queue.
  uint32_t MaxSlots(uint32_t virtqueue);
  // 4.1.5.1.3. Where a number is rung for it. RESOURCE_EXHAUSTED: no such vector.
  absl::StatusOr<RegisterPlace> EnableQueue(uint32_t virtqueue, uint16_t slots, uint16_t vector,
                                            const QueueAddresses& addresses);
  // 2.6.1, 4.1.4.3.2. UNAVAILABLE: not within `limit`.
  absl::Status ResetQueue(uint32_t virtqueue, absl::Duration limit);
  void Notify(const RegisterPlace& place, uint32_t virtqueue);

  // The device's own configuration; zero behind its end.
  uint32_t ReadConfig(uint64_t offset, uint32_t bytes) const;

 private:
  Transport(FunctionAccess& function, Capabilities places, RegisterWindow* common,
            RegisterWindow* device)
      : function_(&function), places_(places), common_(common), device_(device) {}

  uint16_t Common16(uint64_t offset) const {
    return common_->Read16(places_.common.offset + offset);
  }
  void SetCommon16(uint64_t offset, uint16_t value) {
    common_->Write16(places_.common.offset + offset, value);
  }
  void SetCommon32(uint64_t offset, uint32_t value) {
    common_->Write32(places_.common.offset + offset, value);
  }
  void SetCommon64(uint64_t offset, uint64_t value);

  FunctionAccess* function_;
  Capabilities places_;
  RegisterWindow* common_;
  RegisterWindow* device_;
};

}  // namespace qsplit::vfio::virtio_net

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_TRANSPORT_H_
