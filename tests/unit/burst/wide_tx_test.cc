// Plans whose packets are written several at once: code for this processor does what the
// interpreter does at every length of a run, wherever it begins and ends and whatever stops it.
#include "dataplane/burst/wide_tx.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "tests/support/fenced_array.h"
#include "tests/support/rounds.h"
#include "tests/unit/burst/random_plans.h"

namespace qsplit::dataplane::burst::testing {
namespace {

using qsplit::testing::Fence;
using qsplit::testing::FencedArray;
using qsplit::testing::Rounds;

constexpr uint32_t kSlots = 64;
constexpr uint32_t kLongestRun = 40;

uint64_t LowBits(uint32_t bits) { return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1; }

// So many bits of a number, from bit `place` on, at a bit of a word where they have room.
void AddPart(TxSource source, uint32_t bits, uint32_t place, bool whole, TxRingPlan* plan,
             Random& random) {
  TxWord& word = plan->words[random() % 2];
  Piece piece{0, 0, static_cast<uint8_t>(place), false, LowBits(bits)};
  if (random() % 4 == 0) {
    piece.byte_swap = true;
    piece.shift = static_cast<uint8_t>(8 * (random() % ((64 - bits) / 8 + 1)));
  } else {
    piece.shift = static_cast<uint8_t>(random() % (65 - bits));
  }
  // No two in the same bits.
  const uint64_t put = piece.Put(~uint64_t{0});
  for (const TxWord::Part& part : word.parts) {
    if ((part.piece.Put(~uint64_t{0}) & put) != 0) return;
  }
  word.parts.push_back({source, 0, piece, whole});
}

TxRingPlan WidePlan(Random& random) {
  for (;;) {
    TxRingPlan plan;
    plan.slot_count = kSlots;
    plan.slot_bytes = 16;
    plan.words = {{0, {}}, {8, {}}};
    const uint32_t address_bits = random() % 2 == 0 ? 64 : 30 + random() % 34;
    plan.address_not = ~LowBits(address_bits);
    AddPart(TxSource::kAddress, address_bits, 0, true, &plan, random);
    if (random() % 3 == 0) plan.address_not |= LowBits(1 + random() % 8);
    const uint32_t length_bits = 8 + random() % 25;
    plan.max_bytes = static_cast<uint32_t>(LowBits(length_bits)) - random() % 3;
    AddPart(TxSource::kBytes, length_bits, 0, true, &plan, random);
    if (random() % 2 == 0) AddPart(TxSource::kBytes, length_bits, 0, true, &plan, random);
    if (random() % 2 == 0) {
      const uint32_t place = 8 * (random() % 3);
      AddPart(TxSource::kBytes, 1 + random() % 12, place, false, &plan, random);
    }
    plan.memory = random() % 4 == 0 ? TxMemory::kNothing : TxMemory::kOrder;
    plan.report_words = random() % 4;
    if (random() % 2 == 0) plan.kept_word = random() % 2;
    if (PlanWidePush(plan).has_value()) return plan;  // else too many moves
  }
}

// Packets of which the one at `run` cannot be sent, if there is one.
std::vector<TxPacket> Packets(const TxRingPlan& plan, uint32_t run, Random& random) {
  std::vector<TxPacket> packets(run + random() % 6);
  for (TxPacket& packet : packets) {
    packet.address = Iova(random.Wide() & ~plan.address_not);
    packet.bytes = random() % 8 == 0 ? plan.max_bytes : 1 + random() % plan.max_bytes;
    packet.cookie = random();
  }
  if (run >= packets.size()) return packets;
  TxPacket& bad = packets[run];
  if (plan.address_not != 0 && random() % 2 == 0) {
    bad.address.value |= plan.address_not & (0 - plan.address_not);
  } else {
    bad.bytes = random() % 2 == 0 || plan.max_bytes == UINT32_MAX ? 0 : plan.max_bytes + 1;
  }
  return packets;
}

struct Side {
  Side(const TxRingPlan& plan, size_t packets, bool report, Fence fence)
      : ring(size_t{plan.slot_count} * plan.slot_bytes, fence), cookies(packets, fence) {
    call.cookies = cookies.data();
    call.report = report ? 1 : 0;
  }

