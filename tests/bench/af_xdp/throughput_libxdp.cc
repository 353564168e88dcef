// Through an AF_XDP socket of libxdp with the program that libxdp brings along, as its documents
// and examples use it: need-wakeup, buffers of 2048 bytes, rings of 2048. Or with a program for one
// UDP port, written by hand.
#include <bpf/libbpf.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "tests/bench/af_xdp/throughput_frame.h"
#include "tests/bench/af_xdp/throughput_ways.h"

// Linux include/uapi/asm-generic/socket.h, since 5.11.
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#define SO_BUSY_POLL_BUDGET 70
#endif

namespace qsplit::throughput {
namespace {

constexpr uint32_t kSlots = 2048;
constexpr uint32_t kBuffers = 2 * kSlots;
constexpr uint32_t kBufferBytes = 2048;

// UMEM, its rings, and the socket's.
struct Xsk {
  uint8_t* memory = nullptr;
  xsk_umem* umem = nullptr;
  xsk_socket* socket = nullptr;
  xsk_ring_prod fill{}, tx{};
  xsk_ring_cons completion{}, rx{};
  std::vector<uint64_t> free;  // addresses of buffers that are ours

  Xsk(const Place& place, bool receives, bool loads_program) {
    const size_t bytes = size_t{kBuffers} * kBufferBytes;
    void* mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (mapped == MAP_FAILED) Die("mmap");
    memory = static_cast<uint8_t*>(mapped);
    const xsk_umem_config memory_config{.fill_size = kSlots,
                                        .comp_size = kSlots,
                                        .frame_size = kBufferBytes,
                                        .frame_headroom = 0,
                                        .flags = 0};
    if (xsk_umem__create(&umem, memory, bytes, &fill, &completion, &memory_config) != 0) {
      Die("xsk_umem__create");
    }
    xsk_socket_config config{};
    config.rx_size = kSlots;
    config.tx_size = kSlots;
    config.libxdp_flags = loads_program ? 0 : XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
    config.bind_flags = XDP_USE_NEED_WAKEUP;
    if (xsk_socket__create(&socket, place.netdev, place.queue, umem, receives ? &rx : nullptr,
                           receives ? nullptr : &tx, &config) != 0) {
      Die("xsk_socket__create");
    }
    for (uint32_t i = 0; i < kBuffers; ++i) free.push_back(uint64_t{i} * kBufferBytes);
  }
  ~Xsk() {
    xsk_socket__delete(socket);
    xsk_umem__delete(umem);
  }
  Xsk(const Xsk&) = delete;
  Xsk& operator=(const Xsk&) = delete;

  int fd() const { return xsk_socket__fd(socket); }
  void Poll() const { ::recvfrom(fd(), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr); }
};

void PreferPolling(int fd) {
  constexpr struct {
    int option, value;
  } kOptions[] = {{SO_PREFER_BUSY_POLL, 1}, {SO_BUSY_POLL, 20}, {SO_BUSY_POLL_BUDGET, kBurst}};
  for (const auto& one : kOptions) {
    if (::setsockopt(fd, SOL_SOCKET, one.option, &one.value, sizeof one.value) != 0) {
      Die("SO_PREFER_BUSY_POLL");
    }
  }
}

// Hands packets of kPort to the socket for as long as it is there.
class PortProgram {
 public:
  PortProgram(const Place& place, xsk_socket* socket)
      : object_(bpf_object__open_file(QSPLIT_PORT_PROGRAM, nullptr)) {
    if (object_ == nullptr || bpf_object__load(object_) != 0) Die(QSPLIT_PORT_PROGRAM);
    const int sockets = bpf_object__find_map_fd_by_name(object_, "sockets");
    if (xsk_socket__update_xskmap(socket, sockets) != 0) Die("xsk_socket__update_xskmap");
    link_ = bpf_program__attach_xdp(bpf_object__find_program_by_name(object_, "one_port"),
                                    static_cast<int>(::if_nametoindex(place.netdev)));
    if (link_ == nullptr) Die("bpf_program__attach_xdp");
  }
  ~PortProgram() {
    bpf_link__destroy(link_);
    bpf_object__close(object_);
  }
  PortProgram(const PortProgram&) = delete;
  PortProgram& operator=(const PortProgram&) = delete;

