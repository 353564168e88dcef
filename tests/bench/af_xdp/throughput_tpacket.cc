// Through AF_PACKET's rings, TPACKET_V3, as the kernel's packet_mmap.rst shows them: blocks to
// receive, slots to send, past the queueing discipline.
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "tests/bench/af_xdp/throughput_frame.h"
#include "tests/bench/af_xdp/throughput_ways.h"

namespace qsplit::throughput {
namespace {

// Of the receive ring.
constexpr uint32_t kBlockBytes = 1 << 18;
constexpr uint32_t kBlocks = 64;
constexpr uint32_t kLongestWaitMs = 1;  // until a block that is not full is handed over
// Of the transmit ring.
constexpr uint32_t kSlotBytes = 256;
constexpr uint32_t kSlots = 2048;
constexpr uint32_t kSendBlockBytes = 1 << 16;
// Where the kernel looks for a frame to send (Linux net/packet/af_packet.c, tpacket_parse_header).
constexpr uint32_t kFrameOffset = TPACKET3_HDRLEN - sizeof(sockaddr_ll);

// A socket with one ring, mapped.
struct Ring {
  int fd = -1;
  uint8_t* memory = nullptr;

  Ring(const Place& place, int which, const tpacket_req3& request) {
    // Of protocol 0 it receives nothing: a sender's.
    const uint16_t protocol = which == PACKET_RX_RING ? ETH_P_IP : 0;
    fd = ::socket(AF_PACKET, SOCK_RAW, 0);
    if (fd < 0) Die("socket(AF_PACKET)");
    const int version = TPACKET_V3;
    Set(PACKET_VERSION, version);
    if (which == PACKET_TX_RING) Set(PACKET_QDISC_BYPASS, 1);
    Set(which, request);
    const size_t bytes = size_t{request.tp_block_size} * request.tp_block_nr;
    void* mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (mapped == MAP_FAILED) Die("mmap of the ring");
    memory = static_cast<uint8_t*>(mapped);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(protocol);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(place.netdev));
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) Die("bind");
  }

  template <typename T>
  void Set(int option, const T& value) const {
    if (::setsockopt(fd, SOL_PACKET, option, &value, sizeof value) != 0) Die("setsockopt");
  }
};

}  // namespace

void ReceiveByTpacket3(const Place& place, Window& window) {
  tpacket_req3 request{};
  request.tp_block_size = kBlockBytes;
  request.tp_block_nr = kBlocks;
  request.tp_frame_size = TPACKET_ALIGNMENT << 7;
  request.tp_frame_nr = kBlocks * (kBlockBytes / request.tp_frame_size);
  request.tp_retire_blk_tov = kLongestWaitMs;
  const Ring ring(place, PACKET_RX_RING, request);
  SayReady();
  uint32_t block = 0;
  for (uint64_t count = 0; !window.Over(count);) {
    auto* at = ring.memory + size_t{block} * kBlockBytes;
    auto& header = reinterpret_cast<tpacket_block_desc*>(at)->hdr.bh1;
    const std::atomic_ref<uint32_t> status(header.block_status);
    // Pairs with the kernel's release of the block.
    if ((status.load(std::memory_order_acquire) & TP_STATUS_USER) == 0) continue;
    const auto* packet = reinterpret_cast<const tpacket3_hdr*>(at + header.offset_to_first_pkt);
    for (uint32_t i = 0; i < header.num_pkts; ++i) {
      const auto* bytes = reinterpret_cast<const uint8_t*>(packet);
      count += IsFrame(bytes + packet->tp_mac, packet->tp_snaplen) ? 1 : 0;
      packet = reinterpret_cast<const tpacket3_hdr*>(bytes + packet->tp_next_offset);
    }
    status.store(TP_STATUS_KERNEL, std::memory_order_release);
    block = (block + 1) % kBlocks;
  }
}

void SendByTpacket3(const Place& place) {
  tpacket_req3 request{};
  request.tp_block_size = kSendBlockBytes;
  request.tp_block_nr = kSlots / (kSendBlockBytes / kSlotBytes);
  request.tp_frame_size = kSlotBytes;
  request.tp_frame_nr = kSlots;
  const Ring ring(place, PACKET_TX_RING, request);
  const Frame frame = MakeFrame(kNobody);
  SayReady();
  uint32_t slot = 0;
  while (stop == 0) {
    for (uint32_t n = 0; n < kBurst; ++n) {
      auto* at = ring.memory + size_t{slot} * kSlotBytes;
      auto& header = *reinterpret_cast<tpacket3_hdr*>(at);
      const std::atomic_ref<uint32_t> status(header.tp_status);
      // Pairs with the kernel's release of the slot, whose packet is gone.
      if (status.load(std::memory_order_acquire) != TP_STATUS_AVAILABLE) break;
      header.tp_len = kFrameBytes;
      header.tp_next_offset = 0;
      std::memcpy(at + kFrameOffset, frame.data(), frame.size());
      status.store(TP_STATUS_SEND_REQUEST, std::memory_order_release);
      slot = (slot + 1) % kSlots;
    }
    if (::send(ring.fd, nullptr, 0, MSG_DONTWAIT) < 0 && errno != EAGAIN && errno != ENOBUFS) {
      Die("send");
    }
  }
}

}  // namespace qsplit::throughput
