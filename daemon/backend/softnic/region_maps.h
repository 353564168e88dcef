// Regions of a NIC's leases in this process's memory: each is mapped once, however many leases have
// it, and unmapped with the last of them.
//
// What is mapped is written by clients at any moment; nothing here reads it. Any thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_REGION_MAPS_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_REGION_MAPS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/device/device.h"
#include "daemon/linux/mapping.h"
#include "daemon/linux/memfd_facts.h"

namespace qsplit::softnic {

class RegionMaps {
 public:
  using Shared = std::shared_ptr<const linux_sys::Mapping>;

  // The region, whose memory has these facts; a new mapping is populated for as long as `budget`
  // lasts. Errors as linux_sys::Mapping.
  absl::StatusOr<Shared> Map(const device::RegionMapping& region,
                             const linux_sys::MemfdFacts& facts, absl::Duration budget);

 private:
  // Device, inode, offset, length, writable. An inode that is mapped names no other file.
  using Key = std::tuple<uint64_t, uint64_t, uint64_t, uint64_t, bool>;
  std::mutex mutex_;
  std::map<Key, std::weak_ptr<const linux_sys::Mapping>> maps_;
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_REGION_MAPS_H_
