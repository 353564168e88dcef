// What a lease has of a software NIC: its rings' memory, its IOMMU, its queues' device sides, and
// the means by which device and client wake each other.
//
// Made on the caller's thread, used by the workers' until the lease is closed, each queue by one.
// All of the mapped memory is hostile: only the device sides read it.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_LEASE_QUEUES_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_LEASE_QUEUES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/backend/common/worker.h"
#include "daemon/backend/softnic/counters.h"
#include "daemon/backend/softnic/iommu.h"
#include "daemon/backend/softnic/iommu_memory.h"
#include "daemon/backend/softnic/source_check.h"
#include "daemon/device/device.h"
#include "daemon/linux/mapping.h"
#include "daemon/linux/owned_fd.h"
#include "dataplane/burst_cache.h"
#include "dataplane/cache_line.h"
#include "dataplane/rx_device.h"
#include "dataplane/tx_device.h"

namespace qsplit::softnic {

struct BurstFrame;
struct LeaseQueues;

// What both directions have. On cache lines of its own: its neighbours may be another thread's.
struct alignas(dataplane::kCacheLineBytes) LeasedQueue {
  uint32_t number = 0;
  bool transmit = false;
  LeaseQueues* lease = nullptr;
  QueueStats* stats = nullptr;
  std::byte* event_request = nullptr;
  linux_sys::OwnedFd bell;
  Iommu::Cursor cursor;
  // How the ring's device side reaches memory; it points here.
  std::unique_ptr<IommuMemory> dma;
  bool stopped = false;        // by a fault, until the lease is closed
  bool event_pending = false;  // completions since the last look at event_request
  // Injected faults.
  uint64_t stalled_until_ns = 0;
  uint32_t lose_completions = 0;
  uint32_t wrong_lengths = 0;

  // Nothing is wrong with it, or is to go wrong.
  bool IsSound() const {
    return !stopped && stalled_until_ns == 0 && lose_completions == 0 && wrong_lengths == 0;
  }
};

struct RxQueue : LeasedQueue {
  explicit RxQueue(dataplane::RxDevice side)
      : ring(std::move(side)),
        supported(ring.Supported()),
        prefix_bytes(ring.PrefixBytes()),
        verifies(supported.Has(dataplane::RxField::kL3Checksum) ||
                 supported.Has(dataplane::RxField::kL4Checksum)) {}
  dataplane::RxDevice ring;
  const dataplane::RxFields supported;
  const uint32_t prefix_bytes;  // in front of each packet
  const bool verifies;          // says something of checksums
  uint32_t max_buffers = 1;     // for a packet
  // Frames of a burst on their way here, in order.
  BurstFrame* first = nullptr;
  BurstFrame* last = nullptr;
};

struct TxQueue : LeasedQueue {
  explicit TxQueue(dataplane::TxDevice side) : ring(std::move(side)) {}
  dataplane::TxDevice ring;
  // Slots published that did not make a whole packet when last looked at; 0: none.
  uint32_t incomplete_slots = 0;
  // Where the last burst began: a client that sends one packet at a time mostly uses one buffer
  // again. Only to be prefetched.
  const std::byte* last_frame = nullptr;
};

struct LeaseQueues {
  device::LeaseId id = 0;
  SourceCheck source;
  // Destroyed last to first: the queues before the memory that they point to.
  Iommu iommu;
  linux_sys::Mapping memory;
  std::shared_ptr<const linux_sys::OwnedFd> wakeup;  // eventfd; null where nothing needs it
  std::vector<std::unique_ptr<RxQueue>> rx;
  std::vector<std::unique_ptr<TxQueue>> tx;
};

// What one of the NIC's threads has of a lease.
struct LeaseShare final : backend::Wakeable {
  void Woken() override;

  LeaseQueues* lease = nullptr;
  std::vector<TxQueue*> tx;
};

struct NewLease {
  std::unique_ptr<LeaseQueues> queues;
  device::Grant grant;
};

// Maps the regions and makes the rings. Queue numbers are checked by the caller; stats are not set.
// INVALID_ARGUMENT: slots or buffer size that the layout lacks, or as Iommu::Create. UNIMPLEMENTED:
// a layout that this device does not drive, by name of what it cannot. bursts: see
// RxDeviceOptions; null: nothing is kept.
absl::StatusOr<NewLease> MakeLeaseQueues(const device::QueueRequest& request,
                                         uint32_t default_slots, RegionMaps& maps,
                                         dataplane::BurstCache* bursts);

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_LEASE_QUEUES_H_
