// How slots change hands: each rule has a layout that breaks it.
#include "descriptor-lang/layout/canonical.h"
#include "tests/unit/layout/refusals.h"

namespace qsplit::layout {
namespace {

using L = Layout&;
using testing::HeadMessage;
using testing::LinkMessage;
using testing::OwnBitMessage;
using testing::PhaseMessage;
using testing::SequenceMessage;
using testing::SharedMessage;
using testing::VirtioPackedMessage;
using testing::VirtioSplitMessage;

class HandoverRefusal : public RefusalTest {};
TEST_P(HandoverRefusal, IsRefused) { ExpectRefused(); }

v1::Comparison& First(v1::Handover& handover) {
  return *handover.mutable_when()->mutable_any_of(0)->mutable_all_of(0);
}

TEST(Handover, EveryProtocolIsAccepted) {
  const std::vector<v1::Layout> all = testing::ProtocolMessages();
  EXPECT_EQ(all.size(), 10u);
  for (const v1::Layout& message : all) {
    const absl::Status status = VerifyLayout(message);
    EXPECT_TRUE(status.ok()) << message.name() << ": " << status;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Posted, HandoverRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"None", [](L l) { l.rx_ring().clear_posted(); },
         "queues[0] receive.rings[0] descriptors.posted: none; nothing tells the device"},
        {"NoWay", [](L l) { l.rx_ring().mutable_posted()->clear_how(); },
         "posted: none; nothing tells the device"},
        {"OfNothing", [](L l) { l.ring("completions").mutable_posted()->set_doorbell(true); },
         "posted: the driver posts nothing in the ring", PhaseMessage},
        {"OfATable", [](L l) { l.ring("descriptors").mutable_posted()->set_doorbell(true); },
         "posted: a table's slots are named by descriptors of another ring", VirtioSplitMessage},
        {"Reported", [](L l) { l.rx_ring().mutable_posted()->set_only_where_reported(true); },
         "only where reported is for what the device completes"},
        {"ByCompletion", [](L l) { l.rx_ring().mutable_posted()->set_completion(true); },
         "a completion cannot tell the device what was posted"},
        {"NotByDoorbell", [](L l) { l.rx_ring().mutable_posted()->set_doorbell(false); },
         "a doorbell that does not say how far"},
        {"NoDoorbell", [](L l) { l.rx_ring().clear_producer_doorbells(); },
         "no producer doorbell tells the producer's index, count or increment"},
        {"DoorbellOfAnything",
         [](L l) { l.rx_ring().mutable_producer_doorbells(0)->clear_terms(); },
         "no producer doorbell tells the producer's index, count or increment"},
        {"Cell", [](L l) { l.ring("fill").mutable_posted()->set_cell(3); }, "posted: cell 3 of 3",
         SharedMessage},
        {"ConsumerCell", [](L l) { l.ring("fill").mutable_posted()->set_cell(0); },
         "posted: cell consumer holds neither the producer's index nor its count", SharedMessage},
        {"FlagCell", [](L l) { l.ring("fill").mutable_posted()->set_cell(1); },
         "posted: cell flags holds neither the producer's index nor its count", SharedMessage},
        {"Always", [](L l) { l.rx_ring().mutable_posted()->mutable_when()->clear_any_of(); },
         "posted: a condition without alternatives", OwnBitMessage},
        {"OverWhatIsCompleted",
         [](L l) {
           *First(*l.rx_ring().mutable_posted()).mutable_field() = l.reference("RxDone", "own");
         },
         "field RxDone.own is not of a form that the driver posts in the ring", OwnBitMessage},
    }),
    RefusalName);

// Two forms in one ring, told apart, and a condition of the first alone.
void PostTwo(L l) {
  for (const char* name : {"RxOwned", "TxOwned"}) {
    v1::Field& kind = *l.form(name).add_fields();
    kind = l.field(name, "own");
    kind.set_name("kind");
    kind.set_role("");
    kind.mutable_parts(0)->set_lsb(27);
    kind.set_constraint(v1::CONSTRAINT_CONSTANT);
    kind.set_constant(name[0] == 'R' ? 1 : 0);
  }
  l.tx_ring().add_post_forms(l.form_index("RxOwned"));
}

TEST(Handover, TheConditionSpeaksOfEachForm) {
  Layout layout(OwnBitMessage());
  PostTwo(layout);
  absl::Status status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr("posted.when: says nothing of RxOwned"));
  *layout.tx_ring().mutable_posted()->mutable_when()->add_any_of()->add_all_of() =
      layout.compare("RxOwned", "own", v1::OPERATOR_EQUAL, 1);
  status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_TRUE(status.ok()) << status;
  // Both in one alternative: no slot is of two forms.
  v1::Condition& when = *layout.tx_ring().mutable_posted()->mutable_when();
  *when.mutable_any_of(0)->add_all_of() = when.any_of(1).all_of(0);
  status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("they must be of one form"));
}

