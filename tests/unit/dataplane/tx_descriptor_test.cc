// Transmit: what stands in the slots, over the two sample layouts: contexts, reports, bytes.
#include <gtest/gtest.h>

#include "tests/support/sample_layouts.h"
#include "tests/unit/dataplane/tx_pair.h"

namespace qsplit::dataplane {
namespace {

using testing::ChecksumRequest;
using testing::TestRing;
using Pair = testing::TxPair;

// Slots that a packet took.
uint32_t SlotsFor(Pair& p, const TxRequest& request) {
  const uint32_t before = p.driver.Room();
  EXPECT_EQ(p.driver.Push(std::vector<TxSegment>{{Iova(0x1000), 64}}, request, 1),
            PushResult::kPushed);
  return before - p.driver.Room();
}

TEST(TxContexts, IndexedOnesAreSentOnceForEachOfTheirPlaces) {
  Pair p(layout::testing::SimpleLayout(), 512);
  // Eight places: eight tags take turns and each is set up once.
  for (uint16_t vlan = 1; vlan <= 8; ++vlan) EXPECT_EQ(SlotsFor(p, ChecksumRequest(vlan)), 2u);
  for (int round = 0; round < 3; ++round) {
    for (uint16_t vlan = 1; vlan <= 8; ++vlan) EXPECT_EQ(SlotsFor(p, ChecksumRequest(vlan)), 1u);
  }
  EXPECT_EQ(SlotsFor(p, TxRequest{}), 1u);
  EXPECT_EQ(SlotsFor(p, ChecksumRequest(9)), 2u);  // takes the oldest place
  EXPECT_EQ(SlotsFor(p, ChecksumRequest(2)), 1u);
  EXPECT_EQ(SlotsFor(p, ChecksumRequest(1)), 2u);
  // The device agrees on each.
  p.driver.Publish();
  TxWork work;
  std::vector<uint16_t> tags;
  while (p.device.Fetch(&work) == RingFault::kNone) {
    tags.push_back(work.request.vlan_tci);
    p.device.Complete(work.handle);
  }
  std::vector<uint16_t> expected;
  for (int round = 0; round < 4; ++round) {
    for (uint16_t vlan = 1; vlan <= 8; ++vlan) expected.push_back(vlan);
  }
  expected.insert(expected.end(), {0, 9, 2, 1});
  EXPECT_EQ(tags, expected);
  EXPECT_EQ(p.ReclaimAll(), expected.size());
}

TEST(TxContexts, AStickyOneIsSentWhenItChanges) {
  Pair p(layout::testing::BigLayout(), 512);
  TxRequest udp = ChecksumRequest();
  TxRequest tcp = udp;
  tcp.l4 = L4Kind::kTcp;
  EXPECT_EQ(SlotsFor(p, udp), 2u);
  EXPECT_EQ(SlotsFor(p, udp), 1u);
  EXPECT_EQ(SlotsFor(p, TxRequest{}), 1u);
  EXPECT_EQ(SlotsFor(p, udp), 1u);
  EXPECT_EQ(SlotsFor(p, tcp), 2u);
  EXPECT_EQ(SlotsFor(p, udp), 2u);
  // The tag stands in the data descriptor: no context for it.
  EXPECT_EQ(SlotsFor(p, ChecksumRequest(100)), 1u);
  EXPECT_EQ(SlotsFor(p, ChecksumRequest(200)), 1u);
  p.driver.Publish();
  std::vector<uint16_t> ats, tags;
  TxWork work;
  while (p.device.Fetch(&work) == RingFault::kNone) {
    ats.push_back(work.request.l4_checksum_at);
    tags.push_back(work.request.vlan_tci);
  }
  EXPECT_EQ(ats, (std::vector<uint16_t>{40, 40, 0, 40, 50, 40, 40, 40}));
  EXPECT_EQ(tags, (std::vector<uint16_t>{0, 0, 0, 0, 0, 0, 100, 200}));
}

TEST(TxContexts, AContextThatWasNeverSetIsAFault) {
  Pair p(layout::testing::SimpleLayout(), 32);
  ASSERT_EQ(p.driver.Push(std::vector<TxSegment>{{Iova(0x1000), 64}}, ChecksumRequest(), 1),
            PushResult::kPushed);
  p.driver.Publish();
  // The data descriptor alone, in the first slot.
  std::memcpy(p.ring.slot(0), p.ring.slot(1), p.ring.slot_bytes());
  TxWork work;
  EXPECT_EQ(p.device.Fetch(&work), RingFault::kUndefinedContext);
}

TEST(TxReports, OnlyReportedDescriptorsAreWrittenBack) {
  Pair p(layout::testing::SimpleLayout(), 512, {4});
  for (uint32_t i = 0; i < 10; ++i) {
    ASSERT_EQ(p.driver.Push(Iova(0x1000), 64, i), PushResult::kPushed);
  }
  p.driver.Publish();
  EXPECT_EQ(p.SendAll(), 10u);
  // Done is bit 0 of the last word: every fourth, and the last before Publish.
  for (uint32_t i = 0; i < 10; ++i) {
    const bool done = (p.ring.slot(i)[12] & std::byte{1}) != std::byte{0};
    EXPECT_EQ(done, i == 3 || i == 7 || i == 9) << i;
  }
  EXPECT_EQ(p.ReclaimAll(), 10u);
}

TEST(TxReports, PacketsComeBackOnlyUpToTheLastReport) {
  Pair p(layout::testing::SimpleLayout(), 512, {4});
  for (uint32_t i = 0; i < 8; ++i) {
    ASSERT_EQ(p.driver.Push(Iova(0x1000), 64, i), PushResult::kPushed);
  }
  p.driver.Publish();
  TxWork work;
  for (int i = 0; i < 6; ++i) {
    ASSERT_EQ(p.device.Fetch(&work), RingFault::kNone);
    p.device.Complete(work.handle);
  }
  EXPECT_EQ(p.ReclaimAll(), 4u);
}

TEST(TxDoorbell, PacketsWithoutAnEndAreAFault) {
  Pair p(layout::testing::SimpleLayout(), 64);
  const std::vector<TxSegment> two = {{Iova(0x1000), 64}, {Iova(0x2000), 64}};
  ASSERT_EQ(p.driver.Push(two, TxRequest{}, 1), PushResult::kPushed);
  // The first of the two everywhere.
  for (uint32_t i = 1; i < 64; ++i) {
    std::memcpy(p.ring.slot(i), p.ring.slot(0), p.ring.slot_bytes());
  }
  TxWork work;
  p.ring.SetDoorbell(30);
  EXPECT_EQ(p.device.Fetch(&work), RingFault::kEmpty);  // it may yet end
  p.ring.SetDoorbell(63);
  EXPECT_EQ(p.device.Fetch(&work), RingFault::kChainTooLong);
}

TEST(TxDoorbell, AnIndexThatTheRingLacksIsAFault) {
  Pair p(layout::testing::SimpleLayout(), 64);
  p.ring.SetDoorbell(64);
  TxWork work;
  EXPECT_EQ(p.device.Fetch(&work), RingFault::kDoorbellOutOfRange);
}

// Bytes written by hand from the layouts' tables, so that both sides cannot be wrong together.
std::vector<int> SlotBytes(TestRing& ring, uint32_t slot) {
  std::vector<int> bytes;
  for (uint32_t i = 0; i < ring.slot_bytes(); ++i) bytes.push_back(int(ring.slot(slot)[i]));
  return bytes;
}

TEST(TxDescriptor, BytesOfTheSimpleLayout) {
  Pair p(layout::testing::SimpleLayout(), 64);
  TxRequest request = ChecksumRequest(0x1234);
  const TxSegment two[] = {{Iova(0x1122334455667788), 0x40}, {Iova(0xff), 0x201}};
  ASSERT_EQ(p.driver.Push(two, request, 1), PushResult::kPushed);
  p.driver.Publish();
  EXPECT_EQ(SlotBytes(p.ring, 0),
            (std::vector<int>{0x0e, 0x0a, 0x34, 0x12, 0, 0, 0, 0x06, 0, 0, 0, 0, 0, 0, 0, 0x80}));
  // context present and its number; crc, vlan, both checksums; 0x241 bytes in all
  EXPECT_EQ(SlotBytes(p.ring, 1), (std::vector<int>{0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
                                                    0x40, 0, 0x10, 0, 0x78, 0x41, 0x02, 0x40}));
  // and last, report
  EXPECT_EQ(SlotBytes(p.ring, 2),
            (std::vector<int>{0xff, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x02, 0x10, 0, 0x7e, 0, 0, 0x40}));
  EXPECT_EQ(SlotBytes(p.ring, 3), std::vector<int>(16, 0));
  EXPECT_EQ(*p.ring.doorbell(), std::byte{3});
}

TEST(TxDescriptor, BytesOfTheBigLayout) {
  Pair p(layout::testing::BigLayout(), 64);
  const TxSegment one[] = {{Iova(0x1122334455667788), 0x140}};
  ASSERT_EQ(p.driver.Push(one, ChecksumRequest(0x1234), 1), PushResult::kPushed);
  p.driver.Publish();
  std::vector<int> context = {0x40, 0, 0, 0, 14, 24, 0, 33, 34, 40, 0, 0};
  context.resize(32);
  EXPECT_EQ(SlotBytes(p.ring, 0), context);
  // last, both checksums, vlan, crc; the address halves swapped, high half second
  std::vector<int> data = {0x3e, 0,    0x01, 0x40, 0,    0,    0,    0,    0x55,
                           0x66, 0x77, 0x88, 0x11, 0x22, 0x33, 0x44, 0x12, 0x34};
  data.resize(32);
  EXPECT_EQ(SlotBytes(p.ring, 1), data);
  EXPECT_EQ(p.ring.doorbell()[3], std::byte{2});  // big endian
}

TEST(TxDescriptor, ZeroMeansTheLargestWhereTheLayoutSaysSo) {
  Pair p(layout::testing::BigLayout(), 64);
  ASSERT_EQ(p.driver.Push(Iova(0x1234'5678'9abc'def0), 65536, 1), PushResult::kPushed);
  p.driver.Publish();
  EXPECT_EQ(p.ring.slot(0)[2], std::byte{0});
  EXPECT_EQ(p.ring.slot(0)[3], std::byte{0});
  TxWork work;
  ASSERT_EQ(p.device.Fetch(&work), RingFault::kNone);
  EXPECT_EQ(work.segments[0], (TxSegment{Iova(0x1234'5678'9abc'def0), 65536}));
}

}  // namespace
}  // namespace qsplit::dataplane
