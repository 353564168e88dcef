// Cells that hold an index plus or minus one: what they begin with, and what each side makes of
// them.
#include <gtest/gtest.h>

#include <array>

#include "dataplane/ring_cells.h"

namespace qsplit::dataplane {
namespace {

constexpr uint32_t kSlots = 8;

class IndexPlus : public ::testing::Test {
 protected:
  IndexPlus() {
    v1::Queue& queue = *layout_.add_queues();
    v1::Ring& ring = *queue.add_rings();
    ring.set_slot_bytes(16);
    ring.mutable_slots()->set_min(kSlots);
    ring.mutable_slots()->set_max(kSlots);
    ring.mutable_slots()->set_step(1);
    ring.set_reserved_slots(1);
    AddCell(ring, v1::CELL_MEANING_PRODUCER_INDEX, 1);
    AddCell(ring, v1::CELL_MEANING_CONSUMER_INDEX, -1);
    view_.ring_count = 1;
    RingView& at = view_.rings[0];
    at.slots = reinterpret_cast<std::byte*>(slots_.data());
    at.slot_count = kSlots;
    for (size_t i = 0; i < cells_.size(); ++i) {
      at.cells[i] = reinterpret_cast<std::byte*>(&cells_[i]);
    }
    StartCells(ring, at);
    auto shape = ShapeRing(layout_, queue, 0, view_);
    EXPECT_TRUE(shape.ok()) << shape.status();
    shape_ = *std::move(shape);
  }

  static void AddCell(v1::Ring& ring, v1::CellMeaning meaning, int32_t plus) {
    v1::IndexCell& cell = *ring.add_cells();
    cell.set_name(plus > 0 ? "head" : "tail");
    cell.set_bytes(4);
    cell.set_byte_order(v1::BYTE_ORDER_LITTLE);
    cell.set_mask(0xffffffff);
    cell.set_meaning(meaning);
    cell.set_index_plus(plus);
  }

  v1::Layout layout_;
  QueueView view_;
  std::array<uint64_t, 2 * kSlots> slots_{};
  std::array<uint32_t, 2> cells_{};
  RingShape shape_;
};

TEST_F(IndexPlus, CellsBeginWhereNothingHasHappened) {
  EXPECT_EQ(cells_[0], 1u);
  EXPECT_EQ(cells_[1], kSlots - 1);
  for (uint32_t cell = 0; cell < 2; ++cell) {
    const auto reader = ProgressReader::OfCell(shape_, cell);
    ASSERT_TRUE(reader.ok()) << reader.status();
    uint32_t ahead = 99;
    ASSERT_TRUE(reader->Read(shape_.Begin(), 0, kSlots, &ahead));
    EXPECT_EQ(ahead, 0u);
  }
}

TEST_F(IndexPlus, WhatOneSideWritesTheOtherReads) {
  for (uint32_t cell = 0; cell < 2; ++cell) {
    const auto reader = ProgressReader::OfCell(shape_, cell);
    const auto writer = ProgressWriter::OfCell(shape_, cell);
    ASSERT_TRUE(reader.ok() && writer.ok());
    RingCursor at = shape_.Begin();
    for (uint32_t step = 0; step < 3 * kSlots; ++step) {
      RingCursor to = at;
      for (uint32_t ahead = 0; ahead < kSlots; ++ahead) {
        writer->Store(to);
        EXPECT_LT(cells_[cell], kSlots);
        uint32_t seen = 99;
        ASSERT_TRUE(reader->Read(at, 0, kSlots - 1, &seen));
        EXPECT_EQ(seen, ahead);
        to.NextSlot();
      }
      at.NextSlot();
    }
  }
}

TEST_F(IndexPlus, NoSlotThatTheRingLacksIsBelieved) {
  const auto reader = ProgressReader::OfCell(shape_, 0);
  ASSERT_TRUE(reader.ok());
  uint32_t ahead = 0;
  for (const uint32_t bad : {kSlots, kSlots + 1, 0x80000000u, 0xffffffffu}) {
    cells_[0] = bad;
    EXPECT_FALSE(reader->Read(shape_.Begin(), 0, kSlots, &ahead)) << bad;
  }
}

}  // namespace
}  // namespace qsplit::dataplane
