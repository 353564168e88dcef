// Plans that no spec has: code for this processor, and for aarch64 in an emulator, does what the
// plan's interpreter does.
#include "tests/unit/burst/random_plans.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "tests/unit/burst/arm_areas.h"
#include "tests/unit/burst/arm_burst.h"
#include "tests/unit/burst/arm_ring_burst.h"
#include "tests/unit/burst/random_ring_plans.h"

namespace qsplit::dataplane::burst::testing {
namespace {

constexpr uint32_t kPlans = 400;
constexpr uint32_t kSteps = 6;

// Code for all processors of this one's kind, and for this one.
void PollHere(const RxBurst& burst, const std::vector<std::byte>& ring,
              const std::vector<PostedSlot>& posted, uint32_t first, uint32_t most) {
  std::vector<RxCompletion> expected(most + 1);
  std::vector<RxCompletion> got(most + 1);
  got[most].cookie = 0xabcdef;
  const uint32_t count =
      RxBurst::PollByPlan(burst.plan(), ring.data(), posted.data(), first, most, expected.data());
  ASSERT_EQ(burst.Poll(ring.data(), posted.data(), first, most, got.data()), count);
  ASSERT_EQ(std::memcmp(got.data(), expected.data(), count * sizeof(RxCompletion)), 0);
  ASSERT_EQ(got[most].cookie, 0xabcdefu);
}

void PostHere(const RxBurst& burst, const std::vector<RxBuffer>& buffers, uint32_t first) {
  const RxBurstPlan& plan = burst.plan();
  const auto most = static_cast<uint32_t>(buffers.size());
  std::vector<std::byte> ring(size_t{plan.slot_count} * plan.slot_bytes);
  std::vector<std::byte> same = ring;
  std::vector<PostedSlot> posted(plan.slot_count);
  std::vector<PostedSlot> same_posted = posted;
  const uint32_t count =
      RxBurst::PostByPlan(plan, ring.data(), posted.data(), first, most, buffers.data());
  ASSERT_EQ(burst.Post(same.data(), same_posted.data(), first, most, buffers.data()), count);
  ASSERT_TRUE(ring == same);
  ASSERT_EQ(std::memcmp(posted.data(), same_posted.data(), posted.size() * sizeof(PostedSlot)), 0);
}

TEST(RandomPlans, ReceiveIsTheSameInAllWays) {
  Random random(31);
  uint64_t completions = 0;
  uint64_t buffers = 0;
  for (uint32_t n = 0; n < kPlans && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const std::unique_ptr<RxBurst> burst = RxBurst::Create(RandomRxPlan(random), true);
    ASSERT_TRUE(burst->code_status().ok()) << burst->code_status();
    const RxBurstPlan& plan = burst->plan();
    ArmRxBurst arm(plan);
    for (uint32_t step = 0; step < kSteps && !HasFailure(); ++step) {
      std::vector<std::byte> ring = RandomRing(plan, random);
      std::vector<PostedSlot> posted = RandomPosted(plan, random);
      const uint32_t first = RandomSlot(plan.slot_count, random);
      const uint32_t most = random() % (plan.slot_count + 4);
      completions += arm.PollSame(ring, posted, first, most);
      PollHere(*burst, ring, posted, first, most);
      std::vector<RxBuffer> to_post = RandomBuffers(plan, random);
      buffers += arm.PostSame(to_post, first);
      PostHere(*burst, to_post, first);
    }
  }
  EXPECT_GT(completions, 1000u);
  EXPECT_GT(buffers, 1000u);
}

TEST(RandomPlans, ReceiveFromSeveralRingsIsTheSameInAllWays) {
  Random random(41);
  uint64_t completions = 0;
  uint64_t buffers = 0;
  for (uint32_t n = 0; n < kPlans && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const std::unique_ptr<RxRingBurst> burst = RxRingBurst::Create(RandomRxRingPlan(random), true);
    ASSERT_TRUE(burst->code_status().ok()) << burst->code_status();
    const RxRingPlan& plan = burst->plan();
    ArmRxRingBurst arm(plan);
    for (uint32_t step = 0; step < kSteps && !HasFailure(); ++step) {
      const uint32_t phase = random() % 2;
      const uint32_t slot = RandomSlot(plan.slot_count, random);
      const uint32_t buffer = RandomSlot(plan.buffer_count, random);
      const uint32_t most = random() % (plan.slot_count + 4);
      RxRingMemory memory = RandomMemory(plan, slot, buffer, phase, random);
      completions += arm.PollSame(memory, slot, buffer, most, phase);
      const RxRingBurst::Completed from{memory.ring.data(),   phase,  slot,
                                        memory.posted.data(), buffer, most};
      std::vector<RxCompletion> expected(most);
      std::vector<RxCompletion> got(most);
      const uint32_t count = RxRingBurst::PollByPlan(plan, from, expected.data());
      EXPECT_EQ(burst->Poll(from, got.data()), count);
      EXPECT_TRUE(Same(got, expected, count));

      std::vector<RxBuffer> before = RandomBuffers(plan, plan.buffer_count, random);
      std::vector<RxBuffer> to_post = before;
      to_post.resize(random() % (plan.buffer_count + 1));
      for (RxBuffer& one : to_post) {
        if (random() % 8 == 0) one = RandomBuffers(plan, 1, random).front();
      }
      arm.PostHeldSame(before.front(), RandomSlot(plan.buffer_count, random), phase);
      buffers += arm.PostSame(before, to_post, random() % (plan.buffer_count + 1), phase);
    }
  }
  EXPECT_GT(completions, 1000u);
  EXPECT_GT(buffers, 1000u);
}

TEST(RandomPlans, TransmitIsTheSameInAllWays) {
  Random random(43);
  uint64_t pushed = 0;
  uint64_t taken = 0;
  uint64_t matched = 0;
  for (uint32_t n = 0; n < kPlans && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const TxDonePlan done = RandomTxDonePlan(random);
    const auto burst = TxRingBurst::Create(RandomTxRingPlan(random), &done, true);
    ASSERT_TRUE(burst->code_status().ok()) << burst->code_status();
    const TxRingPlan& plan = burst->plan();
    ArmTxRingBurst arm(plan, done);
    for (uint32_t step = 0; step < kSteps && !HasFailure(); ++step) {
      TxRingMemory memory = RandomMemory(plan, random);
      TxRingMemory same = memory;
      const uint32_t first = RandomSlot(plan.slot_count, random);
      const uint32_t count = arm.PushSame(memory, first);
      pushed += count;
      std::vector<std::byte> ring(size_t{plan.slot_count} * plan.slot_bytes);
      std::vector<std::byte> same_ring = ring;
      const auto most = static_cast<uint32_t>(memory.packets.size());
      TxRingCall call = memory.Call();
      TxRingBurst::PushByPlan(plan, ring.data(), call, first, most, memory.packets.data(),
                              memory.image);
      TxRingCall same_call = same.Call();
      EXPECT_EQ(
          burst->Push(same_ring.data(), same_call, first, most, same.packets.data(), same.image),
          count);
      EXPECT_TRUE(ring == same_ring);
      EXPECT_TRUE(Same(memory.cookies, same.cookies, count));
      EXPECT_TRUE(Same(memory.remembered, same.remembered, same.remembered.size()));
      EXPECT_EQ(memory.held, same.held);

      const uint32_t phase = random() % 2;
      std::vector<std::byte> completed = RandomRing(done, phase, random);
      const uint32_t slot = RandomSlot(done.slot_count, random);
      const uint32_t wanted = random() % (done.slot_count + 4);
      taken += arm.TakeSame(completed, slot, wanted, phase);
      std::vector<uint64_t> expected(wanted);
      std::vector<uint64_t> got(wanted);
      const uint32_t keys =
          TxRingBurst::TakeByPlan(done, completed.data(), slot, wanted, phase, expected.data());
      EXPECT_EQ(burst->Take(completed.data(), slot, wanted, phase, got.data()), keys);
      EXPECT_TRUE(Same(got, expected, keys));
      if (done.expected_count == 0) continue;
      expected.resize(keys);
      const uint32_t oldest = RandomSlot(done.expected_count, random);
      std::vector<TxExpected> out = RandomExpected(done, expected, oldest, random);
      const uint32_t in_order = arm.TakeExpectedSame(completed, out, slot, wanted, oldest);
      matched += in_order;
      std::vector<uint32_t> cookies(wanted);
      std::vector<uint32_t> same_cookies(wanted);
      TxRingBurst::TakeExpectedByPlan(done, completed.data(), slot, wanted, out.data(), oldest,
                                      cookies.data());
      EXPECT_EQ(burst->TakeExpected(completed.data(), slot, wanted, out.data(), oldest,
                                    same_cookies.data()),
                in_order);
      EXPECT_TRUE(Same(same_cookies, cookies, in_order));
    }
  }
  EXPECT_GT(pushed, 1000u);
  EXPECT_GT(taken, 1000u);
  EXPECT_GT(matched, 1000u);
}

}  // namespace
}  // namespace qsplit::dataplane::burst::testing
