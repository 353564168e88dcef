// Both sides of every ring protocol against each other: commands in, completions out, over rings
// that wrap many times, full and empty.
#include "dataplane/command_ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "tests/unit/dataplane/ring_layouts.h"
#include "tests/unit/dataplane/ring_memory.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::dataplane {
namespace {

using testing::Random;
using testing::RingLayout;
using testing::RingMemory;

class CommandRing : public ::testing::TestWithParam<std::shared_ptr<const RingLayout>> {
 protected:
  void Open(uint32_t slots) {
    memory_ = std::make_unique<RingMemory>(layout().queue(), slots);
    absl::StatusOr<QueueShape> shape =
        ShapeQueue(layout().layout, layout().queue(), memory_->view());
    ASSERT_TRUE(shape.ok()) << shape.status();
    auto driver = CommandDriver::Create(*shape);
    ASSERT_TRUE(driver.ok()) << driver.status();
    driver_ = *std::move(driver);
    auto device = CommandDevice::Create(*shape);
    ASSERT_TRUE(device.ok()) << device.status();
    device_ = *std::move(device);
  }
  const RingLayout& layout() { return *GetParam(); }
  // Bytes of a command with a pattern in them, in all bytes that say nothing to the ring; those of
  // further slots leave out the bit that would make an old one look new (see ring_forms.h).
  std::vector<std::byte> Bytes(bool is_long, uint32_t seed) {
    const uint32_t form = is_long ? layout().long_command : layout().command;
    const v1::Form& of = layout().layout.forms(static_cast<int>(form));
    std::vector<std::byte> bytes(is_long ? layout().long_bytes : of.size_bytes());
    if (of.contains_size() > 0 && !is_long) bytes.resize(of.size_bytes() + 16);
    DescriptorBytes image{};
    for (size_t i = 16; i < bytes.size(); ++i) image.bytes[i] = std::byte((seed + i) & 0x7f);
    for (const v1::Field& field : of.fields()) {
      const FieldAccess access = *FieldAccess::Compile(field, of.size_bytes());
      if (field.constraint() == v1::CONSTRAINT_CONSTANT)
        access.StoreRaw(image.bytes, field.constant());
      if (field.name() == "argument") access.StoreRaw(image.bytes, seed);
      if (field.name() == "segments") access.StoreRaw(image.bytes, (bytes.size() - 16) / 16);
    }
    std::memcpy(bytes.data(), image.bytes, bytes.size());
    return bytes;
  }
  std::vector<std::byte> Result(uint32_t form, uint32_t result) {
    const v1::Form& of = layout().layout.forms(static_cast<int>(form));
    std::vector<std::byte> bytes(of.size_bytes());
    DescriptorBytes image{};
    for (const v1::Field& field : of.fields()) {
      const FieldAccess access = *FieldAccess::Compile(field, of.size_bytes());
      if (field.constraint() == v1::CONSTRAINT_CONSTANT)
        access.StoreRaw(image.bytes, field.constant());
      if (field.name() == "result") access.StoreRaw(image.bytes, result);
    }
    std::memcpy(bytes.data(), image.bytes, bytes.size());
    return bytes;
  }
  // Whether a fetched command has the pattern, apart from what the ring writes.
  static bool SamePattern(std::span<const std::byte> got, const std::vector<std::byte>& sent) {
    if (got.size() != sent.size()) return false;
    for (size_t i = 4; i < got.size(); ++i) {
      if (i >= 8 && i < 16) continue;
      if (got[i] != sent[i]) return false;
    }
    return true;
  }

