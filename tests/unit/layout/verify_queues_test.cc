#include "tests/unit/layout/refusals.h"

namespace qsplit::layout {
namespace {

using L = Layout&;

class QueueRefusal : public RefusalTest {};
TEST_P(QueueRefusal, IsRefused) { ExpectRefused(); }

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

}  // namespace
}  // namespace qsplit::layout
