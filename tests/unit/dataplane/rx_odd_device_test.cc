// Drivers of receive queues against devices that are odd: completions lost, twice, in another
// order, of what was never posted, longer than what was posted, counted wrongly. Bytes are written
// by hand from the specs' tables.
#include <gtest/gtest.h>

#include <cstring>

#include "dataplane/condition.h"
#include "tests/unit/dataplane/rx_pair.h"

namespace qsplit::dataplane::testing {
namespace {

RxCase CaseOf(std::string_view name) {
  for (const RxCase& c : AllRxCases()) {
    if (c.name.starts_with(name)) return c;
  }
  ADD_FAILURE() << "no case " << name;
  return {};
}

template <typename T>
T Get(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
template <typename T>
void Put(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

// Those whose completions name what they complete, in a ring of their own.
std::vector<RxCase> CasesThatName() {
  std::vector<RxCase> cases;
  for (const RxCase& c : AllRxCases()) {
    const std::vector<uint32_t> choices(c.choices.choice.begin(), c.choices.choice.end());
    for (const v1::Ring& ring : c.layout->message().queues(static_cast<int>(c.queue)).rings()) {
      if (!ring.complete_forms().empty() && ring.post_forms().empty() &&
          layout::Applies(ring.features(), choices) &&
          ring.completes(0).key() != v1::COMPLETION_KEY_IN_ORDER) {
        cases.push_back(c);
      }
    }
  }
  return cases;
}

class RxOdd : public ::testing::TestWithParam<RxCase> {};
class RxLost : public ::testing::TestWithParam<RxCase> {};

TEST_P(RxLost, ALostCompletionHoldsBackNoOther) {
  RxPair p(GetParam(), 64, BufferBytesFrom(GetParam(), 2048), 256);
  uint32_t lost = 0;
  // Less than a turn: where a slot's index names a buffer, the slot of a lost one is not used
  // again.
  for (uint32_t i = 0; i < 48; ++i) {
    p.Post(16);
    p.driver().Publish();
    if (i % 8 == 5) {
      const uint32_t before = p.PostedBuffers();
      ASSERT_TRUE(p.Lose(MakePacket(i, 60)));
      p.device().Publish();
      EXPECT_EQ(p.Poll(16), 0u);
      EXPECT_EQ(p.PostedBuffers(), before);
      ++lost;
      continue;
    }
    ASSERT_TRUE(p.Send(MakePacket(i, 61 + i))) << i;
    p.device().Publish();
    while (p.Poll(16) != 0) {
    }
    ASSERT_EQ(p.got.size(), 1u);
    EXPECT_EQ(p.got[0].bytes, MakePacket(i, 61 + i).bytes);
    p.got.clear();
  }
  EXPECT_EQ(lost, 6u);
  EXPECT_GE(p.driver().Outstanding(), lost);
}

TEST_P(RxOdd, APacketThatDoesNotFitTakesNothing) {
  RxPair p(GetParam(), 16, BufferBytesFrom(GetParam(), 256), 256);
  p.Post(4);
  p.driver().Publish();
  const SentPacket large = MakePacket(1, 40 * 2048);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(p.Send(large));
  p.device().Publish();
  EXPECT_EQ(p.Poll(16), 0u);
  p.Post(60);
  p.driver().Publish();
  ASSERT_TRUE(p.Send(MakePacket(2, 100)));
  p.device().Publish();
  while (p.Poll(16) != 0) {
  }
  ASSERT_EQ(p.got.size(), 1u);
  EXPECT_EQ(p.got[0].bytes, MakePacket(2, 100).bytes);
}

INSTANTIATE_TEST_SUITE_P(Specs, RxLost, ::testing::ValuesIn(CasesThatName()),
                         [](const auto& param) { return param.param.name; });
INSTANTIATE_TEST_SUITE_P(Specs, RxOdd, ::testing::ValuesIn(AllRxCases()),
                         [](const auto& param) { return param.param.name; });

// google.gve.dqo: completions of 32 bytes; length in bits 0..13 of the u16 at 4, buffer at 12.
struct Dqo : ::testing::Test {
  Dqo() : p(CaseOf("google_gve_dqo"), 512, 2048, 64) {
    p.Post(8);
    p.driver().Publish();
  }
  std::byte* completion(uint32_t slot) { return p.memory().view().rings[1].slots + slot * 32; }
  void Send(uint32_t number) {
    ASSERT_TRUE(p.Send(MakePacket(number, 100)));
    p.device().Publish();
  }
  RxPair p;
};

TEST_F(Dqo, ATagThatWasNeverGivenIsPassedOver) {
  Send(0);
  Put<uint16_t>(completion(0) + 12, 0x4321);
  Send(1);
  EXPECT_EQ(p.Poll(8), 1u);
  ASSERT_EQ(p.got.size(), 1u);
  EXPECT_EQ(p.got[0].bytes, MakePacket(1, 100).bytes);
  EXPECT_EQ(p.driver().Outstanding(), 7u);
}

TEST_F(Dqo, ATagThatCameBackAlreadyIsPassedOver) {
  Send(0);
  Send(1);
  Put(completion(1) + 12, Get<uint16_t>(completion(0) + 12));
  EXPECT_EQ(p.Poll(8), 1u);
  EXPECT_EQ(p.driver().Outstanding(), 7u);
}

TEST_F(Dqo, CompletionsInAnotherOrderGiveTheirOwnBuffersBack) {
  Send(0);
  Send(1);
  const auto first = Get<uint16_t>(completion(0) + 12);
  Put(completion(0) + 12, Get<uint16_t>(completion(1) + 12));
  Put(completion(1) + 12, first);
  EXPECT_EQ(p.Poll(8), 2u);
  ASSERT_EQ(p.got.size(), 2u);
  EXPECT_EQ(p.got[0].bytes, MakePacket(1, 100).bytes);
  EXPECT_EQ(p.got[1].bytes, MakePacket(0, 100).bytes);
}

TEST_F(Dqo, ALengthIsNoLongerThanTheBuffer) {
  Send(0);
  Put<uint16_t>(completion(0) + 4, Get<uint16_t>(completion(0) + 4) | 0x3fff);
  EXPECT_EQ(p.Poll(8), 1u);
  EXPECT_EQ(p.got[0].bytes.size(), 2048u);
}

// virtio.split: 8 bytes in the used ring, id and length; 12 bytes in front of a packet, of which
// the last two count its buffers.
struct Split : ::testing::Test {
  Split() : p(CaseOf("virtio_split"), 64, 2048, 64) {
    p.Post(8);
    p.driver().Publish();
  }
  std::byte* used(uint32_t slot) { return p.memory().view().rings[2].slots + slot * 8; }
  void Send(uint32_t number) {
    ASSERT_TRUE(p.Send(MakePacket(number, 100)));
    p.device().Publish();
  }
  RxPair p;
};

TEST_F(Split, ALengthIsNoLongerThanTheBuffer) {
  Send(0);
  Put<uint32_t>(used(0) + 4, 0xffffffff);
  EXPECT_EQ(p.Poll(8), 1u);
  EXPECT_EQ(p.got[0].bytes.size(), 2048u - 12);
}

TEST_F(Split, ALengthShorterThanThePrefixIsAPacketOfNothing) {
  Send(0);
  Put<uint32_t>(used(0) + 4, 5);
  EXPECT_EQ(p.Poll(8), 1u);
  EXPECT_EQ(p.got[0].bytes.size(), 0u);
}

TEST_F(Split, TooManyBuffersCountedAreOnePacketThatGoesOn) {
  for (uint32_t i = 0; i < 3; ++i) ASSERT_TRUE(p.Send(MakePacket(i, 100)));
  const auto first = Get<uint64_t>(p.memory().view().rings[0].slots);  // where its buffer is
  Put<uint16_t>(p.region().At(Iova(first)) + 10, 0xffff);
  p.device().Publish();
  EXPECT_EQ(p.Poll(8), 3u);
  EXPECT_TRUE(p.got.empty());
  EXPECT_EQ(p.driver().Outstanding(), 5u);
}

TEST_F(Split, ADescriptorTwiceComesBackOnce) {
  Send(0);
  Send(1);
  Put(used(1), Get<uint32_t>(used(0)));
  EXPECT_EQ(p.Poll(8), 1u);
  EXPECT_EQ(p.driver().Outstanding(), 7u);
}

// linux.af_xdp: the address of the bytes, at 0; their length, at 8.
TEST(AfXdp, APacketMayBeginAnywhereInItsBuffer) {
  RxPair p(CaseOf("linux_af_xdp_Chunks_aligned"), 64, 2048, 64);
  p.Post(8);
  p.driver().Publish();
  for (uint32_t i = 0; i < 4; ++i) ASSERT_TRUE(p.Send(MakePacket(i, 500)));
  p.device().Publish();
  std::byte* done = p.memory().view().rings[1].slots;
  Put<uint64_t>(done, Get<uint64_t>(done) + 256);
  Put<uint32_t>(done + 8, 244);
  Put<uint64_t>(done + 16, Get<uint64_t>(done + 16) + 2000);  // and on behind the end
  Put<uint64_t>(done + 32, Region::kIova + 50 * 2048);        // of a buffer that is not posted
  EXPECT_EQ(p.Poll(8), 3u);
  ASSERT_EQ(p.got.size(), 3u);
  const SentPacket first = MakePacket(0, 500);
  EXPECT_EQ(p.got[0].bytes, std::vector<std::byte>(first.bytes.begin() + 256, first.bytes.end()));
  EXPECT_EQ(p.got[1].bytes.size(), 48u);
  EXPECT_EQ(p.got[2].bytes, MakePacket(3, 500).bytes);
  EXPECT_EQ(p.driver().Outstanding(), 5u);
}

// chelsio.cxgb4: the length with its 2 bytes in front in the u32 at 52, below the top bit.
TEST(ByLength, APacketIsNoLongerThanWhatIsPosted) {
  RxPair p(CaseOf("chelsio_cxgb4"), 16, 2048, 64);
  ASSERT_EQ(p.Post(20), 20u);  // of which 16 are whole descriptors
  p.driver().Publish();
  ASSERT_TRUE(p.Send(MakePacket(0, 100)));
  Put<uint32_t>(p.memory().view().rings[1].slots + 52, 0xffffffff);
  EXPECT_EQ(p.Poll(32), 16u);
  ASSERT_EQ(p.got.size(), 1u);
  EXPECT_EQ(p.got[0].bytes.size(), 16u * 2048 - 2);
  EXPECT_EQ(p.driver().Outstanding(), 4u);
}

// linux.tpacket3: packets at 12, first packet at 16 of a block; next packet at 0, length at 12,
// offset at 24 of what stands before a packet.
struct Blocks : ::testing::Test {
  Blocks() : p(CaseOf("linux_tpacket3"), 4, 2048, 256) {
    p.Post(64);
    for (uint32_t i = 0; i < 3; ++i) EXPECT_TRUE(p.Send(MakePacket(i, 100)));
    p.device().Publish();
    block = p.memory().view().rings[0].slots;
    header = block + Get<uint32_t>(block + 16);
  }
  void DrainsAndGoesOn(uint32_t packets) {
    while (p.Poll(64) != 0 || p.Post(64) != 0) {
    }
    EXPECT_EQ(p.got.size(), packets);
    // The block is the device's again.
    EXPECT_EQ(Get<uint32_t>(block + 8), 0u);
    ASSERT_TRUE(p.Send(MakePacket(9, 100)));
    p.device().Publish();
    p.Poll(8);
    EXPECT_EQ(p.got.back().bytes, MakePacket(9, 100).bytes);
  }
  RxPair p;
  std::byte* block;
  std::byte* header;
};

TEST_F(Blocks, MorePacketsCountedThanAreThere) {
  Put<uint32_t>(block + 12, 0xffffffff);
  DrainsAndGoesOn(3);
}
TEST_F(Blocks, NoPacketAtAll) {
  Put<uint32_t>(block + 12, 0);
  DrainsAndGoesOn(0);
}
TEST_F(Blocks, TheFirstPacketOutsideOfTheBlock) {
  Put<uint32_t>(block + 16, 0xffff0000);
  DrainsAndGoesOn(0);
}
TEST_F(Blocks, TheNextPacketOutsideOfTheBlock) {
  Put<uint32_t>(header, 0xfffffff0);
  DrainsAndGoesOn(1);
}
TEST_F(Blocks, BytesOutsideOfTheBlock) {
  Put<uint16_t>(header + 24, 0xffff);
  Put<uint32_t>(header + 12, 0xffffffff);
  DrainsAndGoesOn(3);
  EXPECT_LT(p.got[0].bytes.size(), 65536u);
}

TEST(BlocksFirst, PacketsThatCameBeforeTheDriverAreThere) {
  const RxCase c = CaseOf("linux_tpacket3");
  QueueMemory memory(*c.layout, c.queue, c.choices, 4);
  auto device = *RxDevice::Create(*c.layout, memory.view(), {});
  const SentPacket packet = MakePacket(1, 100);
  for (int i = 0; i < 2; ++i) {  // two blocks
    PostedBuffer place;
    ASSERT_EQ(device.Fetch(&place, true, 100), RingFault::kNone);
    std::memcpy(place.memory, packet.bytes.data(), 100);
    RxResult result;
    result.length = 100;
    ASSERT_TRUE(device.Complete(result));
    device.Publish();
  }
  auto driver = *RxDriver::Create(*c.layout, memory.view(), {});
  std::byte bytes[2][2048];
  const RxBuffer buffers[2] = {{Iova(1), 2048, 0, bytes[0]}, {Iova(2), 2048, 1, bytes[1]}};
  ASSERT_EQ(driver.Post(buffers), 2u);
  RxCompletion done[4];
  ASSERT_EQ(driver.Poll(done), 2u);
  for (uint32_t i = 0; i < 2; ++i) {
    EXPECT_EQ(done[i].length, 100u);
    EXPECT_EQ(std::memcmp(bytes[i], packet.bytes.data(), 100), 0);
  }
}

// mellanox.mlx5 with Compression=hash: a title has format 3 in bits 2..3 of byte 63 and the number
// of completions in the big-endian u32 at 44.
struct Compressed : ::testing::Test {
  Compressed() : p(CaseOf("mellanox_mlx5_Compression_hash"), 256, 2048, 1024) {}
  std::byte* completion(uint32_t slot) {
    return p.memory().view().rings[2].slots + size_t{slot} * 64;
  }
  bool IsTitle(uint32_t slot) {
    return (static_cast<uint32_t>(completion(slot)[63]) >> 2 & 3) == 3;
  }
  void Burst(uint32_t first, uint32_t count) {
    p.Post(4 * count);
    p.driver().Publish();
    for (uint32_t i = first; i < first + count; ++i) {
      SentPacket packet = MakePacket(i, 60 + i);
      packet.meta.present = RxField::kHash | RxField::kHashType | RxField::kMark;
      packet.meta.hash = 1000 + i;
      packet.meta.hash_type = HashType::kUdp4;
      packet.meta.mark = 77;
      ASSERT_TRUE(p.Send(packet));
    }
    p.device().Publish();
  }
  void Expect(uint32_t first, uint32_t count) {
    while (p.Poll(7) != 0) {
    }
    ASSERT_EQ(p.got.size(), count);
    for (uint32_t i = first; i < first + count; ++i) {
      EXPECT_EQ(p.got.front().bytes, MakePacket(i, 60 + i).bytes);
      EXPECT_EQ(p.got.front().meta.hash, 1000 + i);
      EXPECT_EQ(p.got.front().meta.hash_type, HashType::kUdp4);
      EXPECT_EQ(p.got.front().meta.mark, 77u);
      p.got.pop_front();
    }
  }
  RxPair p;
};

TEST_F(Compressed, ABurstIsOneBlock) {
  uint32_t slot = 0;
  for (const uint32_t count : {2u, 3u, 7u, 8u, 9u, 16u, 17u, 33u}) {
    Burst(slot, count);
    EXPECT_TRUE(IsTitle(slot)) << count;
    EXPECT_EQ(Get<uint32_t>(completion(slot) + 44), __builtin_bswap32(count));
    Expect(slot, count);
    slot += count;
  }
  Burst(slot, 1);
  EXPECT_FALSE(IsTitle(slot));
  Expect(slot, 1);
}

TEST_F(Compressed, CountsThatNoBlockHasTakeNoBuffers) {
  for (const uint32_t count : {0u, 100000u}) {
    Burst(0, 4);
    for (uint32_t i = 0; i < p.memory().view().rings[2].slot_count; ++i) {
      if (IsTitle(i)) Put<uint32_t>(completion(i) + 44, __builtin_bswap32(count));
    }
    p.Poll(64);
    EXPECT_TRUE(p.got.empty());
    EXPECT_EQ(p.driver().Outstanding(), p.PostedBuffers());
  }
}

TEST_F(Compressed, MoreThanWasPostedGivesBackWhatWasPosted) {
  Burst(0, 4);
  Put<uint32_t>(completion(0) + 44, __builtin_bswap32(200));
  while (p.Poll(64) != 0) {
  }
  EXPECT_EQ(p.driver().Outstanding(), 0u);
  EXPECT_EQ(p.PostedBuffers(), 0u);
}

}  // namespace
}  // namespace qsplit::dataplane::testing
