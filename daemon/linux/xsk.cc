#include "daemon/linux/xsk.h"

#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"
#include "daemon/linux/netns.h"

// Younger than Debian 12's headers: linux/if_xdp.h, asm-generic/socket.h.
#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4)
#endif
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#ifndef SO_BUSY_POLL_BUDGET
#define SO_BUSY_POLL_BUDGET 70
#endif

namespace qsplit::linux_sys {
namespace {

// XDP_MAX_TX_SKB_BUDGET, Linux 6.18: how many packets one sendto takes in copy mode; 32 before it.
constexpr int kMaxTxBudget = 9;
// For packets on their way in copy mode; the default of 208 KiB holds some 270.
constexpr int kSendBufferBytes = 16 << 20;

uint64_t PageBytes() { return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)); }

template <typename Value>
int Set(int fd, int level, int option, const Value& value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : errno;
}

absl::StatusOr<OwnedFd> NewSocket(const std::string& netns) {
  OwnedFd fd;
  const absl::Status status = RunInNetns(netns, [&fd] {
    fd = OwnedFd(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int error = errno;
    if (fd.valid()) return absl::OkStatus();
    if (error == EAFNOSUPPORT) {
      return absl::UnimplementedError(
          "AF_XDP sockets: this kernel is built without them (CONFIG_XDP_SOCKETS)");
    }
    return ErrnoStatus(error, "socket(AF_XDP) (needs CAP_NET_RAW)");
  });
  if (!status.ok()) return status;
  return fd;
}

std::string QueueName(const XskSetup& setup) {
  return absl::StrCat("queue ", setup.queue, " of netdev ", setup.netdev);
}

// Prefers to be polled by who waits: both options, or why not.
std::string BusyPoll(int fd, const XskSetup& setup) {
  if (const int error = Set(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, int{1}); error != 0) {
    return absl::StrCat("SO_PREFER_BUSY_POLL: ", std::strerror(error));
  }
  if (const int error = Set(fd, SOL_SOCKET, SO_BUSY_POLL, static_cast<int>(setup.busy_poll_us));
      error != 0) {
    return absl::StrCat("SO_BUSY_POLL: ", std::strerror(error));
  }
  if (const int error =
          Set(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, static_cast<int>(setup.busy_poll_budget));
      error != 0) {
    return absl::StrCat("SO_BUSY_POLL_BUDGET: ", std::strerror(error));
  }
  return {};
}

XskRingPlace PlaceOf(const xdp_ring_offset& offset, uint64_t map_offset, uint32_t slots,
                     uint64_t slot_bytes) {
  XskRingPlace place;
  const uint64_t page = PageBytes();
  place.map_offset_bytes = map_offset;
  place.map_length_bytes = (offset.desc + slots * slot_bytes + page - 1) / page * page;
  place.producer = offset.producer;
  place.consumer = offset.consumer;
  place.flags = offset.flags;
  place.slots = offset.desc;
  place.slot_count = slots;
  return place;
}

uint32_t Load(const std::byte* at) {
  return __atomic_load_n(reinterpret_cast<const uint32_t*>(at), __ATOMIC_ACQUIRE);
}

}  // namespace

absl::StatusOr<Xsk> Xsk::Open(const XskSetup& setup, const Xsk* shares) {
  absl::StatusOr<Xsk> socket = Make(setup, shares);
  if (!socket.ok()) return socket;
  if (absl::Status status = socket->Bind(setup, shares); !status.ok()) return status;
  return socket;
}

absl::StatusOr<Xsk> Xsk::Make(const XskSetup& setup, const Xsk* shares) {
  absl::StatusOr<OwnedFd> fd = NewSocket(setup.netns);
  if (!fd.ok()) return fd.status();
  Xsk socket;
  socket.fd_ = std::make_shared<const OwnedFd>(*std::move(fd));
  socket.slots_ = setup.slots;
  if (shares == nullptr) {
    const int error = RegisterXskUmem(socket.fd_->get(), setup.umem);
    if (error == EINVAL && setup.umem.tx_metadata_bytes != 0) {
      return absl::UnimplementedError(
          "transmit metadata: this kernel has it not (XDP_UMEM_TX_METADATA_LEN, Linux 6.11)");
    }
    if (error != 0) {
      return ErrnoStatus(
          error, "XDP_UMEM_REG",
          absl::StrCat(setup.umem.length_bytes, " bytes in chunks of ", setup.umem.chunk_bytes));
    }
  }
  if (absl::Status status = socket.MakeRings(setup); !status.ok()) return status;
  if (setup.busy_poll_us != 0) {
    socket.facts_.busy_poll_reason = BusyPoll(socket.fd_->get(), setup);
  }
  if (setup.slots.tx != 0) {
    // What older kernels lack, senders make up for by asking more often.
    (void)Set(socket.fd_->get(), SOL_SOCKET, SO_SNDBUFFORCE, kSendBufferBytes);
    if (setup.slots.tx >= 32) {
      (void)Set(socket.fd_->get(), SOL_XDP, kMaxTxBudget, setup.slots.tx);
    }
  }
  return socket;
}

