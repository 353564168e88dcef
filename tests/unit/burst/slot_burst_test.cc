// Reading posted slots and writing completed ones by plans that no spec has: code for this
// processor, and for aarch64 in an emulator, does what the plan's interpreter does, over any bytes,
// touches nothing else, and of shared memory no word twice nor in another order.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "dataplane/burst/generator.h"
#include "dataplane/burst/slot_reader.h"
#include "dataplane/burst/slot_writer.h"
#include "tests/support/fenced_array.h"
#include "tests/unit/burst/arm_areas.h"
#include "tests/unit/burst/random_plans.h"

namespace qsplit::dataplane::burst::testing {
namespace {

using qsplit::testing::Fence;
using qsplit::testing::FencedArray;
using qsplit::testing::kFences;

constexpr uint32_t kPlans = 300;
constexpr uint32_t kSteps = 6;

uint64_t LowBits(uint32_t bits) { return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1; }

SlotReadPlan RandomReadPlan(Random& random) {
  SlotReadPlan plan;
  const uint32_t words = 1 + random() % kMaxWords;
  plan.slot_count = 1 + random() % 40;
  plan.slot_bytes = 8 * words;
  plan.first_word = random() % words;
  for (uint32_t w = 0; w < words; ++w) {
    if (random() % 2 != 0) continue;
    plan.tests[w].mask = random.Wide() & random.Wide();
    plan.tests[w].value = random.Wide() & plan.tests[w].mask;
    if (random() % 2 == 0) plan.phase[w] = random.Wide() & plan.tests[w].mask;
  }
  plan.address = RandomPieces(1 + random() % 64, words, random);
  if (random() % 4 != 0) plan.length = RandomPieces(1 + random() % 32, words, random);
  plan.bytes_each = random() % 8 == 0 ? 0 : random();
  plan.most_bytes = random() % 2 == 0 ? UINT32_MAX : random();
  plan.notes_length = random() % 3 == 0;
  if (random() % 2 == 0) plan.note = RandomPieces(1 + random() % 32, words, random);
  if (random() % 2 == 0) plan.note_bits = random();
  return plan;
}

std::vector<std::byte> RandomSlots(const SlotReadPlan& plan, uint32_t phase, Random& random) {
  std::vector<std::byte> ring(size_t{plan.slot_count} * plan.slot_bytes);
  for (size_t at = 0; at < ring.size(); at += 8) {
    uint64_t word = random() % 4 == 0 ? 0 : random.Wide();
    const size_t w = at % plan.slot_bytes / 8;
    const WordTest& test = plan.tests[w];
    const uint64_t turned = phase != 0 ? plan.phase[w] : 0;
    if (random() % 64 != 0) word = (word & ~test.mask) | (test.value ^ turned);
    std::memcpy(&ring[at], &word, sizeof word);
  }
  return ring;
}

TEST(SlotBurst, ReadingIsTheSameInAllWays) {
  Random random(61);
  uint64_t all = 0;
  for (uint32_t n = 0; n < kPlans && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const auto reader = SlotReader::Create(RandomReadPlan(random), true, InstructionsOf(n));
    ASSERT_TRUE(reader->code_status().ok()) << reader->code_status();
    const SlotReadPlan& plan = reader->plan();
    const SlotReadCode arm = Made(a64::GenerateSlotRead(plan));
    ArmMachine machine(arm.bytes);
    for (uint32_t step = 0; step < kSteps && !HasFailure(); ++step) {
      const uint32_t phase = random() % 2;
      std::vector<std::byte> ring = RandomSlots(plan, phase, random);
      const uint32_t first = RandomSlot(plan.slot_count, random);
      const uint32_t most = random() % (plan.slot_count + 4);
      std::vector<PlainBuffer> expected(most + 1), there(most);
      std::vector<uint32_t> notes(plan.slot_count, 7), notes_there = notes;
      const uint32_t count = SlotReader::ReadByPlan(plan, ring.data(), notes.data(), first, most,
                                                    phase, expected.data());
      all += count;
      for (const Fence fence : kFences) {
        const FencedArray<std::byte> slots(ring, fence);
        const FencedArray<PlainBuffer> here(most, fence);
        const FencedArray<uint32_t> notes_here(std::vector<uint32_t>(plan.slot_count, 7), fence);
        EXPECT_EQ(reader->Read(slots.data(), notes_here.data(), first, most, phase, here.data()),
                  count);
        EXPECT_TRUE(here.IsSame(expected, count));
        EXPECT_TRUE(notes_here.IsSame(notes));
      }
      const auto read = machine.Call(
          arm.read[phase], {{Read(ring), Write(notes_there), Write(there), {}}, first, most});
      EXPECT_EQ(machine.fault(), "");
      EXPECT_EQ(read, count) << "from slot " << first << ", at most " << most;
      EXPECT_TRUE(Same(there, expected, count));
      EXPECT_TRUE(Same(notes_there, notes, plan.slot_count));
      CheckReadsOfSlots(machine, plan.slot_bytes, plan.first_word);
    }
  }
  EXPECT_GT(all, 1000u);
}

SlotWritePlan RandomWritePlan(Random& random) {
  SlotWritePlan plan;
  const uint32_t words = 1 + random() % kMaxWords;
  plan.slot_count = 1 + random() % 40;
  plan.word_count = words;
  plan.slot_bytes = 8 * (words + random() % (kMaxWords + 1 - words));
  plan.element_bytes = 8 * (1 + random() % 3);
  plan.last_word = random() % words;
  plan.length.offset = 4 * (random() % (plan.element_bytes / 4));
  const uint32_t bits = 1 + random() % 33;
  plan.length.pieces = RandomPieces(bits, words, random);
  plan.most_length = LowBits(bits);
  if (random() % 2 == 0) plan.length_more = random() % 8 == 0 ? random() : 4;
  plan.has_rooms = random() % 2 == 0;
  if (random() % 2 == 0) plan.prefix_bytes = random() % 8 == 0 ? random() : random() % 64;
  for (uint32_t i = random() % 3; i > 0; --i) {
    const uint32_t bytes = random() % 2 == 0 ? 4 : 8;
    plan.others.push_back({bytes * (random() % (plan.element_bytes / bytes)), bytes,
                           RandomPieces(1 + random() % (8 * bytes), words, random)});
  }
  return plan;
}

// Each word of a slot once, and the one that hands it over behind the others and a barrier.
void CheckWritesOfSlots(const ArmMachine& machine, const SlotWritePlan& plan) {
  std::vector<uint32_t> written(plan.slot_count);
  for (const ArmMachine::Access& access : machine.accesses()) {
    if (access.area != ArmMachine::kSlots) continue;
    ASSERT_TRUE(access.is_write && access.bytes == 8 && access.offset % 8 == 0);
    const size_t slot = access.offset / plan.slot_bytes;
    const auto word = static_cast<uint32_t>(access.offset % plan.slot_bytes / 8);
    ASSERT_EQ(access.barred, word == plan.last_word) << "word " << word;
    const uint32_t bit = 1u << word;
    ASSERT_EQ(written[slot] & bit, 0u);
    ASSERT_EQ(written[slot] >> plan.last_word & 1, 0u);
    written[slot] |= bit;
  }
  for (const uint32_t bits : written) ASSERT_TRUE(bits == 0 || bits == (1u << plan.word_count) - 1);
}

TEST(SlotBurst, WritingIsTheSameInAllWays) {
  Random random(67);
  uint64_t all = 0;
  for (uint32_t n = 0; n < kPlans && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const auto writer = SlotWriter::Create(RandomWritePlan(random), true, InstructionsOf(n));
    ASSERT_TRUE(writer->code_status().ok()) << writer->code_status();
    const SlotWritePlan& plan = writer->plan();
    const SlotWriteCode arm = Made(a64::GenerateSlotWrite(plan));
    ArmMachine machine(arm.bytes);
    for (uint32_t step = 0; step < kSteps && !HasFailure(); ++step) {
      const uint32_t first = RandomSlot(plan.slot_count, random);
      const uint32_t most = random() % (plan.slot_count + 4);
      std::vector<std::byte> elements(size_t{most} * plan.element_bytes);
      for (size_t at = 0; at < elements.size(); at += 4) {
        const uint32_t number =
            random() % 32 == 0 ? random()
                               : random() & static_cast<uint32_t>(plan.most_length) >> random() % 8;
        std::memcpy(&elements[at], &number, sizeof number);
      }
      std::vector<uint32_t> rooms(plan.slot_count);
      for (uint32_t& room : rooms) room = random() % 16 == 0 ? random() : UINT32_MAX;
      std::vector<SlotImage> image(1);
      for (uint64_t& word : image[0]) word = random() % 2 == 0 ? 0 : random.Wide();
      std::vector<std::byte> ring(size_t{plan.slot_count} * plan.slot_bytes, std::byte{0x5a});
      std::vector<std::byte> there = ring;
      const std::vector<std::byte> before = ring;
      const uint32_t count = SlotWriter::WriteByPlan(plan, ring.data(), rooms.data(), first, most,
                                                     elements.data(), image[0]);
      all += count;
      for (const Fence fence : kFences) {
        const FencedArray<std::byte> here(before, fence);
        const FencedArray<uint32_t> rooms_here(rooms, fence);
        const FencedArray<std::byte> elements_here(elements, fence);
        const FencedArray<SlotImage> image_here(image, fence);
        EXPECT_EQ(writer->Write(here.data(), rooms_here.data(), first, most, elements_here.data(),
                                image_here.front()),
                  count);
        EXPECT_TRUE(here.IsSame(ring));
      }
      const auto wrote = machine.Call(
          arm.write, {{Write(there), Read(rooms), Read(elements), Read(image)}, first, most});
      EXPECT_EQ(machine.fault(), "");
      EXPECT_EQ(wrote, count) << "from slot " << first << ", at most " << most;
      EXPECT_TRUE(Same(there, ring, there.size()));
      CheckWritesOfSlots(machine, plan);
    }
  }
  EXPECT_GT(all, 1000u);
}

}  // namespace
}  // namespace qsplit::dataplane::burst::testing
