#include "descriptor-lang/layout/canonical.h"
#include "tests/unit/layout/refusals.h"

namespace qsplit::layout {
namespace {

using L = Layout&;

class QueueRefusal : public RefusalTest {};
TEST_P(QueueRefusal, IsRefused) { ExpectRefused(); }

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
    Queues, QueueRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"TooMany",
         [](L l) {
           for (int i = 0; i < 15; ++i) l.message.add_queues();
         },
         "queues: 17 queues exceed the limit of 16"},
        {"NameTwice", [](L l) { l.tx().set_name("receive"); }, "queues[1]: name receive is taken"},
        {"NoDirection", [](L l) { l.rx().set_direction(v1::DIRECTION_UNSPECIFIED); },
         "queues[0] receive: direction 0 is none"},
        {"UnknownDirection", [](L l) { l.rx().set_direction(static_cast<v1::Direction>(8)); },
         "direction 8 is none"},
        {"NoRing", [](L l) { l.rx().clear_rings(); }, "no ring; a queue has at least one"},
        {"TooManyRings",
         [](L l) {
           for (int i = 0; i < 8; ++i) *l.rx().add_rings() = l.rx_ring();
         },
         "9 rings exceed the limit of 8"},
        {"RingNameTwice", [](L l) { *l.rx().add_rings() = l.rx_ring(); },
         "rings[1]: name descriptors is taken"},
        {"RingName", [](L l) { l.rx_ring().set_name("a b"); }, "rings[0]: name `a b`"},
    }),
    RefusalName);