absl::Status Xsk::Bind(const XskSetup& setup, const Xsk* shares) {
  absl::Status status = BindSomehow(setup, shares);
  return status.ok() ? ReadPlaces() : status;
}

absl::Status Xsk::MakeRings(const XskSetup& setup) {
  const struct {
    int option;
    uint32_t slots;
    const char* name;
  } rings[] = {{XDP_RX_RING, setup.slots.rx, "XDP_RX_RING"},
               {XDP_TX_RING, setup.slots.tx, "XDP_TX_RING"},
               {XDP_UMEM_FILL_RING, setup.slots.fill, "XDP_UMEM_FILL_RING"},
               {XDP_UMEM_COMPLETION_RING, setup.slots.completion, "XDP_UMEM_COMPLETION_RING"}};
  for (const auto& ring : rings) {
    if (ring.slots == 0) continue;
    const int error = Set(fd_->get(), SOL_XDP, ring.option, ring.slots);
    if (error != 0) return ErrnoStatus(error, ring.name, absl::StrCat(ring.slots, " slots"));
  }
  return absl::OkStatus();
}

absl::Status Xsk::BindOnce(const XskSetup& setup, uint16_t flags, int shared_fd) const {
  sockaddr_xdp address{};
  address.sxdp_family = AF_XDP;
  address.sxdp_flags = flags;
  address.sxdp_ifindex = setup.ifindex;
  address.sxdp_queue_id = setup.queue;
  address.sxdp_shared_umem_fd = shared_fd < 0 ? 0 : static_cast<uint32_t>(shared_fd);
  if (::bind(fd_->get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return absl::OkStatus();
  }
  const int error = errno;
  if (error != EBUSY) return ErrnoStatus(error, "bind of AF_XDP", QueueName(setup));
  return absl::UnavailableError(absl::StrCat(
      "another AF_XDP socket has ", QueueName(setup),
      "; the queue is free when the program that holds it closes it or ends, and `ss --xdp -p` in "
      "the netdev's namespace, or `lsof -nP | grep 'protocol: XDP'`, shows an administrator which "
      "that is"));
}

absl::Status Xsk::BindSomehow(const XskSetup& setup, const Xsk* shares) {
  if (shares != nullptr) {
    // It takes all from the other: linux net/xdp/xsk.c, "Cannot specify flags for shared sockets".
    facts_.zero_copy = shares->facts_.zero_copy;
    facts_.copy_reason = shares->facts_.copy_reason;
    facts_.multi_buffer = shares->facts_.multi_buffer;
    return BindOnce(setup, XDP_SHARED_UMEM, shares->fd_->get());
  }
  absl::Status first_error;
  for (const bool zero_copy : {true, false}) {
    if (zero_copy && !setup.zero_copy) continue;
    for (const bool multi_buffer : {true, false}) {
      if (multi_buffer && !(zero_copy ? setup.zero_copy_multi_buffer : setup.multi_buffer))
        continue;
      const int flags = XDP_USE_NEED_WAKEUP | (zero_copy ? XDP_ZEROCOPY : XDP_COPY) |
                        (multi_buffer ? XDP_USE_SG : 0);
      absl::Status status = BindOnce(setup, static_cast<uint16_t>(flags), -1);
      if (status.ok()) {
        if (zero_copy) facts_.copy_reason.clear();
        facts_.zero_copy = zero_copy;
        facts_.multi_buffer = multi_buffer;
        return status;
      }
      if (absl::IsUnavailable(status)) return status;
      if (zero_copy && facts_.copy_reason.empty()) {
        facts_.copy_reason = std::string(status.message());
      }
      first_error = status;
    }
  }
  return first_error;
}

absl::Status Xsk::ReadPlaces() {
  xdp_mmap_offsets offsets{};
  socklen_t bytes = sizeof offsets;
  if (::getsockopt(fd_->get(), SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &bytes) != 0) {
    return ErrnoStatus(errno, "XDP_MMAP_OFFSETS");
  }
  if (bytes != sizeof offsets) {
    return absl::UnimplementedError(
        "XDP_RING_NEED_WAKEUP: this kernel has it not (Linux 5.4); take a younger one");
  }
  places_ = {
      PlaceOf(offsets.fr, XDP_UMEM_PGOFF_FILL_RING, slots_.fill, sizeof(uint64_t)),
      PlaceOf(offsets.cr, XDP_UMEM_PGOFF_COMPLETION_RING, slots_.completion, sizeof(uint64_t)),
      PlaceOf(offsets.rx, XDP_PGOFF_RX_RING, slots_.rx, sizeof(xdp_desc)),
      PlaceOf(offsets.tx, XDP_PGOFF_TX_RING, slots_.tx, sizeof(xdp_desc))};
  return absl::OkStatus();
}

XskRingPlace Xsk::place(XskRing ring) const { return places_[static_cast<size_t>(ring)]; }

uint32_t Xsk::NapiId() const {
  uint32_t id = 0;
  socklen_t bytes = sizeof id;
  (void)::getsockopt(fd_->get(), SOL_SOCKET, SO_INCOMING_NAPI_ID, &id, &bytes);
  return id;
}

XskStatistics Xsk::Statistics() const {
  xdp_statistics counts{};
  socklen_t bytes = sizeof counts;
  XskStatistics statistics;
  if (::getsockopt(fd_->get(), SOL_XDP, XDP_STATISTICS, &counts, &bytes) != 0) return statistics;
  statistics.rx_dropped = counts.rx_dropped;
  statistics.rx_invalid_descs = counts.rx_invalid_descs;
  statistics.tx_invalid_descs = counts.tx_invalid_descs;
  statistics.rx_ring_full = counts.rx_ring_full;
  statistics.rx_fill_ring_empty = counts.rx_fill_ring_empty_descs;
  statistics.tx_ring_empty = counts.tx_ring_empty_descs;
  return statistics;
}

absl::StatusOr<XskRingView> XskRingView::Map(const Xsk& socket, XskRing ring) {
  const XskRingPlace place = socket.place(ring);
  if (place.slot_count == 0) return absl::NotFoundError("the socket has no such ring");
  void* at = ::mmap(nullptr, place.map_length_bytes, PROT_READ, MAP_SHARED, socket.fd()->get(),
                    static_cast<off_t>(place.map_offset_bytes));
  if (at == MAP_FAILED) return ErrnoStatus(errno, "mmap", "a ring of an AF_XDP socket");
  (void)::madvise(at, place.map_length_bytes, MADV_DONTFORK);
  return XskRingView(static_cast<const std::byte*>(at), place);
}

XskRingView::XskRingView(XskRingView&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), place_(other.place_) {}

XskRingView::~XskRingView() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), place_.map_length_bytes);
}

