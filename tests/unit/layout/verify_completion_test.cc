// What completions say: each rule has a layout that breaks it.
#include "descriptor-lang/layout/canonical.h"
#include "tests/unit/layout/refusals.h"

namespace qsplit::layout {
namespace {

using L = Layout&;
using testing::BlocksMessage;
using testing::PartsMessage;
using testing::PhaseMessage;
using testing::SharedMessage;

class CompletionRefusal : public RefusalTest {};
TEST_P(CompletionRefusal, IsRefused) { ExpectRefused(); }

v1::CompletionRule& Rule(L l) { return *l.ring("completions").mutable_completes(0); }

INSTANTIATE_TEST_SUITE_P(
    Rules, CompletionRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"NoKey", [](L l) { Rule(l).clear_key(); }, "completes[0]: key 0 is none", PhaseMessage},
        {"UnknownKey", [](L l) { Rule(l).set_key(static_cast<v1::CompletionKey>(9)); },
         "completes[0]: key 9 is none", PhaseMessage},
        {"NoSuchRing",
         [](L l) {
           *l.ring("completions").add_completes() = Rule(l);
           l.ring("completions").mutable_completes(1)->set_ring(2);
         },
         "completes[1]: ring 2 of 2", PhaseMessage},
        {"NothingPosted",
         [](L l) {
           *l.ring("completions").add_completes() = Rule(l);
           l.ring("completions").mutable_completes(1)->set_ring(1);
         },
         "completes[1]: the driver posts nothing in ring completions", PhaseMessage},
        {"InPlaceElsewhere",
         [](L l) {
           Rule(l).set_key(v1::COMPLETION_KEY_IN_PLACE);
           Rule(l).clear_fields();
         },
         "completes[0]: in place, but in the other ring work", PhaseMessage},
        {"CompletedInAnotherWay",
         [](L l) {
           *l.ring("work").mutable_completed()->mutable_when() =
               l.when("RxDone", "opcode", v1::OPERATOR_EQUAL, 1);
           l.ring("work").add_complete_forms(l.form_index("RxDone"));
           l.ring("work").add_completes()->set_key(v1::COMPLETION_KEY_IN_PLACE);
         },
         "completes[0]: ring work is completed in another way", PhaseMessage},
        {"NeverBeside",
         [](L l) {
           l.AddFeature();
           v1::Ring other = l.ring("completions");
           other.set_name("other");
           *l.rx().add_rings() = other;
           l.ring("work").add_features()->set_choice(1);
           l.ring("completions").add_features()->set_choice(0);
         },
         "completes[0]: ring work never exists beside this one", PhaseMessage},
        {"NoField", [](L l) { Rule(l).clear_fields(); },
         "COMPLETION_KEY_TAG needs a field that holds it", PhaseMessage},
        {"FieldInOrder", [](L l) { Rule(l).set_key(v1::COMPLETION_KEY_IN_ORDER); },
         "COMPLETION_KEY_IN_ORDER has no field", PhaseMessage},
        {"CumulativeInOrder",
         [](L l) {
           Rule(l).set_key(v1::COMPLETION_KEY_IN_ORDER);
           Rule(l).clear_fields();
           Rule(l).set_cumulative(true);
         },
         "cumulative, but COMPLETION_KEY_IN_ORDER does not say up to where", PhaseMessage},
        {"CumulativeByAddress",
         [](L l) { l.rx().mutable_rings(1)->mutable_completes(0)->set_cumulative(true); },
         "cumulative, but COMPLETION_KEY_ADDRESS does not say up to where", SharedMessage},
        {"NoTag", [](L l) { l.field("RxPost", "tag").set_role(""); },
         "by tag, but no post form of ring work has the role tag or buffer.tag", PhaseMessage},
        {"NoAddress", [](L l) { l.field("Fill", "address").set_role(""); },
         "by address, but no post form of ring fill has the role buffer.address", SharedMessage},
        {"ForeignField", [](L l) { *Rule(l).mutable_fields(0) = l.reference("RxPost", "address"); },
         "completes[0].fields[0]: field RxPost.address is not of a form that the device completes",
         PhaseMessage},
        {"MissingField", [](L l) { Rule(l).mutable_fields(0)->set_field(77); },
         "fields[0]: form RxDone has no field 77", PhaseMessage},
        {"TwoFields", [](L l) { *Rule(l).add_fields() = l.reference("RxDone", "length"); },
         "fields[1]: a second field of RxDone", PhaseMessage},
        {"WhenOfAPost",
         [](L l) { *Rule(l).mutable_when() = l.when("RxPost", "tag", v1::OPERATOR_EQUAL, 1); },
         "completes[0].when.any_of[0].all_of[0]: field RxPost.tag is not of a form", PhaseMessage},
        {"WhenOfThePhase",
         [](L l) { *Rule(l).mutable_when() = l.ring("completions").completed().when(); },
         "compares with the ring's state", PhaseMessage},
        {"NotReached",
         [](L l) { *l.tx().mutable_rings(1)->add_completes() = l.tx().rings(1).completes(0); },
         "completes[1]: no completion is left for it", PhaseMessage},
        {"NothingCompleted", [](L l) { *l.ring("work").add_completes() = Rule(l); },
         "work.completes: rules, but the device completes nothing in the ring", PhaseMessage},
        {"TooMany",
         [](L l) {
           for (int i = 0; i < 16; ++i) *l.ring("completions").add_completes() = Rule(l);
         },
         "17 completion rules exceed the limit of 16", PhaseMessage},
    }),
    RefusalName);

v1::CompressedEntries& Entries(L l) { return *l.ring("completions").mutable_compressed(); }

