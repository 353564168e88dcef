// What stands in a ring's slots: descriptors of several slots, parts, tables, odd sizes, marked
// ends; and hostile values in them. How far each side is: ring_layer_test.cc.
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
using testing::AddForm;
using testing::Compare;
using testing::CompareState;

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