  std::unique_ptr<RingMemory> memory_;
  std::unique_ptr<CommandDriver> driver_;
  std::unique_ptr<CommandDevice> device_;
};

TEST_P(CommandRing, CommandsGoInAndComeBackOverManyTurns) {
  for (const uint32_t slots : {8u, 13u, 32u}) {
    Open(slots);
    Random random(slots);
    std::map<uint64_t, std::vector<std::byte>> sent;  // by cookie
    std::vector<Command::Handle> fetched;
    uint64_t next = 0, seen = 0, back = 0;
    uint32_t most = 0;
    for (int step = 0; step < 6000; ++step) {
      for (uint32_t burst = random() % 6; burst > 0; --burst) {
        const bool is_long = random() % 3 == 0;
        const std::vector<std::byte> bytes = Bytes(is_long, static_cast<uint32_t>(next));
        if (!driver_->Post(is_long ? layout().long_command : layout().command, bytes, next)) break;
        sent[next++] = bytes;
      }
      if (random() % 4 != 0) driver_->Publish();
      most = std::max(most, driver_->Outstanding());
      for (uint32_t burst = random() % 6; burst > 0; --burst) {
        Command command;
        const RingFault fault = device_->Fetch(&command);
        if (fault == RingFault::kEmpty) break;
        ASSERT_EQ(fault, RingFault::kNone);
        ASSERT_TRUE(sent.count(seen));
        ASSERT_TRUE(SamePattern(command.bytes, sent[seen])) << seen;
        ++seen;
        fetched.push_back(command.handle);
      }
      for (uint32_t burst = random() % 6; burst > 0 && !fetched.empty(); --burst) {
        const size_t which = layout().in_order ? 0 : random() % fetched.size();
        const uint32_t form = random() % 2 == 0 ? layout().completion : layout().long_completion;
        if (!device_->Complete(fetched[which], form, Result(form, 77))) break;
        fetched.erase(fetched.begin() + static_cast<ptrdiff_t>(which));
      }
      device_->Publish();
      CommandCompletion done;
      for (uint32_t burst = random() % 6; burst > 0 && driver_->Poll(&done); --burst) {
        ASSERT_TRUE(done.has_command) << next << " " << back;
        ASSERT_EQ(sent.erase(done.cookie), 1u) << done.cookie;
        ++back;
      }
      if (random() % 3 != 0) driver_->Acknowledge();
    }
    EXPECT_GT(back, 30 * slots);
    EXPECT_EQ(sent.size(), driver_->Outstanding());
    EXPECT_LE(most, driver_->Capacity());
    EXPECT_EQ(device_->fault(), RingFault::kNone);
    EXPECT_TRUE(memory_->GuardsWhole());
  }
}

TEST_P(CommandRing, AFullRingTakesNoMoreAndAnEmptyOneGivesNothing) {
  Open(8);
  for (int turn = 0; turn < 20; ++turn) {
    Command command;
    CommandCompletion done;
    EXPECT_EQ(device_->Fetch(&command), RingFault::kEmpty);
    EXPECT_FALSE(driver_->Poll(&done));
    uint32_t posted = 0;
    while (driver_->Post(layout().command, Bytes(false, posted), posted)) ++posted;
    ASSERT_GE(posted, driver_->Capacity() / 2) << turn;
    ASSERT_LE(posted, 8u);
    driver_->Publish();
    std::vector<Command::Handle> fetched;
    while (device_->Fetch(&command) == RingFault::kNone) fetched.push_back(command.handle);
    EXPECT_EQ(fetched.size(), posted);
    EXPECT_EQ(device_->fault(), RingFault::kNone);
    device_->Publish();
    uint32_t back = 0;
    for (const Command::Handle& handle : fetched) {
      const std::vector<std::byte> result = Result(layout().completion, 1);
      if (!device_->Complete(handle, layout().completion, result)) {
        // The completion ring is full: the driver must read first.
        device_->Publish();
        while (driver_->Poll(&done)) ++back;
        driver_->Acknowledge();
        ASSERT_TRUE(device_->Complete(handle, layout().completion, result));
      }
    }
    device_->Publish();
    while (driver_->Poll(&done)) ++back;
    driver_->Acknowledge();
    EXPECT_EQ(back, posted);
    EXPECT_EQ(driver_->Outstanding(), 0u);
  }
}

TEST_P(CommandRing, WhatIsOfNoFormOrSizeIsNotPosted) {
  Open(8);
  std::vector<std::byte> bytes = Bytes(false, 1);
  EXPECT_FALSE(driver_->Post(99, bytes, 0));
  EXPECT_FALSE(driver_->Post(layout().completion, bytes, 0));
  EXPECT_FALSE(driver_->Post(layout().command, std::span(bytes).first(3), 0));
  bytes.resize(kMaxDescriptorBytes + 1);
  EXPECT_FALSE(driver_->Post(layout().command, bytes, 0));
  EXPECT_EQ(driver_->Outstanding(), 0u);
}

// Nothing that stands in shared memory may do more than end the queue.
TEST_P(CommandRing, HostileMemoryNeitherCrashesNorLoops) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    Open(8);
    Random random(seed);
    std::vector<Command::Handle> fetched;
    for (int step = 0; step < 300; ++step) {
      const uint32_t ring = random() % memory_->view().ring_count;
      const std::vector<std::byte*> cells = memory_->Cells();
      switch (random() % 4) {
        case 0: {
          const uint64_t value = random() % 2 == 0 ? random.Wide() : random() % 20;
          std::memcpy(cells[random() % cells.size()], &value, 8);
          break;
        }
        case 1: {
          const uint64_t value = random.Wide();
          std::memcpy(memory_->slots(ring) + random() % (memory_->slots_bytes(ring) / 8) * 8,
                      &value, 8);
          break;
        }
        case 2:
          memory_->slots(ring)[random() % memory_->slots_bytes(ring)] ^=
              std::byte(1u << (random() % 8));
          break;
        default:
          break;
      }
      driver_->Post(layout().command, Bytes(false, random()), step);
      driver_->Publish();
      Command command;
      for (int i = 0; i < 20; ++i) {
        if (device_->Fetch(&command) != RingFault::kNone) break;
        ASSERT_LE(command.bytes.size(), kMaxDescriptorBytes);
        if (fetched.size() < 16) fetched.push_back(command.handle);
      }
      if (!fetched.empty() &&
          device_->Complete(fetched[0], layout().completion, Result(layout().completion, 5))) {
        fetched.erase(fetched.begin());
      }
      device_->Publish();
      CommandCompletion done;
      for (int i = 0; i < 20 && driver_->Poll(&done); ++i) {
        ASSERT_LE(done.bytes.size(), kMaxDescriptorBytes);
      }
      driver_->Acknowledge();
      ASSERT_LE(driver_->Outstanding(), driver_->Capacity());
    }
    ASSERT_TRUE(memory_->GuardsWhole()) << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Protocols, CommandRing, ::testing::ValuesIn(testing::RingLayouts()),
                         [](const auto& param) { return param.param->name; });

}  // namespace
}  // namespace qsplit::dataplane