 private:
  bpf_object* object_;
  bpf_link* link_ = nullptr;
};

enum class Steering { kQueue, kPort };

void Receive(const Place& place, Window& window, Steering steering, bool polling) {
  Xsk xsk(place, true, steering == Steering::kQueue);
  std::optional<PortProgram> program;
  if (steering == Steering::kPort) program.emplace(place, xsk.socket);
  if (polling) PreferPolling(xsk.fd());
  uint32_t at = 0;
  if (xsk_ring_prod__reserve(&xsk.fill, kSlots, &at) != kSlots) Die("fill ring", "too small");
  for (uint32_t i = 0; i < kSlots; ++i) *xsk_ring_prod__fill_addr(&xsk.fill, at + i) = xsk.free[i];
  xsk_ring_prod__submit(&xsk.fill, kSlots);
  SayReady();
  for (uint64_t count = 0; !window.Over(count);) {
    uint32_t from = 0;
    const uint32_t n = xsk_ring_cons__peek(&xsk.rx, kBurst, &from);
    if (n == 0) {
      if (polling || xsk_ring_prod__needs_wakeup(&xsk.fill) != 0) xsk.Poll();
      continue;
    }
    // The kernel says that a packet is there before it says that its slot of the fill ring is free.
    while (xsk_ring_prod__reserve(&xsk.fill, n, &at) != n) {
      if (xsk_ring_prod__needs_wakeup(&xsk.fill) != 0) xsk.Poll();
    }
    for (uint32_t i = 0; i < n; ++i) {
      const xdp_desc* packet = xsk_ring_cons__rx_desc(&xsk.rx, from + i);
      count += IsFrame(xsk_umem__get_data(xsk.memory, packet->addr), packet->len) ? 1 : 0;
      *xsk_ring_prod__fill_addr(&xsk.fill, at + i) = xsk_umem__extract_addr(packet->addr);
    }
    xsk_ring_cons__release(&xsk.rx, n);
    xsk_ring_prod__submit(&xsk.fill, n);
  }
}

}  // namespace

void ReceiveByLibxdp(const Place& place, Window& window) {
  Receive(place, window, Steering::kQueue, false);
}
void ReceiveByLibxdpPolling(const Place& place, Window& window) {
  Receive(place, window, Steering::kQueue, true);
}
void ReceivePortByLibxdp(const Place& place, Window& window) {
  Receive(place, window, Steering::kPort, false);
}

void SendByLibxdp(const Place& place) {
  Xsk xsk(place, false, false);
  const Frame frame = MakeFrame(kNobody);
  SayReady();
  while (stop == 0) {
    uint32_t from = 0, at = 0;
    const uint32_t done = xsk_ring_cons__peek(&xsk.completion, kSlots, &from);
    for (uint32_t i = 0; i < done; ++i) {
      xsk.free.push_back(*xsk_ring_cons__comp_addr(&xsk.completion, from + i));
    }
    if (done > 0) xsk_ring_cons__release(&xsk.completion, done);
    if (xsk.free.size() >= kBurst && xsk_ring_prod__reserve(&xsk.tx, kBurst, &at) == kBurst) {
      for (uint32_t i = 0; i < kBurst; ++i) {
        const uint64_t buffer = xsk.free.back();
        xsk.free.pop_back();
        std::memcpy(xsk_umem__get_data(xsk.memory, buffer), frame.data(), frame.size());
        *xsk_ring_prod__tx_desc(&xsk.tx, at + i) = {buffer, kFrameBytes, 0};
      }
      xsk_ring_prod__submit(&xsk.tx, kBurst);
    }
    if (xsk_ring_prod__needs_wakeup(&xsk.tx) != 0 &&
        ::sendto(xsk.fd(), nullptr, 0, MSG_DONTWAIT, nullptr, 0) < 0 && errno != EAGAIN &&
        errno != EBUSY && errno != ENOBUFS) {
      Die("sendto");
    }
  }
}

}  // namespace qsplit::throughput
