// Which multicast addresses are taken: a table of 4096 bits, chosen by a hash of the address
// (7.1).
//
// It serves the PF and its VFs together: each has a set of its own, the table holds what is in any,
// and every pool that looks at the table gets what is in it. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_MULTICAST_TABLE_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_MULTICAST_TABLE_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/igb/registers.h"
#include "daemon/device/device.h"

namespace qsplit::vfio::igb {

// RCTL.MO = 0: 12 bits, of the address's bits 47 to 36.
uint16_t MulticastHash(const device::MacAddress& mac);

class MulticastTable {
 public:
  // Whose set: a VF's number, or the PF's.
  static constexpr uint32_t kPf = kPools;

  void Start(RegisterWindow& registers);
  // Bits above the lowest 12 of a hash are ignored.
  void Set(RegisterWindow& registers, uint32_t owner, std::span<const uint16_t> hashes);
  // All addresses at once.
  void SetAll(RegisterWindow& registers, uint32_t owner);

 private:
  using Words = std::array<uint32_t, kMtaWords>;
  // The words that have changed.
  void Write(RegisterWindow& registers);

  std::array<Words, kPools + 1> owners_{};
  Words written_{};
};

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_MULTICAST_TABLE_H_
