// Plans whose descriptors are taken several at once: code for this processor does what the
// interpreter does at every length of a run, wherever it begins and ends and whatever stops it, and
// never takes half of a descriptor for all of it.
#include "dataplane/burst/wide_rx.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
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

// Some whole bytes of a word, in any place; or not quite whole.
Piece ByteMove(uint32_t bytes, uint32_t words, Random& random) {
  const auto place = [&] { return static_cast<uint8_t>(8 * (random() % (9 - bytes))); };
  const uint32_t less = random() % 3 == 0 ? random() % 8 : 0;
  return {static_cast<uint8_t>(random() % words), place(), place(), random() % 4 == 0,
          LowBits(8 * bytes - less)};
}

RxBurstPlan WidePlan(Random& random) {
  for (;;) {
    RxBurstPlan plan;
    const uint32_t words = random() % 2 == 0 ? 2 : 4;
    plan.slot_count = kSlots;
    plan.slot_bytes = 8 * words;
    plan.first_word = random() % words;
    RecordPlan& record = plan.record = RandomRecord(words, random);
    record.tests[plan.first_word] = {3, 3};
    record.length = {ByteMove(1 + random() % 3, words, random)};
    record.length[0].place = 0;
    record.length_less = 0;
    for (Lane& lane : record.lanes) {
      lane.out %= 2;
      lane.pieces = {ByteMove(1 + random() % 4, words, random)};
    }
    for (Table& table : record.tables) {
      for (Table::Column& column : table.columns) {
        if (!column.is_mask) column.target %= 2;
      }
    }
    record.Finish();
    if (random() % 2 == 0) {
      plan.buffer_bytes = 1 + random() % 65536;
      plan.prefix_bytes = random() % 2 == 0 ? 0 : random() % plan.buffer_bytes;
    }
    plan.posts = true;
    plan.address = {{static_cast<uint8_t>(random() % words), 0, 0, false, ~uint64_t{0}}};
    plan.max_address = UINT64_MAX;
    for (uint32_t w = 0; w < words; ++w) {
      if (w != plan.address[0].word && random() % 2 == 0) plan.image[w] = random.Wide();
    }
    if (random() % 2 == 0) plan.alignment_mask = LowBits(1 + random() % 12);
    if (PlanWidePoll(plan).has_value()) return plan;  // else too many moves
  }
}

// A ring of which only so many slots from one on, up to its end at most, are of the common case,
// and states of slots with room for all of them.
struct Completed {
  Completed(const RxBurstPlan& plan, uint32_t first, uint32_t run, Random& random)
      : ring(size_t{kSlots} * plan.slot_bytes), posted(kSlots) {
    for (PostedSlot& slot : posted) slot = {random(), UINT32_MAX};
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      for (uint32_t w = 0; w < plan.slot_bytes / 8; ++w) {
        const WordTest& test = plan.record.tests[w];
        Put(plan, slot, w, (random.Wide() & ~test.mask) | test.value);
      }
      const Piece& length = plan.record.length[0];
      if (plan.buffer_bytes != 0) {
        const uint64_t bytes = random() % (plan.buffer_bytes - plan.prefix_bytes + 1);
        Set(plan, slot, length, bytes & length.mask);
      }
    }
    const uint32_t end = first + run;
    if (end < kSlots) Stop(plan, end, random);
  }

  uint64_t Get(const RxBurstPlan& plan, uint32_t slot, uint32_t word) const {
    uint64_t value;
    std::memcpy(&value, &ring[size_t{slot} * plan.slot_bytes + size_t{8} * word], 8);
    return value;
  }
  void Put(const RxBurstPlan& plan, uint32_t slot, uint32_t word, uint64_t value) {
    std::memcpy(&ring[size_t{slot} * plan.slot_bytes + size_t{8} * word], &value, 8);
  }
  // Bits of a test stay.
  void Set(const RxBurstPlan& plan, uint32_t slot, const Piece& piece, uint64_t number) {
    const uint64_t mask = piece.Put(~uint64_t{0}) & ~plan.record.tests[piece.word].mask;
    const uint64_t word = Get(plan, slot, piece.word);
    Put(plan, slot, piece.word, (word & ~mask) | (piece.Put(number) & mask));
  }
  // Not completed, or not of the common case, or too long.
  void Stop(const RxBurstPlan& plan, uint32_t slot, Random& random) {
    const Piece& length = plan.record.length[0];
    if (random() % 3 == 0) {
      posted[slot].bytes = 0;
      Set(plan, slot, length, length.mask);
      if (length.Get(Get(plan, slot, length.word)) + plan.prefix_bytes > plan.buffer_bytes) return;
    }
    uint32_t w = random() % (plan.slot_bytes / 8);
    if (plan.record.tests[w].mask == 0) w = plan.first_word;
    const uint64_t mask = plan.record.tests[w].mask;
    Put(plan, slot, w, Get(plan, slot, w) ^ (mask & (0 - mask)));
  }

  std::vector<std::byte> ring;
  std::vector<PostedSlot> posted;
};

