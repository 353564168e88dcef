// MSI-X of the PF: which vector tells of which queue.
//
// Vector 0 is for link and mailboxes, the others are shared by the queues in turn, both directions
// of a number by the same one. Each completion signals without being asked for again: EIAC clears
// the cause as the message goes out, and no cause masks itself. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_INTERRUPTS_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_INTERRUPTS_H_

#include <cstdint>

#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/igb/model.h"
#include "daemon/backend/vfio/igb/queue_map.h"

namespace qsplit::vfio::igb {

inline constexpr uint32_t kOtherVector = 0;
// Between two messages of a vector: short against a person, long against a packet.
inline constexpr uint32_t kModerationUs = 20;
// Likewise of the other one: a VF that floods its mailbox costs this often at most.
inline constexpr uint32_t kOtherModerationUs = 1000;

// 7.3: how many vectors the PF has beside the VFs: 10 in the EEPROM's default (MSIX_N), and with
// VFs, whose three each are taken from the 25 causes' end, what those leave.
uint32_t PfVectors(uint32_t vfs);

// Of a queue of the device, by its hardware number.
uint32_t VectorOfQueue(uint32_t hardware_queue, uint32_t vectors);

// 4.5, 7.3: routes the causes of the PF's queues to vectors and unmasks them. A reset came
// before.
void StartInterrupts(RegisterWindow& registers, Chip chip, const QueueMap& map, uint32_t vectors);
void StopInterrupts(RegisterWindow& registers);

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_INTERRUPTS_H_
