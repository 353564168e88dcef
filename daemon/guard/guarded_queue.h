// A queue that an unprivileged client shares with others: the client writes a shadow ring, the
// guard alone writes the ring that the device reads.
//
//   client ══► shadow ring ══► private copy ──► checked ──► real ring ──► doorbell ──► device
//              (shared)        each word once   (translated, rest cleared)              │
//   client ◄══ shadow ring ◄── what the layout says that a completion holds ◄── real ring
//
// Shadow ring, its doorbells and cells: hostile at every moment. Real ring: private memory of the
// daemon, written by the guard and the device. Both have the layout's form, as many slots, and
// slot i of one stands for slot i of the other. The device is trusted.
//
// Safe by construction, whatever the client does to its memory and when:
// - The real ring is written from private copies only, each made by one load of each word; nothing
//   is checked in one copy and stored out of another, so there is no moment between check and use.
// - A copy is stored when each address in it has been replaced by the device's address for a range
//   that lies wholly in one region of the lease, with its whole length; receive buffers only in
//   regions that the device may write.
// - Of a copy only what the layout gives a meaning is kept: constants are checked, bits without a
//   role are cleared. A layout whose descriptors point anywhere else (tables in memory, heads,
//   links, keys) is refused when the queue is made: see guardable.h.
// - The device is told of whole packets only, so that an unfinished one never holds it up.
// - Who owns a slot is known from private books, never from the shadow: at most capacity slots are
//   with the device, and none of them is written again before the device gave it back.
// - Each call does a bounded number of steps, however the indices jump or the chains loop.
// What is wrong stops this queue alone: nothing more of it is forwarded; what the device has
// already completes as ever.
//
// What a guard cannot see: bytes of packets, and what devices read out of them (a header in front
// of a packet in the client's memory may change after any check; devices check it themselves).
//
// Never: allocates, locks or makes a system call after Create; one indirect call for each burst,
// none for each descriptor. One thread at a time; counters and the views' memory aside, nothing
// here may be touched by another.
#ifndef QSPLIT_DAEMON_GUARD_GUARDED_QUEUE_H_
#define QSPLIT_DAEMON_GUARD_GUARDED_QUEUE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/device/counter.h"
#include "daemon/device/device.h"
#include "daemon/guard/rate_limit.h"
#include "daemon/guard/region_map.h"
#include "dataplane/ring_view.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::dataplane {
class BurstCache;
}

namespace qsplit::guard {

// What the layout does not say of a queue: how the device was set up, what it bears.
struct GuardOptions {
  // Receive: bytes of every buffer, where the layout sets them for the whole queue.
  uint32_t rx_buffer_bytes = 0;
  // Receive: bytes of the buffers that header.address points to; 0: the device uses none, and
  // descriptors must say address 0.
  uint32_t rx_header_bytes = 0;
  // Transmit: the largest packet that leaves in one piece, and the largest one that the device cuts
  // into segments, in bytes; 0: the layout's limit. Where the descriptors do not tell which it will
  // be, the second one counts.
  uint64_t max_packet_bytes = 0;
  uint64_t max_segmented_bytes = 0;
  // Transmit: the smallest segments that the device may be asked to cut, in bytes.
  uint32_t min_segment_bytes = 1;
  // The longest buffer in one descriptor, in bytes, and the most descriptors for a packet; 0: the
  // layout's limits.
  uint64_t max_buffer_bytes = 0;
  uint32_t max_descriptors = 0;
  // How descriptors are checked. All ways find the same; the slower ones are for processors without
  // SIMD, and for tests and measurements that compare.
  enum class Checks : uint8_t {
    kFastest,   // plain ones in bursts, with SIMD or machine code made for them
    kPortable,  // plain ones in bursts, with neither
    kOneByOne,
  };
  Checks checks = Checks::kFastest;
  // Where machine code that was made for other queues is looked for, and kept; null: nowhere. Only
  // Create uses it.
  dataplane::BurstCache* bursts = nullptr;
};

// Why a queue was stopped.
struct QueueFault {
  device::FaultKind kind = device::FaultKind::kBadDescriptor;
  // Of the shadow ring; of a table where the layout has one.
  uint32_t slot = 0;
  // As the client wrote them; 0 where the fault is not about an address.
  uint64_t iova = 0;
  uint64_t length_bytes = 0;
};

// Added to by the guard's thread, read by any.
struct alignas(64) GuardCounters {
  device::Counter packets;      // receive: that came; transmit: given to the device
  device::Counter bytes;        // of them
  device::Counter descriptors;  // forwarded to the device
  device::Counter completions;  // brought back
  device::Counter faults;       // 0 or 1
  device::Counter limited;      // times that a rate limit made the queue wait
};

class QueueGuard;

class GuardedQueue {
 public:
  // The rings of both views are zeroed or fresh, begin with all indices 0 and have the same slot
  // counts; their memory outlives the queue. features and layout_queue are the shadow's.
  // UNIMPLEMENTED: the layout has something that a guard cannot check, by name. INVALID_ARGUMENT: a
  // view that does not fit, regions as RegionMap::Create has it or out of reach of the layout's
  // addresses, a buffer size that the layout refuses.
  static absl::StatusOr<GuardedQueue> Create(const layout::VerifiedLayout& layout,
                                             v1::Direction direction,
                                             const dataplane::QueueView& shadow,
                                             const dataplane::QueueView& real,
                                             std::span<const GuardedRegion> regions,
                                             const GuardOptions& options);
  GuardedQueue(GuardedQueue&&) noexcept;
  GuardedQueue& operator=(GuardedQueue&&) noexcept;
  ~GuardedQueue();

  // Buckets that the lease's queues of this direction share; null: no limit. They outlive the
  // queue. Receive takes one packet for each buffer that is posted, and no bytes.
  void SetRateLimit(TokenBuckets* buckets);

  struct Moved {
    uint32_t forwarded = 0;  // descriptors, client to device
    uint32_t returned = 0;   // completions, device to client
    bool Any() const { return forwarded != 0 || returned != 0; }
  };
  // Brings back and forwards at most `budget` descriptors each way.
  Moved Poll(uint32_t budget);

  // Set once, and for good.
  const std::optional<QueueFault>& fault() const;
  const GuardCounters& counters() const;
  // How plain descriptors are checked, for people: "in bursts, with SIMD", "one by one: …".
  std::string How() const;

  // Before sleeping (need), and when awake again: tells the client to wake the guard, and the
  // device to raise an interrupt, where rings have flags for that. A full fence behind it.
  void SetNeedWakeup(bool need);
  // In how many ns Poll would move what stands in the rings now; 0: at once. Once more between
  // SetNeedWakeup and sleeping.
  static constexpr uint64_t kNoWork = UINT64_MAX;  // nothing stands there
  uint64_t WorkInNs();
  bool HasWork() { return WorkInNs() != kNoWork; }

 private:
  explicit GuardedQueue(std::unique_ptr<QueueGuard> guard);
  std::unique_ptr<QueueGuard> guard_;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_GUARDED_QUEUE_H_