INSTANTIATE_TEST_SUITE_P(
    Rings, QueueRefusal,
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
    Doorbells, QueueRefusal,
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

INSTANTIATE_TEST_SUITE_P(
    Packets, QueueRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"NoRule", [](L l) { l.rx().clear_packet(); }, "queues[0] receive.packet: span 0 is none"},
        {"Length", [](L l) { l.rx().mutable_packet()->clear_length(); },
         "length meaning 0 is none"},
        {"Crc", [](L l) { l.rx().mutable_packet()->set_length_includes_crc_bytes(2); },
         "length includes 2 bytes of check sequence; it can be 0 or 4"},
        {"Prefix", [](L l) { l.rx().mutable_packet()->set_prefix_bytes(65536); },
         "prefix of 65536 bytes exceeds 65535"},
        {"NoBuffers", [](L l) { l.rx().mutable_packet()->set_buffers_per_descriptor(0); },
         "0 buffers per descriptor"},
        {"NoLast", [](L l) { l.rx().mutable_packet()->clear_last_when(); },
         "SPAN_ADJACENT_UNTIL_LAST needs the condition of the last descriptor"},
        {"LastOfOne", [](L l) { l.rx().mutable_packet()->set_span(v1::SPAN_SINGLE); },
         "SPAN_SINGLE has no condition of the last descriptor"},
        {"LastOfAnotherQueue",
         [](L l) {
           *l.rx().mutable_packet()->mutable_last_when() =
               l.when("TxData", "last", v1::OPERATOR_EQUAL, 1);
         },
         "field TxData.last is not of a form of the queue's rings"},
        {"LastOfTwoForms",
         [](L l) {
           v1::Condition when = l.when("TxData", "last", v1::OPERATOR_EQUAL, 1);
           *when.mutable_any_of(0)->add_all_of() =
               l.compare("TxContext", "is_ip4", v1::OPERATOR_EQUAL, 1);
           *l.tx().mutable_packet()->mutable_last_when() = when;
         },
         "looks at TxContext.is_ip4 beside fields of TxData; they must be of one form"},
        {"NoCount",
         [](L l) {
           l.rx().mutable_packet()->set_span(v1::SPAN_COUNT_IN_FIRST);
           l.rx().mutable_packet()->clear_last_when();
         },
         "SPAN_COUNT_IN_FIRST needs the field that holds its number"},
        {"FieldOfNone",
         [](L l) { *l.rx().mutable_packet()->add_fields() = l.reference("RxDone", "length"); },
         "SPAN_ADJACENT_UNTIL_LAST has no field"},
        {"FieldOfTheOtherQueue",
         [](L l) {
           v1::PacketRule& packet = *l.tx().mutable_packet();
           packet.set_span(v1::SPAN_COUNT_IN_FIRST);
           packet.clear_last_when();
           *packet.add_fields() = l.reference("RxDone", "length");
         },
         "packet.fields[0]: field RxDone.length is not of a form of the queue's rings"},
        {"TwoFieldsOfAForm",
         [](L l) {
           v1::PacketRule& packet = *l.tx().mutable_packet();
           packet.set_span(v1::SPAN_COUNT_IN_FIRST);
           packet.clear_last_when();
           *packet.add_fields() = l.reference("TxData", "length");
           *packet.add_fields() = l.reference("TxData", "total_length");
         },
         "fields[1]: a second field of TxData"},
        {"CompletionsOfTransmit",
         [](L l) {
           l.tx().mutable_packet()->set_span(v1::SPAN_COMPLETIONS);
           l.tx().mutable_packet()->clear_last_when();
         },
         "SPAN_COMPLETIONS is for packets that are received"},
        {"LengthOfTransmit",
         [](L l) {
           l.tx().mutable_packet()->set_span(v1::SPAN_BY_LENGTH);
           l.tx().mutable_packet()->clear_last_when();
         },
         "SPAN_BY_LENGTH is for packets that are received"},
        {"LengthWithACondition", [](L l) { l.rx().mutable_packet()->set_span(v1::SPAN_BY_LENGTH); },
         "SPAN_BY_LENGTH has no condition of the last descriptor"},
        {"CompletionsCountedInAPost",
         [](L l) {
           *l.rx().mutable_packet()->mutable_fields(0) = l.reference("RxDescriptor", "length");
         },
         "field RxDescriptor.length is not of a form that the device completes, or of the prefix",
         testing::VirtioSplitMessage},
        {"PrefixForm", [](L l) { l.rx().mutable_packet()->set_prefix_form(99); },
         "prefix form 99 of", testing::VirtioSplitMessage},
        {"PrefixSize", [](L l) { l.rx().mutable_packet()->set_prefix_bytes(10); },
         "prefix form NetHeader of 12 bytes for a prefix of 10", testing::VirtioSplitMessage},
        {"PrefixIsPosted",
         [](L l) {
           l.rx().mutable_packet()->set_prefix_form(l.form_index("RxPost"));
           l.rx().mutable_packet()->set_prefix_bytes(16);
         },
         "prefix form RxPost also stands in `receive`.`descriptors`"},
        {"PrefixIsContained",
         [](L l) {
           l.rx().mutable_packet()->set_prefix_form(l.form_index("Segment"));
           l.rx().mutable_packet()->set_prefix_bytes(16);
         },
         "prefix form Segment also stands in RxPost", testing::PartsMessage},
        {"LengthOfNoPrefix", [](L l) { l.rx().mutable_packet()->set_length_includes_prefix(true); },
         "lengths include a prefix, but there is none"},
        {"Buffers", [](L l) { l.rx().mutable_limits()->mutable_buffer()->set_min_bytes(70000); },
         "limits: buffers of 70000..65535 bytes are no range"},
        {"BufferStep", [](L l) { l.rx().mutable_limits()->mutable_buffer()->set_step_bytes(0); },
         "buffer step 0"},
        {"BufferMultiple",
         [](L l) { l.rx().mutable_limits()->mutable_buffer()->set_step_bytes(1024); },
         "are no multiple of the step 1024 apart"},
        {"BufferAlignment", [](L l) { l.rx().mutable_limits()->set_buffer_alignment_bytes(3); },
         "buffer alignment of 3 bytes is no power of two"},
        {"PacketBytes", [](L l) { l.tx().mutable_limits()->set_max_bytes_per_packet(16); },
         "packets of 17..16 bytes are no range"},
        {"ContextForm", [](L l) { l.tx().mutable_contexts(0)->set_form(9); },
         "contexts[0]: form 9 of 5"},
        {"ContextNotPosted",
         [](L l) { l.tx().mutable_contexts(0)->set_form(l.form_index("RxPost")); },
         "form RxPost is posted in no ring of the queue"},
        {"ContextBeforeBytesPosted",
         [](L l) {
           v1::ContextRule& rule = *l.tx().mutable_contexts(0);
           rule.set_before_bytes(true);
           rule.set_contexts(0);
           rule.set_lifetime(v1::CONTEXT_LIFETIME_PACKET);
         },
         "context TxContext also stands in `transmit`.`descriptors`"},
        {"ContextBeforeBytesOfManyPackets",
         [](L l) { l.tx().mutable_contexts(0)->set_before_bytes(true); },
         "form TxContext stands before a packet's bytes, but is not for one packet that is sent"},
        {"DoneForm", [](L l) { l.tx().mutable_contexts(0)->set_done_form(9); },
         "contexts[0]: done form 9 of 5"},
        {"DoneFormOfRing",
         [](L l) { l.tx().mutable_contexts(0)->set_done_form(l.form_index("RxPost")); },
         "form RxPost answers TxContext, which does not stand before a packet's bytes"},
        {"ContextTwice", [](L l) { *l.tx().add_contexts() = l.tx().contexts(0); },
         "contexts[1]: form TxContext twice"},
        {"Lifetime", [](L l) { l.tx().mutable_contexts(0)->clear_lifetime(); },
         "lifetime 0 is none"},
        {"NoContexts", [](L l) { l.tx().mutable_contexts(0)->set_contexts(0); },
         "0 contexts are not in 1..65536"},
        {"StickyContexts",
         [](L l) { l.tx().mutable_contexts(0)->set_lifetime(v1::CONTEXT_LIFETIME_STICKY); },
         "8 contexts, but they are not indexed"},
        {"ContextIndex", [](L l) { l.field("TxContext", "context_index").set_role(""); },
         "form TxContext has no field of role context.index, but the queue 8 contexts"},
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
