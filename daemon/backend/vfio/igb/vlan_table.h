// Which VLANs are taken, and by which pools (VFTA, VLVF; 7.10.3).
//
// There is room for 32 VLANs. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_VLAN_TABLE_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_VLAN_TABLE_H_

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/igb/registers.h"

namespace qsplit::vfio::igb {

class VlanTable {
 public:
  void Start(RegisterWindow& registers);
  // RESOURCE_EXHAUSTED: 32 VLANs are in use. vid < 4096, pool < 8.
  absl::Status Add(RegisterWindow& registers, uint16_t vid, uint32_t pool);
  void Remove(RegisterWindow& registers, uint16_t vid, uint32_t pool);
  void RemovePool(RegisterWindow& registers, uint32_t pool);
  uint32_t CountOf(uint32_t pool) const;
  bool Has(uint16_t vid, uint32_t pool) const;

 private:
  struct Entry {
    uint16_t vid = 0;
    uint8_t pools = 0;  // 0: free
  };
  void Write(RegisterWindow& registers, uint32_t index, uint16_t vid) const;

  std::array<Entry, kVlvfEntries> entries_{};
  std::array<uint32_t, kVftaWords> vfta_{};
};

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_VLAN_TABLE_H_
