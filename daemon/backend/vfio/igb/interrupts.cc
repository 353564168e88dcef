#include "daemon/backend/vfio/igb/interrupts.h"

#include <algorithm>

#include "daemon/backend/vfio/igb/registers.h"

namespace qsplit::vfio::igb {
namespace {

// Where the entry of a queue stands: which IVAR, and the shift of its byte. The transmit queue's is
// the next byte.
struct IvarPlace {
  uint32_t ivar, shift;
};
IvarPlace IvarOf(Chip chip, uint32_t queue) {
  // 8.8, IVAR: queue n with queue n + 8; in the I350 with its neighbour.
  if (chip == Chip::k82576) return {queue % 8, queue < 8 ? 0u : 16u};
  return {queue / 2, queue % 2 == 0 ? 0u : 16u};
}

}  // namespace

uint32_t PfVectors(uint32_t vfs) { return std::min(10u, 25 - 3 * std::min(vfs, 8u)); }

uint32_t VectorOfQueue(uint32_t hardware_queue, uint32_t vectors) {
  return vectors < 2 ? kOtherVector : 1 + hardware_queue % (vectors - 1);
}

void StartInterrupts(RegisterWindow& registers, Chip chip, const QueueMap& map, uint32_t vectors) {
  // 8.8, GPIE: MSI-X with several vectors; reading ICR clears it, whatever IMS is. Before EIAC and
  // EIMS, whose bits mean vectors only in this mode.
  registers.Write32(kGpie, kGpieMsix | kGpiePba | kGpieClearAll);
  registers.Write32(kIam, 0);

  for (uint32_t queue = 0; queue < map.count(); ++queue) {
    const uint32_t hardware = map.Hardware(queue);
    const uint32_t entry = VectorOfQueue(hardware, vectors) | kIvarValid;
    const auto [ivar, shift] = IvarOf(chip, hardware);
    const uint32_t others = registers.Read32(Ivar(ivar)) & ~(0xffffu << shift);
    registers.Write32(Ivar(ivar), others | (entry | entry << 8) << shift);
  }
  registers.Write32(kIvarMisc, (kOtherVector | kIvarValid) << kIvarMiscOtherShift);

  registers.Write32(Eitr(kOtherVector), kOtherModerationUs << kEitrIntervalShift);
  for (uint32_t vector = 1; vector < vectors; ++vector) {
    registers.Write32(Eitr(vector), kModerationUs << kEitrIntervalShift);
  }

  const uint32_t all = (1u << vectors) - 1;
  registers.Write32(kEiac, all);
  registers.Write32(kEiam, 0);
  registers.Write32(kEims, all);
  registers.Write32(kIms, kCauseLink | kCauseMailbox);
}

void StopInterrupts(RegisterWindow& registers) {
  registers.Write32(kImc, ~0u);
  registers.Write32(kEimc, ~0u);
  registers.Read32(kIcr);
}

}  // namespace qsplit::vfio::igb
