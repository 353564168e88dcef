#include "descriptor-lang/layout/canonical.h"
#include "tests/unit/layout/refusals.h"

namespace qsplit::layout {
namespace {

using L = Layout&;

class RingRefusal : public RefusalTest {};
TEST_P(RingRefusal, IsRefused) { ExpectRefused(); }

v1::IndexCell& AddCell(L l) {
  v1::IndexCell& cell = *l.rx_ring().add_cells();
  cell.set_name("wakeup");
  cell.set_bytes(4);
  cell.set_byte_order(v1::BYTE_ORDER_LITTLE);
  cell.set_meaning(v1::CELL_MEANING_NEED_WAKEUP);
  cell.set_mask(1);
  cell.set_device_writes(true);
  return cell;
}

v1::Doorbell& Bell(L l) { return *l.rx_ring().mutable_producer_doorbells(0); }

INSTANTIATE_TEST_SUITE_P(
    Rings, RingRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"NoSlotSize", [](L l) { l.rx_ring().set_slot_bytes(0); },
         "queues[0] receive.rings[0] descriptors: slots of 0 bytes are not in 1..1048576"},
        {"NoSlots", [](L l) { l.rx_ring().clear_slots(); },
         "slots 0..0 are no range in 1..1048576"},
        {"SlotsTurned", [](L l) { l.rx_ring().mutable_slots()->set_max(4); },
         "slots 8..4 are no range"},
        {"TooManySlots", [](L l) { l.rx_ring().mutable_slots()->set_max(1u << 21); },
         "slots 8..2097152 are no range"},
        {"NoStep", [](L l) { l.rx_ring().mutable_slots()->set_step(0); }, "slots step 0"},
        {"NoMultiple", [](L l) { l.rx_ring().mutable_slots()->set_max(4095); },
         "slots 8..4095 are no multiple of the step 8 apart"},
        {"PowerOfTwo",
         [](L l) {
           l.rx_ring().mutable_slots()->set_power_of_two(true);
           l.rx_ring().mutable_slots()->set_min(24);
         },
         "slots 24..4096 must both be powers of two"},
        {"Alignment", [](L l) { l.rx_ring().set_alignment_bytes(96); },
         "alignment of 96 bytes is no power of two"},
        {"NoAlignment", [](L l) { l.rx_ring().set_alignment_bytes(0); }, "alignment of 0 bytes"},
        {"Reserved", [](L l) { l.rx_ring().set_reserved_slots(8); },
         "8 reserved slots leave none of 8"},
        {"NoForms",
         [](L l) {
           l.rx_ring().clear_post_forms();
           l.rx_ring().clear_complete_forms();
         },
         "neither post nor complete forms"},
        {"NoSuchForm", [](L l) { l.rx_ring().add_post_forms(99); }, "post_forms: form 99 of 5"},
        {"FormTwice", [](L l) { l.rx_ring().add_complete_forms(0); },
         "complete_forms: form RxDone twice"},
        {"TooManyForms",
         [](L l) {
           for (int i = 0; i < 256; ++i) l.rx_ring().add_post_forms(0);
         },
         "257 forms exceed the limit of 256"},
        {"SlotTooSmall", [](L l) { l.rx_ring().set_slot_bytes(8); },
         "form RxPost of 16 bytes exceeds its 1 slots of 8 bytes"},
        {"FormSlots", [](L l) { l.form("RxPost").set_slots(9); }, "form RxPost takes 9 slots of 8"},
        {"NotToldApart", [](L l) { l.field("TxContext", "kind").set_constant(1); },
         "rings[0] descriptors.post_forms: nothing tells TxData and TxContext apart"},
        {"NotToldApartByOneSide",
         [](L l) {
           l.field("TxContext", "kind").set_constraint(v1::CONSTRAINT_IGNORED);
           l.field("TxContext", "kind").set_constant(0);
         },
         "nothing tells TxData and TxContext apart"},
        {"CellName", [](L l) { AddCell(l).set_name(""); }, "cells[0]: name ``"},
        {"CellWidth", [](L l) { AddCell(l).set_bytes(3); },
         "cells[0] wakeup: width of 3 bytes; it must be 1, 2, 4 or 8"},
        {"CellOrder", [](L l) { AddCell(l).clear_byte_order(); }, "byte order 0"},
        {"CellMeaning", [](L l) { AddCell(l).clear_meaning(); }, "meaning 0 is none"},
        {"CellMask", [](L l) { AddCell(l).set_mask(1ull << 32); },
         "mask 0x100000000 has no bit in 4 bytes, or one outside"},
        {"CellOffset", [](L l) { AddCell(l).set_offset_bytes(INT64_MIN); },
         "is farther than 1073741824 bytes from the ring"},
        {"CellBehind", [](L l) { AddCell(l).set_behind_slots(true); },
         "stands behind the slots, but has no offset"},
        {"TooManyCells",
         [](L l) {
           for (int i = 0; i < 17; ++i) AddCell(l);
         },
         "17 cells exceed the limit of 16"},
        {"RingFeature", [](L l) { l.rx_ring().add_features()->set_feature(3); },
         "features[0]: feature 3 of 0"},
        {"WrapField",
         [](L l) {
           *l.rx_ring().mutable_wrap()->mutable_last_slot_field() = l.reference("RxDone", "last");
         },
         "wrap.last_slot_field: field RxDone.last is not of a form that the driver posts in the ring"},
        {"WrapOfNothingPosted",
         [](L l) { l.ring("completions").mutable_wrap()->set_link_form(0); },
         "wrap: the driver posts nothing in the ring", testing::PhaseMessage},
        {"WrapOfATable",
         [](L l) { l.ring("descriptors").mutable_wrap()->set_link_form(0); },
         "nobody passes over the end of a table", testing::VirtioSplitMessage},
        {"WrapForm", [](L l) { l.rx_ring().mutable_wrap()->set_link_form(12); },
         "link form 12 of 5"},
        {"LinkSize", [](L l) { l.form("Link").set_slots(2); },
         "link form Link of 16 bytes exceeds the slot of 16", testing::LinkMessage},
        {"LinkAlone", [](L l) { l.ring("transfers").mutable_slots()->set_min(1); },
         "the link and 0 reserved slots leave none of 1", testing::LinkMessage},
        {"LinkIsPosted",
         [](L l) { l.ring("transfers").mutable_wrap()->set_link_form(l.form_index("RxPost")); },
         "link form RxPost is also posted", testing::LinkMessage},
        {"LinkNotToldApart", [](L l) { l.field("Link", "type").set_constant(1); },
         "wrap: nothing tells RxPost and Link apart", testing::LinkMessage},
        {"NoKind", [](L l) { l.rx_ring().clear_kind(); }, "kind 0 is none"},
        {"NoPosition", [](L l) { l.rx_ring().clear_position(); },
         "position 0 is none that a ring can have"},
        {"LastPosition", [](L l) { l.rx_ring().set_position(v1::PACKET_POSITION_LAST); },
         "position 3 is none that a ring can have"},
        {"PositionOfTransmit", [](L l) { l.tx_ring().set_position(v1::PACKET_POSITION_FIRST); },
         "only rings of receive buffers serve a part of each packet"},
        {"PositionOfCompletions",
         [](L l) { l.ring("completions").set_position(v1::PACKET_POSITION_FIRST); },
         "only rings of receive buffers serve a part of each packet", testing::PhaseMessage},
        {"NobodyBegins", [](L l) { l.rx_ring().set_position(v1::PACKET_POSITION_REST); },
         "buffers for the rest of each packet, but none for its beginning"},
        {"NobodyGoesOn", [](L l) { l.rx_ring().set_position(v1::PACKET_POSITION_FIRST); },
         "buffers for the beginning of each packet, but none for its rest"},
        {"NobodyNamesTheTable",
         [](L l) {
           l.field("Available", "index").set_role("");
           l.rx().mutable_rings(1)->mutable_completed()->set_cell(0);
           v1::IndexCell& cell = *l.rx().mutable_rings(1)->mutable_cells(0);
           cell.set_meaning(v1::CELL_MEANING_CONSUMER_COUNT);
         },
         "descriptors: a table, but no form posted in another ring has the role table.index",
         testing::VirtioSplitMessage},
    }),
    RefusalName);

