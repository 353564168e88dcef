// An AF_XDP socket: one queue of a netdev, with its rings and the memory (UMEM) behind them.
//
// The daemon makes, registers and binds it; a client without any capability gets the descriptor,
// maps the rings and drives them. From then on the client may write every ring at any moment: what
// is read here of rings is for people and for counters. The kernel checks every address against the
// UMEM. Closing the descriptor here takes nothing away from whoever has a copy of it; the queue is
// free when the last copy, and the last mapping of its rings, has gone, and then some 30 ms later,
// on a machine without a CPU to spare for the kernel's worker later still.
// Any thread, one at a time.
#ifndef QSPLIT_DAEMON_LINUX_XSK_H_
#define QSPLIT_DAEMON_LINUX_XSK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/linux/owned_fd.h"
#include "daemon/linux/xsk_umem.h"

namespace qsplit::linux_sys {

// In front of a packet that is received, the kernel's own: linux/bpf.h, XDP_PACKET_HEADROOM.
inline constexpr uint32_t kXskHeadroomBytes = 256;

// Slots, powers of two; 0: none. Every socket has the latter two.
struct XskSlots {
  uint32_t rx = 0;
  uint32_t tx = 0;
  uint32_t fill = 0;
  uint32_t completion = 0;
};

struct XskSetup {
  std::string netns;   // as RunInNetns
  std::string netdev;  // for messages
  uint32_t ifindex = 0;
  uint32_t queue = 0;
  XskSlots slots;
  XskUmem umem;              // not looked at with `shares`
  bool zero_copy = false;    // try it first
  bool multi_buffer = true;  // packets of several buffers, where the kernel has them
  // The same with zero copy. Where a bind that asks for it fails, kernels without "xsk: fix
  // XDP_UMEM_SG_FLAG issues" (2026) keep the wish with the UMEM, and refuse whoever is to share it.
  bool zero_copy_multi_buffer = false;
  uint32_t busy_poll_us = 0;  // SO_BUSY_POLL, with SO_PREFER_BUSY_POLL; 0: off
  uint32_t busy_poll_budget = 64;
};

// What the kernel granted.
struct XskFacts {
  bool zero_copy = false;
  std::string copy_reason;  // where zero copy was asked for and is not
  bool multi_buffer = false;
  std::string busy_poll_reason;  // where it was asked for and is not
};

enum class XskRing : uint8_t { kFill, kCompletion, kRx, kTx };

// Where a ring stands for whoever maps the socket: struct xdp_ring_offset, XDP_PGOFF_*.
struct XskRingPlace {
  uint64_t map_offset_bytes = 0;  // of the mapping, in the descriptor
  uint64_t map_length_bytes = 0;  // a multiple of the page size
  uint64_t producer = 0;          // u32 cells and slots, in the mapping
  uint64_t consumer = 0;
  uint64_t flags = 0;
  uint64_t slots = 0;
  uint32_t slot_count = 0;
};

// struct xdp_statistics.
struct XskStatistics {
  uint64_t rx_dropped = 0;
  uint64_t rx_invalid_descs = 0;
  uint64_t tx_invalid_descs = 0;
  uint64_t rx_ring_full = 0;
  uint64_t rx_fill_ring_empty = 0;
  uint64_t tx_ring_empty = 0;
};

class Xsk {
 public:
  // `shares`: a bound socket whose UMEM this one has, too; null: its own. UNAVAILABLE: another
  // socket still has the queue. UNIMPLEMENTED: the kernel or the driver lacks what is asked
  // for, by name. PERMISSION_DENIED: needs CAP_NET_RAW. RESOURCE_EXHAUSTED: no memory.
  static absl::StatusOr<Xsk> Open(const XskSetup& setup, const Xsk* shares);
  // The same in two steps. The first pins memory, and knows no queue; the second may be tried again
  // as long as it says UNAVAILABLE.
  static absl::StatusOr<Xsk> Make(const XskSetup& setup, const Xsk* shares);
  absl::Status Bind(const XskSetup& setup, const Xsk* shares);
  Xsk(Xsk&&) noexcept = default;
  Xsk& operator=(Xsk&&) noexcept = default;

  const std::shared_ptr<const OwnedFd>& fd() const { return fd_; }
  const XskFacts& facts() const { return facts_; }
  const XskSlots& slots() const { return slots_; }
  XskRingPlace place(XskRing ring) const;
  // The driver's NAPI that calls on the socket poll (SO_INCOMING_NAPI_ID). 0: none, so that busy
  // polling does nothing: a driver that names none for its queues (netif_queue_set_napi), or,
  // before Linux 6.14, no packet yet.
  uint32_t NapiId() const;
  // Since it was bound; zeros where the kernel says nothing.
  XskStatistics Statistics() const;

 private:
  Xsk() = default;
  absl::Status MakeRings(const XskSetup& setup);
  absl::Status BindSomehow(const XskSetup& setup, const Xsk* shares);
  absl::Status BindOnce(const XskSetup& setup, uint16_t flags, int shared_fd) const;
  absl::Status ReadPlaces();

  std::shared_ptr<const OwnedFd> fd_;
  XskSlots slots_;
  XskFacts facts_;
  std::array<XskRingPlace, 4> places_{};
};

// A ring of a socket, mapped to be looked at.
class XskRingView {
 public:
  static absl::StatusOr<XskRingView> Map(const Xsk& socket, XskRing ring);
  XskRingView(XskRingView&& other) noexcept;
  XskRingView& operator=(XskRingView&&) = delete;
  ~XskRingView();

  // As the client or the kernel has written them: any value.
  uint32_t producer() const;
  uint32_t consumer() const;
  uint32_t flags() const;
  uint32_t slot_count() const { return place_.slot_count; }
  // The mapping, in which place() says what stands where.
  const std::byte* data() const { return data_; }
  const XskRingPlace& place() const { return place_; }

 private:
  XskRingView(const std::byte* data, const XskRingPlace& place) : data_(data), place_(place) {}
  const std::byte* data_;
  XskRingPlace place_;
};

// Whether the kernel takes a UMEM with bytes for metadata in front of packets that are sent
// (XDP_UMEM_TX_METADATA_LEN, Linux 6.11), and packets of several buffers (XDP_USE_SG, Linux 6.6).
// Asked of it with a socket that is never bound to anything. PERMISSION_DENIED: needs CAP_NET_RAW.
struct XskKernel {
  bool tx_metadata = false;
  bool multi_buffer = false;
  bool busy_poll = false;
};
absl::StatusOr<XskKernel> ProbeXskKernel();

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_XSK_H_
