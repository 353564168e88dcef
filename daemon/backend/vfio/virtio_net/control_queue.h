// The control virtqueue of a network device (virtio 1.2, 5.1.6.5), in memory of the driver's own:
// one command at a time, each a chain of two descriptors, in a ring of two slots.
//
//   | descriptors 32 B | driver area | device area | answer 1 B | … | command, a page |
//
// The device writes the device area, the answer and, packed, the descriptors; while the function is
// leased whole, its client makes it write anything anywhere in here. Read of it are a count or a
// flag, compared for equality, and one byte of answer. One thread.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_CONTROL_QUEUE_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_CONTROL_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/virtio_net/registers.h"
#include "daemon/backend/vfio/virtio_net/transport.h"

namespace qsplit::vfio::virtio_net {

class ControlQueue {
 public:
  static constexpr uint16_t kSlots = 2;
  static constexpr uint64_t kMemoryBytes = 8192;
  static constexpr size_t kMaxDataBytes = 4096 - 2;

  // Memory of kMemoryBytes.
  explicit ControlQueue(DmaMemory memory) : memory_(memory) {}

  // Makes the rings what they are before the first command. The device must not be live.
  void Clear(bool packed);
  QueueAddresses addresses() const;

  // Gives the device a command, and waits for its answer. UNAVAILABLE: none within `limit`, now or
  // since an earlier command. FAILED_PRECONDITION: the device refused it.
  absl::Status Do(FunctionAccess& function, const ControlCommand& command,
                  std::span<const std::byte> data, absl::Duration limit,
                  const std::function<void()>& notify);

 private:
  void Post(uint32_t command_bytes);
  bool Done() const;

  DmaMemory memory_;
  bool packed_ = false;
  bool outstanding_ = false;
  uint16_t posted_ = 0;  // commands so far
};

}  // namespace qsplit::vfio::virtio_net

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_CONTROL_QUEUE_H_