INSTANTIATE_TEST_SUITE_P(
    Doorbells, RingRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"NoTarget", [](L l) { Bell(l).clear_target(); },
         "producer_doorbells[0]: target 0 is none"},
        {"Width", [](L l) { Bell(l).set_bytes(3); }, "store of 3 bytes; it must have 1, 2, 4 or 8"},
        {"Order", [](L l) { Bell(l).clear_byte_order(); }, "byte order 0"},
        {"OrderOfAByte",
         [](L l) {
           Bell(l).set_bytes(1);
           Bell(l).set_byte_order(v1::BYTE_ORDER_BIG);
           Bell(l).mutable_terms(0)->set_mask(0xff);
         },
         "is written as little"},
        {"Source", [](L l) { Bell(l).mutable_terms(0)->clear_source(); },
         "terms[0]: source 0 is none"},
        {"Shift", [](L l) { Bell(l).mutable_terms(0)->set_shift(32); },
         "shift 32 leaves the store of 4 bytes"},
        {"Mask", [](L l) { Bell(l).mutable_terms(0)->set_shift(1); },
         "mask 0xffffffff shifted by 1 has no bit in the store of 4 bytes, or one outside"},
        {"NoMask", [](L l) { Bell(l).mutable_terms(0)->set_mask(0); }, "mask 0x0"},
        {"Constant", [](L l) { Bell(l).mutable_terms(0)->set_constant(1); },
         "constant 1 with another source"},
        {"Barrier", [](L l) { Bell(l).clear_barrier(); }, "barrier 0 is none"},
        {"WakeupStores", [](L l) { Bell(l).set_target(v1::DOORBELL_TARGET_WAKEUP); },
         "a wakeup stores nothing, but has 4 bytes"},
        {"CopyWithTerms", [](L l) { Bell(l).set_target(v1::DOORBELL_TARGET_DESCRIPTOR); },
         "only a store to a register or to memory has terms"},
        {"CopySize",
         [](L l) {
           Bell(l).set_target(v1::DOORBELL_TARGET_DESCRIPTOR);
           Bell(l).set_bytes(5000);
         },
         "copy of 5000 bytes"},
        {"Suppressed", [](L l) { Bell(l).set_suppressed_by_cell(0); }, "suppressed by cell 0 of 0"},
        {"SuppressedByAnIndex",
         [](L l) {
           AddCell(l).set_meaning(v1::CELL_MEANING_CONSUMER_INDEX);
           l.rx_ring().mutable_cells(0)->set_mask(0xffffffff);
           Bell(l).set_suppressed_by_cell(0);
         },
         "cell wakeup says nothing about notifications"},
        {"TooMany",
         [](L l) {
           for (int i = 0; i < 8; ++i) *l.rx_ring().add_producer_doorbells() = Bell(l);
         },
         "9 doorbells exceed the limit of 8"},
        {"TooManyTerms",
         [](L l) {
           for (int i = 0; i < 8; ++i) Bell(l).add_terms();
         },
         "9 terms exceed the limit of 8"},
    }),
    RefusalName);

