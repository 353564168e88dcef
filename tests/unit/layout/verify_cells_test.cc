// What stands beside a ring: each rule on cells and doorbells has a layout that breaks it.
#include "descriptor-lang/layout/canonical.h"
#include "tests/unit/layout/refusals.h"

namespace qsplit::layout {
namespace {

using L = Layout&;
using testing::HeadMessage;
using testing::PhaseMessage;
using testing::SequenceMessage;
using testing::SharedMessage;
using testing::VirtioPackedMessage;
using testing::VirtioSplitMessage;

class CellRefusal : public RefusalTest {};
TEST_P(CellRefusal, IsRefused) { ExpectRefused(); }

v1::IndexCell& Cell(v1::Ring& ring, std::string_view name) {
  for (v1::IndexCell& cell : *ring.mutable_cells()) {
    if (cell.name() == name) return cell;
  }
  ADD_FAILURE() << "no cell " << name;
  return *ring.add_cells();
}

INSTANTIATE_TEST_SUITE_P(
    Cells, CellRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"Gap", [](L l) { Cell(l.ring("fill"), "flags").set_mask(5); }, "flags: mask 0x5 has a gap",
         SharedMessage},
        {"RegisterWithAPlace", [](L l) { Cell(l.tx_ring(), "sent").set_offset_bytes(-4); },
         "sent: a register has no place beside the ring", SequenceMessage},
        {"Inside", [](L l) { Cell(l.ring("used"), "index").set_offset_bytes(0); },
         "index: offset 0 is inside the slots", VirtioSplitMessage},
        {"HalfInside", [](L l) { Cell(l.ring("used"), "index").set_offset_bytes(-1); },
         "index: offset -1 is inside the slots", VirtioSplitMessage},
        {"BehindButBefore",
         [](L l) { Cell(l.ring("available"), "used_event").set_offset_bytes(-2); },
         "used_event: offset -2 behind the last slot is negative", VirtioSplitMessage},
        {"Unaligned", [](L l) { Cell(l.ring("available"), "index").set_offset_bytes(-3); },
         "index: 2 bytes at offset -3 are not aligned", VirtioSplitMessage},
        {"RingUnaligned", [](L l) { l.ring("available").set_alignment_bytes(1); },
         "2 bytes at offset -4 are not aligned; the ring itself is to 1", VirtioSplitMessage},
        {"OnTheSameBytes", [](L l) { Cell(l.ring("available"), "index").set_offset_bytes(-4); },
         "index: shares bytes with the cell flags", VirtioSplitMessage},
        {"Overlapping",
         [](L l) {
           Cell(l.ring("available"), "flags").set_bytes(4);
           l.ring("available").set_alignment_bytes(4);
         },
         "index: shares bytes with the cell flags", VirtioSplitMessage},
        {"SaysTheSame",
         [](L l) { Cell(l.ring("available"), "avail_event").set_device_writes(false); },
         "used_event: cell avail_event says the same", VirtioSplitMessage},
        {"ProducerFromDevice",
         [](L l) { Cell(l.ring("fill"), "producer").set_device_writes(true); },
         "producer: what it holds is written by the driver", SharedMessage},
        {"ProducerFromDriver",
         [](L l) { Cell(*l.rx().mutable_rings(1), "producer").set_device_writes(false); },
         "producer: what it holds is written by the device", SharedMessage},
        {"ConsumerFromDriver",
         [](L l) { Cell(l.ring("fill"), "consumer").set_device_writes(false); },
         "consumer: what it holds is written by the device", SharedMessage},
        {"ConsumerFromDevice",
         [](L l) { Cell(*l.rx().mutable_rings(1), "consumer").set_device_writes(true); },
         "consumer: what it holds is written by the driver", SharedMessage},
        {"PendingFromDriver", [](L l) { Cell(l.tx_ring(), "sent").set_device_writes(false); },
         "sent: what it holds is written by the device", SequenceMessage},
        {"WakeupFromDriver", [](L l) { Cell(l.ring("fill"), "flags").set_device_writes(false); },
         "flags: what it holds is written by the device", SharedMessage},
        {"IndexTooNarrow", [](L l) { Cell(l.rx_ring(), "head").set_mask(0x7ff); },
         "head: values up to 2047 do not reach over 4096 slots", HeadMessage},
        {"CountTooNarrow", [](L l) { Cell(l.ring("fill"), "producer").set_mask(0xfffff); },
         "producer: values up to 1048575 do not reach over 1048576 slots", SharedMessage},
        {"Feature", [](L l) { Cell(l.ring("fill"), "flags").add_features()->set_feature(2); },
         "flags: features[0]: feature 2 of 0", SharedMessage},
        {"OfATable", [](L l) { *l.ring("descriptors").add_cells() = l.ring("used").cells(0); },
         "cells[0]: a table has no order that cells could tell", VirtioSplitMessage},
    }),
    RefusalName);

