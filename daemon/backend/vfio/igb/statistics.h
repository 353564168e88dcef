// What the hardware has counted since Start. Most of its counters are cleared by being read, some
// wrap; here they are totals.
//
// Registers may be gone or hostile: a counter is then wrong, nothing else. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_STATISTICS_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_STATISTICS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/igb/queue_map.h"
#include "daemon/device/device.h"

namespace qsplit::vfio::igb {

// The four counters of a pool (82576), a queue (I350) or a VF, which wrap at 32 bits.
class PoolCounters {
 public:
  explicit PoolCounters(uint32_t base) : base_(base) {}
  void Start(const RegisterWindow& registers);
  void Read(const RegisterWindow& registers);

  uint64_t rx_packets() const { return totals_[0]; }
  uint64_t tx_packets() const { return totals_[1]; }
  uint64_t rx_bytes() const { return totals_[2]; }
  uint64_t tx_bytes() const { return totals_[3]; }

 private:
  uint32_t base_;
  std::array<uint32_t, 4> last_{};
  std::array<uint64_t, 4> totals_{};
};

class PfStatistics {
 public:
  // per_queue: the registers of pools count single queues (I350). They count pools only while there
  // are any (82576).
  void Start(const RegisterWindow& registers, const QueueMap& map, bool per_queue);
  // Adds the totals. Where only a pool's are known, its first queue gets them.
  void Read(const RegisterWindow& registers, device::DeviceCounters* counters);

 private:
  struct QueueTotals {
    uint32_t hardware = 0;
    uint64_t drops_no_descriptor = 0;
  };
  void Accumulate(const RegisterWindow& registers);

  device::DeviceCounters wire_;  // of it: the wire's and the drops
  uint32_t rx_queues_ = 0;
  std::vector<QueueTotals> queues_;  // of receive; what is behind rx_queues_ was to be dropped
  std::vector<PoolCounters> pools_;
};

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_STATISTICS_H_
