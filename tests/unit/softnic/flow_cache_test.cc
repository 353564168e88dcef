// What the cache of flows says of a frame, against what the frame alone says.
#include "daemon/backend/softnic/flow_cache.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstring>
#include <random>
#include <vector>

#include "daemon/backend/softnic/toeplitz.h"
#include "tests/unit/softnic/random_frames.h"

namespace qsplit::softnic {
namespace {

using qsplit::testing::Bytes;
using qsplit::testing::MakeFrame;

uint32_t BytesOf(const Bytes& frame) { return static_cast<uint32_t>(frame.size()); }

// What is found of a frame; null: nothing.
const PlainFlow* FindFlow(FlowCache& flows, const Bytes& frame, uint32_t* l3_end) {
  const FrameHead head = HeadOf(frame);
  return flows.Confirm(flows.Seek(head), head, BytesOf(frame), l3_end);
}

bool KnowsFlow(FlowCache& flows, const Bytes& frame) {
  uint32_t l3_end = 0;
  return FindFlow(flows, frame, &l3_end) != nullptr;
}

// Of a plain frame, as the device makes it. rule: in place of one, all bits of the key.
bool MakeFlow(const Bytes& frame, PlainFlow* flow, uint32_t* l3_end) {
  static const Toeplitz toeplitz(kDefaultRssKey);
  device::FlowKey key;
  PlainFacts facts;
  if (!ParsePlain(HeadOf(frame), BytesOf(frame), &facts, l3_end, &key)) return false;
  const FlowHash hash = HashFlow(toeplitz, key, /*fragment=*/false);
  std::array<uint32_t, sizeof key / 4> words;
  std::memcpy(words.data(), &key, sizeof key);
  uint32_t rule = 0;
  for (const uint32_t word : words) rule = rule * 0x9e3779b1u + word;
  *flow = PlainFlow(nullptr, 3, rule, facts, hash.value, hash.type);
  return true;
}

bool KeepFlow(FlowCache& flows, const Bytes& frame, const PlainFlow& flow) {
  PlainFlow* const place = flows.Keep(HeadOf(frame), BytesOf(frame));
  if (place != nullptr) *place = flow;
  return place != nullptr;
}

// Whatever led to it: of two heads in one place, each bit of the key is compared.
TEST(FlowCache, ConfirmsByEachBitOfTheKey) {
  for (const bool four : {true, false}) {
    const char* const address = four ? "10.0.0.1" : "fd00::1";
    const Bytes frame = MakeFrame({.src_ip = address, .dst_ip = address, .payload = Bytes(100, 1)});
    PlainFlow flow;
    uint32_t l3_end = 0;
    ASSERT_TRUE(MakeFlow(frame, &flow, &l3_end));
    FlowCache flows;
    ASSERT_TRUE(KeepFlow(flows, frame, flow));
    const FlowCache::Flow* const place = flows.Seek(HeadOf(frame));
    const HeadWords& bits = four ? kIp4KeyBits : kIp6KeyBits;
    for (size_t bit = 0; bit < 8 * kHeadBytes; ++bit) {
      HeadWords words = std::bit_cast<HeadWords>(HeadOf(frame));
      words[bit / 64] ^= uint64_t{1} << bit % 64;
      const bool of_key = (bits[bit / 64] >> bit % 64 & 1) != 0;
      const auto head = std::bit_cast<FrameHead>(words);
      // As long as it may be: a length that is another one is no part of the key.
      const PlainFlow* const found = flows.Confirm(place, head, UINT16_MAX + 100, &l3_end);
      if (of_key || l3_end > 100) {
        EXPECT_EQ(found == nullptr, of_key) << four << " " << bit;
      }
    }
  }
}

TEST(FlowCache, SaysOfAFrameWhatTheFrameSays) {
  std::mt19937 random(3);
  FlowCache flows;
  uint32_t found = 0, not_plain = 0;
  for (int i = 0; i < 100'000; ++i) {
    if (random() % 4000 == 0) flows.Forget();
    const Bytes frame = RandomFrame(random);
    PlainFlow flow;
    uint32_t l3_end = 0, found_l3_end = 0;
    const bool plain = MakeFlow(frame, &flow, &l3_end);
    const PlainFlow* const known = FindFlow(flows, frame, &found_l3_end);
    not_plain += plain ? 0 : 1;
    if (known == nullptr) {
      if (plain) (void)KeepFlow(flows, frame, flow);
      continue;
    }
    ++found;
    ASSERT_TRUE(plain) << i;
    ASSERT_EQ(found_l3_end, l3_end) << i;
    ASSERT_EQ(known->facts(), flow.facts()) << i;
    ASSERT_EQ(known->hash(), flow.hash()) << i;
    ASSERT_EQ(known->hash_type(), flow.hash_type()) << i;
    ASSERT_EQ(known->rule(), flow.rule()) << i;
    ASSERT_EQ(known->core(), 3u) << i;
  }
  EXPECT_GT(found, 10'000u);
  EXPECT_GT(not_plain, 10'000u);
}

TEST(FlowCache, FramesOfOneFlowAreKnownWhateverTheirLengths) {
  FlowCache flows;
  const Bytes first = MakeFrame({.payload = Bytes(60, 1)});
  PlainFlow flow;
  uint32_t l3_end = 0;
  ASSERT_TRUE(MakeFlow(first, &flow, &l3_end));
  ASSERT_TRUE(KeepFlow(flows, first, flow));
  Bytes second = MakeFrame({.payload = Bytes(900, 2)});
  ASSERT_NE(FindFlow(flows, second, &l3_end), nullptr);
  EXPECT_EQ(l3_end, BytesOf(second));
  EXPECT_FALSE(KnowsFlow(flows, MakeFrame({.dst_port = 2001, .payload = Bytes(900, 2)})));
  // Its IP header speaks of more than there is.
  second.pop_back();
  EXPECT_FALSE(KnowsFlow(flows, second));
}

// Behind a header that is cut off, frames with the same bits are not of one kind.
TEST(FlowCache, DoesNotKeepWhatHasNoWholeHeader) {
  FlowCache flows;
  Bytes frame = MakeFrame({.protocol = 6, .payload = Bytes(40, 1)});
  frame[17] = 20 + 19;
  PlainFlow flow;
  uint32_t l3_end = 0;
  ASSERT_TRUE(MakeFlow(frame, &flow, &l3_end));
  EXPECT_FALSE(KeepFlow(flows, frame, flow));
  EXPECT_FALSE(KnowsFlow(flows, frame));
}

TEST(FlowCache, NothingIsKnownAtFirstOrOnceForgotten) {
  FlowCache flows;
  const Bytes frame = MakeFrame({});
  const Bytes six = MakeFrame({.src_ip = "fd00::1", .dst_ip = "fd00::2"});
  // What memory was filled with is no flow, whatever it looks like.
  for (const Bytes& bytes : {frame, six, Bytes(64, 0), Bytes(64, 0xff)}) {
    EXPECT_FALSE(KnowsFlow(flows, bytes));
  }
  for (const Bytes& bytes : {frame, six}) {
    PlainFlow flow;
    uint32_t l3_end = 0;
    ASSERT_TRUE(MakeFlow(bytes, &flow, &l3_end));
    ASSERT_TRUE(KeepFlow(flows, bytes, flow));
    ASSERT_TRUE(KnowsFlow(flows, bytes));
  }
  flows.Forget();
  EXPECT_FALSE(KnowsFlow(flows, frame));
  EXPECT_FALSE(KnowsFlow(flows, six));
}

// As many as a benchmark has: nearly all find a place of their own. Of far more, the last.
TEST(FlowCache, HasRoomForManyFlows) {
  FlowCache flows;
  const auto frame_of = [](uint32_t number) {
    return MakeFrame({.src_port = static_cast<uint16_t>(number), .dst_port = 7});
  };
  const auto keep = [&](uint32_t number) {
    const Bytes frame = frame_of(number);
    PlainFlow flow;
    uint32_t l3_end = 0;
    ASSERT_TRUE(MakeFlow(frame, &flow, &l3_end));
    flow = PlainFlow(nullptr, 0, number, flow.facts(), 0, flow.hash_type());
    ASSERT_TRUE(KeepFlow(flows, frame, flow));
    const PlainFlow* const found = FindFlow(flows, frame, &l3_end);
    ASSERT_NE(found, nullptr);
    ASSERT_EQ(found->rule(), number);
  };
  for (uint32_t i = 0; i < 1024; ++i) keep(i);
  uint32_t known = 0;
  for (uint32_t i = 0; i < 1024; ++i) known += KnowsFlow(flows, frame_of(i)) ? 1 : 0;
  EXPECT_GT(known, 990u);
  for (uint32_t i = 1024; i < 4 * FlowCache::kSets * FlowCache::kWays; ++i) keep(i);
}

// Where none comes again, few are worth the stores; one that does is known in the end.
TEST(FlowCache, KeepsFewOfFlowsThatNeverEnd) {
  FlowCache flows;
  PlainFlow flow;
  uint32_t l3_end = 0, kept = 0;
  constexpr uint32_t kAll = FlowCache::kSets * FlowCache::kWays;
  for (uint32_t i = 0; i < 3 * kAll; ++i) {
    const Bytes frame = MakeFrame({.src_port = static_cast<uint16_t>(i)});
    ASSERT_TRUE(MakeFlow(frame, &flow, &l3_end));
    ASSERT_FALSE(KnowsFlow(flows, frame));
    kept += KeepFlow(flows, frame, flow) ? 1 : 0;
  }
  EXPECT_EQ(kept, kAll + 2 * kAll / FlowCache::kOneIn);
  const Bytes again = MakeFrame({.dst_port = 7});
  ASSERT_TRUE(MakeFlow(again, &flow, &l3_end));
  size_t tries = 1;
  while (!KeepFlow(flows, again, flow)) ++tries;
  EXPECT_LE(tries, FlowCache::kOneIn);
  EXPECT_TRUE(KnowsFlow(flows, again));
}

}  // namespace
}  // namespace qsplit::softnic
