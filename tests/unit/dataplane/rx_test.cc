// Receive: the driver's side against the device's side, over every layout that this build drives.
#include <gtest/gtest.h>

#include <deque>

#include "tests/support/rounds.h"
#include "tests/unit/dataplane/rx_ring_pair.h"

namespace qsplit::dataplane {
namespace {

using testing::NamedLayout;
using testing::Random;
using Pair = testing::RxRingPair;

class Rx : public ::testing::TestWithParam<NamedLayout> {
 protected:
  const layout::VerifiedLayout& layout() { return *GetParam().layout; }
  bool HasRole(std::string_view role) {
    for (const v1::Form& form : layout().message().forms()) {
      for (const v1::Field& field : form.fields()) {
        if (field.role() == role) return true;
      }
    }
    return false;
  }
};

TEST_P(Rx, APacketGoesThrough) {
  Pair p(layout());
  const Iova at(0x1'0000'2000);
  ASSERT_TRUE(p.driver.Post(at, p.bytes, 77));
  PostedBuffer buffer;
  EXPECT_EQ(p.device.Fetch(&buffer), RingFault::kEmpty);  // not published
  EXPECT_FALSE(p.driver.Publish());
  EXPECT_EQ(p.device.PeekAvailable(), 1u);
  ASSERT_EQ(p.device.Fetch(&buffer), RingFault::kNone);
  EXPECT_EQ(buffer.address, at);
  EXPECT_EQ(buffer.bytes, p.bytes);
  EXPECT_EQ(p.device.Fetch(&buffer), RingFault::kEmpty);

  RxCompletion done[4];
  EXPECT_EQ(p.driver.Poll(done), 0u);
  RxResult result;
  result.length = 60;
  ASSERT_TRUE(p.device.Complete(result));
  EXPECT_FALSE(p.device.Complete(result));  // nothing fetched
  ASSERT_EQ(p.driver.Poll(done), 1u);
  EXPECT_EQ(done[0].cookie, 77u);
  EXPECT_EQ(done[0].length, 60u);
  EXPECT_TRUE(done[0].first);
  EXPECT_TRUE(done[0].last);
  EXPECT_FALSE(done[0].meta.error);
  EXPECT_EQ(p.driver.Poll(done), 0u);
  EXPECT_EQ(p.driver.Outstanding(), 0u);
}

TEST_P(Rx, MetadataComesOutAsItWentIn) {
  Pair p(layout());
  const RxFields can = p.device.Supported();
  EXPECT_EQ(can, p.driver.Available());
  const bool one_checked_bit = HasRole("checksum.checked");
  const bool says_good = HasRole("checksum.l4.ok") || HasRole("checksum.l4.checked") ||
                         HasRole("checksum.l3.ok") || HasRole("checksum.checked");
  const bool one_kind_code = HasRole("packet.kind");
  Random random(7);
  RxCompletion done[1];
  for (int round = 0; round < 3000; ++round) {
    ASSERT_TRUE(p.driver.Post(Iova(0x10000), p.bytes, static_cast<uint32_t>(round)));
    p.driver.Publish();
    PostedBuffer buffer;
    ASSERT_EQ(p.device.Fetch(&buffer), RingFault::kNone);
    RxResult result;
    result.length = 1 + random() % 1500;
    RxMetadata& in = result.meta;
    in.present = RxFields(random()) & can;
    constexpr HashType kTypes[] = {HashType::kIp4, HashType::kTcp4, HashType::kIp6,
                                   HashType::kTcp6};
    // A hash and its type come together.
    if (in.present.Has(RxField::kHash) != in.present.Has(RxField::kHashType)) {
      in.present.bits &= ~(RxField::kHash | RxField::kHashType).bits;
    }
    // So do the layers, where one code names both.
    if (one_kind_code && in.present.Has(RxField::kL3Kind) != in.present.Has(RxField::kL4Kind)) {
      in.present.bits &= ~(RxField::kL3Kind | RxField::kL4Kind).bits;
    }
    if (in.present.Has(RxField::kHash)) in.hash = random();
    if (in.present.Has(RxField::kHashType)) in.hash_type = kTypes[random() % 4];
    if (in.present.Has(RxField::kVlanTci)) in.vlan_tci = static_cast<uint16_t>(random());
    if (in.present.Has(RxField::kL3Checksum)) in.l3_checksum = ChecksumState(random() % 3);
    if (in.present.Has(RxField::kL4Checksum)) in.l4_checksum = ChecksumState(random() % 3);
    if (in.present.Has(RxField::kL3Kind)) in.l3 = random() % 2 ? L3Kind::kIp4 : L3Kind::kIp6;
    if (in.present.Has(RxField::kL4Kind)) in.l4 = random() % 2 ? L4Kind::kTcp : L4Kind::kUdp;
    if (in.present.Has(RxField::kTimestamp)) in.timestamp = random() * 3u;
    if (in.present.Has(RxField::kError)) in.error = random() % 2 != 0;
    if (in.present.Has(RxField::kMark)) in.mark = random() % 65536;
    if (in.present.Has(RxField::kQueue)) in.queue = 3;
    ASSERT_TRUE(p.device.Complete(result));
    ASSERT_EQ(p.driver.Poll(done), 1u);
    const RxMetadata& out = done[0].meta;
    // One bit for both checksums: nothing is said where one was left unchecked, and nothing of one
    // that the packet lacks.
    if (one_checked_bit) {
      const bool no_l3 = in.present.Has(RxField::kL3Kind) && in.l3 != L3Kind::kIp4;
      const bool l3_left = !no_l3 && in.l3_checksum == ChecksumState::kUnknown;
      const bool l4_left = in.l4_checksum == ChecksumState::kUnknown;
      if (l3_left || l4_left) in.l3_checksum = in.l4_checksum = ChecksumState::kUnknown;
      if (no_l3) in.l3_checksum = out.l3_checksum;
    }
    EXPECT_EQ(done[0].length, result.length);
    // A layout may have one place for a hash and a mark: the hash comes first.
    const bool mark_gave_way = in.present.Has(RxField::kMark) && in.present.Has(RxField::kHash) &&
                               !out.present.Has(RxField::kMark);
    if (mark_gave_way) in.mark = 0;
    // Values that need a bit to say that they are there say so; flags are always there, as unknown.
    for (const RxField f : {RxField::kHash, RxField::kVlanTci, RxField::kTimestamp}) {
      EXPECT_TRUE(!in.present.Has(f) || out.present.Has(f)) << static_cast<uint32_t>(f);
    }
    if (can.Has(RxField::kVlanTci)) {
      EXPECT_EQ(out.present.Has(RxField::kVlanTci), in.present.Has(RxField::kVlanTci));
    }
    EXPECT_EQ(out.hash, in.hash);
    EXPECT_TRUE(!in.present.Has(RxField::kHashType) || out.hash_type == in.hash_type);
    EXPECT_EQ(out.vlan_tci, in.vlan_tci);
    EXPECT_EQ(out.timestamp, in.timestamp);
    // Where there are bits for bad ones alone, no other verdict comes through.
    EXPECT_TRUE(out.l3_checksum == in.l3_checksum ||
                (!says_good && out.l3_checksum == ChecksumState::kUnknown));
    EXPECT_TRUE(out.l4_checksum == in.l4_checksum ||
                (!says_good && out.l4_checksum == ChecksumState::kUnknown));
    EXPECT_TRUE(!in.present.Has(RxField::kL3Kind) || out.l3 == in.l3);
    EXPECT_TRUE(!in.present.Has(RxField::kL4Kind) || out.l4 == in.l4);
    EXPECT_EQ(out.error, in.error);
    EXPECT_EQ(out.mark, in.mark);
    if (::testing::Test::HasFailure()) {
      FAIL() << "round " << round << " present " << in.present.bits;
    }
  }
}

TEST_P(Rx, APacketOverSeveralBuffers) {
  Pair p(layout());
  for (uint32_t i = 0; i < 3; ++i) ASSERT_TRUE(p.driver.Post(Iova(0x10000 * i), p.bytes, i));
  p.driver.Publish();
  PostedBuffer buffer;
  for (int i = 0; i < 3; ++i) ASSERT_EQ(p.device.Fetch(&buffer), RingFault::kNone);
  RxResult result;
  result.length = p.bytes;
  result.last = false;
  p.device.Complete(result);
  p.device.Complete(result);
  RxCompletion done[4];
  ASSERT_EQ(p.driver.Poll(done), 2u);
  result.length = 100;
  result.last = true;
  p.device.Complete(result);
  ASSERT_EQ(p.driver.Poll(std::span(done).subspan(2)), 1u);
  EXPECT_TRUE(done[0].first && !done[0].last);
  EXPECT_TRUE(!done[1].first && !done[1].last);
  EXPECT_TRUE(!done[2].first && done[2].last);
  EXPECT_EQ(done[0].length, p.bytes);
  EXPECT_EQ(done[1].length, p.bytes);
  EXPECT_EQ(done[2].length, 100u);
}

TEST_P(Rx, AFullRingTakesNoMoreAndWrapsManyTimes) {
  Pair p(layout());
  uint32_t cookie = 0;
  for (int pass = 0; pass < 100; ++pass) {
    EXPECT_EQ(p.driver.Room(), p.driver.Capacity());
    const uint32_t begin = cookie;
    while (p.driver.Post(Iova(uint64_t{cookie} * 4096), p.bytes, cookie)) ++cookie;
    EXPECT_EQ(cookie - begin, p.driver.Capacity());
    EXPECT_EQ(p.driver.Room(), 0u);
    p.driver.Publish();
    EXPECT_EQ(p.device.PeekAvailable(), p.driver.Capacity());
    for (uint32_t i = begin; i < cookie; ++i) {
      PostedBuffer buffer;
      ASSERT_EQ(p.device.Fetch(&buffer), RingFault::kNone);
      ASSERT_EQ(buffer.address.value, uint64_t{i} * 4096);
      RxResult result;
      result.length = 64 + i % 1000;
      p.device.Complete(result);
    }
    std::vector<RxCompletion> done(p.driver.Capacity() + 1);
    ASSERT_EQ(p.driver.Poll(done), p.driver.Capacity());
    for (uint32_t i = begin; i < cookie; ++i) {
      ASSERT_EQ(done[i - begin].cookie, i);
      ASSERT_EQ(done[i - begin].length, 64 + i % 1000);
    }
  }
  EXPECT_TRUE(p.ring.GuardsWhole());
}

// Random steps of both sides against a queue.
TEST_P(Rx, RandomStepsAgreeWithAModelQueue) {
  Random random(11);
  for (int run = 0; run < 20; ++run) {
    Pair p(layout(), 8u << (run % 4));
    std::deque<uint32_t> posted, published, fetched;  // cookies
    struct Done {
      uint32_t cookie, length;
      bool first, last;
    };
    std::deque<Done> done;
    uint32_t cookie = 0;
    bool in_packet = false;
    for (int step = 0; step < 5000; ++step) {
      switch (random() % 5) {
        case 0: {
          const bool room =
              posted.size() + published.size() + fetched.size() + done.size() < p.driver.Capacity();
          EXPECT_EQ(p.driver.Room() > 0, room);
          ASSERT_EQ(p.driver.Post(Iova(uint64_t{cookie} << 12), p.bytes, cookie), room);
          if (room) posted.push_back(cookie++);
          break;
        }
        case 1:
          p.driver.Publish();
          published.insert(published.end(), posted.begin(), posted.end());
          posted.clear();
          ASSERT_EQ(p.device.PeekAvailable(), published.size());
          break;
        case 2: {
          PostedBuffer buffer;
          const RingFault fault = p.device.Fetch(&buffer);
          ASSERT_EQ(fault, published.empty() ? RingFault::kEmpty : RingFault::kNone);
          if (published.empty()) break;
          ASSERT_EQ(buffer.address.value, uint64_t{published.front()} << 12);
          fetched.push_back(published.front());
          published.pop_front();
          if (random() % 8 == 0) {  // changes its mind
            p.device.Unfetch();
            published.insert(published.begin(), fetched.begin(), fetched.end());
            fetched.clear();
          }
          break;
        }
        case 3: {
          RxResult result;
          result.last = random() % 3 != 0;
          result.length = result.last ? 1 + random() % p.bytes : p.bytes;
          result.length = std::min(result.length, 16000u);
          ASSERT_EQ(p.device.Complete(result), !fetched.empty());
          if (fetched.empty()) break;
          done.push_back({fetched.front(), result.length, !in_packet, result.last});
          in_packet = !result.last;
          fetched.pop_front();
          break;
        }
        case 4: {
          RxCompletion out[3];
          const uint32_t count = p.driver.Poll(std::span(out, 1 + random() % 3));
          ASSERT_TRUE(count > 0 || done.empty());
          for (uint32_t i = 0; i < count; ++i) {
            ASSERT_EQ(out[i].cookie, done.front().cookie);
            ASSERT_EQ(out[i].length, done.front().length);
            ASSERT_EQ(out[i].first, done.front().first);
            ASSERT_EQ(out[i].last, done.front().last);
            done.pop_front();
          }
          break;
        }
      }
    }
    EXPECT_TRUE(p.ring.GuardsWhole());
  }
}

TEST_P(Rx, NothingThatIsNotWantedIsDecoded) {
  Pair p(layout(), 16, RxFields::None());
  EXPECT_EQ(p.driver.Available(), RxFields::None());
  ASSERT_TRUE(p.driver.Post(Iova(0x10000), p.bytes, 1));
  p.driver.Publish();
  PostedBuffer buffer;
  ASSERT_EQ(p.device.Fetch(&buffer), RingFault::kNone);
  RxResult result;
  result.length = 64;
  result.meta.present = p.device.Supported();
  result.meta.vlan_tci = 5;
  p.device.Complete(result);
  RxCompletion done[1];
  ASSERT_EQ(p.driver.Poll(done), 1u);
  EXPECT_EQ(done[0].meta.present, RxFields::None());
  EXPECT_EQ(done[0].meta.vlan_tci, 0);
}

TEST_P(Rx, TheWakeupFlagAsksForASystemCall) {
  Pair p(layout(), 16, RxFields::All(), /*with_wakeup=*/true);
  ASSERT_TRUE(p.driver.Post(Iova(0x10000), p.bytes, 1));
  EXPECT_FALSE(p.driver.Publish());
  p.device.SetNeedWakeup(true);
  EXPECT_FALSE(p.driver.Publish());  // nothing new
  ASSERT_TRUE(p.driver.Post(Iova(0x10000), p.bytes, 1));
  EXPECT_TRUE(p.driver.Publish());
  p.device.SetNeedWakeup(false);
  ASSERT_TRUE(p.driver.Post(Iova(0x10000), p.bytes, 1));
  EXPECT_FALSE(p.driver.Publish());
}

// A device that writes anything at all into the ring.
TEST_P(Rx, ADeviceCannotMakeALengthExceedWhatWasPosted) {
  Pair p(layout());
  Random random(3);
  for (int round = 0; round < 5000; ++round) {
    while (p.driver.Post(Iova(0x10000), p.bytes, 1000 + p.driver.Room())) {
    }
    p.driver.Publish();
    for (uint32_t i = 0; i < p.ring.slot_count() * p.ring.slot_bytes(); ++i) {
      p.ring.slot(0)[i] = static_cast<std::byte>(random());
    }
    RxCompletion done[64];
    const uint32_t count = p.driver.Poll(done);
    ASSERT_LE(count, p.driver.Capacity());
    for (uint32_t i = 0; i < count; ++i) {
      ASSERT_LE(uint64_t{done[i].offset} + done[i].length, p.bytes);
      ASSERT_GE(done[i].cookie, 1000u);
      ASSERT_LE(done[i].cookie, 1000 + p.driver.Capacity());
    }
  }
}

// A driver that writes anything at all into ring and doorbell.
TEST_P(Rx, ADriverCannotMakeTheDeviceLeaveTheRing) {
  Random random(5);
  for (uint32_t run = 0; run < qsplit::testing::RoundsOfEach(200); ++run) {
    Pair p(layout(), 8);
    for (int step = 0; step < 200; ++step) {
      for (uint32_t i = 0; i < p.ring.slot_bytes(); ++i) {
        p.ring.slot(random() % p.ring.slot_count())[i] =
            random() % 4 == 0 ? static_cast<std::byte>(random()) : std::byte{0};
      }
      p.ring.SetDoorbell(random() % 3 == 0 ? random.Wide() : random() % (2 * p.ring.slot_count()));
      PostedBuffer buffer;
      const RingFault fault = p.device.Fetch(&buffer);
      ASSERT_LE(p.device.Fetched(), p.ring.slot_count());
      ASSERT_LE(p.device.PeekAvailable(), p.ring.slot_count());
      if (fault == RingFault::kNone) {
        ASSERT_LT(buffer.slot, p.ring.slot_count());
        ASSERT_GT(buffer.bytes, 0u);
      } else if (fault != RingFault::kEmpty) {
        EXPECT_EQ(p.device.Fetch(&buffer), fault);  // it stays so
        EXPECT_EQ(p.device.PeekAvailable(), 0u);
      }
      if (random() % 2 == 0) {
        RxResult result;
        result.length = random();
        result.meta.present = RxFields::All();
        p.device.Complete(result);
      }
    }
    ASSERT_TRUE(p.ring.GuardsWhole());
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, Rx,
                         ::testing::ValuesIn(testing::LayoutsToDrive(v1::DIRECTION_RECEIVE)),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace qsplit::dataplane
