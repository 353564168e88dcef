// The rings of a lease that the function itself reads and writes: their memory, mapped for it, and
// its queues started on them.
//
// In direct mode the client writes this memory and the doorbells; in guarded mode the guard does,
// and nobody else sees it. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_REAL_RINGS_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_REAL_RINGS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/common/ring_memory.h"
#include "daemon/backend/vfio/hosted_function.h"
#include "daemon/backend/vfio/nic_driver.h"
#include "daemon/device/device.h"
#include "dataplane/ring_view.h"

namespace qsplit::vfio {

// A queue of a lease with all that has been decided about it.
struct RealQueue {
  bool transmit = false;
  const v1::Queue* of_layout = nullptr;  // the request's layout keeps it
  device::QueueGrant grant;              // places are offsets into the memory; no doorbells in it
  QueuePlaces places;                    // where the doorbells are, once it is started
};

class RealRings {
 public:
  // Plans, allocates and maps; starts nothing. The request outlives this. INVALID_ARGUMENT: sizes
  // that the layout lacks. RESOURCE_EXHAUSTED: no memory, no addresses, a limit of the IOMMU's.
  static absl::StatusOr<std::unique_ptr<RealRings>> Make(HostedFunction& function,
                                                         const device::QueueRequest& request,
                                                         const DrivenLayout& driven,
                                                         uint32_t default_slots);
  // Unmaps. The queues have been stopped, or nothing that they do reaches memory any more.
  ~RealRings();
  RealRings(const RealRings&) = delete;
  RealRings& operator=(const RealRings&) = delete;

  // All or none.
  absl::Status Start(NicDriver& driver);
  // Tries all, and tells of the first that did not confirm that it has stopped.
  absl::Status Stop(NicDriver& driver);

  std::vector<RealQueue>& queues() { return queues_; }
  const backend::RingMemory& memory() const { return memory_; }
  uint64_t bytes() const { return memory_.memory.length_bytes(); }

  // The queue as this process drives it, its doorbells in the function's registers. INTERNAL: a
  // BAR that cannot be mapped.
  absl::StatusOr<dataplane::QueueView> View(const RealQueue& queue);
  // Slots that are posted and that the device has not come to yet; absent: its registers do not
  // say. What they say is the holder's, where he can write them: never more than the ring has.
  std::optional<uint32_t> Posted(uint32_t queue, bool transmit) const;
  // As Device::ReadProgress.
  std::optional<device::QueueProgress> Progress(uint32_t queue, bool transmit) const;
  // What stands in the rings' memory. As Device::ReadRing.
  absl::StatusOr<device::RingImage> Read(const device::RingSelection& wanted) const;

 private:
  RealRings(HostedFunction& function, const device::QueueRequest& request)
      : function_(function), request_(request) {}

  // How far a ring's two sides are, by the function's registers.
  struct Indices {
    uint32_t slots = 0;
    uint32_t posted_to = 0;  // < slots
    uint32_t device_at = 0;  // < slots
  };
  const RealQueue* Find(uint32_t queue, bool transmit) const;
  std::optional<Indices> ReadIndices(const RealQueue& queue) const;
  // Without doorbells.
  dataplane::QueueView MemoryOf(const RealQueue& queue) const;

  HostedFunction& function_;
  const device::QueueRequest& request_;
  backend::RingMemory memory_;
  uint64_t iova_ = 0;
  bool mapped_ = false;
  std::vector<RealQueue> queues_;
};

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_REAL_RINGS_H_