INSTANTIATE_TEST_SUITE_P(
    Completed, HandoverRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"None", [](L l) { l.rx_ring().clear_completed(); },
         "queues[0] receive.rings[0] descriptors.completed: none; nobody completes the ring"},
        {"ByDoorbell", [](L l) { l.rx_ring().mutable_completed()->set_doorbell(true); },
         "a doorbell cannot tell the driver what the device has finished"},
        {"NothingToLookAt",
         [](L l) {
           v1::Handover& completed = *l.ring("work").mutable_completed();
           *completed.mutable_when() = l.when("RxPost", "tag", v1::OPERATOR_EQUAL, 0);
         },
         "completed: a condition, but the ring has no complete form to look at", PhaseMessage},
        {"Always", [](L l) { l.rx_ring().mutable_completed()->mutable_when()->clear_any_of(); },
         "completed: a condition without alternatives"},
        {"ForeignField",
         [](L l) {
           *First(*l.rx_ring().mutable_completed()).mutable_field() = l.reference("TxDone", "done");
         },
         "field TxDone.done is not of a form that the device completes in the ring"},
        {"MissingField",
         [](L l) { First(*l.rx_ring().mutable_completed()).mutable_field()->set_field(60); },
         "completed.when.any_of[0].all_of[0]: form RxDone has no field 60"},
        {"AlreadyDone", [](L l) { l.field("TxData", "reserved_done").set_constant(1); },
         "completed: the condition already holds for what is posted as TxData"},
        {"AlreadyDoneByTheBit",
         [](L l) { First(*l.rx_ring().mutable_completed()).set_constant(1); },
         "completed: the condition already holds for what is posted as RxOwned", OwnBitMessage},
        {"AlreadyDoneByTheFill",
         [](L l) {
           v1::Handover& completed = *l.ring("completions").mutable_completed();
           *completed.mutable_when() = l.when("RxDone", "opcode", v1::OPERATOR_EQUAL, 15);
         },
         "completed: the condition already holds for what is filled into RxDone", PhaseMessage},
        {"Report", [](L l) { l.field("TxData", "report").set_role(""); },
         "completes only where reported, but no post form has the role report.request"},
        {"NoRuleOfItsOwn", [](L l) { l.rx_ring().clear_completes(); },
         "completed: no rule lets the ring's completions complete its own slots"},
        {"Cell", [](L l) { l.rx_ring().mutable_completed()->set_cell(1); },
         "completed: cell 1 of 1", HeadMessage},
        {"ProducerCellOfPosts", [](L l) { l.rx_ring().mutable_completed()->set_cell(2); },
         "completed: cell producer does not say how far the device is", SharedMessage},
        {"ConsumerCellOfCompletions",
         [](L l) { l.rx().mutable_rings(1)->mutable_completed()->set_cell(0); },
         "completed: cell consumer does not say how far the device is", SharedMessage},
        {"FlagCell", [](L l) { l.rx_ring().mutable_completed()->set_cell(1); },
         "completed: cell flags does not say how far the device is", SharedMessage},
        {"PendingForEver", [](L l) { l.tx_ring().clear_consumer_doorbells(); },
         "cell sent counts what is not acknowledged, but no consumer doorbell acknowledges",
         SequenceMessage},
        {"NotByCompletion", [](L l) { l.ring("work").mutable_completed()->set_completion(false); },
         "a completion that does not name the slot", PhaseMessage},
        {"ByNobody", [](L l) { l.ring("completions").clear_completes(); },
         "completions of no other ring name this one; nobody completes it", PhaseMessage},
        {"ByARingThatIsNeverThere",
         [](L l) {
           l.AddFeature();
           l.ring("work").add_features()->set_choice(1);
           l.ring("completions").add_features()->set_choice(0);
         },
         "completions of no other ring name this one; nobody completes it", PhaseMessage},
        {"NothingToComplete",
         [](L l) { l.ring("completions").mutable_completed()->set_completion(true); },
         "completed: the ring has nothing to complete", PhaseMessage},
        {"UnseenCompletions", [](L l) { l.rx_ring().mutable_completed()->set_completion(true); },
         "nothing says when the ring's own completions are there"},
        {"TableByACell", [](L l) { l.ring("descriptors").mutable_completed()->set_cell(0); },
         "a table is completed by completions in another ring", VirtioSplitMessage},
        {"TableByNobody", [](L l) { l.ring("used").clear_completes(); },
         "descriptors.completed: completions of no other ring name this one", VirtioSplitMessage},
    }),
    RefusalName);