TEST(Rings, FormsAreToldApartByTheirPlaceInThePacket) {
  Layout layout(testing::SimpleMessage());
  layout.field("TxContext", "kind").set_constraint(v1::CONSTRAINT_NONE);
  layout.field("TxContext", "kind").set_constant(0);
  EXPECT_FALSE(VerifyLayout(Canonicalize(layout.message)).ok());
  layout.form("TxContext").set_position(v1::PACKET_POSITION_FIRST);
  EXPECT_FALSE(VerifyLayout(Canonicalize(layout.message)).ok());
  layout.form("TxData").set_position(v1::PACKET_POSITION_LAST);
  EXPECT_FALSE(VerifyLayout(Canonicalize(layout.message)).ok());  // a packet of one descriptor
  layout.form("TxData").set_position(v1::PACKET_POSITION_REST);
  const absl::Status status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_TRUE(status.ok()) << status;
}

TEST(Rings, BuffersOfAPacketMayComeFromTwoRings) {
  Layout layout(testing::PhaseMessage());
  layout.rx().mutable_packet()->set_span(v1::SPAN_BY_LENGTH);
  v1::Ring more = layout.ring("work");
  more.set_name("more");
  more.set_position(v1::PACKET_POSITION_REST);
  *layout.rx().add_rings() = more;
  layout.ring("work").set_position(v1::PACKET_POSITION_FIRST);
  v1::CompletionRule rule = layout.ring("completions").completes(0);
  rule.set_ring(2);
  rule.mutable_when()->mutable_any_of(0)->mutable_all_of(0)->set_constant(3);
  *layout.ring("completions").add_completes() = rule;
  const absl::Status status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_TRUE(status.ok()) << status;
}

TEST(Rings, FormsAreToldApartBySelectors) {
  Layout layout(testing::SimpleMessage());
  for (const char* form : {"TxContext", "TxData"}) {
    layout.field(form, "kind").set_constraint(v1::CONSTRAINT_NONE);
    layout.field(form, "kind").set_constant(0);
  }
  EXPECT_FALSE(VerifyLayout(Canonicalize(layout.message)).ok());
  *layout.form("TxContext").mutable_selector() =
      layout.when("TxContext", "kind", v1::OPERATOR_EQUAL, 2);
  EXPECT_FALSE(VerifyLayout(Canonicalize(layout.message)).ok());
  *layout.form("TxData").mutable_selector() =
      layout.when("TxData", "kind", v1::OPERATOR_NOT_EQUAL, 2);
  const absl::Status status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_TRUE(status.ok()) << status;
}

TEST(Rings, FormsAreToldApartByOneBitOfAWiderConstant) {
  Layout layout(testing::SimpleMessage());
  // The context says it with one bit, the data descriptor with a field of two.
  v1::Field& kind = layout.field("TxContext", "kind");
  kind.mutable_parts(0)->set_lsb(31);
  kind.mutable_parts(0)->set_bits(1);
  kind.set_constant(1);
  const absl::Status status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace qsplit::layout