v1::Doorbell& Bell(v1::Ring& ring) { return *ring.mutable_producer_doorbells(0); }

INSTANTIATE_TEST_SUITE_P(
    Doorbells, CellRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"SuppressedByTheDriver", [](L l) { Bell(l.ring("available")).set_suppressed_by_cell(1); },
         "cell flags is written by the driver; the device must say it", VirtioSplitMessage},
        {"SuppressedByACount", [](L l) { Bell(l.ring("fill")).set_suppressed_by_cell(0); },
         "cell consumer says nothing about notifications", SharedMessage},
        {"PhaseWithoutOne",
         [](L l) { Bell(l.rx_ring()).mutable_terms(0)->set_source(v1::DOORBELL_SOURCE_PHASE); },
         "terms[0]: the phase, but the ring has none"},
        {"ProducerOfNothing",
         [](L l) { *l.ring("completions").add_producer_doorbells() = Bell(l.ring("work")); },
         "completions.producer_doorbells: the driver posts nothing in the ring", PhaseMessage},
        {"ProducerOfATable",
         [](L l) { *l.ring("descriptors").add_producer_doorbells() = Bell(l.ring("available")); },
         "a table has no order that a doorbell could tell", VirtioSplitMessage},
        {"ProducerCountOfNothing",
         [](L l) {
           l.ring("completions")
               .mutable_consumer_doorbells(0)
               ->mutable_terms(0)
               ->set_source(v1::DOORBELL_SOURCE_PRODUCER_COUNT);
         },
         "how far the driver has posted, but it posts nothing in the ring", PhaseMessage},
        {"CopyOfNothing",
         [](L l) {
           v1::Doorbell& bell = *l.ring("completions").add_consumer_doorbells();
           bell.set_target(v1::DOORBELL_TARGET_DESCRIPTOR);
           bell.set_bytes(8);
         },
         "a copy, but the driver posts nothing", PhaseMessage},
        {"MaskWithAHole", [](L l) { Bell(l.rx_ring()).mutable_terms(0)->set_mask(0xfffffffe); },
         "mask 0xfffffffe does not begin at the lowest bit, or has a gap"},
        {"IndexTooNarrow", [](L l) { Bell(l.rx_ring()).mutable_terms(0)->set_mask(0x7ff); },
         "terms[0]: values up to 2047 do not reach over 4096 slots"},
        {"CountTooNarrow", [](L l) { Bell(l.ring("work")).mutable_terms(0)->set_mask(0x7fff); },
         "terms[0]: values up to 32767 do not reach over 32768 slots", PhaseMessage},
        {"TermsOverEachOther",
         [](L l) {
           for (v1::DoorbellTerm& term : *Bell(l.rx_ring()).mutable_terms()) {
             if (term.source() == v1::DOORBELL_SOURCE_QUEUE_NUMBER) term.set_mask(0x1ffff);
           }
         },
         "shares bits with terms[0]; give both a mask", VirtioPackedMessage},
        {"ConstantOverTheIndex",
         [](L l) {
           v1::DoorbellTerm& term = *Bell(l.rx_ring()).add_terms();
           term.set_source(v1::DOORBELL_SOURCE_CONSTANT);
           term.set_mask(0xffffffff);
           term.set_constant(1);
         },
         "terms[0]: shares bits with terms[1]"},
    }),
    RefusalName);

TEST(Cells, MayShareBytesWhereFeaturesExcludeEachOther) {
  Layout layout(VirtioSplitMessage());
  Cell(layout.ring("available"), "avail_event").set_offset_bytes(0);
  Cell(layout.ring("available"), "avail_event").set_behind_slots(true);
  EXPECT_FALSE(VerifyLayout(Canonicalize(layout.message)).ok());
  Cell(layout.ring("available"), "avail_event").mutable_features(0)->set_choice(0);
  const absl::Status status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_TRUE(status.ok()) << status;
}

TEST(Cells, OfTheLargestRingReachAllSlots) {
  Layout layout(SharedMessage());
  Cell(layout.ring("fill"), "producer").set_mask(0x1fffff);
  const absl::Status status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace qsplit::layout
