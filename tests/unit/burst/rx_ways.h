// What bursts of receive do, against plans carried out column by column: the same completions, ring
// and memory of buffers, with every array against a page that nobody may touch.
#ifndef QSPLIT_TESTS_UNIT_BURST_RX_WAYS_H_
#define QSPLIT_TESTS_UNIT_BURST_RX_WAYS_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "dataplane/burst/rx_burst.h"
#include "dataplane/burst/rx_ring_burst.h"
#include "tests/support/fenced_array.h"
#include "tests/unit/burst/random_ring_plans.h"

namespace qsplit::dataplane::burst::testing {

using qsplit::testing::Fence;
using qsplit::testing::FencedArray;

// How many completions both say.
inline uint32_t PollHere(const RxBurst& burst, const std::vector<std::byte>& bytes,
                         const std::vector<PostedSlot>& slots, uint32_t first, uint32_t most,
                         Fence fence) {
  const FencedArray<std::byte> ring(bytes, fence);
  const FencedArray<PostedSlot> posted(slots, fence);
  const FencedArray<RxCompletion> expected(most, fence);
  const FencedArray<RxCompletion> got(most, fence);
  const uint32_t count =
      RxBurst::PollByPlan(burst.plan(), ring.data(), posted.data(), first, most, expected.data());
  EXPECT_EQ(burst.Poll(ring.data(), posted.data(), first, most, got.data()), count);
  EXPECT_TRUE(got.IsSame(expected, count));
  return count;
}

inline void PostHere(const RxBurst& burst, const std::vector<RxBuffer>& to_post, uint32_t first,
                     Fence fence) {
  const RxBurstPlan& plan = burst.plan();
  const auto most = static_cast<uint32_t>(to_post.size());
  const FencedArray<RxBuffer> buffers(to_post, fence);
  const FencedArray<std::byte> ring(size_t{plan.slot_count} * plan.slot_bytes, fence);
  const FencedArray<std::byte> same(ring.size(), fence);
  const FencedArray<PostedSlot> posted(plan.slot_count, fence);
  const FencedArray<PostedSlot> same_posted(plan.slot_count, fence);
  const uint32_t count =
      RxBurst::PostByPlan(plan, ring.data(), posted.data(), first, most, buffers.data());
  ASSERT_EQ(burst.Post(same.data(), same_posted.data(), first, most, buffers.data()), count);
  ASSERT_TRUE(same.IsSame(ring));
  ASSERT_TRUE(same_posted.IsSame(posted));
}

// How many completions both say.
inline uint32_t PollHere(const RxRingBurst& burst, const RxRingMemory& memory,
                         RxRingBurst::Completed from, Fence fence) {
  const FencedArray<std::byte> ring(memory.ring, fence);
  const FencedArray<RxBuffer> posted(memory.posted, fence);
  const FencedArray<uint64_t> prefixes(memory.prefixes, fence);
  for (RxBuffer& one : posted) {
    const auto* const first = reinterpret_cast<const std::byte*>(memory.prefixes.data());
    one.memory = prefixes.bytes().data() + (one.memory - first);
  }
  from.slots = ring.data();
  from.buffers = posted.data();
  const FencedArray<RxCompletion> expected(from.most, fence);
  const FencedArray<RxCompletion> got(from.most, fence);
  const uint32_t count = RxRingBurst::PollByPlan(burst.plan(), from, expected.data());
  EXPECT_EQ(burst.Poll(from, got.data()), count);
  EXPECT_TRUE(got.IsSame(expected, count));
  return count;
}

// A ring of posted buffers.
struct Posted {
  Posted(const RxRingPlan& plan, Fence fence)
      : ring(size_t{plan.buffer_count} * plan.post_slot_bytes, fence),
        buffers(plan.buffer_count, fence) {}
  RxRingBurst::Free From(uint32_t slot, uint32_t most, uint32_t phase, bool were_posted) const {
    return {ring.data(), phase, slot, buffers.data(), most, were_posted};
  }
  bool IsSame(const Posted& other) const {
    return ring.IsSame(other.ring) && buffers.IsSame(other.buffers);
  }
  FencedArray<std::byte> ring;
  FencedArray<RxBuffer> buffers;
};

// Into a ring of which each slot was posted with the bytes of `before`.
inline void PostHere(const RxRingBurst& burst, const std::vector<RxBuffer>& before,
                     const std::vector<RxBuffer>& to_post, uint32_t first, uint32_t phase,
                     Fence fence) {
  const RxRingPlan& plan = burst.plan();
  const auto most = static_cast<uint32_t>(to_post.size());
  const FencedArray<RxBuffer> all(before, fence);
  const FencedArray<RxBuffer> buffers(to_post, fence);
  const Posted expected(plan, fence);
  const Posted got(plan, fence);
  uint32_t were_posted = 0;
  for (const Posted* const one : {&expected, &got}) {
    were_posted = RxRingBurst::PostByPlan(plan, one->From(0, plan.buffer_count, 1 - phase, false),
                                          all.data());
  }
  const bool again = were_posted == plan.buffer_count;
  const uint32_t count =
      RxRingBurst::PostByPlan(plan, expected.From(first, most, phase, again), buffers.data());
  ASSERT_EQ(burst.Post(got.From(first, most, phase, again), buffers.data()), count);
  ASSERT_TRUE(got.IsSame(expected));
  if (!plan.holds) return;
  const FencedArray<uint64_t> held(1, fence);
  const FencedArray<uint64_t> same_held(1, fence);
  const uint32_t first_ones = RxRingBurst::PostHeldByPlan(
      plan, expected.From(first, most, phase, again), buffers.data(), held.data());
  ASSERT_EQ(burst.PostHeld(got.From(first, most, phase, again), buffers.data(), same_held.data()),
            first_ones);
  ASSERT_TRUE(got.IsSame(expected));
  ASSERT_TRUE(same_held.IsSame(held));
}

}  // namespace qsplit::dataplane::burst::testing

#endif  // QSPLIT_TESTS_UNIT_BURST_RX_WAYS_H_