  FencedArray<std::byte> ring;
  FencedArray<uint32_t> cookies;
  TxRingCall call;
};

TEST(WideTransmit, WritesRunsOfEveryLength) {
  Random random(81);
  uint32_t longest = 0;
  for (uint32_t n = 0; n < Rounds(60) && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const auto burst = TxRingBurst::Create(WidePlan(random), nullptr, true);
    ASSERT_TRUE(burst->code_status().ok()) << burst->code_status();
    const TxRingPlan& plan = burst->plan();
    TxRingImage image;
    for (uint32_t w = 0; w < 2; ++w) {
      image.words[w] = random.Wide();
      image.report[w] = (plan.report_words >> w & 1) != 0 ? random.Wide() : 0;
      for (const TxWord::Part& part : plan.words[w].parts) {
        image.words[w] &= ~part.piece.Put(~uint64_t{0});
      }
    }
    for (uint32_t run = 0; run <= kLongestRun && !HasFailure(); ++run) {
      SCOPED_TRACE(run);
      const std::vector<TxPacket> all = Packets(plan, run, random);
      const Fence fence = run % 2 == 0 ? Fence::kBehind : Fence::kBefore;
      const FencedArray<TxPacket> packets(all, fence);
      const bool report = random() % 2 == 0;
      Side expected(plan, all.size(), report, fence);
      Side got(plan, all.size(), report, fence);
      const uint32_t first = random() % kSlots;
      const auto most = static_cast<uint32_t>(all.size());
      const uint32_t count = TxRingBurst::PushByPlan(plan, expected.ring.data(), expected.call,
                                                     first, most, packets.data(), image);
      EXPECT_EQ(count, std::min(run, kSlots - first));
      EXPECT_EQ(burst->Push(got.ring.data(), got.call, first, most, packets.data(), image), count);
      EXPECT_TRUE(got.ring.IsSame(expected.ring));
      if (plan.memory == TxMemory::kOrder) {
        EXPECT_TRUE(got.cookies.IsSame(expected.cookies, count));
      }
      if (got.call.has_kept != 0) {
        EXPECT_EQ(got.call.kept,
                  TxRingBurst::Word(plan, plan.kept_word, all[count - 1], got.call, image));
      }
      longest = std::max(longest, count);
    }
  }
  EXPECT_EQ(longest, kLongestRun);
}

TEST(WideTransmit, LeavesToOtherCodeWhatItCannotSay) {
  Random random(82);
  const auto is_wide = [&](void (*change)(TxRingPlan*)) {
    TxRingPlan plan = WidePlan(random);
    change(&plan);
    return PlanWidePush(plan).has_value();
  };
  EXPECT_TRUE(is_wide([](TxRingPlan*) {}));
  EXPECT_FALSE(is_wide([](TxRingPlan* plan) { plan->held_word = 1; }));
  EXPECT_FALSE(is_wide([](TxRingPlan* plan) { plan->packet_slots = 2; }));
  EXPECT_FALSE(is_wide([](TxRingPlan* plan) { plan->slot_bytes = 32; }));
  EXPECT_FALSE(is_wide([](TxRingPlan* plan) { plan->words.pop_back(); }));
  EXPECT_FALSE(is_wide([](TxRingPlan* plan) { plan->memory = TxMemory::kId; }));
  // Then no packet can be sent at all.
  EXPECT_FALSE(is_wide([](TxRingPlan* plan) { plan->max_bytes = 0; }));
  EXPECT_FALSE(is_wide([](TxRingPlan* plan) {
    plan->words[1].parts = {{TxSource::kCount, 0, {0, 0, 0, false, 0xff}, true}};
  }));
  // Some of an address, but not from a byte on.
  EXPECT_FALSE(is_wide([](TxRingPlan* plan) {
    plan->words[1].parts = {{TxSource::kAddress, 0, {0, 0, 12, false, 0xff}, false}};
  }));
}

}  // namespace
}  // namespace qsplit::dataplane::burst::testing