uint32_t XskRingView::producer() const { return Load(data_ + place_.producer); }
uint32_t XskRingView::consumer() const { return Load(data_ + place_.consumer); }
uint32_t XskRingView::flags() const { return Load(data_ + place_.flags); }

absl::StatusOr<XskKernel> ProbeXskKernel() {
  XskKernel kernel;
  const uint64_t bytes = uint64_t{2} * kMaxXskChunkBytes;
  void* page = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return ErrnoStatus(errno, "mmap", "two pages");
  absl::StatusOr<OwnedFd> socket = NewSocket({});
  absl::StatusOr<OwnedFd> other = NewSocket({});
  if (socket.ok() && other.ok()) {
    const XskUmem umem{
        .data = static_cast<std::byte*>(page), .length_bytes = bytes, .tx_metadata_bytes = 24};
    kernel.tx_metadata = RegisterXskUmem(socket->get(), umem) == 0;
    kernel.busy_poll = Set(socket->get(), SOL_SOCKET, SO_PREFER_BUSY_POLL, int{1}) == 0;
    // Flags are looked at before the netdev, of which there is none with index 0; a flag that is
    // not known is EINVAL (net/xdp/xsk.c, xsk_bind).
    sockaddr_xdp address{};
    address.sxdp_family = AF_XDP;
    address.sxdp_flags = XDP_USE_SG;
    const bool refused =
        ::bind(other->get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0;
    kernel.multi_buffer = refused && errno != EINVAL;
  }
  ::munmap(page, bytes);
  if (!socket.ok()) return socket.status();
  if (!other.ok()) return other.status();
  return kernel;
}

}  // namespace qsplit::linux_sys
