// A transmit queue of a lease.
//
// Belongs to one thread at a time, together with the receive queue of the same index and all
// packets of both; see rx_queue.h. Send makes no system call, but for a wakeup when the device says
// that it sleeps; Wait and Flush block.
#ifndef QSPLIT_TX_QUEUE_H_
#define QSPLIT_TX_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "qsplit/packet.h"
#include "qsplit/queue_access.h"

namespace qsplit {

namespace internal {
class LeaseParts;
class TxQueueImpl;
}  // namespace internal

// When a packet left that asked (Packet::RequestTimestamp).
struct TxTimestamp {
  // Counts the packets of this queue that asked, in the order in which Send took them, from 0.
  uint64_t number = 0;
  // When it left the device, or, of a kernel netdev without zero copy, when the kernel was done
  // with it. Nanoseconds on the clock of received packets' timestamps, wherever the layout can say
  // so: the software NIC's is CLOCK_REALTIME, the kernel's CLOCK_TAI, a NIC's its own. nullopt: the
  // packet was dropped (counters().refused), or the device did not say. Any value is possible.
  std::optional<uint64_t> time_ns;
};

class TxQueue {
 public:
  explicit TxQueue(std::unique_ptr<internal::TxQueueImpl> impl);
  ~TxQueue();
  TxQueue(const TxQueue&) = delete;
  TxQueue& operator=(const TxQueue&) = delete;

  // A packet of `bytes` bytes to fill in, from the Ethernet header on; over several segments when
  // it is longer than a buffer. What stands in it is undefined. Empty (false): no buffer is free
  // now (Wait), or `bytes` is 0 or more than all buffers.
  Packet Allocate(uint32_t bytes);

  // The same for all packets of a burst that are empty; returns how many of it, from the first on,
  // are packets then.
  size_t Allocate(std::span<Packet> packets, uint32_t bytes);

  // Sends packets in order and returns how many it took; those are empty then, the others stay the
  // caller's: the ring is full, Wait or try again. Packets of this lease, received or allocated, go
  // out without a copy; those of another lease are copied. A packet that this device can never send
  // (counters().refused) is taken and dropped.
  size_t Send(std::span<Packet> packets);
  // One packet; false: it was not taken.
  bool Send(Packet&& packet) { return Send(std::span(&packet, 1)) == 1; }

  // Takes buffers back whose packets are sent; Allocate and Send do so by themselves when they run
  // short. Returns how many packets.
  size_t Reclaim();
  // When packets left that asked and are sent: the next at most out.size(), each once, in the order
  // in which the device reported them; returns how many. Reclaims where it has fewer. Two rings
  // full of times are remembered: who takes all after each Send loses none; else the oldest are
  // lost (counters().timestamps_lost).
  size_t TakeTimestamps(std::span<TxTimestamp> out);
  // Packets that the device has and has not reported yet.
  uint32_t outstanding() const;

  // Blocks until the ring has room for a packet and the pool a buffer. Errors as RxQueue::Wait.
  absl::Status Wait(absl::Duration timeout);
  // Blocks until every packet is sent. Errors as RxQueue::Wait.
  absl::Status Flush(absl::Duration timeout);

  // The device's number of the queue.
  uint32_t number() const;
  // Whether the device, rather than the library, fills in checksums and VLAN tags.
  bool offloads_checksum_l3() const;
  bool offloads_checksum_l4() const;
  bool offloads_vlan() const;
  // Whether the device cuts TCP packets (Packet::RequestSegments); the library does not. A program
  // that cannot do without asks for the role segment.size (LeaseOptions::tx_roles).
  bool offloads_segments() const;
  // Whether the device says when packets left (Packet::RequestTimestamp); the library cannot. A
  // program that cannot do without asks for the role timestamp (LeaseOptions::tx_roles).
  bool offloads_timestamps() const;
  // How its descriptors are written, and completions read.
  QueueAccess access() const;

  struct Counters {
    uint64_t packets = 0;
    uint64_t bytes = 0;
    uint64_t wakeups = 0;
    // Packets that were copied because they could not go out as they lay.
    uint64_t copied = 0;
    // Packets that were dropped because the device can never send them: too long, or to be cut by a
    // device that does not.
    uint64_t refused = 0;
    // Packets that the device was given one by one, not in a burst with others: of several
    // segments, with requests that bursts cannot make, or to a queue that has none (access()).
    uint64_t sent_alone = 0;
    // Answers of TakeTimestamps that gave way to newer ones.
    uint64_t timestamps_lost = 0;
  };
  const Counters& counters() const;

 private:
  friend class internal::LeaseParts;
  std::unique_ptr<internal::TxQueueImpl> impl_;
};

}  // namespace qsplit

#endif  // QSPLIT_TX_QUEUE_H_
