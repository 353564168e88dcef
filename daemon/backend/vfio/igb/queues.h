// Starting and stopping queues: their rings' addresses and lengths, buffers' size, thresholds.
//
// The same registers in a PF and in a VF, at other places. A function leased whole may have
// written any of them, so nothing that is read decides more than whether a wait is over. One
// thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_QUEUES_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_QUEUES_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/igb/model.h"
#include "daemon/backend/vfio/nic_driver.h"

namespace qsplit::vfio::igb {

// Where queue n's registers begin, of each direction.
struct QueueBank {
  uint32_t rx_base, rx_stride, tx_base, tx_stride;

  constexpr uint32_t Rx(uint32_t queue) const { return rx_base + rx_stride * queue; }
  constexpr uint32_t Tx(uint32_t queue) const { return tx_base + tx_stride * queue; }
  constexpr uint32_t Control(bool transmit, uint32_t queue) const {
    return (transmit ? Tx(queue) : Rx(queue)) + 0x28;
  }
};
inline constexpr QueueBank kPfBank{0xc000, 0x40, 0xe000, 0x40};    // RDBAL, TDBAL
inline constexpr QueueBank kVfBank{0x2800, 0x100, 0x3800, 0x100};  // 8.26

class Queues {
 public:
  Queues(const Model& model, QueueBank bank, FunctionAccess& function)
      : model_(model), bank_(bank), function_(function) {}

  // Sets up and starts the hardware's queue `number`. INVALID_ARGUMENT: the setup asks for what
  // the hardware does not do. UNAVAILABLE: the queue did not start in time.
  absl::StatusOr<QueuePlaces> Start(RegisterWindow& registers, uint32_t number,
                                    const QueueSetup& setup);
  // UNAVAILABLE: the hardware still had it enabled after 20 ms.
  absl::Status Stop(RegisterWindow& registers, bool transmit, uint32_t number);
  // Asks all queues below `count` to stop, and waits for none.
  void StopAll(RegisterWindow& registers, uint32_t count);

 private:
  absl::Status Check(const QueueSetup& setup) const;

  const Model& model_;
  QueueBank bank_;
  FunctionAccess& function_;
};

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_QUEUES_H_
