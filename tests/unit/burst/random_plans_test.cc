// Plans that no spec has: code for this processor, and for aarch64 in an emulator, does what the
// plan's interpreter does, and neither touches a byte beside what it is given, whatever the ring
// holds: every array stands against a page that nobody may touch.
#include "tests/unit/burst/random_plans.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tests/support/fenced_array.h"
#include "tests/support/rounds.h"
#include "tests/unit/burst/arm_areas.h"
#include "tests/unit/burst/arm_burst.h"
#include "tests/unit/burst/arm_ring_burst.h"
#include "tests/unit/burst/random_ring_plans.h"
#include "tests/unit/burst/rx_ways.h"

namespace qsplit::dataplane::burst::testing {
namespace {

using qsplit::testing::Fence;
using qsplit::testing::FencedArray;
using qsplit::testing::kFences;

constexpr uint32_t kPlans = qsplit::testing::RoundsOfEach(400);
constexpr uint32_t kSteps = 6;

TEST(RandomPlans, ReceiveIsTheSameInAllWays) {
  Random random(31);
  uint64_t completions = 0;
  uint64_t buffers = 0;
  for (uint32_t n = 0; n < kPlans && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const std::unique_ptr<RxBurst> burst =
        RxBurst::Create(RandomRxPlan(random), true, InstructionsOf(n));
    ASSERT_TRUE(burst->code_status().ok()) << burst->code_status();
    const RxBurstPlan& plan = burst->plan();
    const std::unique_ptr<RxBurst> interpreted = RxBurst::Create(plan, false);
    ArmRxBurst arm(plan);
    for (uint32_t step = 0; step < kSteps && !HasFailure(); ++step) {
      std::vector<std::byte> ring = RandomRing(plan, random);
      std::vector<PostedSlot> posted = RandomPosted(plan, ring, random);
      const uint32_t first = RandomSlot(plan.slot_count, random);
      const uint32_t most = random() % (plan.slot_count + 4);
      completions += arm.PollSame(ring, posted, first, most);
      std::vector<RxBuffer> to_post = RandomBuffers(plan, random);
      buffers += arm.PostSame(to_post, first);
      for (const Fence fence : kFences) {
        for (const RxBurst* const way : {burst.get(), interpreted.get()}) {
          PollHere(*way, ring, posted, first, most, fence);
          PostHere(*way, to_post, first, fence);
        }
      }
    }
  }
  EXPECT_GT(completions, qsplit::testing::RoundsOfEach(1000));
  EXPECT_GT(buffers, qsplit::testing::RoundsOfEach(1000));
}

TEST(RandomPlans, ReceiveFromSeveralRingsIsTheSameInAllWays) {
  Random random(41);
  uint64_t completions = 0;
  uint64_t buffers = 0;
  for (uint32_t n = 0; n < kPlans && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const std::unique_ptr<RxRingBurst> burst =
        RxRingBurst::Create(RandomRxRingPlan(random), true, InstructionsOf(n));
    ASSERT_TRUE(burst->code_status().ok()) << burst->code_status();
    const RxRingPlan& plan = burst->plan();
    const std::unique_ptr<RxRingBurst> interpreted = RxRingBurst::Create(plan, false);
    ArmRxRingBurst arm(plan);
    for (uint32_t step = 0; step < kSteps && !HasFailure(); ++step) {
      const uint32_t phase = random() % 2;
      const uint32_t slot = RandomSlot(plan.slot_count, random);
      const uint32_t buffer = RandomSlot(plan.buffer_count, random);
      const uint32_t most = random() % (plan.slot_count + 4);
      RxRingMemory memory = RandomMemory(plan, slot, buffer, phase, random);
      completions += arm.PollSame(memory, slot, buffer, most, phase);

      std::vector<RxBuffer> before = RandomBuffers(plan, plan.buffer_count, random);
      std::vector<RxBuffer> to_post = before;
      to_post.resize(random() % (plan.buffer_count + 1));
      for (RxBuffer& one : to_post) {
        if (random() % 8 == 0) one = RandomBuffers(plan, 1, random).front();
      }
      arm.PostHeldSame(to_post, RandomSlot(plan.buffer_count, random), phase);
      const uint32_t first = random() % (plan.buffer_count + 1);
      buffers += arm.PostSame(before, to_post, first, phase);
      for (const Fence fence : kFences) {
        for (const RxRingBurst* const way : {burst.get(), interpreted.get()}) {
          PollHere(*way, memory, {nullptr, phase, slot, nullptr, buffer, most}, fence);
          PostHere(*way, before, to_post, first, phase, fence);
        }
      }
    }
  }
  EXPECT_GT(completions, qsplit::testing::RoundsOfEach(1000));
  EXPECT_GT(buffers, qsplit::testing::RoundsOfEach(1000));
}

// What one push works on, of the memory that all are to have.
struct Pushed {
  Pushed(const TxRingPlan& plan, const TxRingMemory& memory, Fence fence)
      : holds(memory.holds),
        ring(size_t{plan.slot_count} * plan.slot_bytes, fence),
        packets(memory.packets, fence),
        image(1, fence),
        cookies(memory.cookies, fence),
        remembered(memory.remembered, fence),
        ids(memory.ids, fence),
        prefixes(memory.prefixes, fence),
        held(memory.held, fence),
        call(1, fence) {
    image.front() = memory.image;
    call.front() = memory.call;
    call.front().cookies = cookies.data();
    call.front().remembered = remembered.data();
    call.front().ids = ids.data() + ids.size();
    call.front().prefixes = prefixes.data();
    if (holds) call.front().held = held.data();
  }
  bool IsSame(const Pushed& other, uint32_t count) const {
    return ring.IsSame(other.ring) && cookies.IsSame(other.cookies, count) &&
           remembered.IsSame(other.remembered) && held.IsSame(other.held);
  }
  bool holds;
  FencedArray<std::byte> ring;
  FencedArray<TxPacket> packets;
  FencedArray<TxRingImage> image;
  FencedArray<uint32_t> cookies;
  FencedArray<TxRemembered> remembered;
  FencedArray<uint32_t> ids;
  FencedArray<uint32_t> prefixes;
  FencedArray<uint64_t> held;
  FencedArray<TxRingCall> call;
};

void PushHere(const TxRingBurst& burst, const TxRingMemory& memory, uint32_t first, Fence fence) {
  const TxRingPlan& plan = burst.plan();
  const auto most = static_cast<uint32_t>(memory.packets.size());
  const Pushed expected(plan, memory, fence);
  const Pushed got(plan, memory, fence);
  const uint32_t count =
      TxRingBurst::PushByPlan(plan, expected.ring.data(), expected.call.front(), first, most,
                              expected.packets.data(), expected.image.front());
  ASSERT_EQ(burst.Push(got.ring.data(), got.call.front(), first, most, got.packets.data(),
                       got.image.front()),
            count);
  ASSERT_TRUE(got.IsSame(expected, count));
}

void TakeHere(const TxRingBurst& burst, const std::vector<std::byte>& bytes, uint32_t slot,
              uint32_t most, uint32_t phase, Fence fence) {
  const FencedArray<std::byte> ring(bytes, fence);
  const FencedArray<uint64_t> expected(most, fence);
  const FencedArray<uint64_t> got(most, fence);
  const uint32_t count =
      TxRingBurst::TakeByPlan(burst.done(), ring.data(), slot, most, phase, expected.data());
  ASSERT_EQ(burst.Take(ring.data(), slot, most, phase, got.data()), count);
  ASSERT_TRUE(got.IsSame(expected, count));
}

void TakeExpectedHere(const TxRingBurst& burst, const std::vector<std::byte>& bytes,
                      const std::vector<TxExpected>& on_their_way, uint32_t slot, uint32_t most,
                      uint32_t first, Fence fence) {
  const FencedArray<std::byte> ring(bytes, fence);
  const FencedArray<TxExpected> out(on_their_way, fence);
  const FencedArray<uint32_t> expected(most, fence);
  const FencedArray<uint32_t> got(most, fence);
  const uint32_t count = TxRingBurst::TakeExpectedByPlan(burst.done(), ring.data(), slot, most,
                                                         out.data(), first, expected.data());
  ASSERT_EQ(burst.TakeExpected(ring.data(), slot, most, out.data(), first, got.data()), count);
  ASSERT_TRUE(got.IsSame(expected, count));
}

constexpr uint64_t kPublished = 62;

void TakeRememberedHere(const TxRingBurst& burst, const std::vector<std::byte>& bytes,
                        const std::vector<TxRemembered>& remembered, uint32_t slot, uint32_t most,
                        uint32_t phase, Fence fence) {
  struct Side {
    Side(const std::vector<TxRemembered>& all, uint32_t most, Fence fence)
        : remembered(all, fence), cookies(most, fence), free(most, fence) {}
    TxNumbers Numbers() const {
      return {remembered.data(), remembered.size(), kPublished, free.data()};
    }
    FencedArray<TxRemembered> remembered;
    FencedArray<uint32_t> cookies;
    FencedArray<uint32_t> free;
  };
  const FencedArray<std::byte> ring(bytes, fence);
  const Side expected(remembered, most, fence);
  const Side got(remembered, most, fence);
  const uint32_t count = TxRingBurst::TakeRememberedByPlan(
      burst.done(), ring.data(), slot, most, phase, expected.Numbers(), expected.cookies.data());
  ASSERT_EQ(burst.TakeRemembered(ring.data(), slot, most, phase, got.Numbers(), got.cookies.data()),
            count);
  ASSERT_TRUE(got.remembered.IsSame(expected.remembered));
  ASSERT_TRUE(got.cookies.IsSame(expected.cookies, count));
  ASSERT_TRUE(got.free.IsSame(expected.free, count));
}

TEST(RandomPlans, TransmitIsTheSameInAllWays) {
  Random random(43);
  uint64_t pushed = 0;
  uint64_t taken = 0;
  uint64_t matched = 0;
  uint64_t named = 0;
  for (uint32_t n = 0; n < kPlans && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const TxDonePlan done = RandomTxDonePlan(random);
    const auto burst =
        TxRingBurst::Create(RandomTxRingPlan(random), &done, true, InstructionsOf(n));
    ASSERT_TRUE(burst->code_status().ok()) << burst->code_status();
    const TxRingPlan& plan = burst->plan();
    ArmTxRingBurst arm(plan, done);
    for (uint32_t step = 0; step < kSteps && !HasFailure(); ++step) {
      TxRingMemory memory = RandomMemory(plan, random);
      const uint32_t first = RandomSlot(plan.slot_count, random);
      for (const Fence fence : kFences) PushHere(*burst, memory, first, fence);
      pushed += arm.PushSame(memory, first);

      const uint32_t phase = random() % 2;
      std::vector<std::byte> completed = RandomRing(done, phase, random);
      const uint32_t slot = RandomSlot(done.slot_count, random);
      const uint32_t wanted = random() % (done.slot_count + 4);
      taken += arm.TakeSame(completed, slot, wanted, phase);
      for (const Fence fence : kFences) TakeHere(*burst, completed, slot, wanted, phase, fence);
      if (done.remembers) {
        std::vector<TxRemembered> remembered = RandomRemembered(random);
        named += arm.TakeRememberedSame(completed, remembered, kPublished, slot, wanted, phase);
        for (const Fence fence : kFences) {
          TakeRememberedHere(*burst, completed, remembered, slot, wanted, phase, fence);
        }
      }
      if (done.expected_count == 0) continue;
      std::vector<uint64_t> keys(wanted);
      keys.resize(
          TxRingBurst::TakeByPlan(done, completed.data(), slot, wanted, phase, keys.data()));
      const uint32_t oldest = RandomSlot(done.expected_count, random);
      std::vector<TxExpected> out = RandomExpected(done, keys, oldest, random);
      matched += arm.TakeExpectedSame(completed, out, slot, wanted, oldest);
      for (const Fence fence : kFences) {
        TakeExpectedHere(*burst, completed, out, slot, wanted, oldest, fence);
      }
    }
  }
  EXPECT_GT(pushed, qsplit::testing::RoundsOfEach(1000));
  EXPECT_GT(taken, qsplit::testing::RoundsOfEach(1000));
  EXPECT_GT(matched, qsplit::testing::RoundsOfEach(1000));
  EXPECT_GT(named, qsplit::testing::RoundsOfEach(1000));
}

#if defined(__x86_64__)
// Code of slots has nothing that some processors lack.
TEST(RandomPlans, OfPacketsEveryGeneratorHasCodeForAllProcessors) {
  if (!__builtin_cpu_supports("bmi2"))
    GTEST_SKIP() << "SKIPPED: this processor has nothing that others lack (BMI2)";
  Random random(37);
  uint32_t receive = 0;
  uint32_t receive_ring = 0;
  uint32_t transmit = 0;
  const auto differ = [](const auto& a, const auto& b) {
    EXPECT_TRUE(a.ok() && b.ok()) << a.status() << b.status();
    return a.ok() && b.ok() && a->bytes != b->bytes ? 1u : 0u;
  };
  for (uint32_t n = 0; n < kPlans / 4; ++n) {
    const RxBurstPlan rx = RandomRxPlan(random);
    receive += differ(GenerateRx(rx), GenerateRx(rx, Instructions::kOfAll));
    const RxRingPlan ring = RandomRxRingPlan(random);
    receive_ring += differ(GenerateRxRing(ring), GenerateRxRing(ring, Instructions::kOfAll));
    const TxRingPlan tx = RandomTxRingPlan(random);
    const TxDonePlan done = RandomTxDonePlan(random);
    transmit += differ(GenerateTxRing(tx, done), GenerateTxRing(tx, done, Instructions::kOfAll));
  }
  EXPECT_GT(receive, 0u);
  EXPECT_GT(receive_ring, 0u);
  EXPECT_GT(transmit, 0u);
}

// How often bytes could be "prefetcht0 [...]" or "prefetchw [...]" (Intel SDM 2B: 0F 18 /1, 0F 0D
// /1).
uint32_t Prefetches(std::span<const std::byte> code) {
  const auto at = [&](size_t i) { return std::to_integer<uint32_t>(code[i]); };
  uint32_t count = 0;
  for (size_t i = 0; i + 2 < code.size(); ++i) {
    const uint32_t how = at(i + 2);
    count += at(i) == 0x0f && (at(i + 1) == 0x18 || at(i + 1) == 0x0d) && (how >> 3 & 7) == 1 &&
             how >> 6 != 3;
  }
  return count;
}

// Where a slot is a cache line, each of the four of a turn and the one that is left asks for one.
TEST(RandomPlans, LinesOfSlotsAreAskedForBeforeTheyArePosted) {
  Random random(41);
  RxRingPlan plan = RandomRxRingPlan(random);
  while (!plan.posts || plan.post_words > 7) plan = RandomRxRingPlan(random);
  for (const Instructions which : {Instructions::kOfThisProcessor, Instructions::kOfAll}) {
    plan.post_slot_bytes = 64;
    const auto lines = GenerateRxRing(plan, which);
    plan.post_slot_bytes = 56;
    const auto parts = GenerateRxRing(plan, which);
    ASSERT_TRUE(lines.ok() && parts.ok()) << lines.status() << parts.status();
    EXPECT_GE(Prefetches(lines->bytes), Prefetches(parts->bytes) + 5);
  }
}
#endif

}  // namespace
}  // namespace qsplit::dataplane::burst::testing
