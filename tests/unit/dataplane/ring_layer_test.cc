// How a ring tells both sides how far the other is: doorbells, cells, heads, and hostile values in
// them. Slots themselves: ring_slots_test.cc.
#include <gtest/gtest.h>

#include <cstring>

#include "dataplane/completion_reader.h"
#include "dataplane/completion_writer.h"
#include "dataplane/head_progress.h"
#include "dataplane/post_reader.h"
#include "dataplane/post_writer.h"
#include "dataplane/table_slots.h"
#include "tests/unit/dataplane/layout_parts.h"
#include "tests/unit/dataplane/one_ring.h"

namespace qsplit::dataplane {
namespace {

using testing::AddCase;
using testing::AddCell;
using testing::AddDoorbell;
using testing::AddField;
using testing::AddRing;
using testing::Compare;

TEST_F(OneRing, NothingOfAPacketIsTheDevicesBeforeItsLastDescriptor) {
  AddField(form_, "own", "own", 12, 4, 31, 1);
  Compare(AddCase(ring_->mutable_posted()->mutable_when()), 0, 1, v1::OPERATOR_EQUAL, 1);
  const RingShape shape = Shape(4);
  PostWriter writer = *PostWriter::Create(shape);
  PostReader reader = *PostReader::Create(shape);
  DescriptorBytes copy;
  FetchedDescriptor fetched;
  for (uint64_t turn = 0; turn < 9; ++turn) {
    Post(writer, 3 * turn);
    Post(writer, 3 * turn + 1);
    Post(writer, 3 * turn + 2);
    EXPECT_EQ(reader.Available(), 0u);
    EXPECT_EQ(reader.Next(copy.bytes, &fetched), RingFault::kEmpty);
    writer.Commit();
    for (uint64_t i = 0; i < 3; ++i) {
      EXPECT_EQ(reader.Available(), 1u);
      ASSERT_EQ(reader.Next(copy.bytes, &fetched), RingFault::kNone);
      EXPECT_EQ(Peek<uint64_t>(copy.bytes), 3 * turn + i);
    }
    EXPECT_EQ(reader.Next(copy.bytes, &fetched), RingFault::kEmpty);
    // The device gives the own bits back; its reader must not find these slots again.
    for (uint32_t slot = 0; slot < 4; ++slot) Poke<uint64_t>(memory_->slots(0) + slot * 16 + 8, 0);
    reader.Done(3);
    writer.Free(3);
  }
}

TEST_F(OneRing, TheDeviceGoesBackToTheBeginningOfAPacketThatIsNotWhole) {
  ByDoorbell(v1::DOORBELL_SOURCE_PRODUCER_COUNT);
  const RingShape shape = Shape(8);
  PostWriter writer = *PostWriter::Create(shape);
  PostReader reader = *PostReader::Create(shape);
  DescriptorBytes copy;
  FetchedDescriptor fetched;
  Post(writer, 7);
  writer.Publish();
  const PostReader::Mark mark = reader.mark();
  ASSERT_EQ(reader.Next(copy.bytes, &fetched), RingFault::kNone);
  EXPECT_EQ(reader.Next(copy.bytes, &fetched, false), RingFault::kEmpty);
  reader.Rewind(mark);
  EXPECT_EQ(reader.Fetched(), 0u);
  ASSERT_EQ(reader.Next(copy.bytes, &fetched), RingFault::kNone);
  EXPECT_EQ(Peek<uint64_t>(copy.bytes), 7u);
}

TEST_F(OneRing, ADoorbellThatSaysWhatTheRingCannotHoldIsAFaultForGood) {
  for (const v1::DoorbellSource source :
       {v1::DOORBELL_SOURCE_PRODUCER_COUNT, v1::DOORBELL_SOURCE_PRODUCER_INDEX,
        v1::DOORBELL_SOURCE_INCREMENT, v1::DOORBELL_SOURCE_ADDRESS}) {
    ring_->clear_producer_doorbells();
    ByDoorbell(source);
    const RingShape shape = Shape(8);
    PostReader reader = *PostReader::Create(shape);
    DescriptorBytes copy;
    FetchedDescriptor fetched;
    Poke<uint32_t>(memory_->view().rings[0].producer_doorbells[0], 0x7777);
    EXPECT_EQ(reader.Available(), 0u);
    EXPECT_EQ(reader.Next(copy.bytes, &fetched), RingFault::kDoorbellOutOfRange) << source;
    Poke<uint32_t>(memory_->view().rings[0].producer_doorbells[0], 0);
    EXPECT_EQ(reader.Next(copy.bytes, &fetched), RingFault::kDoorbellOutOfRange) << source;
  }
}

TEST_F(OneRing, AnIncrementIsTheNumberOfNewSlotsOrACountWhereMemoryStandsForIt) {
  ByDoorbell(v1::DOORBELL_SOURCE_INCREMENT);
  RingShape shape = Shape(8);
  shape.view.counts_for_increments = false;
  EXPECT_TRUE(absl::IsUnimplemented(PostReader::Create(shape).status()));
  PostWriter writer = *PostWriter::Create(shape);
  const std::byte* bell = memory_->view().rings[0].producer_doorbells[0];
  Post(writer, 1);
  writer.Publish();
  Post(writer, 2);
  Post(writer, 3);
  writer.Publish();
  EXPECT_EQ(Peek<uint32_t>(bell), 2u);
  EXPECT_FALSE(writer.Publish());
  PostWriter counts = *PostWriter::Create(Again());
  Post(counts, 1);
  counts.Publish();
  Post(counts, 2);
  Post(counts, 3);
  counts.Publish();
  EXPECT_EQ(Peek<uint32_t>(bell), 3u);
}

TEST_F(OneRing, DoorbellsSayPhaseAddressQueueAndACopyOfTheDescriptor) {
  ring_->mutable_posted()->set_doorbell(true);
  ring_->mutable_phase()->set_initial(1);
  ring_->mutable_phase()->set_flip(v1::PHASE_FLIP_EACH_PASS);
  AddDoorbell(ring_->mutable_producer_doorbells(), v1::DOORBELL_SOURCE_PRODUCER_INDEX, 4,
              v1::BYTE_ORDER_LITTLE, 0xffff);
  v1::Doorbell* first = ring_->mutable_producer_doorbells(0);
  v1::DoorbellTerm* phase = first->add_terms();
  phase->set_source(v1::DOORBELL_SOURCE_PHASE);
  phase->set_mask(1);
  phase->set_shift(31);
  v1::DoorbellTerm* queue = first->add_terms();
  queue->set_source(v1::DOORBELL_SOURCE_QUEUE_NUMBER);
  queue->set_mask(0xff);
  queue->set_shift(16);
  AddDoorbell(ring_->mutable_producer_doorbells(), v1::DOORBELL_SOURCE_ADDRESS, 8);
  v1::Doorbell* copy = ring_->add_producer_doorbells();
  copy->set_target(v1::DOORBELL_TARGET_DESCRIPTOR);
  copy->set_bytes(8);
  PostWriter writer = *PostWriter::Create(Shape(4));
  const auto& bells = memory_->view().rings[0].producer_doorbells;
  for (uint64_t i = 0; i < 3; ++i) Post(writer, 0x1100 + i);
  writer.Publish();
  EXPECT_EQ(Peek<uint32_t>(bells[0]), 0x80030003u);
  EXPECT_EQ(Peek<uint64_t>(bells[1]), 0x100030u);
  EXPECT_EQ(Peek<uint64_t>(bells[2]), 0x1102u);
  writer.Free(3);
  Post(writer, 0x2200);
  writer.Publish();
  EXPECT_EQ(Peek<uint32_t>(bells[0]), 0x00030000u);
}

TEST_F(OneRing, DoorbellsAreLeftOutAsTheDeviceSays) {
  ring_->mutable_posted()->set_cell(0);
  AddCell(ring_, "producer", 2, v1::CELL_MEANING_PRODUCER_COUNT, false);
  AddCell(ring_, "event", 2, v1::CELL_MEANING_EVENT_INDEX, true);
  AddCell(ring_, "quiet", 2, v1::CELL_MEANING_NO_NOTIFICATION, true);
  AddCell(ring_, "wake", 4, v1::CELL_MEANING_NEED_WAKEUP, true);
  for (uint32_t cell = 1; cell < 4; ++cell) {
    v1::Doorbell* bell = ring_->add_producer_doorbells();
    bell->set_target(v1::DOORBELL_TARGET_REGISTER);
    bell->set_bytes(4);
    bell->set_suppressed_by_cell(cell);
    v1::DoorbellTerm* term = bell->add_terms();
    term->set_source(v1::DOORBELL_SOURCE_PRODUCER_COUNT);
    term->set_mask(UINT32_MAX);
  }
  const RingShape shape = Shape(8);
  PostWriter writer = *PostWriter::Create(shape);
  PostReader reader = *PostReader::Create(shape);
  const auto& bells = memory_->view().rings[0].producer_doorbells;
  const auto rung = [&] {
    writer.Publish();
    writer.Free(8);
    std::array<bool, 3> which{};
    for (size_t i = 0; i < 3; ++i) {
      which[i] = Peek<uint32_t>(bells[i]) != 0;
      Poke<uint32_t>(bells[i], 0);
    }
    return which;
  };
  using Rung = std::array<bool, 3>;
  reader.SetNeedWakeup(true);
  Post(writer, 1);
  EXPECT_EQ(rung(), (Rung{true, true, true}));
  DescriptorBytes copy;
  FetchedDescriptor fetched;
  ASSERT_EQ(reader.Next(copy.bytes, &fetched), RingFault::kNone);
  reader.SetNeedWakeup(false);
  for (int i = 0; i < 3; ++i) Post(writer, 2);
  EXPECT_EQ(rung(), (Rung{false, false, false}));
  // The event index stands in the middle of what is published, or just behind it.
  Poke<uint16_t>(memory_->view().rings[0].cells[1], 5);
  for (int i = 0; i < 3; ++i) Post(writer, 2);
  EXPECT_EQ(rung(), (Rung{true, false, false}));
  Poke<uint16_t>(memory_->view().rings[0].cells[1], 8);
  Post(writer, 2);
  EXPECT_EQ(rung(), (Rung{false, false, false}));
  Post(writer, 2);
  Post(writer, 2);
  EXPECT_EQ(rung(), (Rung{true, false, false}));
}

TEST_F(OneRing, EventIndicesWrap) {
  EXPECT_TRUE(EventIsDue(0xffff, 0x10001, 0xfffe, 0xffff));
  EXPECT_FALSE(EventIsDue(1, 0x10001, 0xfffe, 0xffff));
  EXPECT_TRUE(EventIsDue(0, 0x10001, 0xfffe, 0xffff));
  EXPECT_FALSE(EventIsDue(0xfffd, 0x10001, 0xfffe, 0xffff));
}

TEST_F(OneRing, SlotsComeBackByTheDevicesCellAndNoFurtherThanWritten) {
  ring_->mutable_posted()->set_cell(0);
  ring_->mutable_completed()->set_completion(true);
  AddCell(ring_, "producer", 8, v1::CELL_MEANING_PRODUCER_COUNT, false, v1::BYTE_ORDER_BIG);
  AddCell(ring_, "consumer", 8, v1::CELL_MEANING_CONSUMER_COUNT, true, v1::BYTE_ORDER_BIG);
  const RingShape shape = Shape(4);
  PostWriter writer = *PostWriter::Create(shape);
  PostReader reader = *PostReader::Create(shape);
  EXPECT_EQ(writer.Capacity(), 4u);
  DescriptorBytes copy;
  FetchedDescriptor fetched;
  for (int turn = 0; turn < 5; ++turn) {
    for (int i = 0; i < 4; ++i) Post(writer, 1);
    EXPECT_FALSE(writer.HasRoom(1));
    writer.Publish();
    for (int i = 0; i < 3; ++i) ASSERT_EQ(reader.Next(copy.bytes, &fetched), RingFault::kNone);
    EXPECT_EQ(writer.Room(), 0u);
    writer.Free(4);  // of no effect
    reader.PublishConsumed();
    EXPECT_EQ(writer.Room(), 3u);
    ASSERT_EQ(reader.Next(copy.bytes, &fetched), RingFault::kNone);
    reader.PublishConsumed();
    EXPECT_EQ(writer.Room(), 4u);
  }
  Post(writer, 1);
  Poke<uint64_t>(memory_->view().rings[0].cells[1], ~uint64_t{0});
  EXPECT_EQ(writer.Room(), 3u);
}

TEST_F(OneRing, HeadsSayHowFarTheDeviceIsInEachWay) {
  for (const v1::CellMeaning meaning :
       {v1::CELL_MEANING_CONSUMER_INDEX, v1::CELL_MEANING_CONSUMER_COUNT,
        v1::CELL_MEANING_PENDING_COUNT}) {
    ring_->Clear();
    *ring_ = *AddRing(layout_.add_queues(), "ring", 16);
    ring_->add_post_forms(0);
    ByDoorbell(v1::DOORBELL_SOURCE_PRODUCER_COUNT);
    AddCell(ring_, "head", 4, meaning, true);
    ring_->mutable_completed()->set_cell(0);
    AddDoorbell(ring_->mutable_consumer_doorbells(), v1::DOORBELL_SOURCE_INCREMENT);
    const RingShape shape = Shape(8);
    PostWriter posts = *PostWriter::Create(shape);
    HeadReader driver = *HeadReader::Create(shape);
    HeadWriter device = *HeadWriter::Create(shape);
    EXPECT_EQ(posts.Capacity(), meaning == v1::CELL_MEANING_CONSUMER_INDEX ? 7u : 8u);
    for (int turn = 0; turn < 20; ++turn) {
      EXPECT_EQ(driver.Poll(posts.position().count()), RingFault::kEmpty);
      while (posts.HasRoom(1)) Post(posts, 1);
      device.Finish(5);
      EXPECT_EQ(driver.Poll(posts.position().count()), RingFault::kEmpty);
      device.Publish();
      ASSERT_EQ(driver.Poll(posts.position().count()), RingFault::kNone);
      ASSERT_TRUE(posts.FreeUpTo(driver.finished()));
      EXPECT_EQ(posts.Room(), 5u);
      driver.Acknowledge();
    }
    // More than was posted.
    Poke<uint32_t>(memory_->view().rings[0].cells[0], 0x5555);
    const uint64_t before = driver.finished();
    EXPECT_EQ(driver.Poll(posts.position().count()), RingFault::kDoorbellOutOfRange);
    EXPECT_EQ(driver.finished(), before);
    EXPECT_FALSE(posts.FreeUpTo(posts.position().count() + 1));
  }
}

TEST_F(OneRing, APendingCountOfHardwareIsWhatDoorbellsHaveNotTakenOff) {
  ByDoorbell(v1::DOORBELL_SOURCE_INCREMENT);
  AddCell(ring_, "status", 4, v1::CELL_MEANING_PENDING_COUNT, true);
  ring_->mutable_cells(0)->set_mask(0x3fff0000);
  ring_->mutable_completed()->set_cell(0);
  AddDoorbell(ring_->mutable_consumer_doorbells(), v1::DOORBELL_SOURCE_INCREMENT);
  RingShape shape = Shape(8);
  shape.view.counts_for_increments = false;
  EXPECT_TRUE(absl::IsUnimplemented(HeadWriter::Create(shape).status()));
  HeadReader driver = *HeadReader::Create(shape);
  std::byte* cell = memory_->view().rings[0].cells[0];
  const std::byte* bell = memory_->view().rings[0].consumer_doorbells[0];
  Poke<uint32_t>(cell, 0x80030001);
  EXPECT_EQ(driver.Poll(8), RingFault::kNone);
  EXPECT_EQ(driver.finished(), 3u);
  EXPECT_EQ(driver.Poll(8), RingFault::kEmpty);
  Poke<uint32_t>(cell, 0x80050001);
  EXPECT_EQ(driver.Poll(8), RingFault::kNone);
  EXPECT_EQ(driver.finished(), 5u);
  driver.Acknowledge();
  EXPECT_EQ(Peek<uint32_t>(bell), 5u);
  Poke<uint32_t>(cell, 0x00010000);
  EXPECT_EQ(driver.Poll(8), RingFault::kNone);
  EXPECT_EQ(driver.finished(), 6u);
}

}  // namespace
}  // namespace qsplit::dataplane
