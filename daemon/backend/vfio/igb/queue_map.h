// Which of the hardware's queues a queue number of the device is.
//
// Without pools they are the same. In pools the hardware pairs queue i with queue i + 8
// (82576, 8.26.1: pool i), and the first pools may belong to VFs. The device's queues are then the
// first queue of each pool of the PF, and behind them the second ones in the same order. Numbers
// only; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_QUEUE_MAP_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_QUEUE_MAP_H_

#include <cstdint>

#include "daemon/backend/vfio/igb/registers.h"

namespace qsplit::vfio::igb {

struct QueueMap {
  bool pooled = false;
  uint32_t queues = 0;           // not pooled
  uint32_t first_pool = 0;       // pooled: how many pools are VFs'
  uint32_t queues_per_pool = 1;  // pooled

  uint32_t pools() const { return kPools - first_pool; }
  // Of each direction; of the receive queues the last one is kept for what is to be dropped, where
  // the hardware's tables need a queue to say so.
  uint32_t count() const { return pooled ? pools() * queues_per_pool : queues; }
  uint32_t rx_count() const { return pooled ? count() : queues - 1; }
  uint32_t count(bool transmit) const { return transmit ? count() : rx_count(); }
  // Never enabled. Not pooled.
  uint32_t drop_queue() const { return queues - 1; }
  uint32_t Hardware(uint32_t queue) const {
    if (!pooled) return queue;
    return PoolOf(queue) + kPools * (queue / pools());
  }
  uint32_t PoolOf(uint32_t queue) const { return first_pool + queue % pools(); }
  // Whether packets reach it without a hash.
  bool IsFirstOfPool(uint32_t queue) const { return queue < pools(); }
  // A bit for each pool of the PF.
  uint32_t pool_mask() const { return (0xffu << first_pool) & 0xffu; }
};

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_QUEUE_MAP_H_