// How many completions both say.
uint32_t PollSame(const RxBurst& burst, const Completed& from, uint32_t first, uint32_t most,
                  Fence fence) {
  const FencedArray<std::byte> ring(from.ring, fence);
  const FencedArray<PostedSlot> posted(from.posted, fence);
  const FencedArray<RxCompletion> expected(most, fence);
  const FencedArray<RxCompletion> got(most, fence);
  const uint32_t count =
      RxBurst::PollByPlan(burst.plan(), ring.data(), posted.data(), first, most, expected.data());
  EXPECT_EQ(burst.Poll(ring.data(), posted.data(), first, most, got.data()), count);
  EXPECT_TRUE(got.IsSame(expected, count));
  return count;
}

TEST(WideReceive, TakesRunsOfEveryLength) {
  Random random(71);
  uint32_t longest = 0;
  for (uint32_t n = 0; n < Rounds(40) && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const std::unique_ptr<RxBurst> burst = RxBurst::Create(WidePlan(random), n % 3 != 0);
    for (uint32_t run = 0; run <= kLongestRun && !HasFailure(); ++run) {
      SCOPED_TRACE(run);
      const uint32_t first = random() % kSlots;
      const Completed from(burst->plan(), first, run, random);
      const uint32_t most = random() % 3 == 0 ? run : run + random() % 8;
      const uint32_t count =
          PollSame(*burst, from, first, most, n % 2 == 0 ? Fence::kBehind : Fence::kBefore);
      longest = std::max(longest, count);
      // From the ring's first slot on.
      if (first + count == kSlots) PollSame(*burst, from, 0, most, Fence::kBehind);
    }
  }
  EXPECT_EQ(longest, kLongestRun);
}

TEST(WideReceive, StopsWhereverADescriptorIsAnotherOne) {
  Random random(72);
  for (uint32_t n = 0; n < Rounds(40) && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const std::unique_ptr<RxBurst> burst = RxBurst::Create(WidePlan(random), n % 3 != 0);
    const uint32_t first = random() % 16;
    for (uint32_t at = 0; at < 12 && !HasFailure(); ++at) {
      SCOPED_TRACE(at);
      Completed from(burst->plan(), first, kSlots, random);
      from.Stop(burst->plan(), first + at, random);
      PollSame(*burst, from, first, 12, Fence::kBehind);
    }
  }
}

TEST(WideReceive, BearsAnyBytes) {
  Random random(73);
  for (uint32_t n = 0; n < Rounds(60) && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const std::unique_ptr<RxBurst> burst = RxBurst::Create(WidePlan(random), n % 3 != 0);
    for (uint32_t step = 0; step < 20 && !HasFailure(); ++step) {
      Completed from(burst->plan(), 0, kSlots, random);
      if (step % 2 == 0) from.ring = RandomRing(burst->plan(), random);
      for (PostedSlot& slot : from.posted) slot.bytes = random();
      for (uint32_t flips = random() % 20; flips > 0; --flips) {
        from.ring[random() % from.ring.size()] ^= static_cast<std::byte>(1u << random() % 8);
      }
      PollSame(*burst, from, RandomSlot(kSlots, random), random() % 50,
               step % 4 < 2 ? Fence::kBehind : Fence::kBefore);
    }
  }
}

TEST(WideReceive, TakesSlotsThatAreNotAligned) {
  Random random(74);
  for (uint32_t n = 0; n < 10 && !HasFailure(); ++n) {
    const std::unique_ptr<RxBurst> burst = RxBurst::Create(WidePlan(random), n % 3 != 0);
    const RxBurstPlan& plan = burst->plan();
    const Completed from(plan, 0, 21, random);
    std::vector<uint64_t> words(from.ring.size() / 8 + 2);
    auto* const at = reinterpret_cast<std::byte*>(words.data());
    auto* const slots = at + (reinterpret_cast<uintptr_t>(at) % 16 == 0 ? 8 : 0);
    std::memcpy(slots, from.ring.data(), from.ring.size());
    std::vector<RxCompletion> expected(30), got(30);
    const uint32_t count =
        RxBurst::PollByPlan(plan, slots, from.posted.data(), 0, 30, expected.data());
    EXPECT_EQ(burst->Poll(slots, from.posted.data(), 0, 30, got.data()), count);
    EXPECT_EQ(std::memcmp(got.data(), expected.data(), count * sizeof(RxCompletion)), 0);
  }
}

