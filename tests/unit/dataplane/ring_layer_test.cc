// The parts of the ring layer one by one: what each stands in memory as, and what hostile values in
// it lead to.
#include <gtest/gtest.h>

#include <cstring>

#include "dataplane/completion_reader.h"
#include "dataplane/completion_writer.h"
#include "dataplane/head_progress.h"
#include "dataplane/post_reader.h"
#include "dataplane/post_writer.h"
#include "dataplane/table_slots.h"
#include "tests/unit/dataplane/ring_layouts.h"

namespace qsplit::dataplane {
namespace {

using testing::AddCase;
using testing::AddCell;
using testing::AddDoorbell;
using testing::AddField;
using testing::AddForm;
using testing::AddRing;
using testing::Compare;
using testing::CompareState;
using testing::RingMemory;

// A queue with one ring of 16-byte descriptors: a number in the first bytes.
class OneRing : public ::testing::Test {
 protected:
  OneRing() {
    layout_.set_name("test.one");
    form_ = AddForm(&layout_, "Descriptor", 16);
    AddField(form_, "number", "", 0, 8, 0, 64);
    v1::Queue* queue = layout_.add_queues();
    queue->set_name("queue");
    ring_ = AddRing(queue, "ring", 16);
    ring_->add_post_forms(0);
  }
  void ByDoorbell(v1::DoorbellSource source) {
    ring_->mutable_posted()->set_doorbell(true);
    AddDoorbell(ring_->mutable_producer_doorbells(), source);
  }
  RingShape Shape(uint32_t slots) {
    memory_ = std::make_unique<RingMemory>(layout_.queues(0), slots);
    return Again();
  }
  RingShape Again() { return *ShapeRing(layout_, layout_.queues(0), 0, memory_->view()); }
  static uint32_t Post(PostWriter& writer, uint64_t number, uint32_t form = 0) {
    DescriptorBytes image{};
    std::memcpy(image.bytes, &number, 8);
    return writer.Write(form, image.bytes);
  }
  uint64_t Word(uint32_t slot, uint32_t word) {
    uint64_t value;
    std::memcpy(&value, memory_->slots(0) + slot * 16 + word * 8, 8);
    return value;
  }
  template <typename T>
  void Poke(std::byte* at, T value) {
    std::memcpy(at, &value, sizeof value);
  }
  template <typename T>
  static T Peek(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }

  v1::Layout layout_;
  v1::Form* form_ = nullptr;
  v1::Ring* ring_ = nullptr;
  std::unique_ptr<RingMemory> memory_;
};

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

TEST_F(OneRing, OldBytesOfFurtherSlotsNeverLookNewWhereTheLayoutFillsThem) {
  form_->set_size_bytes(48);
  form_->set_slots(3);
  AddField(form_, "own", "own", 12, 4, 31, 1);
  CompareState(AddCase(ring_->mutable_posted()->mutable_when()), 0, 1, v1::OPERATOR_EQUAL,
               v1::RING_STATE_PHASE);
  ring_->mutable_phase()->set_initial(0);
  ring_->mutable_phase()->set_flip(v1::PHASE_FLIP_EACH_PASS);
  v1::FillValue* fill = ring_->add_fills();
  fill->mutable_field()->set_form(0);
  fill->mutable_field()->set_field(1);
  fill->set_opposite_phase(true);
  const RingShape shape = Shape(8);
  PostWriter writer = *PostWriter::Create(shape);
  PostReader reader = *PostReader::Create(shape);
  DescriptorBytes copy;
  FetchedDescriptor fetched;
  for (uint32_t turn = 0; turn < 40; ++turn) {
    ASSERT_EQ(reader.Next(copy.bytes, &fetched), RingFault::kEmpty) << turn;
    DescriptorBytes image;
    std::memset(image.bytes, turn % 2 == 0 ? 0xff : 0, sizeof image.bytes);
    writer.Write(0, image.bytes);
    writer.Commit();
    ASSERT_EQ(reader.Next(copy.bytes, &fetched), RingFault::kNone) << turn;
    EXPECT_EQ(fetched.index, turn * 3 % 8);
    EXPECT_EQ(fetched.slots, 3u);
    EXPECT_EQ(std::memcmp(copy.bytes + 16, image.bytes + 16, 32), 0);
    reader.Done(3);
    writer.Free(3);
  }
}

TEST_F(OneRing, PartsThatAreTooManyAreAFault) {
  form_->set_size_bytes(16);
  AddField(form_, "count", "", 8, 1, 0, 8);
  v1::Form* inner = AddForm(&layout_, "Part", 16);
  (void)inner;
  v1::ContainedForm* part = layout_.mutable_forms(0)->add_contains();
  part->set_form(1);
  part->set_appended(true);
  part->set_stride_bytes(16);
  part->set_max_count(200);
  part->set_count_field(1);
  ByDoorbell(v1::DOORBELL_SOURCE_PRODUCER_COUNT);
  for (const uint8_t count : {uint8_t{6}, uint8_t{40}, uint8_t{255}}) {
    const RingShape shape = Shape(8);
    PostReader reader = *PostReader::Create(shape);
    DescriptorBytes copy;
    FetchedDescriptor fetched;
    memory_->slots(0)[8] = std::byte{count};
    Poke<uint32_t>(memory_->view().rings[0].producer_doorbells[0], 5);
    if (count == 6) {
      // Not all of it is there.
      EXPECT_EQ(reader.Next(copy.bytes, &fetched), RingFault::kEmpty);
      Poke<uint32_t>(memory_->view().rings[0].producer_doorbells[0], 7);
      EXPECT_EQ(reader.Next(copy.bytes, &fetched), RingFault::kNone);
      EXPECT_EQ(fetched.slots, 7u);
      EXPECT_EQ(fetched.bytes, 112u);
    } else {
      EXPECT_EQ(reader.Next(copy.bytes, &fetched), RingFault::kChainTooLong);
    }
  }
}

TEST_F(OneRing, OfAFeatureThatWasNotChosenThereIsNothing) {
  v1::Feature* feature = layout_.add_features();
  feature->set_name("Mode");
  feature->add_choices("plain");
  feature->add_choices("other");
  ByDoorbell(v1::DOORBELL_SOURCE_PRODUCER_COUNT);
  v1::Doorbell* second = ring_->add_producer_doorbells();
  *second = ring_->producer_doorbells(0);
  second->add_features()->set_choice(1);
  PostWriter writer = *PostWriter::Create(Shape(4));
  Post(writer, 1);
  writer.Publish();
  EXPECT_EQ(Peek<uint32_t>(memory_->view().rings[0].producer_doorbells[0]), 1u);
  EXPECT_EQ(Peek<uint32_t>(memory_->view().rings[0].producer_doorbells[1]), 0u);
}

TEST_F(OneRing, SlotsOfAMegabyteTakeTheirFormsBytesOnly) {
  ring_->set_slot_bytes(1u << 20);
  AddField(form_, "status", "", 8, 4, 0, 32);
  Compare(AddCase(ring_->mutable_posted()->mutable_when()), 0, 1, v1::OPERATOR_EQUAL, 0);
  ring_->add_complete_forms(0);
  Compare(AddCase(ring_->mutable_completed()->mutable_when()), 0, 1, v1::OPERATOR_ANY_BITS, 1);
  const RingShape shape = Shape(3);
  PostWriter posts = *PostWriter::Create(shape);
  PostReader device = *PostReader::Create(shape);
  CompletionWriter completes = *CompletionWriter::Create(shape);
  CompletionReader reads = *CompletionReader::Create(shape);
  DescriptorBytes copy;
  FetchedDescriptor fetched;
  ReadCompletion read;
  for (uint64_t turn = 0; turn < 10; ++turn) {
    Post(posts, turn);
    posts.Commit();
    ASSERT_EQ(device.Next(copy.bytes, &fetched), RingFault::kNone);
    ASSERT_EQ(reads.Read(copy.bytes, &read), RingFault::kEmpty);
    memory_->slots(0)[(turn % 3 << 20) + 500] = std::byte{42};  // the block's bytes
    DescriptorBytes image{};
    Poke(image.bytes, turn + 100);
    completes.Write(0, image.bytes);
    device.Done(1);
    ASSERT_EQ(reads.Read(copy.bytes, &read), RingFault::kNone);
    EXPECT_EQ(Peek<uint64_t>(copy.bytes), turn + 100);
    EXPECT_EQ(memory_->slots(0)[(turn % 3 << 20) + 500], std::byte{42});
    reads.Take(1);
    posts.Free(1);
  }
  EXPECT_TRUE(memory_->GuardsWhole());
}

TEST_F(OneRing, TablesGiveEachSlotOnceAndTakeNoOtherNumber) {
  ring_->set_kind(v1::RING_KIND_TABLE);
  const RingShape shape = Shape(4);
  EXPECT_FALSE(PostWriter::Create(shape).ok());
  TableWriter driver = *TableWriter::Create(shape);
  TableReader device = *TableReader::Create(shape);
  for (uint32_t i = 0; i < 4; ++i) EXPECT_EQ(driver.Allocate(), i);
  EXPECT_EQ(driver.Allocate(), TableWriter::kNone);
  EXPECT_TRUE(driver.Free(2));
  EXPECT_FALSE(driver.Free(2));
  EXPECT_FALSE(driver.Free(4));
  EXPECT_EQ(driver.Allocate(), 2u);
  DescriptorBytes image{};
  Poke<uint64_t>(image.bytes, 99);
  driver.Write(2, 0, image.bytes);
  DescriptorBytes copy;
  uint32_t form = 7;
  ASSERT_EQ(device.Read(2, true, copy.bytes, &form), RingFault::kNone);
  EXPECT_EQ(form, 0u);
  EXPECT_EQ(Peek<uint64_t>(copy.bytes), 99u);
  EXPECT_EQ(device.Read(4, true, copy.bytes, &form), RingFault::kSlotOutOfRange);
  EXPECT_EQ(device.Read(~uint64_t{0}, true, copy.bytes, &form), RingFault::kSlotOutOfRange);
}

TEST_F(OneRing, RingsOfTwoByteSlotsAtAnyEvenPlace) {
  ring_->set_slot_bytes(2);
  ring_->set_alignment_bytes(2);
  form_->set_size_bytes(2);
  form_->clear_fields();
  AddField(form_, "index", "table.index", 0, 2, 0, 16);
  ring_->mutable_posted()->set_cell(0);
  AddCell(ring_, "index", 2, v1::CELL_MEANING_PRODUCER_COUNT, false);
  RingShape shape = Shape(8);
  memory_->view().rings[0].slots += 2;
  memory_->view().rings[0].slot_count = 7;
  shape = Again();
  PostWriter writer = *PostWriter::Create(shape);
  PostReader reader = *PostReader::Create(shape);
  DescriptorBytes copy{};
  FetchedDescriptor fetched;
  for (uint64_t i = 0; i < 100; ++i) {
    Post(writer, i);
    writer.Publish();
    ASSERT_EQ(reader.Next(copy.bytes, &fetched), RingFault::kNone);
    EXPECT_EQ(Peek<uint16_t>(copy.bytes), i);
    reader.Done(1);
    writer.Free(1);
  }
  EXPECT_TRUE(memory_->GuardsWhole());
}

TEST_F(OneRing, AConsumerThatSaysItReadWhatWasNotWrittenIsAFault) {
  ring_->clear_post_forms();
  ring_->add_complete_forms(0);
  AddField(form_, "phase", "phase", 15, 1, 7, 1);
  CompareState(AddCase(ring_->mutable_completed()->mutable_when()), 0, 1, v1::OPERATOR_EQUAL,
               v1::RING_STATE_PHASE);
  ring_->mutable_phase()->set_initial(1);
  ring_->mutable_phase()->set_flip(v1::PHASE_FLIP_EACH_PASS);
  AddDoorbell(ring_->mutable_consumer_doorbells(), v1::DOORBELL_SOURCE_CONSUMER_COUNT);
  const RingShape shape = Shape(4);
  CompletionWriter writer = *CompletionWriter::Create(shape);
  DescriptorBytes image{};
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(writer.HasRoom(1));
    writer.Write(0, image.bytes);
  }
  EXPECT_FALSE(writer.HasRoom(1));
  EXPECT_EQ(writer.fault(), RingFault::kNone);
  Poke<uint32_t>(memory_->view().rings[0].consumer_doorbells[0], 2);
  EXPECT_TRUE(writer.HasRoom(2));
  EXPECT_FALSE(writer.HasRoom(3));
  Poke<uint32_t>(memory_->view().rings[0].consumer_doorbells[0], 5);
  EXPECT_FALSE(writer.HasRoom(3));
  EXPECT_EQ(writer.fault(), RingFault::kDoorbellOutOfRange);
}

TEST_F(OneRing, TheLastSlotAloneIsMarked) {
  AddField(form_, "end", "ring.last", 8, 4, 30, 1);
  ByDoorbell(v1::DOORBELL_SOURCE_PRODUCER_COUNT);
  ring_->mutable_wrap()->mutable_last_slot_field()->set_field(1);
  PostWriter writer = *PostWriter::Create(Shape(4));
  for (uint32_t i = 0; i < 12; ++i) {
    DescriptorBytes image;
    std::memset(image.bytes, 0xff, sizeof image.bytes);
    const uint32_t slot = writer.Write(0, image.bytes);
    EXPECT_EQ((Word(slot, 1) >> 30) & 1, slot == 3 ? 1u : 0u);
    writer.Publish();
    writer.Free(1);
  }
}

}  // namespace
}  // namespace qsplit::dataplane
