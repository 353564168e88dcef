// The exact addresses that the function takes (RAL, RAH), each with the pools that it goes to.
//
// Entry 0 is the function's own address. Others stand where there is room; an address stands once.
// One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_ADDRESS_TABLE_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_ADDRESS_TABLE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "daemon/backend/vfio/function_access.h"
#include "daemon/device/device.h"

namespace qsplit::vfio::igb {

class AddressTable {
 public:
  // Writes all entries: `own` in entry 0, the others empty. With pools, an address that has none is
  // not taken at all; without, `own` is always.
  void Start(RegisterWindow& registers, uint32_t entries, const device::MacAddress& own,
             bool pooled);
  // A bit for each pool that gets packets to this address, 0 to remove it. RESOURCE_EXHAUSTED: no
  // entry is free.
  absl::Status SetPools(RegisterWindow& registers, const device::MacAddress& mac, uint32_t pools);
  uint32_t PoolsOf(const device::MacAddress& mac) const;

 private:
  struct Entry {
    device::MacAddress mac{};
    uint32_t pools = 0;
    bool used = false;
  };
  void Write(RegisterWindow& registers, uint32_t index) const;

  bool pooled_ = false;
  std::vector<Entry> entries_;
};

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_ADDRESS_TABLE_H_
