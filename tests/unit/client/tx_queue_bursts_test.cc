// What TxQueue gives the device in bursts is what it gives it packet by packet through the engine:
// the same bytes in the rings and in the packets, over every spec, whatever packets ask for.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "client-lib/src/lease_state.h"
#include "client-lib/src/tx_queue_impl.h"
#include "dataplane/in_place_tx_driver.h"
#include "dataplane/ring_tx_driver.h"
#include "tests/support/rounds.h"
#include "tests/unit/client/frames.h"
#include "tests/unit/dataplane/tx_rig.h"

namespace qsplit::internal {
namespace {

using dataplane::AccessMode;
using dataplane::RingFault;
using dataplane::TxFeature;
using dataplane::TxPacket;
using dataplane::TxRequest;
using dataplane::testing::AllTxCases;
using dataplane::testing::PacketMemory;
using dataplane::testing::Random;
using dataplane::testing::TxCase;
using dataplane::testing::TxRig;
using testing_support::Put16;

constexpr uint32_t kBuffers = 160;
constexpr uint32_t kBufferBytes = 2048;

// One queue with its device and its buffers.
class Side {
 public:
  Side(const TxCase& c, bool one_by_one) : rig(c, 64, MakeOptions(one_by_one)) {
    EXPECT_TRUE(rig.status.ok()) << rig.status;
    pool_ = new BufferPool(std::span(rig.packets.bytes())
                               .subspan(rig.packets_begin, uint64_t{kBuffers} * kBufferBytes),
                           kBufferBytes, PacketMemory::kIova + rig.packets_begin, this, nullptr);
    TxQueueImpl::Setup setup{.one_by_one = one_by_one};
    setup.bell.state = &state_;
    has_requests_in_front = rig.driver->BytesBefore() != 0;
    writes_bytes = rig.driver->NeedsMemory();
    queue = std::make_unique<TxQueueImpl>(std::move(*rig.driver), pool_, setup);
  }
  ~Side() {
    queue.reset();
    EXPECT_EQ(pool_->free_count(), kBuffers) << "no buffer is lost";
    BufferPool::Abandon(pool_);
  }

  TxRig rig;
  std::unique_ptr<TxQueueImpl> queue;
  bool has_requests_in_front = false;
  bool writes_bytes = false;

 private:
  static dataplane::TxOptions MakeOptions(bool one_by_one) {
    dataplane::TxOptions options;
    if (one_by_one) options.access = AccessMode::kEngine;
    return options;
  }
  LeaseState state_{1};
  BufferPool* pool_ = nullptr;
};

// What a packet is and asks for.
struct Wish {
  std::string bytes;
  bool l3 = false;
  bool l4 = false;
  bool time = false;
  uint16_t segment_bytes = 0;
  std::optional<uint16_t> vlan;

