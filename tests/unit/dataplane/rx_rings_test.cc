// Receive queues of every spec, with every choice of its features: the driver's side against the
// device's side over the same memory.
#include <gtest/gtest.h>

#include <set>

#include "tests/support/rounds.h"
#include "tests/unit/dataplane/rx_pair.h"

namespace qsplit::dataplane::testing {
namespace {

// Specs that have queues of received packets; a new one belongs here as well.
TEST(RxSpecs, EveryReceiveQueueIsDriven) {
  std::set<std::string> layouts;
  for (const RxCase& c : AllRxCases()) {
    QueueMemory memory(*c.layout, c.queue, c.choices, 16);
    Region region(4096);
    const uint32_t bytes = BufferBytesFrom(c, 2048);
    const absl::Status driver =
        RxDriver::Create(*c.layout, memory.view(), {RxFields::All(), bytes}).status();
    const absl::Status device =
        RxDevice::Create(*c.layout, memory.view(), {bytes, region.memory()}).status();
    EXPECT_TRUE(driver.ok()) << c.name << ": " << driver;
    EXPECT_TRUE(device.ok()) << c.name << ": " << device;
    layouts.insert(c.layout->name());
  }
  EXPECT_EQ(layouts.size(), 25u);  // all but those of commands
}

class RxRings : public ::testing::TestWithParam<RxCase> {
 protected:
  // Buffers small enough that packets need several.
  uint32_t small() const { return BufferBytesFrom(GetParam(), 256); }
  uint32_t usual() const { return BufferBytesFrom(GetParam(), 2048); }
};

TEST_P(RxRings, APacketGoesThrough) {
  RxPair p(GetParam(), 16, usual(), 64);
  ASSERT_EQ(p.Post(64), std::min(64u, p.driver().Capacity()));
  EXPECT_EQ(p.driver().Outstanding(), p.PostedBuffers());
  p.driver().Publish();
  EXPECT_FALSE(p.driver().Publish());
  EXPECT_GT(p.device().PeekAvailable(), 0u);
  EXPECT_EQ(p.Poll(8), 0u);
  const SentPacket packet = MakePacket(1, 60);
  ASSERT_TRUE(p.Send(packet));
  p.device().Publish();
  p.Poll(64);
  ASSERT_EQ(p.got.size(), 1u);
  EXPECT_EQ(p.got[0].bytes, packet.bytes);
  EXPECT_FALSE(p.got[0].meta.error);
  EXPECT_EQ(p.Poll(8), 0u);
  EXPECT_EQ(p.driver().Outstanding(), p.PostedBuffers());
  EXPECT_EQ(p.memory().BrokenGuard(), "");
}

TEST_P(RxRings, BuffersWithoutMemoryAreRefusedWhereItIsNeeded) {
  RxPair p(GetParam(), 16, usual(), 4);
  RxBuffer buffer{Iova(Region::kIova), usual(), 0, nullptr};
  EXPECT_EQ(p.driver().Post(std::span(&buffer, 1)), p.driver().NeedsMemory() ? 0u : 1u);
  buffer.memory = p.region().bytes().data();
  EXPECT_EQ(p.driver().Post(std::span(&buffer, 1)), 1u);
}

TEST_P(RxRings, BuffersThatFillTheRingComeBackManyTimes) {
  RxPair p(GetParam(), 8, usual(), 4096);
  uint32_t number = 0;
  for (int pass = 0; pass < 60; ++pass) {
    const uint32_t room = p.driver().Room();
    ASSERT_GT(room, 0u);
    ASSERT_EQ(p.Post(room), room);
    ASSERT_EQ(p.Post(1), 0u);
    EXPECT_EQ(p.driver().Room(), 0u);
    EXPECT_EQ(p.driver().Outstanding(), p.driver().Capacity());
    p.driver().Publish();
    // Until nothing is posted for the next one.
    const uint32_t begin = number;
    while (p.Send(MakePacket(number, 60 + number % 1000))) ++number;
    p.device().Publish();
    EXPECT_GT(number, begin);
    // Packets that lie in the ring need no buffers before they are read.
    while (p.Poll(32) != 0 || (p.got.size() < number - begin && p.Post(64) != 0)) {
    }
    ASSERT_EQ(p.got.size(), number - begin);
    for (uint32_t i = begin; i < number; ++i) {
      ASSERT_EQ(p.got.front().bytes, MakePacket(i, 60 + i % 1000).bytes) << i;
      p.got.pop_front();
    }
    EXPECT_EQ(p.driver().Outstanding(), p.PostedBuffers());
  }
  EXPECT_EQ(p.memory().BrokenGuard(), "");
}

TEST_P(RxRings, ThousandsOfPacketsOfAllLengthsInBursts) {
  Random random(23);
  for (uint32_t run = 0; run < 3; ++run) {
    const uint32_t bytes = run == 0 ? usual() : small();
    RxPair p(GetParam(), 8u << run, bytes, 3000);
    std::deque<SentPacket> sent;
    uint32_t number = 0;
    uint32_t several = 0;
    for (uint32_t round = 0; round < qsplit::testing::RoundsOfEach(1500); ++round) {
      if (random() % 4 != 0) {
        p.Post(random() % 64);
        if (random() % 3 != 0) p.driver().Publish();
      }
      for (uint32_t i = random() % 24; i > 0; --i) {
        // Some that need several buffers, some that fill one to the last byte.
        const uint32_t least = p.device().PrefixBytes() + 1;
        const uint32_t length = random() % 5 == 0   ? bytes - p.device().PrefixBytes()
                                : random() % 3 == 0 ? 1 + random() % (5 * bytes)
                                                    : least + random() % (bytes - least);
        SentPacket packet = MakePacket(number, length);
        if (!p.Send(packet)) continue;
        ++number;
        sent.push_back(std::move(packet));
      }
      p.device().Publish();
      if (round % 50 > 40) continue;  // a slow program
      for (uint32_t looks = random() % 4; looks > 0; --looks) p.Poll(1 + random() % 40);
      for (; !p.got.empty(); p.got.pop_front(), sent.pop_front()) {
        ASSERT_FALSE(sent.empty());
        ASSERT_EQ(p.got.front().bytes.size(), sent.front().bytes.size()) << number;
        ASSERT_EQ(p.got.front().bytes, sent.front().bytes) << number;
        ASSERT_FALSE(p.got.front().meta.error);
        several += sent.front().bytes.size() > bytes;
      }
      ASSERT_EQ(p.driver().Outstanding(), p.PostedBuffers());
    }
    while (p.Poll(64) != 0 || (p.got.size() < sent.size() && p.Post(64) != 0)) {
    }
    EXPECT_EQ(p.got.size(), sent.size());  // nothing is lost
    EXPECT_GT(number, qsplit::testing::RoundsOfEach(2000));
    const auto& queue = GetParam().layout->message().queues(static_cast<int>(GetParam().queue));
    if (queue.packet().span() != v1::SPAN_SINGLE) {
      EXPECT_GT(several, qsplit::testing::RoundsOfEach(100));
    }
    EXPECT_EQ(p.memory().BrokenGuard(), "");
  }
}

TEST_P(RxRings, MetadataComesOutAsItWentIn) {
  RxPair p(GetParam(), 16, usual(), 512);
  const RxFields can = p.device().Supported();
  EXPECT_EQ(can, p.driver().Available());
  Random random(7);
  RxFields through;
  for (uint32_t round = 0; round < qsplit::testing::RoundsOfEach(3000); ++round) {
    p.Post(16);
    p.driver().Publish();
    SentPacket packet = MakePacket(round, 60 + round % 1000);
    packet.meta = MakeMetadata(GetParam(), can, &random);
    ASSERT_TRUE(p.Send(packet));
    p.device().Publish();
    while (p.Poll(16) != 0) {
    }
    ASSERT_EQ(p.got.size(), 1u);
    ASSERT_EQ(p.got[0].bytes, packet.bytes);
    ASSERT_EQ(Differs(GetParam(), packet.meta, p.got[0].meta, &through), "")
        << "round " << round << " present " << std::hex << packet.meta.present.bits << " became "
        << p.got[0].meta.present.bits;
    p.got.clear();
  }
  EXPECT_EQ(through, can) << std::hex << through.bits << " of " << can.bits;
}

TEST_P(RxRings, PacketsOfAKnownSizeTakeNoMoreBuffersThanTheyNeed) {
  RxPair p(GetParam(), 16, usual(), 256, /*packet_bytes=*/1500);
  for (uint32_t i = 0; i < 200; ++i) {
    p.Post(8);
    p.driver().Publish();
    ASSERT_TRUE(p.Send(MakePacket(i, 100 + i)));
    p.device().Publish();
    while (p.Poll(16) != 0) {
    }
    ASSERT_EQ(p.got.size(), 1u);
    EXPECT_EQ(p.got[0].bytes, MakePacket(i, 100 + i).bytes);
    EXPECT_LE(p.got[0].buffers, 1u + (1600u + 16) / p.buffer_bytes());
    p.got.clear();
  }
}

INSTANTIATE_TEST_SUITE_P(Specs, RxRings, ::testing::ValuesIn(AllRxCases()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace qsplit::dataplane::testing
