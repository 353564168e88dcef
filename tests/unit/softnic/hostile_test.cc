// Clients that write what they should not: the device faults, tells the owner, and touches nothing
// else.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <random>

#include "tests/unit/softnic/nic_fixture.h"

namespace qsplit::softnic {
namespace {

using dataplane::Iova;
using device::Fault;
using device::FaultKind;

class Hostile : public NicPair {
 protected:
  void SetUp() override {
    NicPair::SetUp();
    ASSERT_TRUE(right().SetRss({std::vector<uint32_t>(128, 0), kDefaultRssKey}).ok());
  }
  // A sender that posts this one segment, and the fault that comes of it.
  Fault FaultOfSegment(Iova address, uint32_t bytes) {
    auto sender = Sender();
    FaultLog faults(&left());
    EXPECT_EQ(sender->tx(0).Push(address, bytes, 0), dataplane::PushResult::kPushed);
    if (sender->tx(0).Publish()) sender->Wake();
    const std::vector<Fault> got = faults.Await(1);
    EXPECT_EQ(got.size(), 1u);
    EXPECT_TRUE(sender->CanariesWhole());
    EXPECT_EQ(left().ReadCounters().wire_tx_packets, 0u);
    EXPECT_TRUE(left().CloseQueues(100).ok());
    return got.empty() ? Fault{} : got[0];
  }
  // The fault of a receive queue whose only buffer is this one, when a packet comes.
  Fault FaultOfBuffer(Iova address, uint32_t bytes, bool writable = true) {
    auto sender = Sender();
    auto receiver = Open(right(), {.lease = 1,
                                   .rx_queues = {0},
                                   .join_rss = true,
                                   .device_writable = writable,
                                   .post = false});
    FaultLog faults(&right());
    EXPECT_TRUE(receiver->rx(0).Post(address, bytes, 0));
    receiver->rx(0).Publish();
    EXPECT_TRUE(sender->Send(0, MakeFrame(ToRight())));
    const std::vector<Fault> got = faults.Await(1);
    EXPECT_EQ(got.size(), 1u);
    EXPECT_TRUE(receiver->CanariesWhole());
    EXPECT_EQ(receiver->rx(0).Outstanding(), 1u);
    EXPECT_TRUE(left().CloseQueues(100).ok());
    EXPECT_TRUE(right().CloseQueues(1).ok());
    return got.empty() ? Fault{} : got[0];
  }
};

TEST_F(Hostile, TransmitOutsideOfTheRegion) {
  Fault fault = FaultOfSegment(Iova(0x1000), 64);
  EXPECT_EQ(fault.kind, FaultKind::kUnmapped);
  EXPECT_TRUE(fault.transmit);
  EXPECT_EQ(fault.queue, 0u);
  EXPECT_EQ(fault.lease, 100u);
  EXPECT_EQ(fault.iova, 0x1000u);
  EXPECT_EQ(fault.length_bytes, 64u);
  // One byte before, and one byte past the end.
  EXPECT_EQ(FaultOfSegment(Iova(NicClient::kIova - 1), 64).kind, FaultKind::kUnmapped);
  const uint64_t end = NicClient::kIova + NicClient::kTxBuffers * NicClient::kTxBufferBytes +
                       NicClient::kScratchBytes;
  EXPECT_EQ(FaultOfSegment(Iova(end - 63), 64).kind, FaultKind::kUnmapped);
  EXPECT_EQ(FaultOfSegment(Iova(UINT64_MAX - 10), 64).kind, FaultKind::kUnmapped);
  EXPECT_EQ(left().ReadCounters().tx[0].faults, 4u);
}

TEST_F(Hostile, PacketsThatNoWireTakes) {
  EXPECT_EQ(FaultOfSegment(Iova(NicClient::kIova), 17 - 4).kind, FaultKind::kBadPacket);
  EXPECT_EQ(FaultOfSegment(Iova(NicClient::kIova), 60000).kind, FaultKind::kBadPacket);
}

TEST_F(Hostile, ReceiveOutsideOfTheRegion) {
  Fault fault = FaultOfBuffer(Iova(NicClient::kIova - 2048), 2048);
  EXPECT_EQ(fault.kind, FaultKind::kUnmapped);
  EXPECT_FALSE(fault.transmit);
  EXPECT_EQ(fault.lease, 1u);
  // The packet would fit, the buffer does not.
  EXPECT_EQ(FaultOfBuffer(Iova(NicClient::kIova + 64 * 2048 - 100), 2048).kind,
            FaultKind::kUnmapped);
  EXPECT_EQ(FaultOfBuffer(Iova(NicClient::kIova), 2048, false).kind, FaultKind::kReadOnly);
}

TEST_F(Hostile, BuffersShorterThanAHeadGetNoMore) {
  constexpr uint32_t kBytes = 62;
  constexpr uint32_t kApart = 1000;
  constexpr uint32_t kFrames = 3;
  constexpr std::byte kPattern{0xee};
  auto sender = Sender();
  auto receiver =
      Open(right(),
           {.lease = 1, .rx_queues = {0}, .buffer_bytes = kBytes, .join_rss = true, .post = false});
  std::fill_n(receiver->region(), kFrames * kApart, kPattern);
  for (uint32_t i = 0; i < kFrames; ++i) {
    ASSERT_TRUE(receiver->rx(0).Post(Iova(NicClient::kIova + i * kApart), kBytes, i));
  }
  receiver->rx(0).Publish();
  FrameSpec spec = ToRight();
  spec.payload.assign(18, 1);
  const Bytes frame = MakeFrame(spec);
  ASSERT_EQ(frame.size(), 60u);
  for (uint32_t i = 0; i < kFrames; ++i) ASSERT_TRUE(sender->Send(0, frame));
  uint32_t came = 0;
  EXPECT_TRUE(Eventually([&] {
    std::array<dataplane::RxCompletion, kFrames> completions;
    came += receiver->rx(0).Poll(completions);
    return came == kFrames;
  }));
  for (uint32_t i = 0; i < kFrames; ++i) {
    const std::byte* const at = receiver->region() + i * kApart;
    EXPECT_EQ(std::memcmp(at, frame.data(), frame.size()), 0) << i;
    EXPECT_EQ(std::count(at + kBytes, at + kApart, kPattern), kApart - kBytes) << i;
  }
}

TEST_F(Hostile, AFaultStopsItsQueueOnly) {
  auto sender = Sender();
  auto victim = Open(right(), {.lease = 1, .rx_queues = {0}});
  auto bad = Open(right(), {.lease = 2, .rx_queues = {1}, .post = false});
  ASSERT_TRUE(right().AddRule(UdpPortRule(0, 1, 0)).ok());
  ASSERT_TRUE(right().AddRule(UdpPortRule(1, 2, 1)).ok());
  ASSERT_TRUE(bad->rx(0).Post(Iova(0x5000), 2048, 0));
  bad->rx(0).Publish();
  FrameSpec spec = ToRight();
  for (int i = 0; i < 20; ++i) {
    spec.dst_port = 2;
    ASSERT_TRUE(sender->Send(0, MakeFrame(spec)));
    spec.dst_port = 1;
    ASSERT_TRUE(sender->Send(0, MakeFrame(spec)));
    ASSERT_TRUE(victim->Receive(0).has_value()) << i;
    ASSERT_TRUE(sender->AwaitSent(0));
  }
  const device::DeviceCounters counters = right().ReadCounters();
  EXPECT_EQ(counters.rx[1].faults, 1u);
  EXPECT_EQ(counters.rx[1].drops_down, 19u);
  EXPECT_EQ(counters.rx[0].packets, 20u);
  // Given back and leased again it works.
  ASSERT_TRUE(right().CloseQueues(2).ok());
  auto good = Open(right(), {.lease = 3, .rx_queues = {1}});
  spec.dst_port = 2;
  ASSERT_TRUE(sender->Send(0, MakeFrame(spec)));
  EXPECT_TRUE(good->Receive(0).has_value());
}

TEST_F(Hostile, DoorbellsOutOfRange) {
  auto client = Open(left(), {.lease = 1, .rx_queues = {0}, .tx_queues = {0}, .post = false});
  FaultLog faults(&left());
  const device::RingGrant& ring = client->grant().tx[0].rings[0];
  const uint32_t beyond = ring.slot_count;
  std::memcpy(client->At(ring.producer_doorbells[0]), &beyond, sizeof beyond);
  client->Wake();
  const std::vector<Fault> got = faults.Await(1);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].kind, FaultKind::kBadIndex);
  EXPECT_TRUE(got[0].transmit);
}

