// The sockets of one lease: one for each queue of the netdev that it holds, over one memory.
//
//   regions of the lease, adjoined ──► UMEM of the first socket ◄── shared by the others
//   receive queue i   fill ring, rx ring          ┐ of the socket that is bound to queue i
//   transmit queue i  tx ring, completion ring    ┘
//
// The client writes the rings at any moment, and the kernel checks what it finds there; what is
// read of them here is counted or shown, and decides nothing. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_SOCKET_LEASE_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_SOCKET_LEASE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/device/device.h"
#include "daemon/linux/process_end.h"
#include "daemon/linux/xsk.h"

namespace qsplit::af_xdp {

// What all sockets of a device have in common.
struct SocketOptions {
  std::string netns;   // as RunInNetns
  std::string netdev;  // for messages
  uint32_t ifindex = 0;
  std::string copy_reason;  // why everybody is copied for; empty: zero copy is to be tried
  // What the driver lacks of transmit metadata with zero copy; empty: nothing. A lease that wants
  // them is copied for then, or refused where zero copy is insisted upon.
  std::string no_zero_copy_metadata;
  // The same for leases that want to hear when packets left; the kernel notes that of what it
  // copies.
  std::string no_zero_copy_times;
  bool zero_copy_always = false;
  bool multi_buffer = true;
  bool zero_copy_multi_buffer = false;
  uint32_t mtu_bytes = 1500;  // at the moment
  uint32_t busy_poll_us = 0;  // 0: off
  uint32_t default_slots = 2048;
};

// Whether a frame of that MTU, with two VLAN tags, surely fits into a receive buffer that the NIC
// itself writes. Some NICs take the size of their buffers in KiB and let the rest lie idle; what is
// longer they put into two, and a driver that knows no packets of several buffers loses it, the
// kernel's own packets too.
bool FrameFits(uint32_t chunk_bytes, uint32_t mtu_bytes);

// UNIMPLEMENTED: so many microseconds of busy polling are wanted, and the kernel has none.
absl::Status CheckBusyPoll(uint32_t busy_poll_us, const linux_sys::XskKernel& kernel);

// Why a lease's packets are copied; empty: zero copy is to be tried. UNIMPLEMENTED: not without a
// copy with what the lease wants, and zero copy is insisted upon.
absl::StatusOr<std::string> WhyCopied(const device::QueueRequest& request,
                                      const SocketOptions& options);

class SocketLease {
 public:
  // The request's layout is linux.af_xdp. Pins the lease's memory, which may take long, and knows
  // nothing of what others have. INVALID_ARGUMENT: buffers, slots or regions that AF_XDP does not
  // take. Otherwise as Xsk::Make.
  static absl::StatusOr<std::unique_ptr<SocketLease>> Make(const device::QueueRequest& request,
                                                           const SocketOptions& options);
  // Takes its queues; once. UNAVAILABLE, and which queue it is (HeldQueueOf): another socket still
  // has one; it may be tried again. Otherwise as Xsk::Bind.
  absl::Status Bind();
  // Closes the sockets side by side, and waits as long as the kernel does.
  ~SocketLease();
  SocketLease(const SocketLease&) = delete;
  SocketLease& operator=(const SocketLease&) = delete;

  const device::QueueRequest& request() const { return request_; }
  // Ascending, of either direction.
  std::vector<uint32_t> queues() const;
  // Descriptor of the socket that is bound to a queue; -1: the lease has it not.
  int SocketOf(uint32_t queue) const;
  // Empty: they are not.
  const std::string& why_copied() const { return why_copied_; }

  // Whether somebody else in this process has descriptors of its sockets.
  bool Shared() const;
  // Whether the program that got them is about to end, and has not closed all that it had yet.
  bool HolderEnds() const { return !holder_end_.Over() && holder_end_.Begun(); }

  // What the client gets; afterwards nothing is left of it here.
  device::Grant TakeGrant() { return std::move(grant_); }

  // A ring as it is at this moment.
  struct Level {
    uint32_t slots = 0;
    uint32_t filled = 0;  // from the consumer on; more than there are slots: an index is wrong
    bool need_wakeup = false;
  };
  struct QueueLevels {
    Level posted;     // fill ring; of a transmit queue, tx ring
    Level completed;  // rx ring; completion ring
    linux_sys::XskStatistics statistics;
    uint32_t napi_id = 0;  // as Xsk::NapiId
    bool zero_copy = false;
    bool multi_buffer = false;
    std::string busy_poll_reason;  // where it was asked for and is not
    // With zero copy: receive buffers that were posted and have not come back with a packet.
    uint32_t held = 0;
    // The two indices that the holder writes: another number when it has posted or taken something.
    uint64_t holder_position = 0;
  };
  // None: the lease has not this queue in this direction.
  std::optional<QueueLevels> Levels(uint32_t queue, bool transmit) const;
  // As Device::ReadRing.
  absl::StatusOr<device::RingImage> ReadRing(const device::RingSelection& wanted) const;

  // Adds what the lease's queues have counted. Of packets received it takes off those that were for
  // a socket and found no place: what was for it, the XDP program counts. Indices of rings, of
  // which descriptors and what is sent are counted, can be forged by the holder, and are to be
  // looked at before they have come round (2^32).
  void AddCounters(device::DeviceCounters* counters);

 private:
  // A ring that is mapped, and how far the kernel has come in it.
  struct Counted {
    linux_sys::XskRingView ring;
    bool kernel_produces = false;  // else it consumes
    uint32_t last = 0;             // its index, as last seen
    uint64_t total = 0;

    uint64_t Total();
  };
  struct OneSocket {
    uint32_t queue = 0;
    bool receives = false;
    bool transmits = false;
    linux_sys::Xsk socket;
    std::optional<Counted> fill, rx, tx, completion;
  };

  const OneSocket* Find(uint32_t queue, bool transmit) const;
  explicit SocketLease(const device::QueueRequest& request);
  absl::Status PinMemory(const SocketOptions& options);
  // Its socket, of this queue.
  absl::Status Add(uint32_t queue);
  absl::Status MapRings(OneSocket& one);
  void WriteGrant();
  static linux_sys::XskRing RingOf(const v1::Ring& ring, bool transmit);
  static uint64_t CellOf(const v1::IndexCell& cell, const linux_sys::XskRingPlace& place);
  device::QueueGrant GrantOf(const OneSocket& one, uint32_t fd, bool transmit);

  device::QueueRequest request_;
  linux_sys::ProcessEnd holder_end_;
  std::string why_copied_;
  linux_sys::XskSetup setup_;  // but for queue and slots
  uint32_t default_slots_ = 0;
  std::vector<OneSocket> sockets_;  // the first one's UMEM is everybody's
  size_t bound_ = 0;                // so many of them
  device::Grant grant_;
};

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_SOCKET_LEASE_H_
