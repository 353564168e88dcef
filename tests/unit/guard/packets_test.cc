// Packets through a guard, both ways, over each queue of each spec that a guard takes, with each
// choice of features: what goes in comes out, and the device got other addresses than the client
// said.
#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "tests/unit/guard/guard_rig.h"

namespace qsplit::guard {
namespace {

using dataplane::PushResult;
using dataplane::RxFields;
using dataplane::TxRequest;
using dataplane::TxSegment;
using dataplane::TxWork;
using dataplane::testing::MakeMetadata;
using dataplane::testing::MakePacket;
using testing::Random;
using testing::RxCase;
using testing::RxGuardRig;
using testing::SentPacket;
using testing::TxCase;
using testing::TxGuardRig;

TEST(Cases, AreThoseOfTheDevicesThatTheGuestsHave) {
  std::set<std::string> receive;
  std::set<std::string> transmit;
  for (const RxCase& c : testing::GuardedRxCases()) receive.insert(c.layout->name());
  for (const TxCase& c : testing::GuardedTxCases()) transmit.insert(c.layout->name());
  for (const char* name : {"intel.igb.advanced", "intel.e1000.legacy", "intel.e1000.extended",
                           "intel.ixgbe.advanced", "virtio.split", "virtio.packed"}) {
    EXPECT_TRUE(receive.contains(name)) << name;
    EXPECT_TRUE(transmit.contains(name)) << name;
  }
}

class ReceivesThroughAGuard : public ::testing::TestWithParam<RxCase> {};
INSTANTIATE_TEST_SUITE_P(AllLayouts, ReceivesThroughAGuard,
                         ::testing::ValuesIn(testing::GuardedRxCases()), testing::CaseName<RxCase>);

TEST_P(ReceivesThroughAGuard, PacketsOfAllSizesByteForByte) {
  RxGuardRig rig(GetParam());
  Random random(1);
  std::deque<SentPacket> sent;
  uint64_t bytes = 0;
  RxFields through;
  for (uint32_t round = 0; round < 400; ++round) {
    rig.client.Post(random() % 40);
    rig.client.driver().Publish();
    rig.guard->Poll(1 + random() % 40);
    ASSERT_FALSE(rig.guard->fault().has_value());
    for (uint32_t i = random() % 12; i > 0; --i) {
      SentPacket packet = MakePacket(
          round, rig.device->PacketMayGoOn() ? 60 + random() % 1400 : 60 + random() % 400);
      packet.meta = MakeMetadata(GetParam(), rig.device->Supported(), &random);
      if (!rig.Send(packet)) continue;
      bytes += packet.bytes.size();
      sent.push_back(std::move(packet));
    }
    rig.guard->Poll(1 + random() % 40);
    if (round + 1 == 400) rig.Settle();
    rig.client.Poll(random() % 64);
    if (round + 1 == 400) rig.client.Poll(1000);
    while (!rig.client.got.empty()) {
      ASSERT_FALSE(sent.empty());
      EXPECT_EQ(rig.client.got.front().bytes, sent.front().bytes);
      EXPECT_EQ(dataplane::testing::Differs(GetParam(), sent.front().meta,
                                            rig.client.got.front().meta, &through),
                "");
      sent.pop_front();
      rig.client.got.pop_front();
    }
  }
  EXPECT_TRUE(sent.empty()) << sent.size();
  EXPECT_GT(rig.guard->counters().packets.Read(), 300u);
  EXPECT_GE(rig.guard->counters().bytes.Read(), bytes);
  EXPECT_EQ(rig.guard->counters().faults.Read(), 0u);
  EXPECT_EQ(rig.client.memory().BrokenGuard(), "");
  EXPECT_EQ(rig.real_memory.BrokenGuard(), "");
}

class SendsThroughAGuard : public ::testing::TestWithParam<TxCase> {};
INSTANTIATE_TEST_SUITE_P(AllLayouts, SendsThroughAGuard,
                         ::testing::ValuesIn(testing::GuardedTxCases()), testing::CaseName<TxCase>);

TEST_P(SendsThroughAGuard, PacketsOfAllSizesWithRequestsByteForByte) {
  TxGuardRig rig(GetParam(), 64, {}, {3});
  Random random(2);
  struct Sent {
    std::vector<std::byte> bytes;
    TxRequest request;
    uint32_t cookie;
  };
  std::deque<Sent> sent;
  std::deque<dataplane::TxHandle> with_device;
  std::multiset<uint32_t> on_their_way;
  uint32_t packets = 0;
  for (uint32_t round = 0; round < 600; ++round) {
    for (uint32_t i = random() % 12; i > 0; --i) {
      const uint32_t segments = rig.client.driver->MaxSegments() == 1 ? 1 : 1 + random() % 4;
      const std::vector<TxSegment> made = rig.Segments(random, segments);
      TxRequest request = dataplane::testing::RandomRequest(rig.client, random);
      if (random() % 3 == 0 || !rig.client.driver->Supports(request)) request = {};
      if (rig.client.driver->Push(made, request, round) != PushResult::kPushed) continue;
      sent.push_back({dataplane::testing::BytesOf(rig.client, made), request, round});
      on_their_way.insert(round);
      ++packets;
    }
    rig.client.driver->Publish();
    rig.guard->Poll(1 + random() % 40);
    ASSERT_FALSE(rig.guard->fault().has_value())
        << static_cast<int>(rig.guard->fault()->kind) << " slot " << rig.guard->fault()->slot;
    TxWork work;
    while (rig.device->Fetch(&work) == dataplane::RingFault::kNone) {
      ASSERT_FALSE(sent.empty());
      EXPECT_EQ(rig.BytesOf(work), sent.front().bytes);
      EXPECT_EQ(dataplane::testing::Difference(sent.front().request, work.request), "");
      with_device.push_back(work.handle);
      sent.pop_front();
    }
    for (uint32_t i = random() % 16; i > 0 && !with_device.empty(); --i) {
      rig.device->Complete(with_device.front());
      with_device.pop_front();
    }
    rig.guard->Poll(1 + random() % 40);
    for (const uint32_t cookie : rig.client.ReclaimAll()) {
      const auto found = on_their_way.find(cookie);
      ASSERT_NE(found, on_their_way.end());
      on_their_way.erase(found);
    }
  }
  for (; !with_device.empty(); with_device.pop_front()) rig.device->Complete(with_device.front());
  rig.Settle();
  TxWork work;
  while (rig.device->Fetch(&work) == dataplane::RingFault::kNone) rig.device->Complete(work.handle);
  rig.Settle();
  for (const uint32_t cookie : rig.client.ReclaimAll())
    on_their_way.erase(on_their_way.find(cookie));
  EXPECT_TRUE(on_their_way.empty()) << on_their_way.size();
  EXPECT_GT(packets, 500u);
  EXPECT_EQ(rig.guard->counters().packets.Read(), packets);
  EXPECT_EQ(rig.client.rings.BrokenGuard(), "");
  EXPECT_EQ(rig.real_memory.BrokenGuard(), "");
}

}  // namespace
}  // namespace qsplit::guard
