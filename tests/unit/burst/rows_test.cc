// Plans that are interpreted row by row, where the processor has what that needs: rows say what
// columns say, of slots that are completed in place and of several rings, and write the same into
// slots; none of them touches a byte beside what it is given, whatever the ring holds.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/support/rounds.h"
#include "tests/unit/burst/random_ring_plans.h"
#include "tests/unit/burst/rx_ways.h"

#if defined(__x86_64__)
#include "dataplane/burst/x86_rows.h"
#endif

namespace qsplit::dataplane::burst::testing {
namespace {

using qsplit::testing::kFences;
using qsplit::testing::Rounds;

constexpr uint32_t kSteps = 8;

bool RunsHere() {
#if defined(__x86_64__)
  return x86::HasRows();
#else
  return false;
#endif
}

uint64_t LowBits(uint32_t bits) { return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1; }

// So many bytes of one of some words, less a few bits, at a byte of a number.
Piece Bytes(uint32_t bytes, uint32_t first_word, uint32_t words, uint32_t place, Random& random) {
  const uint32_t less = random() % 3 == 0 ? random() % 3 : 0;
  return {static_cast<uint8_t>(first_word + random() % words),
          static_cast<uint8_t>(8 * (random() % (9 - bytes))), static_cast<uint8_t>(8 * place),
          random() % 3 == 0, LowBits(8 * bytes - less)};
}

// Numbers of whole bytes in the first two words of the metadata, one table or two.
RecordPlan RowRecord(uint32_t words, uint32_t length_words, Random& random) {
  RecordPlan record = RandomRecord(words, random);
  const uint32_t bytes = 1 + random() % 4;
  record.length = {Bytes(bytes, 0, length_words, 0, random)};
  record.length_less = random() % 3 == 0 ? random() % 16 : 0;
  record.lanes.resize(std::min<size_t>(record.lanes.size(), 2));
  for (Lane& lane : record.lanes) {
    lane.out %= 2;
    const uint32_t here = 1 + random() % 4;
    lane.pieces = {Bytes(here, 0, words, random() % (9 - here), random)};
  }
  record.tables.resize(std::min<size_t>(record.tables.size(), 2));
  for (Table& table : record.tables) {
    for (Table::Column& column : table.columns) {
      column.is_mask = column.is_mask && !record.lanes.empty();
      const size_t targets = column.is_mask ? record.lanes.size() : 2;
      column.target = static_cast<uint8_t>(column.target % targets);
    }
  }
  record.Finish();
  return record;
}

std::unique_ptr<RxBurst> RowBurst(Random& random) {
  for (;;) {
    RxBurstPlan plan = RandomRxPlan(random);
    const uint32_t words = random() % 2 == 0 ? 2 : 4;
    plan.slot_bytes = 8 * words;
    plan.first_word %= words;
    plan.record = RowRecord(words, words, random);
    plan.posts = true;
    plan.address = {Bytes(8, 0, words, 0, random)};
    plan.max_address = plan.address[0].mask;
    if (!plan.length.empty()) plan.length = {Bytes(2, 0, words, 0, random)};
    if (!plan.length.empty()) plan.max_length = static_cast<uint32_t>(plan.length[0].mask);
    std::unique_ptr<RxBurst> burst = RxBurst::Create(std::move(plan), false);
    if (burst->PollsInRows() && burst->PostsInRows()) return burst;
  }
}

std::unique_ptr<RxRingBurst> RowRingBurst(Random& random) {
  for (;;) {
    RxRingPlan plan = RandomRxRingPlan(random);
    const bool has_prefix = plan.prefix_word != kMaxWords;
    const uint32_t words = 2 * (1 + random() % (has_prefix ? 2 : 4));
    plan.slot_bytes = 8 * words;
    plan.first_word = random() % words;
    plan.record = RowRecord(has_prefix ? words + 2 : words, words, random);
    if (has_prefix) {
      plan.prefix_word = words;
      plan.prefix_bytes = 12;
    }
    plan.key = random() % 3 == 0 ? RxRingPlan::Key::kNone : RxRingPlan::Key::kNumber;
    plan.key_pieces.clear();
    if (plan.key == RxRingPlan::Key::kNumber) {
      plan.key_pieces = {Bytes(1 + random() % 4, plan.first_word & ~1u, 2, 0, random)};
      const Piece& key = plan.key_pieces[0];
      WordTest& test = plan.record.tests[key.word];
      test.mask &= ~key.Put(~uint64_t{0});
      test.value &= test.mask;
      plan.record.words |= 1u << key.word;
    }
    plan.record.words |= 1u << plan.first_word;
    for (uint32_t w = 0; w < words; ++w) {
      plan.record_phase[w] = random.Wide() & plan.record.tests[w].mask;
    }
    const uint32_t post_words = 2 * (1 + random() % 4);
    plan.posts = true;
    plan.post_words = post_words;
    plan.post_slot_bytes = 8 * (post_words + random() % 3);
    plan.handover_word = random() % post_words;
    plan.address = {Bytes(8, 0, post_words, 0, random)};
    plan.max_address = plan.address[0].mask;
    plan.length.clear();
    plan.max_length = UINT32_MAX;
    if (plan.buffer_bytes == 0) {
      plan.length = {Bytes(2 + random() % 3, 0, post_words, 0, random)};
      plan.max_length = static_cast<uint32_t>(plan.length[0].mask);
    }
    if (!plan.number.empty()) plan.number = {Bytes(2, 0, post_words, 0, random)};
    std::unique_ptr<RxRingBurst> burst = RxRingBurst::Create(std::move(plan), false);
    if (burst->PollsInRows() && burst->PostsInRows()) return burst;
  }
}

TEST(Rows, SayWhatColumnsSay) {
  if (!RunsHere()) GTEST_SKIP() << "this processor has no AVX2, or no fast pext";
  Random random(91);
  uint64_t completions = 0;
  for (uint32_t n = 0; n < Rounds(300) && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const std::unique_ptr<RxBurst> burst = RowBurst(random);
    const RxBurstPlan& plan = burst->plan();
    for (uint32_t step = 0; step < kSteps && !HasFailure(); ++step) {
      const std::vector<std::byte> ring = RandomRing(plan, random);
      const std::vector<PostedSlot> posted = RandomPosted(plan, ring, random);
      const uint32_t first = RandomSlot(plan.slot_count, random);
      const uint32_t most = random() % (plan.slot_count + 4);
      const std::vector<RxBuffer> to_post = RandomBuffers(plan, random);
      for (const Fence fence : kFences) {
        completions += PollHere(*burst, ring, posted, first, most, fence);
        PostHere(*burst, to_post, first, fence);
      }
    }
  }
  EXPECT_GT(completions, Rounds(1000));
}

TEST(Rows, SayWhatColumnsSayOfSeveralRings) {
  if (!RunsHere()) GTEST_SKIP() << "this processor has no AVX2, or no fast pext";
  Random random(92);
  uint64_t completions = 0;
  for (uint32_t n = 0; n < Rounds(300) && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const std::unique_ptr<RxRingBurst> burst = RowRingBurst(random);
    const RxRingPlan& plan = burst->plan();
    for (uint32_t step = 0; step < kSteps && !HasFailure(); ++step) {
      const uint32_t phase = random() % 2;
      const uint32_t slot = RandomSlot(plan.slot_count, random);
      const uint32_t buffer = RandomSlot(plan.buffer_count, random);
      const uint32_t most = random() % (plan.slot_count + 4);
      const RxRingMemory memory = RandomMemory(plan, slot, buffer, phase, random);
      const std::vector<RxBuffer> before = RandomBuffers(plan, plan.buffer_count, random);
      std::vector<RxBuffer> to_post = before;
      to_post.resize(random() % (plan.buffer_count + 1));
      for (RxBuffer& one : to_post) {
        if (random() % 8 == 0) one = RandomBuffers(plan, 1, random).front();
      }
      const uint32_t first = random() % (plan.buffer_count + 1);
      for (const Fence fence : kFences) {
        completions +=
            PollHere(*burst, memory, {nullptr, phase, slot, nullptr, buffer, most}, fence);
        PostHere(*burst, before, to_post, first, phase, fence);
      }
    }
  }
  EXPECT_GT(completions, Rounds(1000));
}

}  // namespace
}  // namespace qsplit::dataplane::burst::testing
