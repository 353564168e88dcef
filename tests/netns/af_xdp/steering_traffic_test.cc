// The program with packets of a wire and of the kernel's own stack, and with real AF_XDP sockets.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <thread>

#include "tests/netns/af_xdp/steering_world.h"
#include "tests/support/frames.h"
#include "tests/support/udp_rule.h"

namespace qsplit::af_xdp {
namespace {

using qsplit::testing::Bytes;
using qsplit::testing::FrameSpec;
using qsplit::testing::MakeFrame;
using qsplit::testing::UdpPortRule;

constexpr qsplit::testing::Mac kX0 = {0x02, 0, 0, 0, 0, 1};
constexpr qsplit::testing::Mac kWire = {0x02, 0, 0, 0, 0, 2};
constexpr int kWaitMs = 2000;
constexpr uint32_t kArrival = 0;  // the queue that all of the wire's frames arrive on

// Everything that passes a netdev, both ways, as the kernel's stack sees it.
class RawSocket {
 public:
  explicit RawSocket(const char* netdev)
      : fd_(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL))) {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(netdev));
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  void Send(const Bytes& frame) {
    EXPECT_EQ(::send(fd_.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
  }
  // The next frame that came in from outside; empty: none came.
  Bytes Receive(int wait_ms = kWaitMs) {
    for (pollfd poll{fd_.get(), POLLIN, 0}; ::poll(&poll, 1, wait_ms) == 1;) {
      Bytes frame(4096);
      sockaddr_ll from{};
      socklen_t from_bytes = sizeof from;
      const ssize_t bytes = ::recvfrom(fd_.get(), frame.data(), frame.size(), 0,
                                       reinterpret_cast<sockaddr*>(&from), &from_bytes);
      if (bytes < 0 || from.sll_pkttype == PACKET_OUTGOING) continue;
      frame.resize(static_cast<size_t>(bytes));
      return frame;
    }
    return {};
  }

 private:
  linux_sys::OwnedFd fd_;
};

// An AF_XDP socket of libxdp's, bound to a queue of x0, in copy mode.
class XdpSocket {
 public:
  explicit XdpSocket(uint32_t queue) {
    memory_ = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_EQ(xsk_umem__create(&umem_, memory_, kBytes, &fill_, &completion_, nullptr), 0);
    xsk_socket_config config{};
    config.rx_size = config.tx_size = kFrames;
    config.libbpf_flags = XSK_LIBBPF_FLAGS__INHIBIT_PROG_LOAD;
    config.bind_flags = XDP_COPY;
    EXPECT_EQ(xsk_socket__create(&socket_, "x0", queue, umem_, &rx_, &tx_, &config), 0);
    uint32_t at = 0;
    EXPECT_EQ(xsk_ring_prod__reserve(&fill_, kFrames, &at), kFrames);
    for (uint32_t i = 0; i < kFrames; ++i) {
      *xsk_ring_prod__fill_addr(&fill_, at + i) = uint64_t{i} * kFrameBytes;
    }
    xsk_ring_prod__submit(&fill_, kFrames);
  }
  ~XdpSocket() {
    xsk_socket__delete(socket_);
    xsk_umem__delete(umem_);
    ::munmap(memory_, kBytes);
  }
  XdpSocket(const XdpSocket&) = delete;
  XdpSocket& operator=(const XdpSocket&) = delete;

  int fd() const { return xsk_socket__fd(socket_); }
  Bytes Receive(int wait_ms = kWaitMs) {
    pollfd poll{fd(), POLLIN, 0};
    uint32_t at = 0;
    if (::poll(&poll, 1, wait_ms) != 1 || xsk_ring_cons__peek(&rx_, 1, &at) != 1) return {};
    const xdp_desc* descriptor = xsk_ring_cons__rx_desc(&rx_, at);
    const auto* bytes = static_cast<const uint8_t*>(memory_) + descriptor->addr;
    Bytes frame(bytes, bytes + descriptor->len);
    xsk_ring_cons__release(&rx_, 1);
    return frame;
  }

 private:
  static constexpr uint32_t kFrames = 64;
  static constexpr uint32_t kFrameBytes = 4096;
  static constexpr size_t kBytes = size_t{kFrames} * kFrameBytes;

  void* memory_ = nullptr;
  xsk_umem* umem_ = nullptr;
  xsk_socket* socket_ = nullptr;
  xsk_ring_prod fill_{};
  xsk_ring_cons completion_{};
  xsk_ring_cons rx_{};
  xsk_ring_prod tx_{};
};

Bytes UdpFrame(uint16_t port) {
  FrameSpec spec;
  spec.dst = kX0;
  spec.src = kWire;
  spec.dst_port = port;
  return MakeFrame(spec);
}

class SteeringTraffic : public SteeringWorld {
 protected:
  void SetUp() override {
    SteeringWorld::SetUp();
    if (IsSkipped()) return;
    program_ = Load();
    ASSERT_NE(program_, nullptr);
    wire_ = std::make_unique<RawSocket>("wire");
    stack_ = std::make_unique<RawSocket>("x0");
  }

  std::unique_ptr<SteeringProgram> program_;
  std::unique_ptr<RawSocket> wire_;
  std::unique_ptr<RawSocket> stack_;
};

TEST_F(SteeringTraffic, WhatNoRuleTakesReachesTheKernel) {
  ASSERT_TRUE(program_->AddRule(UdpPortRule(0, 4242, device::FlowAction::kDrop)).ok());
  Shell(
      "ip netns add wire && ip link set wire netns wire && "
      "ip -n wire address add 10.9.0.2/24 dev wire && ip -n wire link set wire up && "
      "ip address add 10.9.0.1/24 dev x0");
  EXPECT_EQ(std::system("ping -q -c 3 -i 0.05 -W 2 10.9.0.2 >/dev/null"), 0);
  EXPECT_GE(program_->ReadReasons().passed_no_rule.packets, 3u);
  Shell("ip netns del wire");
}

TEST_F(SteeringTraffic, EachVerdictDoesWhatItSays) {
  ASSERT_TRUE(program_->AddRule(UdpPortRule(0, 1, device::FlowAction::kDrop)).ok());
  ASSERT_TRUE(program_->AddRule(UdpPortRule(1, 2, device::FlowAction::kPass)).ok());
  ASSERT_TRUE(program_->AddRule(UdpPortRule(2, 3, device::FlowAction::kReflect)).ok());
  wire_->Send(UdpFrame(1));
  wire_->Send(UdpFrame(2));
  EXPECT_EQ(stack_->Receive(), UdpFrame(2)) << "the first was dropped, the second came";
  // A veth whose peer has no program leaves what is sent back lying (veth_xdp_flush).
  const auto at_the_wire = Load("wire");
  wire_->Send(UdpFrame(3));
  Bytes back = UdpFrame(3);
  std::swap_ranges(back.begin(), back.begin() + 6, back.begin() + 6);
  EXPECT_EQ(wire_->Receive(), back);
  EXPECT_TRUE(stack_->Receive(100).empty());
  const SteeringReasons reasons = program_->ReadReasons();
  EXPECT_EQ(reasons.dropped_by_rule.packets, 1u);
  EXPECT_EQ(reasons.dropped_by_rule.bytes, UdpFrame(1).size());
  EXPECT_EQ(reasons.passed_by_rule.packets, 1u);
  EXPECT_EQ(reasons.sent_back.packets, 1u);
}

// What is left of a tag is the frame's own: nothing here strips it.
TEST_F(SteeringTraffic, TagsAreMatchedAndStay) {
  device::FlowRule rule = UdpPortRule(0, 4242, device::FlowAction::kDrop);
  rule.match.value.vlan_tci = 7;
  rule.match.mask.vlan_tci = 0x0fff;
  rule.match.value.has_vlan = rule.match.mask.has_vlan = 1;
  ASSERT_TRUE(program_->AddRule(rule).ok());
  FrameSpec spec;
  spec.dst = kX0;
  spec.src = kWire;
  spec.dst_port = 4242;
  spec.vlan_tci = 0x6007;
  wire_->Send(MakeFrame(spec));
  spec.vlan_tci = 0x6008;
  wire_->Send(MakeFrame(spec));
  // The stack takes the tag off before a raw socket sees the frame.
  EXPECT_EQ(stack_->Receive(), UdpFrame(4242));
  EXPECT_TRUE(stack_->Receive(50).empty());
  EXPECT_EQ(program_->ReadReasons().dropped_by_rule.packets, 1u);
}

TEST_F(SteeringTraffic, GenericModeMatchesAlike) {
  Shell("ip link set lo up");
  auto program = Load("lo");
  ASSERT_NE(program, nullptr);
  ASSERT_EQ(program->State().mode, XdpMode::kGeneric);
  ASSERT_TRUE(program->AddRule(UdpPortRule(0, 4242, device::FlowAction::kDrop)).ok());
  const auto arrives = [](uint16_t port) {
    const linux_sys::OwnedFd receiver(::socket(AF_INET, SOCK_DGRAM, 0));
    const linux_sys::OwnedFd sender(::socket(AF_INET, SOCK_DGRAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* to = reinterpret_cast<const sockaddr*>(&address);
    EXPECT_EQ(::bind(receiver.get(), to, sizeof address), 0);
    EXPECT_EQ(::sendto(sender.get(), "x", 1, 0, to, sizeof address), 1);
    pollfd poll{receiver.get(), POLLIN, 0};
    return ::poll(&poll, 1, 200) == 1;
  };
  EXPECT_TRUE(arrives(4241));
  EXPECT_FALSE(arrives(4242));
  EXPECT_EQ(program->ReadReasons().dropped_by_rule.packets, 1u);
  ASSERT_TRUE(program->RemoveRule(0).ok());
  EXPECT_TRUE(arrives(4242));
}

TEST_F(SteeringTraffic, ASocketGetsWhatItsRuleTakesAndTheKernelTheRest) {
  XdpSocket socket(kArrival);
  ASSERT_TRUE(program_->SetSocket(kArrival, socket.fd()).ok());
  EXPECT_EQ(program_->LookForSocket(kArrival).value(), SocketEntry::kOfThisQueue);
  ASSERT_TRUE(program_->AddRule(UdpPortRule(0, 4242, kArrival)).ok());
  wire_->Send(UdpFrame(4242));
  wire_->Send(UdpFrame(4243));
  EXPECT_EQ(socket.Receive(), UdpFrame(4242));
  EXPECT_EQ(stack_->Receive(), UdpFrame(4243));
  EXPECT_EQ(program_->ReadReasons().redirected.packets, 1u);
  EXPECT_EQ(program_->ReadReasons().queues[kArrival].packets, 1u);
  EXPECT_EQ(program_->ReadReasons().queues[kArrival].bytes, UdpFrame(4242).size());

  // A rule for another queue of the same lease delivers here too; for another lease's it does not.
  const uint32_t other = 5;
  ASSERT_TRUE(program_->AddRule(UdpPortRule(1, 4244, other)).ok());
  ASSERT_TRUE(program_->SetQueueOwner(kArrival, 76).ok());
  ASSERT_TRUE(program_->SetQueueOwner(other, 76).ok());
  wire_->Send(UdpFrame(4244));
  EXPECT_EQ(socket.Receive(), UdpFrame(4244));
  ASSERT_TRUE(program_->SetQueueOwner(other, 77).ok());
  const uint64_t before = program_->ReadReasons().passed_wrong_queue.packets;
  wire_->Send(UdpFrame(4244));
  EXPECT_EQ(stack_->Receive(), UdpFrame(4244));
  EXPECT_EQ(program_->ReadReasons().passed_wrong_queue.packets, before + 1);
  EXPECT_TRUE(socket.Receive(50).empty());
}

// Each program with constants counts for itself what it brings to sockets; the sums go on when
// another one takes its place, and when the counts of that one are put away a second later.
TEST_F(SteeringTraffic, WhatProgramsWithConstantsBringToASocketIsCountedOn) {
  const auto socket = std::make_unique<XdpSocket>(kArrival);
  ASSERT_TRUE(program_->SetSocket(kArrival, socket->fd()).ok());
  uint64_t all = 0, bytes = 0;
  std::map<uint32_t, uint64_t> by_rule;
  const auto counted = [&] {
    const SteeringReasons reasons = program_->ReadReasons();
    EXPECT_EQ(reasons.redirected.packets, all);
    EXPECT_EQ(reasons.queues[kArrival].packets, all);
    EXPECT_EQ(reasons.queues[kArrival].bytes, bytes);
    for (const device::RuleCounters& rule : program_->ReadRuleCounters()) {
      EXPECT_EQ(rule.packets, by_rule[rule.location]) << "rule " << rule.location;
      EXPECT_EQ(rule.bytes, by_rule[rule.location] * UdpFrame(4300).size());
    }
  };
  const auto port = [](uint32_t rule) { return static_cast<uint16_t>(4300 + rule); };
  for (uint32_t newest = 0; newest < 4; ++newest) {
    if (newest == 3) std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    ASSERT_TRUE(program_->AddRule(UdpPortRule(newest, port(newest), kArrival)).ok());
    ASSERT_TRUE(program_->MakeNow().ok());
    ASSERT_TRUE(program_->State().by_constants);
    for (uint32_t rule = 0; rule <= newest; ++rule) {
      wire_->Send(UdpFrame(port(rule)));
      ASSERT_EQ(socket->Receive(), UdpFrame(port(rule)));
      ++by_rule[rule];
      ++all;
      bytes += UdpFrame(4300).size();
    }
    counted();
  }
  // One that is there anew begins at 0; one whose packets find no socket is counted, too.
  ASSERT_TRUE(program_->RemoveRule(1).ok());
  ASSERT_TRUE(program_->AddRule(UdpPortRule(1, 4301, kArrival)).ok());
  ASSERT_TRUE(program_->MakeNow().ok());
  by_rule[1] = 0;
  counted();
  ASSERT_TRUE(program_->ClearSocket(kArrival).ok());
  wire_->Send(UdpFrame(4301));
  EXPECT_EQ(stack_->Receive(), UdpFrame(4301));
  by_rule[1] = 1;
  counted();
}

TEST_F(SteeringTraffic, AClosedSocketsPacketsReachTheKernel) {
  ASSERT_TRUE(program_->AddRule(UdpPortRule(0, 4242, kArrival)).ok());
  {
    XdpSocket socket(kArrival);
    ASSERT_TRUE(program_->SetSocket(kArrival, socket.fd()).ok());
    wire_->Send(UdpFrame(4242));
    EXPECT_EQ(socket.Receive(), UdpFrame(4242));
  }
  const uint64_t before = program_->ReadReasons().passed_no_socket.packets;
  wire_->Send(UdpFrame(4242));
  EXPECT_EQ(stack_->Receive(), UdpFrame(4242));
  EXPECT_EQ(program_->ReadReasons().passed_no_socket.packets, before + 1);
}

}  // namespace
}  // namespace qsplit::af_xdp
