// The PF split into pools: each takes the packets to its own addresses, in its own VLAN or untagged
// (7.10.3). A pool is one queue of the device, and where the chip has two queues for each, a second
// one that only the hash reaches.
//
//   packet ─► address known? ─► its pools ─► those of its VLAN, or those that take untagged ─►
//   queue
//                   │ no, unicast
//                   └─► the default pool, if there is one; else dropped
//
// A rule without a VLAN takes untagged packets. Broadcasts, and multicasts that the function takes,
// go to each pool that has a rule, within its VLAN, and to the default pool: replicated. Rules of
// one pool have one VLAN, for the hardware takes every address of a pool in every VLAN of it. VFs'
// pools are not touched here. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_POOLS_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_POOLS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/igb/address_table.h"
#include "daemon/backend/vfio/igb/model.h"
#include "daemon/backend/vfio/igb/queue_map.h"
#include "daemon/backend/vfio/igb/vlan_table.h"
#include "daemon/device/device.h"

namespace qsplit::vfio::igb {

class Pools {
 public:
  Pools(Chip chip, AddressTable& addresses, VlanTable& vlans)
      : chip_(chip), addresses_(addresses), vlans_(vlans) {}

  // 4.5 (virtualization): no rule, no default pool. Tables of addresses and VLANs have been
  // started.
  void Start(RegisterWindow& registers, const QueueMap& map, const device::MacAddress& own,
             uint32_t max_frame_bytes);

  // As NicDriver's.
  absl::Status AddRule(RegisterWindow& registers, const device::FlowRule& rule);
  absl::Status RemoveRule(RegisterWindow& registers, uint32_t location);
  // INVALID_ARGUMENT: queues of several pools, or some entries without a queue. The pool that the
  // table names takes what no other does; all entries kNoQueue: none.
  absl::Status SetRss(RegisterWindow& registers, const device::RssConfig& config);

  void SetMaxFrame(RegisterWindow& registers, uint32_t max_frame_bytes);
  void SetAllMulticast(RegisterWindow& registers, bool all);
  bool has_default() const { return default_pool_.has_value(); }

 private:
  struct Rule {
    uint32_t location = 0;
    device::MacAddress mac{};
    std::optional<uint16_t> vid;  // absent: untagged
    uint32_t pool = 0;
  };
  absl::StatusOr<Rule> Encode(const device::FlowRule& rule) const;
  absl::Status CheckAgainstOthers(const Rule& rule) const;
  absl::Status WriteAddress(RegisterWindow& registers, const device::MacAddress& mac);
  void WritePool(RegisterWindow& registers, uint32_t pool) const;
  void WriteAllPools(RegisterWindow& registers) const;
  const Rule* FirstOf(uint32_t pool) const;

  Chip chip_;
  AddressTable& addresses_;
  VlanTable& vlans_;
  QueueMap map_;
  device::MacAddress own_{};
  uint32_t max_frame_bytes_ = 0;
  bool all_multicast_ = false;
  std::vector<Rule> rules_;
  std::optional<uint32_t> default_pool_;
  bool hashed_ = false;  // the default pool's two queues
};

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_POOLS_H_