TEST(WideReceive, PostsRunsOfEveryLength) {
  Random random(75);
  uint32_t longest = 0;
  for (uint32_t n = 0; n < Rounds(40) && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    RxBurstPlan wide = WidePlan(random);
    if (wide.buffer_bytes == 0) wide.buffer_bytes = 2048;
    ASSERT_TRUE(PlanWidePost(wide).has_value());
    const std::unique_ptr<RxBurst> burst = RxBurst::Create(std::move(wide), true);
    const RxBurstPlan& plan = burst->plan();
    for (uint32_t run = 0; run <= kLongestRun && !HasFailure(); ++run) {
      SCOPED_TRACE(run);
      std::vector<RxBuffer> all(run + random() % 6);
      for (RxBuffer& buffer : all) {
        buffer.address = Iova(random.Wide() & ~plan.alignment_mask);
        buffer.bytes = plan.buffer_bytes + (random() % 2 == 0 ? 0 : random() % 4096);
        buffer.cookie = random();
      }
      if (run < all.size()) {
        if (plan.alignment_mask != 0 && random() % 2 == 0) {
          all[run].address.value |= 1;
        } else {
          all[run].bytes = random() % plan.buffer_bytes;
        }
      }
      const Fence fence = run % 2 == 0 ? Fence::kBehind : Fence::kBefore;
      const FencedArray<RxBuffer> buffers(all, fence);
      const FencedArray<std::byte> ring(size_t{kSlots} * plan.slot_bytes, fence);
      const FencedArray<std::byte> same(ring.size(), fence);
      const FencedArray<PostedSlot> posted(kSlots, fence);
      const FencedArray<PostedSlot> same_posted(kSlots, fence);
      const uint32_t first = random() % kSlots;
      const auto most = static_cast<uint32_t>(all.size());
      const uint32_t count =
          RxBurst::PostByPlan(plan, ring.data(), posted.data(), first, most, buffers.data());
      EXPECT_EQ(count, std::min(run, kSlots - first));
      EXPECT_EQ(burst->Post(same.data(), same_posted.data(), first, most, buffers.data()), count);
      EXPECT_TRUE(same.IsSame(ring));
      EXPECT_TRUE(same_posted.IsSame(posted));
      longest = std::max(longest, count);
    }
  }
  EXPECT_EQ(longest, kLongestRun);
}

// The device writes a slot's words in order, the one that says that it is completed last; here it
// does so over and over while slots are read. What is taken has no word that is older than that.
TEST(WideReceive, TakesNoWordOlderThanTheOneThatSaysCompleted) {
  RxBurstPlan plan;
  plan.slot_count = 8;
  plan.slot_bytes = 32;
  plan.first_word = 1;
  plan.buffer_bytes = 2048;
  RecordPlan& record = plan.record;
  record.tests[1] = {3, 3};
  record.length = {{1, 8, 0, false, 0xff}};
  // Turns are counted in the upper halves of words 0, 1 and 2.
  record.lanes = {{0, {{0, 32, 0, false, UINT32_MAX}, {1, 32, 32, false, UINT32_MAX}}},
                  {1, {{2, 32, 0, false, UINT32_MAX}}}};
  record.Finish();
  ASSERT_TRUE(PlanWidePoll(plan).has_value());
  const std::unique_ptr<RxBurst> burst = RxBurst::Create(std::move(plan), true);
  const std::vector<PostedSlot> posted(8);
  struct alignas(64) Ring {
    std::atomic<uint64_t> words[8][4] = {};
  } ring;
  std::atomic<bool> enough = false;
  std::thread device([&] {
    for (uint64_t turn = 1; !enough.load(std::memory_order_relaxed); ++turn) {
      for (auto& slot : ring.words) {
        for (const uint32_t w : {0, 2, 3}) slot[w].store(turn << 32, std::memory_order_relaxed);
        slot[1].store(turn << 32 | 3, std::memory_order_release);
      }
    }
  });
  uint64_t taken = 0;
  // The other thread may begin late, or be kept from its processor.
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const auto go_on = [&](uint32_t n) {
    return n < Rounds(200'000) ||
           (taken <= 1000 && (n % 1024 != 0 || std::chrono::steady_clock::now() < patience));
  };
  for (uint32_t n = 0; go_on(n) && !HasFailure(); ++n) {
    RxCompletion out[8];
    const uint32_t count =
        burst->Poll(reinterpret_cast<const std::byte*>(&ring), posted.data(), 0, 8, out);
    taken += count;
    for (uint32_t i = 0; i < count; ++i) {
      uint32_t turns[3];
      std::memcpy(turns, &out[i].meta, sizeof turns);
      EXPECT_LE(static_cast<int32_t>(turns[1] - turns[0]), 0);
      EXPECT_LE(static_cast<int32_t>(turns[1] - turns[2]), 0);
    }
  }
  enough = true;
  device.join();
  EXPECT_GT(taken, 1000u);
}

}  // namespace
}  // namespace qsplit::dataplane::burst::testing