INSTANTIATE_TEST_SUITE_P(
    State, HandoverRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"NoPhase", [](L l) { l.ring("completions").clear_phase(); },
         "compares with the phase, but the ring has none", PhaseMessage},
        {"PhaseInitial", [](L l) { l.ring("completions").mutable_phase()->set_initial(2); },
         "phase: initial phase 2 is neither 0 nor 1", PhaseMessage},
        {"PhaseFlip", [](L l) { l.ring("completions").mutable_phase()->clear_flip(); },
         "phase: flip 0 is none", PhaseMessage},
        {"PhaseWidth",
         [](L l) {
           *First(*l.ring("completions").mutable_completed()).mutable_field() =
               l.reference("RxDone", "length");
         },
         "field RxDone.length has 16 bits; it must have 1", PhaseMessage},
        {"PhaseOrder",
         [](L l) {
           First(*l.ring("completions").mutable_completed()).set_operator_(v1::OPERATOR_LESS);
         },
         "ring state can only be equal or not equal", PhaseMessage},
        {"StateNone",
         [](L l) {
           First(*l.ring("completions").mutable_completed()).set_state(v1::RING_STATE_UNSPECIFIED);
         },
         "ring state 0 is none", PhaseMessage},
        {"PhaseUnused",
         [](L l) { l.rx_ring().mutable_phase()->set_flip(v1::PHASE_FLIP_EACH_PASS); },
         "phase: no condition, field or doorbell uses it"},
        {"PhaseOfATable",
         [](L l) { l.ring("descriptors").mutable_phase()->set_flip(v1::PHASE_FLIP_EACH_PASS); },
         "phase: nobody passes over a table slot by slot", VirtioSplitMessage},
        {"PhaseWithoutALink", [](L l) { l.ring("transfers").clear_wrap(); },
         "flips by link, but no link form has the role phase.toggle", LinkMessage},
        {"PhaseWithoutAToggle", [](L l) { l.field("Link", "toggle").set_role(""); },
         "flips by link, but no link form has the role phase.toggle", LinkMessage},
        {"NoSequence", [](L l) { l.ring("done").clear_sequence(); },
         "compares with the sequence number, but the ring has none", SequenceMessage},
        {"SequenceWidth", [](L l) { l.ring("done").mutable_sequence()->set_last(8); },
         "sequence number 8 does not fit the 3 bits of RxDone.sequence", SequenceMessage},
        {"SequenceRange", [](L l) { l.ring("done").mutable_sequence()->set_first(7); },
         "sequence: first 7 is not less than last 7", SequenceMessage},
        {"SequenceInitial", [](L l) { l.ring("done").mutable_sequence()->set_initial(0); },
         "sequence: initial 0 is not in 1..7", SequenceMessage},
        {"SequenceUnused",
         [](L l) {
           l.rx_ring().mutable_sequence()->set_initial(1);
           l.rx_ring().mutable_sequence()->set_first(1);
           l.rx_ring().mutable_sequence()->set_last(7);
         },
         "sequence: no condition and no field uses it"},
        {"SequenceOrder",
         [](L l) {
           First(*l.ring("done").mutable_completed()).set_operator_(v1::OPERATOR_GREATER);
         },
         "ring state can only be equal or not equal", SequenceMessage},
        {"FillField",
         [](L l) {
           *l.ring("completions").mutable_fills(0)->mutable_field() = l.reference("RxPost", "tag");
         },
         "fills[0]: field RxPost.tag is not of a form that the device completes in the ring",
         PhaseMessage},
        {"FillValue", [](L l) { l.ring("completions").mutable_fills(0)->set_value(16); },
         "fills[0]: value 16 does not fit the 4 bits of RxDone.opcode", PhaseMessage},
        {"FillTwice",
         [](L l) { *l.ring("completions").add_fills() = l.ring("completions").fills(0); },
         "fills[1]: field RxDone.opcode twice", PhaseMessage},
        {"TooManyFills",
         [](L l) {
           for (int i = 0; i < 64; ++i) l.ring("completions").add_fills();
         },
         "65 fill values exceed the limit of 64", PhaseMessage},
    }),
    RefusalName);

TEST(Handover, TwoBitsAgainstThePhaseMaySwapSides) {
  Layout layout(VirtioPackedMessage());
  v1::Handover& posted = *layout.rx_ring().mutable_posted();
  for (v1::Comparison& comparison : *posted.mutable_when()->mutable_any_of(0)->mutable_all_of()) {
    comparison.set_operator_(v1::OPERATOR_EQUAL);
  }
  // Conditions with ring state are the engines' to judge: equal conditions are taken.
  const absl::Status status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace qsplit::layout