  Packet MadeIn(TxQueueImpl& queue) const {
    Packet packet = queue.Allocate(static_cast<uint32_t>(bytes.size()));
    if (!packet) return packet;
    testing_support::Fill(packet, bytes);
    packet.RequestChecksums(l3, l4);
    packet.RequestTimestamp(time);
    packet.RequestSegments(segment_bytes);
    packet.set_vlan(vlan);
    return packet;
  }
};

std::string RandomFrame(Random& random, uint32_t most) {
  const uint32_t payload = random() % 8 == 0 ? random() % (most - 100) : random() % 100;
  std::string frame = testing_support::Datagram(7, 9, std::string(payload, 'p'));
  switch (random() % 8) {
    case 0:  // TCP, with options or without
      frame[23] = 6;
      frame += std::string(20, 't');
      Put16(frame, 16, static_cast<uint32_t>(frame.size() - 14));
      frame[46] = random() % 2 == 0 ? 0x50 : 0x60;
      break;
    case 1:  // SCTP
      frame[23] = static_cast<char>(132);
      break;
    case 2: {  // UDP over IPv6
      std::string ip6(40, '\x11');
      ip6[0] = 0x60;
      Put16(ip6, 4, static_cast<uint32_t>(frame.size() - 34));
      frame.replace(14, 20, ip6);
      Put16(frame, 12, 0x86dd);
      break;
    }
    case 3:  // a fragment
      Put16(frame, 20, 0x2000);
      break;
    case 4:  // not IP
      Put16(frame, 12, 0x0806);
      break;
    case 5:  // a tag in the bytes
      frame.insert(12, std::string("\x81\x00\x00\x07", 4));
      break;
    default:
      break;
  }
  if (random() % 20 == 0) frame.resize(1 + random() % frame.size());
  return frame;
}

Wish RandomWish(Random& random, uint32_t most) {
  Wish wish{.bytes = RandomFrame(random, most)};
  if (random() % 4 != 0) {
    wish.l3 = random() % 4 != 0;
    wish.l4 = random() % 4 != 0;
  }
  if (random() % 3 == 0) wish.vlan = static_cast<uint16_t>(random() % 2 + 5);
  wish.time = random() % 16 == 0;
  if (random() % 16 == 0) wish.segment_bytes = static_cast<uint16_t>(20 + random() % 100);
  return wish;
}

class TxQueueBursts : public ::testing::TestWithParam<TxCase> {
 protected:
  void CheckRings() {
    const auto expected = alone_.rig.rings.Shared();
    const auto got = bursts_.rig.rings.Shared();
    for (size_t k = 0; k < expected.size(); ++k) {
      ASSERT_EQ(std::memcmp(got[k].data(), expected[k].data(), expected[k].size()), 0)
          << "memory " << k;
    }
    ASSERT_EQ(std::memcmp(bursts_.rig.packets.bytes().data(), alone_.rig.packets.bytes().data(),
                          alone_.rig.packets_begin),
              0)
        << "what stands in front of packets";
  }
  // The devices take and complete so many packets; which are the same.
  void TakeSome(uint32_t most) {
    for (uint32_t n = 0; n < most; ++n) {
      dataplane::TxWork expected, got;
      const RingFault fault = alone_.rig.device->Fetch(&expected);
      ASSERT_EQ(bursts_.rig.device->Fetch(&got), fault);
      if (fault != RingFault::kNone) break;
      ASSERT_EQ(got.request, expected.request);
      ASSERT_EQ(BytesOf(bursts_.rig, got), BytesOf(alone_.rig, expected));
      alone_.rig.device->Complete(expected.handle, n);
      bursts_.rig.device->Complete(got.handle, n);
    }
  }
  // Sends 32 datagrams and says how many of them went alone.
  uint64_t Alone(bool sums, bool tag) {
    std::array<Packet, 32> packets;
    const Wish wish{.bytes = testing_support::Datagram(7, 9, std::string(60, 'p')),
                    .l3 = sums,
                    .l4 = sums,
                    .vlan = tag ? std::optional<uint16_t>(5) : std::nullopt};
    for (Packet& packet : packets) packet = wish.MadeIn(*bursts_.queue);
    const uint64_t before = bursts_.queue->counters.sent_alone;
    size_t sent = 0;
    while (sent < packets.size() && !HasFailure()) {
      const size_t n = bursts_.queue->Send(std::span(packets).subspan(sent));
      sent += n;
      dataplane::TxWork work;
      while (bursts_.rig.device->Fetch(&work) == RingFault::kNone) {
        bursts_.rig.device->Complete(work.handle);
      }
      bursts_.queue->Reclaim();
      EXPECT_NE(n, 0u);
    }
    return bursts_.queue->counters.sent_alone - before;
  }