// A faulted queue rings its bell, so that who sleeps on it wakes up and asks.
TEST_F(Hostile, AFaultWakesTheClient) {
  auto client = Sender();
  ASSERT_EQ(client->tx(0).Push(Iova(1), 64, 0), dataplane::PushResult::kPushed);
  if (client->tx(0).Publish()) client->Wake();
  uint64_t rings = 0;
  EXPECT_TRUE(Eventually(
      [&] { return ::read(client->EventFd(client->grant().tx[0]), &rings, sizeof rings) == 8; }));
}

class Garbage : public Hostile, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(, Garbage, ::testing::Values("simple", "big"),
                         [](const auto& param) { return std::string(param.param); });

// Random bytes in descriptors, doorbells and cells, while another lease's traffic runs: that
// traffic loses nothing and no byte outside of the region changes.
TEST_P(Garbage, InRingsHarmsNobodyElse) {
  const layout::VerifiedLayout layout = std::string(GetParam()) == "big"
                                            ? layout::testing::BigLayout()
                                            : layout::testing::SimpleLayout();
  auto sender = Sender();
  auto victim = Open(right(), {.lease = 1, .rx_queues = {0}});
  ASSERT_TRUE(right().AddRule(UdpPortRule(0, 1, 0)).ok());
  ASSERT_TRUE(right().AddRule(UdpPortRule(1, 2, 1)).ok());
  ASSERT_TRUE(right().AddRule(UdpPortRule(2, 1000, 1)).ok());

  std::atomic<bool> stop{false};
  std::atomic<uint64_t> rounds{0};
  std::atomic<bool> canaries{true};
  std::thread attacker([&] {
    std::mt19937_64 random(11);
    for (device::LeaseId lease = 50; !stop; ++lease) {
      auto client =
          NicClient::Open(&right(), layout, {.lease = lease, .rx_queues = {1}, .tx_queues = {1}});
      if (!client.ok()) continue;
      NicClient& c = **client;
      for (int i = 0; i < 2000 && !stop; ++i) {
        for (const auto* queues : {&c.grant().rx, &c.grant().tx}) {
          const device::RingGrant& ring = queues->front().rings[0];
          std::byte* slots = c.At(ring.slots);
          // Mostly plausible descriptors: some bytes of some slots change.
          const size_t bytes = ring.slot_count * 16;
          for (int n = 0; n < 4; ++n) slots[random() % bytes] = std::byte(random());
          if (random() % 4 == 0) {
            const uint64_t address = NicClient::kIova + random() % (2 << 20);
            std::memcpy(slots + random() % (ring.slot_count) * 16, &address, sizeof address);
          }
          const uint32_t index = static_cast<uint32_t>(random() % (ring.slot_count + 1));
          const uint32_t big = __builtin_bswap32(index);
          std::memcpy(c.At(ring.producer_doorbells[0]), random() % 2 == 0 ? &index : &big, 4);
          const auto word = static_cast<uint32_t>(random());
          std::memcpy(c.At(*queues->front().event_request), &word, 4);
        }
        c.Wake();
        ++rounds;
      }
      if (!c.CanariesWhole()) canaries = false;
      // A close that the worker had no time for is asked for again.
      while (!right().CloseQueues(lease).ok()) {
      }
    }
  });
  const absl::Time until = absl::Now() + absl::Seconds(1);
  FrameSpec spec = ToRight();
  uint32_t serial = 0;
  // On a busy machine, longer.
  while (absl::Now() < until ||
         ((rounds <= 100 || serial <= 10) && absl::Now() < until + absl::Seconds(20))) {
    spec.dst_port = 2;  // for the attacker
    ASSERT_TRUE(sender->Send(0, MakeFrame(spec)));
    spec.dst_port = 1;
    spec.payload.assign(20, static_cast<uint8_t>(++serial));
    ASSERT_TRUE(sender->Send(0, MakeFrame(spec)));
    const std::optional<Received> got = victim->Receive(0);
    ASSERT_TRUE(got.has_value()) << serial;
    ASSERT_EQ(got->bytes, MakeFrame(spec)) << serial;
    ASSERT_TRUE(sender->AwaitSent(0));
  }
  stop = true;
  attacker.join();
  EXPECT_TRUE(canaries);
  EXPECT_TRUE(victim->CanariesWhole() && sender->CanariesWhole());
  EXPECT_GT(rounds, 100u);
  EXPECT_GT(serial, 10u);
  EXPECT_EQ(right().ReadCounters().rx[0].packets, serial);
  EXPECT_EQ(right().ReadCounters().rx[0].faults, 0u);
  EXPECT_GT(right().ReadCounters().rx[1].faults + right().ReadCounters().tx[1].faults, 0u);
}

}  // namespace
}  // namespace qsplit::softnic
