// A receive queue of a lease.
//
// rx(i) and tx(i) of a lease share pool i: they, and all packets out of them, belong to one thread
// at a time. Different pairs may run on different threads without any locking. The ring is shared
// with the device; everything that is read from it is checked against what was posted.
//
// Receive makes no system call, but for a wakeup when the device says that it sleeps, and, where
// the device's configuration has busy_poll, one that polls it when no packet is there; Wait blocks.
#ifndef QSPLIT_RX_QUEUE_H_
#define QSPLIT_RX_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "qsplit/packet.h"
#include "qsplit/queue_access.h"

namespace qsplit {

namespace internal {
class LeaseParts;
class RxQueueImpl;
}  // namespace internal

class RxQueue {
 public:
  explicit RxQueue(std::unique_ptr<internal::RxQueueImpl> impl);
  ~RxQueue();
  RxQueue(const RxQueue&) = delete;
  RxQueue& operator=(const RxQueue&) = delete;

  // Takes packets that have arrived, at most out.size(), into `out`; what stood in those elements
  // is given back first. Returns how many. Posts fresh buffers to the device. 0 on a lease that
  // was revoked: a program that only polls looks at Lease::ok() from time to time.
  size_t Receive(std::span<Packet> out);

  // Blocks until a packet is there, at most `timeout` (absl::InfiniteDuration() is allowed). OK:
  // Receive will return something. DEADLINE_EXCEEDED: nothing came. ABORTED: the lease was revoked
  // or a fault stopped it. UNAVAILABLE: the daemon is gone. Where the device gives no events it
  // looks every 100 microseconds instead.
  absl::Status Wait(absl::Duration timeout);

  // For event loops of one's own: poll event_fd() for POLLIN, but only after Arm() said true.
  // -1: this device gives no events.
  int event_fd() const;
  // Asks for an event at the next packet, then looks once more. False: packets are there already,
  // call Receive and do not sleep. Forgets earlier events.
  bool Arm();

  // The device's number of the queue.
  uint32_t number() const;
  // Buffers that the device has now.
  uint32_t posted() const;
  // PacketField bits that the layout can give, of those that the program reads
  // (LeaseOptions::rx_fields).
  uint32_t available_fields() const;
  // How its descriptors are read and written.
  QueueAccess access() const;

  struct Counters {
    uint64_t packets = 0;
    uint64_t bytes = 0;
    uint64_t wakeups = 0;
    // Packets that the device described in a way that cannot be; they were dropped.
    uint64_t malformed = 0;
  };
  const Counters& counters() const;

 private:
  friend class internal::LeaseParts;
  std::unique_ptr<internal::RxQueueImpl> impl_;
};

}  // namespace qsplit

#endif  // QSPLIT_RX_QUEUE_H_
