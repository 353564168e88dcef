// Transmit: the driver's side against the device's side, over every layout that this build drives.
#include <gtest/gtest.h>

#include <deque>

#include "tests/support/rounds.h"
#include "tests/unit/dataplane/tx_pair.h"

namespace qsplit::dataplane {
namespace {

using testing::ChecksumRequest;
using testing::NamedLayout;
using testing::Random;
using Pair = testing::TxPair;

class Tx : public ::testing::TestWithParam<NamedLayout> {
 protected:
  const layout::VerifiedLayout& layout() { return *GetParam().layout; }
};

TEST_P(Tx, APacketGoesThrough) {
  Pair p(layout());
  ASSERT_EQ(p.driver.Push(Iova(0x12345000), 100, 7), PushResult::kPushed);
  TxWork work;
  EXPECT_EQ(p.device.Fetch(&work), RingFault::kEmpty);  // not published
  EXPECT_FALSE(p.driver.Publish());
  EXPECT_EQ(p.device.PeekAvailable(), 1u);
  ASSERT_EQ(p.device.Fetch(&work), RingFault::kNone);
  ASSERT_EQ(work.segments.size(), 1u);
  EXPECT_EQ(work.segments[0], (TxSegment{Iova(0x12345000), 100}));
  EXPECT_EQ(work.bytes, 100u);
  EXPECT_EQ(work.request, TxRequest{});
  uint32_t cookies[4];
  EXPECT_EQ(p.driver.Reclaim(cookies), 0u);
  EXPECT_EQ(p.driver.Outstanding(), 1u);
  p.device.Complete(work.handle);
  ASSERT_EQ(p.driver.Reclaim(cookies), 1u);
  EXPECT_EQ(cookies[0], 7u);
  EXPECT_EQ(p.driver.Room(), p.driver.Capacity());
  EXPECT_EQ(p.driver.Outstanding(), 0u);
  EXPECT_EQ(p.device.Fetch(&work), RingFault::kEmpty);
}

TEST_P(Tx, SegmentsComeOutInOrder) {
  Pair p(layout());
  ASSERT_TRUE(p.driver.Supports(TxFeature::kScatter));
  const TxSegment segments[] = {{Iova(0x1000), 54}, {Iova(0x8000), 1000}, {Iova(0x20000), 3}};
  ASSERT_EQ(p.driver.Push(segments, TxRequest{}, 1), PushResult::kPushed);
  p.driver.Publish();
  TxWork work;
  ASSERT_EQ(p.device.Fetch(&work), RingFault::kNone);
  ASSERT_EQ(work.segments.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(work.segments[i], segments[i]);
  EXPECT_EQ(work.bytes, 1057u);
}

TEST_P(Tx, AFullRingTakesNoMoreAndWrapsManyTimes) {
  for (const uint32_t report_every : {1u, 5u, 32u, 1000000u}) {
    Pair p(layout(), 32, {report_every});
    uint32_t cookie = 0;
    uint32_t back = 0;
    for (int pass = 0; pass < 100; ++pass) {
      const uint32_t begin = cookie;
      while (p.driver.Push(Iova(uint64_t{cookie} << 6), 64 + cookie % 100, cookie) ==
             PushResult::kPushed) {
        ++cookie;
      }
      ASSERT_EQ(cookie - begin, p.driver.Capacity());
      ASSERT_EQ(p.driver.Push(Iova(0), 64, 0), PushResult::kNoRoom);
      p.driver.Publish();
      TxWork work;
      for (uint32_t i = begin; i < cookie; ++i) {
        ASSERT_EQ(p.device.Fetch(&work), RingFault::kNone);
        ASSERT_EQ(work.segments[0], (TxSegment{Iova(uint64_t{i} << 6), 64 + i % 100}));
        p.device.Complete(work.handle);
      }
      ASSERT_EQ(p.device.Fetch(&work), RingFault::kEmpty);
      std::vector<uint32_t> cookies(p.driver.Capacity() + 1);
      // Whatever was published comes back, however rare reports are.
      const uint32_t half = p.driver.Reclaim(std::span(cookies).first(10));
      ASSERT_EQ(half, 10u);
      for (uint32_t i = 0; i < half; ++i) ASSERT_EQ(cookies[i], back++);
      const uint32_t rest = p.driver.Reclaim(cookies);
      for (uint32_t i = 0; i < rest; ++i) ASSERT_EQ(cookies[i], back++);
      ASSERT_EQ(back, cookie);
      ASSERT_EQ(p.driver.Room(), p.driver.Capacity());
    }
    EXPECT_TRUE(p.ring.GuardsWhole());
  }
}

TEST_P(Tx, RequestsComeOutAsAsked) {
  Pair p(layout(), 64);
  Random random(9);
  uint32_t tried = 0;
  for (int round = 0; round < 5000; ++round) {
    TxRequest in;
    in.wants = TxFeatures(random()) & p.driver.Features();
    in.wants.bits &= ~TxFeatures(TxFeature::kScatter).bits;
    in.l3 = random() % 2 ? L3Kind::kIp4 : L3Kind::kIp6;
    if (in.wants.Has(TxFeature::kL3Checksum)) in.l3 = L3Kind::kIp4;
    constexpr L4Kind kKinds[] = {L4Kind::kTcp, L4Kind::kUdp, L4Kind::kSctp};
    in.l4 = kKinds[random() % 3];
    if (in.wants.Has(TxFeature::kSegment)) in.l4 = L4Kind::kTcp;
    in.l2_header_bytes = random() % 2 ? 14 : 18;
    in.l3_header_bytes = in.l3 == L3Kind::kIp4 ? 20 : 40;
    in.l4_header_bytes = 20;
    in.vlan_tci = static_cast<uint16_t>(random());
    in.segment_bytes = 1448;
    const PushResult pushed = p.driver.Push(std::vector<TxSegment>{{Iova(0x4000), 1500}}, in, 1);
    ASSERT_EQ(pushed == PushResult::kPushed, p.driver.Supports(in));
    if (pushed == PushResult::kUnsupported) {
      // SCTP that it has no name for is all that may be refused.
      ASSERT_EQ(in.l4, L4Kind::kSctp);
      continue;
    }
    p.driver.Publish();
    TxWork work;
    ASSERT_EQ(p.device.Fetch(&work), RingFault::kNone);
    const TxRequest& out = work.request;
    EXPECT_EQ(out.wants & in.wants, in.wants);
    EXPECT_TRUE(in.wants.Has(TxFeature::kSegment) || out.wants == in.wants);
    EXPECT_TRUE(!in.wants.Has(TxFeature::kVlanInsert) || out.vlan_tci == in.vlan_tci);
    if (in.wants.Has(TxFeature::kL3Checksum)) {
      EXPECT_EQ(out.l3_checksum_start, in.l2_header_bytes);
      EXPECT_EQ(out.l3_checksum_at, in.l2_header_bytes + 10);
    }
    if (in.wants.Has(TxFeature::kL4Checksum)) {
      const int start = in.l2_header_bytes + in.l3_header_bytes;
      EXPECT_EQ(out.l4_checksum_start, start);
      const int at = in.l4 == L4Kind::kTcp ? 16 : in.l4 == L4Kind::kUdp ? 6 : 8;
      EXPECT_EQ(out.l4_checksum_at, start + at);
    }
    EXPECT_TRUE(!in.wants.Has(TxFeature::kSegment) || out.segment_bytes == 1448);
    if (in.wants.Has(TxFeature::kSegment)) {
      // Enough to cut it, however the layout says it.
      EXPECT_EQ(out.l3, in.l3);
      EXPECT_EQ(out.l4, L4Kind::kTcp);
      EXPECT_EQ(out.l2_header_bytes, in.l2_header_bytes);
      EXPECT_EQ(out.l3_header_bytes, in.l3_header_bytes);
      EXPECT_EQ(out.l4_header_bytes, in.l4_header_bytes);
    }
    ++tried;
    p.device.Complete(work.handle);
    ASSERT_EQ(p.ReclaimAll(), 1u);
    if (::testing::Test::HasFailure()) FAIL() << "round " << round << " wants " << in.wants.bits;
  }
  EXPECT_GT(tried, 1000u);
}

// Random steps of both sides against a queue.
TEST_P(Tx, RandomStepsAgreeWithAModelQueue) {
  Random random(13);
  for (uint32_t run = 0; run < qsplit::testing::RoundsOfEach(30); ++run) {
    Pair p(layout(), 16u << (run % 4), {1 + random() % 8});
    struct Packet {
      uint32_t cookie;
      std::vector<TxSegment> segments;
      TxFeatures wants;
    };
    std::deque<Packet> pushed, published, sent;
    std::deque<std::pair<uint32_t, TxHandle>> fetched;
    uint32_t cookie = 0;
    for (int step = 0; step < 4000; ++step) {
      switch (random() % 5) {
        case 0: {
          Packet packet{cookie, {}, {}};
          const uint32_t most = std::min(p.driver.MaxSegments(), 5u);
          for (uint32_t i = 1 + random() % most; i > 0; --i) {
            packet.segments.push_back({Iova(random() & ~15u), 20 + random() % 2000});
          }
          TxRequest request;
          if (random() % 3 == 0) {
            request = ChecksumRequest();
            request.l4 = random() % 2 ? L4Kind::kTcp : L4Kind::kUdp;
            request.l3_header_bytes = random() % 2 ? 20 : 24;
            if (!p.driver.Supports(request)) request = TxRequest{};
          }
          packet.wants = request.wants;
          const uint32_t room = p.driver.Room();
          const PushResult result = p.driver.Push(packet.segments, request, cookie);
          if (result == PushResult::kNoRoom) {
            // One more slot at most, for a context.
            ASSERT_LE(room, packet.segments.size());
            ASSERT_EQ(p.driver.Room(), room);
            break;
          }
          ASSERT_EQ(result, PushResult::kPushed);
          ++cookie;
          pushed.push_back(packet);
          break;
        }
        case 1:
          p.driver.Publish();
          published.insert(published.end(), pushed.begin(), pushed.end());
          pushed.clear();
          break;
        case 2: {
          TxWork work;
          const RingFault fault = p.device.Fetch(&work);
          ASSERT_EQ(fault, published.empty() ? RingFault::kEmpty : RingFault::kNone);
          if (published.empty()) break;
          const Packet& packet = published.front();
          ASSERT_TRUE(std::equal(work.segments.begin(), work.segments.end(),
                                 packet.segments.begin(), packet.segments.end()));
          ASSERT_EQ(work.request.wants, packet.wants);
          fetched.emplace_back(packet.cookie, work.handle);
          sent.push_back(packet);
          published.pop_front();
          break;
        }
        case 3:
          if (fetched.empty()) break;
          p.device.Complete(fetched.front().second);
          fetched.pop_front();
          break;
        case 4: {
          uint32_t cookies[5];
          const uint32_t count = p.driver.Reclaim(std::span(cookies, 1 + random() % 5));
          for (uint32_t i = 0; i < count; ++i) {
            ASSERT_EQ(cookies[i], sent.front().cookie);
            sent.pop_front();
          }
          // Never one that the device has not completed.
          ASSERT_GE(sent.size(), fetched.size());
          break;
        }
      }
      ASSERT_EQ(p.driver.Outstanding(), pushed.size() + published.size() + sent.size());
    }
    // Everything comes back in the end.
    p.driver.Publish();
    for (const auto& [_, handle] : fetched) p.device.Complete(handle);
    p.SendAll();
    ASSERT_EQ(p.ReclaimAll(), pushed.size() + published.size() + sent.size());
    ASSERT_EQ(p.driver.Room(), p.driver.Capacity());
    EXPECT_TRUE(p.ring.GuardsWhole());
  }
}

TEST_P(Tx, WhatCannotBeCarriedIsRefusedAndLeavesNothing) {
  Pair p(layout());
  EXPECT_EQ(p.driver.Push({}, TxRequest{}, 1), PushResult::kTooLong);
  EXPECT_EQ(p.driver.Push(Iova(0x1000), 0, 1), PushResult::kTooLong);
  EXPECT_EQ(p.driver.Push(Iova(0x1000), UINT32_MAX, 1), PushResult::kTooLong);
  const std::vector<TxSegment> many(p.driver.MaxSegments() + 1, {Iova(0x1000), 20});
  EXPECT_EQ(p.driver.Push(many, TxRequest{}, 1), PushResult::kTooLong);
  TxRequest nonsense = ChecksumRequest();
  nonsense.l4 = L4Kind::kIcmp;
  EXPECT_EQ(p.driver.Push(std::vector<TxSegment>{{Iova(0), 60}}, nonsense, 1),
            PushResult::kUnsupported);
  EXPECT_EQ(p.driver.Room(), p.driver.Capacity());
  EXPECT_EQ(p.driver.Outstanding(), 0u);
  EXPECT_FALSE(p.driver.Publish());
  EXPECT_EQ(p.device.PeekAvailable(), 0u);
}

TEST_P(Tx, TheLongestPacketGoesThrough) {
  Pair p(layout(), 16);
  const std::vector<TxSegment> segments(p.driver.MaxSegments(), {Iova(0x1000), 20});
  TxRequest request = ChecksumRequest();
  if (!p.driver.Supports(request)) request = TxRequest{};
  for (int i = 0; i < 20; ++i) {
    request.l3_header_bytes = i % 2 ? 20 : 24;
    ASSERT_EQ(p.driver.Push(segments, request, 1), PushResult::kPushed);
    p.driver.Publish();
    TxWork work;
    ASSERT_EQ(p.device.Fetch(&work), RingFault::kNone);
    ASSERT_EQ(work.segments.size(), segments.size());
    p.device.Complete(work.handle);
    ASSERT_EQ(p.ReclaimAll(), 1u);
  }
}

TEST_P(Tx, TheWakeupFlagAsksForASystemCall) {
  Pair p(layout(), 32, {}, /*with_wakeup=*/true);
  ASSERT_EQ(p.driver.Push(Iova(0x1000), 64, 1), PushResult::kPushed);
  EXPECT_FALSE(p.driver.Publish());
  p.device.SetNeedWakeup(true);
  ASSERT_EQ(p.driver.Push(Iova(0x1000), 64, 1), PushResult::kPushed);
  EXPECT_TRUE(p.driver.Publish());
}

// A driver that writes anything at all into ring and doorbell.
TEST_P(Tx, ADriverCannotMakeTheDeviceLeaveTheRing) {
  Random random(17);
  for (uint32_t run = 0; run < qsplit::testing::RoundsOfEach(300); ++run) {
    Pair p(layout(), 16);
    std::vector<TxHandle> handles;
    for (int step = 0; step < 200; ++step) {
      // Mostly good descriptors, or nothing would get past the first.
      p.driver.Push(std::vector<TxSegment>{{Iova(random()), 1 + random() % 2000}},
                    random() % 2 ? ChecksumRequest() : TxRequest{}, 1);
      p.driver.Publish();
      p.ReclaimAll();
      if (random() % 8 == 0) {
        p.ring.slot(random() % p.ring.slot_count())[random() % p.ring.slot_bytes()] =
            static_cast<std::byte>(random());
      }
      if (random() % 16 == 0) p.ring.SetDoorbell(random() % (p.ring.slot_count() + 2));
      TxWork work;
      const RingFault fault = p.device.Fetch(&work);
      if (fault == RingFault::kNone) {
        ASSERT_LE(work.segments.size(), p.ring.slot_count());
        ASSERT_GE(work.segments.size(), 1u);
        uint64_t bytes = 0;
        for (const TxSegment& segment : work.segments) bytes += segment.bytes;
        ASSERT_EQ(bytes, work.bytes);
        handles.push_back(work.handle);
      } else if (fault != RingFault::kEmpty) {
        EXPECT_EQ(p.device.Fetch(&work), fault);  // it stays so
      }
      if (!handles.empty()) p.device.Complete(handles[random() % handles.size()]);
      p.device.Complete({random(), random()});
      p.device.Complete({random() % p.ring.slot_count(), random() % 64});
    }
    ASSERT_TRUE(p.ring.GuardsWhole());
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, Tx,
                         ::testing::ValuesIn(testing::LayoutsToDrive(v1::DIRECTION_TRANSMIT)),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace qsplit::dataplane
