// Transmit over every compiled spec with a transmit queue and every choice of its features: the
// driver's side against the device's, over the same memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "dataplane/queue_shape.h"
#include "tests/support/rounds.h"
#include "tests/unit/dataplane/tx_rig.h"

namespace qsplit::dataplane {
namespace {

using qsplit::testing::RoundsOfEach;
using testing::Difference;
using testing::Random;
using testing::RandomRequest;
using testing::RandomSegments;
using testing::TxCase;
using testing::TxRig;

class RingTx : public ::testing::TestWithParam<TxCase> {};

TEST_P(RingTx, BothSidesDriveIt) {
  TxRig rig(GetParam());
  ASSERT_TRUE(rig.status.ok()) << rig.status;
  EXPECT_GE(rig.driver->MaxSegments(), 1u);
  EXPECT_EQ(rig.driver->Room(), rig.driver->Capacity());
  EXPECT_EQ(rig.device->PeekAvailable(), 0u);
  TxWork work;
  EXPECT_EQ(rig.device->Fetch(&work), RingFault::kEmpty);
  EXPECT_TRUE(rig.ReclaimAll().empty());
}

TEST_P(RingTx, APacketGoesThrough) {
  TxRig rig(GetParam());
  ASSERT_TRUE(rig.status.ok()) << rig.status;
  Random random(1);
  for (uint32_t cookie = 0; cookie < 300; ++cookie) {
    const std::vector<TxSegment> segments = RandomSegments(rig, random, 1);
    ASSERT_EQ(rig.driver->Push(segments, TxRequest{}, cookie), PushResult::kPushed);
    TxWork work;
    ASSERT_EQ(rig.device->Fetch(&work), RingFault::kEmpty) << "not published";
    rig.driver->Publish();
    EXPECT_NE(rig.device->PeekAvailable(), 0u);
    ASSERT_EQ(rig.device->Fetch(&work), RingFault::kNone) << cookie;
    EXPECT_EQ(work.bytes, segments[0].bytes);
    EXPECT_EQ(work.request, TxRequest{});
    ASSERT_EQ(BytesOf(rig, work), BytesOf(rig, segments));
    EXPECT_TRUE(rig.ReclaimAll().empty()) << "not sent";
    EXPECT_EQ(rig.driver->Outstanding(), 1u);
    rig.device->Complete(work.handle);
    rig.device->Complete(work.handle);  // once is enough
    ASSERT_EQ(rig.ReclaimAll(), std::vector<uint32_t>{cookie});
    EXPECT_EQ(rig.driver->Outstanding(), 0u);
    ASSERT_EQ(rig.driver->Room(), rig.driver->Capacity());
    EXPECT_EQ(rig.device->Fetch(&work), RingFault::kEmpty);
    EXPECT_EQ(rig.rings.BrokenGuard(), "");
  }
}

TEST_P(RingTx, EveryNumberOfSegmentsUpToTheMostGoesThrough) {
  TxRig rig(GetParam());
  ASSERT_TRUE(rig.status.ok()) << rig.status;
  Random random(2);
  const uint32_t most = rig.driver->MaxSegments();
  for (uint32_t count = 1; count <= most; ++count) {
    const std::vector<TxSegment> segments = RandomSegments(rig, random, count);
    ASSERT_EQ(rig.driver->Push(segments, TxRequest{}, count), PushResult::kPushed) << count;
    rig.driver->Publish();
    TxWork work;
    ASSERT_EQ(rig.device->Fetch(&work), RingFault::kNone) << count;
    ASSERT_EQ(BytesOf(rig, work), BytesOf(rig, segments));
    if (work.inline_bytes.empty()) {
      ASSERT_EQ(work.segments.size(), count);
    }
    rig.device->Complete(work.handle);
    ASSERT_EQ(rig.ReclaimAll(), std::vector<uint32_t>{count});
  }
  const std::vector<TxSegment> more = RandomSegments(rig, random, most + 1);
  EXPECT_EQ(rig.driver->Push(more, TxRequest{}, 0), PushResult::kTooLong);
  EXPECT_EQ(rig.driver->Room(), rig.driver->Capacity());
  EXPECT_EQ(rig.rings.BrokenGuard(), "");
}

TEST_P(RingTx, AFullRingTakesMoreWhenSomeAreSent) {
  for (const uint32_t report_every : {1u, 7u, 1000000u}) {
    TxRig rig(GetParam(), 64, {report_every});
    ASSERT_TRUE(rig.status.ok()) << rig.status;
    Random random(3);
    uint32_t cookie = 0;
    std::set<uint32_t> out;
    for (int pass = 0; pass < 20; ++pass) {
      PushResult pushed = PushResult::kPushed;
      for (;;) {
        pushed = rig.driver->Push(RandomSegments(rig, random, 1), TxRequest{}, cookie);
        if (pushed != PushResult::kPushed) break;
        out.insert(cookie++);
        ASSERT_LE(out.size(), rig.driver->Capacity());
      }
      ASSERT_EQ(pushed, PushResult::kNoRoom);
      ASSERT_FALSE(out.empty());
      rig.driver->Publish();
      TxWork work;
      uint32_t fetched = 0;
      while (rig.device->Fetch(&work) == RingFault::kNone) {
        rig.device->Complete(work.handle);
        ++fetched;
      }
      ASSERT_EQ(fetched, out.size());
      for (const uint32_t back : rig.ReclaimAll()) ASSERT_EQ(out.erase(back), 1u);
      ASSERT_TRUE(out.empty()) << "whatever was published comes back, however rare reports are";
      ASSERT_EQ(rig.driver->Room(), rig.driver->Capacity());
      ASSERT_EQ(rig.rings.BrokenGuard(), "");
    }
  }
}

// Random steps of both sides: bursts of packets with requests, a device that is slow and finishes
// out of order, a driver that looks rarely.
TEST_P(RingTx, RandomStepsAgreeWithAModel) {
  struct Pushed {
    uint32_t cookie;
    std::vector<TxSegment> segments;
    TxRequest request;
  };
  Random random(4);
  for (int run = 0; run < 6; ++run) {
    TxRig rig(GetParam(), 16u << (run % 3 * 2), {1 + random() % 9});
    ASSERT_TRUE(rig.status.ok()) << rig.status;
    const uint32_t most = rig.driver->MaxSegments();
    std::deque<Pushed> unpublished, published;
    std::vector<std::pair<TxHandle, uint32_t>> fetched;
    std::set<uint32_t> sent, outstanding;
    std::set<uint32_t> timed;  // outstanding, and asked when they leave
    const auto time_of = [](uint32_t packet) { return 1 + uint64_t{packet} * 10007; };
    uint32_t cookie = 0;
    uint32_t requests = 0;
    const auto reclaim = [&](size_t most_cookies) {
      std::vector<uint32_t> cookies(most_cookies);
      const uint32_t count = rig.driver->Reclaim(cookies);
      std::set<uint32_t> untold;
      for (uint32_t i = 0; i < count; ++i) {
        ASSERT_EQ(sent.erase(cookies[i]), 1u) << "not sent, or back twice";
        ASSERT_EQ(outstanding.erase(cookies[i]), 1u);
        if (timed.erase(cookies[i]) == 1) untold.insert(cookies[i]);
      }
      ASSERT_EQ(rig.driver->Outstanding(), outstanding.size());
      TxTime time;
      while (rig.driver->TakeTimes(std::span(&time, 1)) == 1) {
        ASSERT_EQ(timed.erase(time.cookie) + untold.erase(time.cookie), 1u) << "or twice";
        ASSERT_EQ(time.time_ns, time_of(time.cookie));
      }
      ASSERT_TRUE(untold.empty()) << *untold.begin() << " is back without its time";
    };
    const auto fetch = [&]() {
      TxWork work;
      const RingFault fault = rig.device->Fetch(&work);
      if (fault == RingFault::kEmpty) return false;
      EXPECT_EQ(fault, RingFault::kNone);
      if (fault != RingFault::kNone || published.empty()) return false;
      const Pushed& expected = published.front();
      EXPECT_EQ(BytesOf(rig, work), BytesOf(rig, expected.segments));
      TxRequest asked = expected.request;
      // Some devices tell of every packet.
      if (work.wants_time && !work.request.wants.Has(TxFeature::kTimestamp)) {
        asked.wants.bits &= ~TxFeatures(TxFeature::kTimestamp).bits;
      }
      EXPECT_EQ(Difference(asked, work.request), "") << expected.request.wants.bits;
      fetched.emplace_back(work.handle, expected.cookie);
      published.pop_front();
      return true;
    };
    // Over descriptors alone, the device's caller keeps the order.
    const bool in_place =
        ShapeInPlaceQueue(*GetParam().layout, rig.View(), v1::DIRECTION_TRANSMIT).ok();
    const auto complete = [&]() {
      const size_t which = in_place ? 0 : random() % fetched.size();
      rig.device->Complete(fetched[which].first, time_of(fetched[which].second));
      sent.insert(fetched[which].second);
      fetched.erase(fetched.begin() + static_cast<std::ptrdiff_t>(which));
    };
    for (uint32_t step = 0; step < RoundsOfEach(6000) && !HasFailure(); ++step) {
      switch (random() % 8) {
        case 0:
        case 1:
        case 2: {
          const uint32_t count =
              random() % 4 != 0 ? 1 + random() % std::min(most, 3u) : 1 + random() % most;
          const uint64_t place = rig.next_segment;
          Pushed packet{cookie, RandomSegments(rig, random, count), {}};
          if (random() % 3 == 0) packet.request = RandomRequest(rig, random);
          const PushResult result = rig.driver->Push(packet.segments, packet.request, cookie);
          if (result != PushResult::kPushed) rig.next_segment = place;
          if (result == PushResult::kUnsupported) {
            // What has no name there, or is nothing but headers.
            ASSERT_NE(packet.request.wants.bits, 0u);
            break;
          }
          if (result == PushResult::kNoRoom) {
            rig.next_segment = place;  // others may lie behind it that are still on their way
            break;
          }
          if (result == PushResult::kTooLong) {  // a length that its context cannot say
            ASSERT_TRUE(packet.request.wants.Has(TxFeature::kSegment));
            break;
          }
          requests += packet.request.wants.bits != 0;
          if (rig.driver->ReturnsTimes() && packet.request.wants.Has(TxFeature::kTimestamp)) {
            timed.insert(cookie);
          }
          outstanding.insert(cookie++);
          unpublished.push_back(std::move(packet));
          break;
        }
        case 3:
          rig.driver->Publish();
          published.insert(published.end(), unpublished.begin(), unpublished.end());
          unpublished.clear();
          break;
        case 4:
        case 5:
          fetch();
          break;
        case 6:
          if (!fetched.empty()) complete();
          break;
        default:
          if (random() % 4 == 0) reclaim(1 + random() % 20);
      }
      ASSERT_EQ(rig.rings.BrokenGuard(), "");
    }
    rig.driver->Publish();
    published.insert(published.end(), unpublished.begin(), unpublished.end());
    for (int i = 0; i < 5000 && !outstanding.empty() && !HasFailure(); ++i) {
      while (fetch()) {
      }
      while (!fetched.empty()) complete();
      reclaim(50);
    }
    ASSERT_FALSE(HasFailure());
    EXPECT_TRUE(timed.empty()) << *timed.begin() << " never got its time";
    EXPECT_TRUE(outstanding.empty()) << outstanding.size() << " never came back";
    EXPECT_EQ(rig.driver->Room(), rig.driver->Capacity());
    EXPECT_GT(cookie, RoundsOfEach(200));
    if (rig.driver->Features().bits > static_cast<uint32_t>(TxFeature::kScatter)) {
      EXPECT_GE(requests, RoundsOfEach(20));
    }
  }
}

TEST_P(RingTx, TwoThreadsPassPacketsWithoutALock) {
  constexpr uint32_t kPackets = 1000;
  TxRig rig(GetParam(), 32, {4});
  ASSERT_TRUE(rig.status.ok()) << rig.status;
  // Where a packet begins says which one it is.
  const uint64_t step = rig.driver->AddressAlignment() == 1 ? 16 : rig.driver->AddressAlignment();
  const auto place = [&](uint32_t number) {
    return Iova(testing::PacketMemory::kIova + rig.packets_begin + number % 200 * step);
  };
  std::thread device([&] {
    TxWork work;
    for (uint32_t number = 0; number < kPackets;) {
      const RingFault fault = rig.device->Fetch(&work);
      if (fault == RingFault::kEmpty) {
        std::this_thread::yield();
        continue;
      }
      ASSERT_EQ(fault, RingFault::kNone);
      ASSERT_EQ(work.bytes, 100 + number % 300);
      if (work.inline_bytes.empty()) {
        ASSERT_EQ(work.segments[0].address, place(number));
      }
      rig.device->Complete(work.handle);
      ++number;
    }
  });
  uint32_t back = 0;
  for (uint32_t number = 0; back < kPackets;) {
    if (number < kPackets) {
      TxSegment segment{place(number), 100 + number % 300, nullptr};
      if (rig.driver->NeedsMemory()) segment.memory = rig.packets.At(segment.address);
      const PushResult pushed = rig.driver->Push(std::span(&segment, 1), TxRequest{}, number);
      if (pushed == PushResult::kPushed) ++number;
    }
    rig.driver->Publish();
    const uint32_t before = back;
    for (const uint32_t cookie : rig.ReclaimAll()) {
      EXPECT_EQ(cookie, back);
      ++back;
    }
    if (back == before) std::this_thread::yield();
  }
  device.join();
  EXPECT_EQ(rig.rings.BrokenGuard(), "");
}

INSTANTIATE_TEST_SUITE_P(Layouts, RingTx, ::testing::ValuesIn(testing::AllTxCases()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace qsplit::dataplane