INSTANTIATE_TEST_SUITE_P(
    Compressed, CompletionRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"Form", [](L l) { Entries(l).set_title_form(77); }, "compressed: title form 77 and",
         PartsMessage},
        {"MiniForm", [](L l) { Entries(l).set_mini_form(77); }, "mini form 77 of", PartsMessage},
        {"InPlace",
         [](L l) {
           l.rx_ring().mutable_compressed()->set_title_form(l.form_index("RxDone"));
           l.rx_ring().mutable_compressed()->set_mini_form(l.form_index("TxDone"));
         },
         "compressed: only completions in a ring of their own can be compressed"},
        {"TitleNotCompleted", [](L l) { Entries(l).set_title_form(l.form_index("TxPost")); },
         "title form TxPost is not a form that the device completes in the ring", PartsMessage},
        {"TitleOfTwoSlots", [](L l) { l.form("RxDone").set_slots(2); },
         "title form RxDone takes 2 slots", PartsMessage},
        {"MiniIsFull", [](L l) { Entries(l).set_mini_form(l.form_index("RxDone")); },
         "mini form RxDone is also a full completion of the ring", PartsMessage},
        {"TooMany", [](L l) { Entries(l).set_per_slot(9); },
         "9 entries of 8 bytes exceed the slot of 64", PartsMessage},
        {"None", [](L l) { Entries(l).set_per_slot(0); }, "0 entries in a slot are not in 1..64",
         PartsMessage},
        {"NoCount", [](L l) { Entries(l).clear_count(); }, "no field says how many entries follow",
         PartsMessage},
        {"CountOfTheMini", [](L l) { *Entries(l).mutable_count() = l.reference("Mini", "length"); },
         "compressed.count: field Mini.length is not of the title form", PartsMessage},
        {"NoCondition", [](L l) { Entries(l).clear_when(); },
         "no condition tells a title from other completions", PartsMessage},
        {"ConditionOfTheMini",
         [](L l) { *Entries(l).mutable_when() = l.when("Mini", "hash", v1::OPERATOR_EQUAL, 1); },
         "compressed.when.any_of[0].all_of[0]: field Mini.hash is not of the title form",
         PartsMessage},
    }),
    RefusalName);

v1::SlotPackets& Packets(L l) { return *l.ring("blocks").mutable_packets(); }

INSTANTIATE_TEST_SUITE_P(
    Packets, CompletionRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"Form", [](L l) { Packets(l).set_form(77); }, "packets: form 77 of", BlocksMessage},
        {"Sent", [](L l) { *l.ring("frames").mutable_packets() = Packets(l); },
         "packets in slots are received", BlocksMessage},
        {"NothingCompleted", [](L l) { l.ring("work").mutable_packets()->set_form(0); },
         "packets in slots are received, with a completion in front", PhaseMessage},
        {"Size", [](L l) { l.ring("blocks").set_slot_bytes(48); },
         "packets: form TxFrame of 2048 bytes exceeds the slot of 48",
         +[] {
           Layout l(BlocksMessage());
           l.field("TxFrame", "length").set_role("packet.length");
           v1::Field& offset = *l.form("TxFrame").add_fields();
           offset = l.field("TxFrame", "length");
           offset.set_name("offset");
           offset.set_role("packet.offset");
           offset.mutable_parts(0)->set_byte_offset(8);
           Packets(l).set_form(l.form_index("TxFrame"));
           *Packets(l).mutable_next() = l.reference("TxFrame", "status");
           return Canonicalize(l.message);
         }},
        {"NoOffset", [](L l) { l.field("Frame", "offset").set_role(""); },
         "form Frame has no field of role packet.offset", BlocksMessage},
        {"NoLength",
         [](L l) {
           l.field("Frame", "length").set_role("");
           l.field("Frame", "snap").set_role("");
         },
         "form Frame has no field of role packet.length or packet.snap_length", BlocksMessage},
        {"NoFirst", [](L l) { Packets(l).clear_first(); }, "needs the fields first, count and next",
         BlocksMessage},
        {"NoNext", [](L l) { Packets(l).clear_next(); }, "needs the fields first, count and next",
         BlocksMessage},
        {"FirstOfThePost",
         [](L l) { *Packets(l).mutable_first() = l.reference("BlockFree", "user"); },
         "packets.first: field BlockFree.user is not of a form that the device completes",
         BlocksMessage},
        {"CountOfTheFrame",
         [](L l) { *Packets(l).mutable_count() = l.reference("Frame", "length"); },
         "packets.count: field Frame.length is not of a form that the device completes",
         BlocksMessage},
        {"NextOfTheBlock",
         [](L l) { *Packets(l).mutable_next() = l.reference("BlockFull", "first"); },
         "packets.next: field BlockFull.first is not of the form in front of each packet",
         BlocksMessage},
    }),
    RefusalName);

// One form of completion after the other: unconditional for the one, then for all.
TEST(Completion, RulesAreTriedInTurn) {
  Layout layout(PhaseMessage());
  v1::Ring& ring = layout.ring("completions");
  v1::CompletionRule& rest = *ring.add_completes();
  rest.set_key(v1::COMPLETION_KEY_IN_ORDER);
  rest.set_ring(0);
  absl::Status status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_TRUE(status.ok()) << status;
  std::swap(*ring.mutable_completes(0), *ring.mutable_completes(1));
  status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("no completion is left for it"));
}

// Completions that name nothing: an event.
TEST(Completion, ARingOfEventsCompletesNothing) {
  Layout layout(PhaseMessage());
  v1::Ring events = layout.ring("completions");
  events.set_name("events");
  events.clear_completes();
  *layout.rx().add_rings() = events;
  const absl::Status status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace qsplit::layout