  Side bursts_{GetParam(), false};
  Side alone_{GetParam(), true};
};

TEST_P(TxQueueBursts, AreWhatTheEngineSendsOneByOne) {
  Random random(41);
  const uint32_t most =
      bursts_.writes_bytes || bursts_.queue->driver.MaxSegments() == 1 ? 1800 : 4000;
  std::array<Packet, 40> in_bursts, one_by_one;
  for (uint32_t step = 0; step < testing::Rounds(300); ++step) {
    Wish wish = RandomWish(random, most);
    size_t count = 0;
    for (const size_t all = random() % in_bursts.size(); count < all; ++count) {
      if (random() % 4 == 0) wish = RandomWish(random, most);
      in_bursts[count] = wish.MadeIn(*bursts_.queue);
      one_by_one[count] = wish.MadeIn(*alone_.queue);
      ASSERT_EQ(bool{in_bursts[count]}, bool{one_by_one[count]});
      if (!in_bursts[count]) break;
    }
    // What does not go at once goes when the device has taken some.
    for (size_t sent = 0; sent < count;) {
      const size_t n = alone_.queue->Send(std::span(one_by_one).subspan(sent, count - sent));
      ASSERT_EQ(bursts_.queue->Send(std::span(in_bursts).subspan(sent, count - sent)), n);
      sent += n;
      CheckRings();
      TakeSome(n == 0 ? 64 : random() % 40);
      if (HasFatalFailure()) return;
    }
    ASSERT_EQ(bursts_.queue->Reclaim(), alone_.queue->Reclaim());
    std::array<TxTimestamp, 8> expected, got;
    const size_t times = alone_.queue->timestamps.Take(expected);
    ASSERT_EQ(bursts_.queue->timestamps.Take(got), times);
    for (size_t i = 0; i < times; ++i) ASSERT_EQ(got[i].time_ns, expected[i].time_ns);
  }
  const TxQueue::Counters& expected = alone_.queue->counters;
  const TxQueue::Counters& got = bursts_.queue->counters;
  EXPECT_GT(got.packets, testing::Rounds(300));
  EXPECT_EQ(got.packets, expected.packets);
  EXPECT_EQ(got.bytes, expected.bytes);
  EXPECT_EQ(got.copied, expected.copied);
  EXPECT_EQ(got.refused, expected.refused);
  EXPECT_EQ(got.wakeups, expected.wakeups);
  EXPECT_EQ(alone_.queue->counters.sent_alone, expected.packets);
  if (!bursts_.writes_bytes) {
    EXPECT_LT(bursts_.queue->counters.sent_alone, got.packets);
  }
  EXPECT_EQ(bursts_.rig.rings.BrokenGuard(), "");
}

TEST_P(TxQueueBursts, TakeWhatAsksForSumsAndTags) {
  if (bursts_.writes_bytes) {
    EXPECT_EQ(Alone(false, false), 32u) << "bytes in the ring: no bursts";
    return;
  }
  EXPECT_EQ(Alone(false, false), 0u);
  const auto& driver = bursts_.queue->driver;
  const bool sums = driver.Supports(TxFeature::kL4Checksum);
  const bool in_front = bursts_.has_requests_in_front;
  EXPECT_EQ(Alone(true, false), sums && in_front ? 32u : 0u);
  const bool tags = driver.Supports(TxFeature::kVlanInsert);
  EXPECT_EQ(Alone(false, true), !tags || in_front ? 32u : 0u) << "software moves the addresses";
}

// Through the plan, not only through PushBurst: of these layouts all but the first, which sets up
// the request's context where the layout has contexts.
TEST(TxQueueBurstsOf, RequestsAreWrittenByPlans) {
  constexpr uint32_t kPackets = 16;
  const std::vector<std::string> kNames = {"intel.ice.flex", "intel.ixgbe.advanced",
                                           "mellanox.mlx5", "virtio.packed"};
  std::vector<std::string> seen;
  for (const TxCase& c : AllTxCases()) {
    const std::string& name = c.layout->name();
    if (std::find(kNames.begin(), kNames.end(), name) == kNames.end()) continue;
    TxRig rig(c);
    ASSERT_TRUE(rig.status.ok()) << rig.status;
    const TxRequest request{.wants = TxFeature::kL4Checksum,
                            .l3 = dataplane::L3Kind::kIp4,
                            .l4 = dataplane::L4Kind::kUdp,
                            .l2_header_bytes = 14,
                            .l3_header_bytes = 20};
    if (!rig.driver->Supports(request)) continue;
    std::vector<TxPacket> packets;
    for (uint32_t i = 0; i < kPackets; ++i) {
      packets.push_back({dataplane::Iova(PacketMemory::kIova + rig.packets_begin + 64 * i), 60, i});
    }
    const auto check = [&](auto driver) {
      ASSERT_TRUE(driver.ok()) << driver.status();
      const dataplane::TxSegment first{packets[0].address, packets[0].bytes};
      ASSERT_EQ((*driver)->Push(std::span(&first, 1), request, 0), dataplane::PushResult::kPushed);
      EXPECT_EQ((*driver)->PushRun(std::span(packets).subspan(1), request), kPackets - 1) << c.name;
    };
    dataplane::testing::QueueMemory rings(*c.layout, c.queue, c.choices, 64);
    dataplane::QueueView view = rings.view();
    view.scratch = rig.view.scratch;
    view.scratch_bytes = rig.view.scratch_bytes;
    view.scratch_iova = rig.view.scratch_iova;
    auto in_place = dataplane::InPlaceTxDriver::Create(*c.layout, view, {});
    if (absl::IsUnimplemented(in_place.status())) {
      check(dataplane::RingTxDriver::Create(*c.layout, view, {}));
    } else {
      check(std::move(in_place));
    }
    if (HasFatalFailure()) return;
    if (seen.empty() || seen.back() != name) seen.push_back(name);
  }
  EXPECT_EQ(seen, kNames);
}

INSTANTIATE_TEST_SUITE_P(Layouts, TxQueueBursts, ::testing::ValuesIn(AllTxCases()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace qsplit::internal
