#include "descriptor-lang/layout/canonical.h"
#include "tests/unit/layout/refusals.h"

namespace qsplit::layout {
namespace {

using L = Layout&;

class OwnershipRefusal : public RefusalTest {};
TEST_P(OwnershipRefusal, IsRefused) { ExpectRefused(); }

v1::Ownership& Owner(L l) { return *l.rx_ring().mutable_ownership(); }

// Each protocol, so set up that it is accepted.
void UseOwnBit(L l) {
  v1::Field own = l.field("RxDone", "done");
  own.set_name("own");
  own.set_role("own");
  v1::Field& rest = l.field("RxPost", "reserved_12");
  rest.mutable_parts(0)->set_lsb(1);
  rest.mutable_parts(0)->set_bits(31);
  *l.form("RxPost").add_fields() = own;
  *Owner(l).mutable_own_bit()->mutable_field() = l.reference("RxPost", "own");
  Owner(l).mutable_own_bit()->set_device_value(1);
}

void Key(L l, v1::CompletionKey key) { l.rx_ring().mutable_completes()->set_key(key); }

void UsePhase(L l) {
  *Owner(l).mutable_phase()->mutable_field() = l.reference("RxDone", "done");
  Owner(l).mutable_phase()->set_initial(1);
  Owner(l).mutable_phase()->set_flips_each_pass(true);
  v1::Condition when = l.when("RxDone", "done", v1::OPERATOR_EQUAL, 0);
  when.mutable_any_of(0)->mutable_all_of(0)->set_state(v1::RING_STATE_PHASE);
  *when.mutable_any_of(0)->add_all_of() = l.compare("RxDone", "hash_type", v1::OPERATOR_LESS, 9);
  *Owner(l).mutable_phase()->mutable_when() = when;
  Key(l, v1::COMPLETION_KEY_IN_ORDER);
}

void UseWrapBits(L l) {
  UseOwnBit(l);
  *Owner(l).mutable_wrap_bits()->mutable_available() = l.reference("RxPost", "own");
  *Owner(l).mutable_wrap_bits()->mutable_used() = l.reference("RxDone", "done");
  Owner(l).mutable_wrap_bits()->set_initial(1);
  Key(l, v1::COMPLETION_KEY_IN_ORDER);
}

void UseSequence(L l) {
  *Owner(l).mutable_sequence()->mutable_field() = l.reference("RxDone", "hash_type");
  Owner(l).mutable_sequence()->set_initial(1);
  Owner(l).mutable_sequence()->set_first(1);
  Owner(l).mutable_sequence()->set_last(7);
  Key(l, v1::COMPLETION_KEY_IN_ORDER);
}

v1::IndexCell& AddCell(L l, std::string name, v1::CellMeaning meaning) {
  v1::IndexCell& cell = *l.rx_ring().add_cells();
  cell.set_name(std::move(name));
  cell.set_bytes(4);
  cell.set_byte_order(v1::BYTE_ORDER_LITTLE);
  cell.set_meaning(meaning);
  cell.set_mask(0xffffffff);
  return cell;
}

void UseHead(L l) {
  AddCell(l, "head", v1::CELL_MEANING_WRAPPING_INDEX);
  Owner(l).mutable_head()->set_cell(0);
  Key(l, v1::COMPLETION_KEY_IN_ORDER);
}

void UseSharedIndices(L l) {
  AddCell(l, "consumer", v1::CELL_MEANING_FREE_RUNNING_COUNT);
  AddCell(l, "producer", v1::CELL_MEANING_FREE_RUNNING_COUNT);
  Owner(l).mutable_shared_indices()->set_consumer_cell(0);
  Owner(l).mutable_shared_indices()->set_producer_cell(1);
  Key(l, v1::COMPLETION_KEY_IN_ORDER);
}

void UseFill(L l) {
  *Owner(l).mutable_fill()->mutable_field() = l.reference("RxDone", "length");
  Owner(l).mutable_fill()->set_value(0xffff);
  Key(l, v1::COMPLETION_KEY_IN_ORDER);
}

// A work ring whose slots come back by a completion ring, by index.
void UseGivenBack(L l) {
  v1::Ring& completions = *l.rx().add_rings();
  completions = l.rx_ring();
  completions.set_name("completions");
  completions.clear_post_forms();
  completions.clear_producer_doorbells();
  l.rx_ring().clear_complete_forms();
  Owner(l).mutable_given_back()->set_by_ring(1);
  Key(l, v1::COMPLETION_KEY_NONE);
  v1::PhaseBit& phase = *completions.mutable_ownership()->mutable_phase();
  *phase.mutable_field() = l.reference("RxDone", "done");
  phase.set_flips_each_pass(true);
  v1::CompletionRule& rule = *completions.mutable_completes();
  rule.set_key(v1::COMPLETION_KEY_INDEX);
  rule.set_ring(0);
  *rule.mutable_field() = l.reference("RxDone", "flow_mark");
  rule.set_key_bits(16);
}

v1::CompletionRule& Rule(L l) { return *l.rx().mutable_rings(1)->mutable_completes(); }

void UseCompressed(L l) {
  UseGivenBack(l);
  v1::Form& mini = *l.message.add_forms();
  mini.set_name("ZMini");
  mini.set_size_bytes(8);
  mini.set_slots(1);
  v1::CompressedEntries& entries = *Rule(l).mutable_compressed();
  entries.set_title_form(l.form_index("RxDone"));
  entries.set_mini_form(l.form_index("ZMini"));
  entries.set_per_slot(2);
  *entries.mutable_count() = l.reference("RxDone", "length");
}

TEST(Ownership, EveryProtocolIsAccepted) {
  const std::vector<std::pair<std::string, std::function<void(Layout&)>>> protocols = {
      {"own bit", UseOwnBit},
      {"phase", UsePhase},
      {"wrap bits", UseWrapBits},
      {"sequence", UseSequence},
      {"head", UseHead},
      {"shared indices", UseSharedIndices},
      {"fill", UseFill},
      {"given back", UseGivenBack},
      {"compressed", UseCompressed}};
  for (const auto& [name, use] : protocols) {
    Layout layout(testing::SimpleMessage());
    use(layout);
    const absl::Status status = VerifyLayout(Canonicalize(layout.message));
    EXPECT_TRUE(status.ok()) << name << ": " << status;
  }
}

// Sets a protocol up, then breaks it.
std::function<void(Layout&)> After(void (*use)(Layout&), std::function<void(Layout&)> breaks) {
  return [use, breaks](Layout& l) {
    use(l);
    breaks(l);
  };
}

INSTANTIATE_TEST_SUITE_P(
    Protocols, OwnershipRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"None", [](L l) { l.rx_ring().clear_ownership(); },
         "queues[0] receive.rings[0] descriptors.ownership: none; nobody completes the ring"},
        {"InPlaceNothingPosted", [](L l) { l.rx_ring().clear_post_forms(); },
         "in_place: the ring has no post form"},
        {"InPlaceNoCondition", [](L l) { Owner(l).mutable_in_place()->clear_when(); },
         "no condition says when the device has finished"},
        {"InPlaceForeignField",
         [](L l) {
           *Owner(l).mutable_in_place()->mutable_when() =
               l.when("TxDone", "done", v1::OPERATOR_EQUAL, 1);
         },
         "field TxDone.done is not of a form that the device completes in the ring"},
        {"InPlaceMissingField",
         [](L l) {
           Owner(l)
               .mutable_in_place()
               ->mutable_when()
               ->mutable_any_of(0)
               ->mutable_all_of(0)
               ->mutable_field()
               ->set_field(60);
         },
         "in_place.when.any_of[0].all_of[0]: form RxDone has no field 60"},
        {"InPlaceTwoForms",
         [](L l) {
           v1::Ring& ring = l.tx_ring();
           ring.add_complete_forms(l.form_index("RxDone"));
           v1::Condition& when = *ring.mutable_ownership()->mutable_in_place()->mutable_when();
           *when.add_any_of()->add_all_of() = l.compare("RxDone", "done", v1::OPERATOR_EQUAL, 1);
           // Told apart by a constant over the same bits, so that the condition is what is wrong.
           v1::Field kind = l.field("TxData", "kind");
           *l.form("TxDone").add_fields() = kind;
           kind.set_constant(2);
           *l.form("RxDone").add_fields() = kind;
         },
         "they must be of one form"},
        {"InPlaceAlreadyDone", [](L l) { l.field("TxData", "reserved_done").set_constant(1); },
         "in_place: the condition already holds for what is posted as TxData"},
        {"InPlaceReport", [](L l) { l.field("TxData", "report").set_role(""); },
         "completes only where reported, but no post form has the role report.request"},
        {"InPlaceKey", [](L l) { Key(l, v1::COMPLETION_KEY_IN_ORDER); },
         "key COMPLETION_KEY_IN_ORDER does not go with the ownership in place"},
        {"OwnBitOfAComplete",
         After(UseOwnBit,
               [](L l) {
                 *Owner(l).mutable_own_bit()->mutable_field() = l.reference("RxDone", "done");
               }),
         "field RxDone.done is not of a form that the ring's producer posts"},
        {"OwnBitValue",
         After(UseOwnBit, [](L l) { Owner(l).mutable_own_bit()->set_device_value(2); }),
         "device value 2 does not fit the 1 bits of RxPost.own"},
        {"OwnBitNotInComplete",
         After(UseOwnBit,
               [](L l) {
                 *Owner(l).mutable_own_bit()->mutable_field() =
                     l.reference("RxPost", "buffer_address");
               }),
         "no form that the device completes has a field over the bits of RxPost.buffer_address"},
        {"PhaseField",
         After(UsePhase,
               [](L l) {
                 *Owner(l).mutable_phase()->mutable_field() = l.reference("RxDone", "length");
               }),
         "phase: field RxDone.length has 16 bits; it must have 1"},
        {"PhaseFieldMissing",
         After(UsePhase, [](L l) { Owner(l).mutable_phase()->mutable_field()->set_field(77); }),
         "phase: form RxDone has no field 77"},
        {"PhaseInitial", After(UsePhase, [](L l) { Owner(l).mutable_phase()->set_initial(2); }),
         "initial phase 2 is neither 0 nor 1"},
        {"PhaseStateWidth",
         After(UsePhase,
               [](L l) {
                 *Owner(l)
                      .mutable_phase()
                      ->mutable_when()
                      ->mutable_any_of(0)
                      ->mutable_all_of(0)
                      ->mutable_field() = l.reference("RxDone", "length");
               }),
         "field RxDone.length has 16 bits; it must have 1"},
        {"PhaseStateOrder",
         After(UsePhase,
               [](L l) {
                 Owner(l)
                     .mutable_phase()
                     ->mutable_when()
                     ->mutable_any_of(0)
                     ->mutable_all_of(0)
                     ->set_operator_(v1::OPERATOR_LESS);
               }),
         "one bit of ring state can only be equal or not equal"},
        {"PhaseStateNone",
         After(UsePhase,
               [](L l) {
                 Owner(l)
                     .mutable_phase()
                     ->mutable_when()
                     ->mutable_any_of(0)
                     ->mutable_all_of(0)
                     ->set_state(v1::RING_STATE_UNSPECIFIED);
               }),
         "ring state 0 is none"},
        {"WrapAvailable",
         After(UseWrapBits,
               [](L l) {
                 *Owner(l).mutable_wrap_bits()->mutable_available() = l.reference("RxDone", "done");
               }),
         "wrap_bits.available: field RxDone.done is not of a form that the ring's producer posts"},
        {"WrapUsed",
         After(UseWrapBits,
               [](L l) {
                 *Owner(l).mutable_wrap_bits()->mutable_used() = l.reference("RxDone", "length");
               }),
         "wrap_bits.used: field RxDone.length has 16 bits"},
        {"WrapInitial",
         After(UseWrapBits, [](L l) { Owner(l).mutable_wrap_bits()->set_initial(9); }),
         "initial wrap counter 9 is neither 0 nor 1"},
        {"SequenceWidth",
         After(UseSequence, [](L l) { Owner(l).mutable_sequence()->set_last(16); }),
         "last 16 does not fit the 4 bits of RxDone.hash_type"},
        {"SequenceRange",
         After(UseSequence, [](L l) { Owner(l).mutable_sequence()->set_first(7); }),
         "first 7 is not less than last 7"},
        {"SequenceInitial",
         After(UseSequence, [](L l) { Owner(l).mutable_sequence()->set_initial(0); }),
         "initial 0 is not in 1..7"},
        {"HeadCell", After(UseHead, [](L l) { Owner(l).mutable_head()->set_cell(1); }),
         "ownership.head: cell 1 of 1"},
        {"HeadMeaning",
         After(UseHead,
               [](L l) {
                 l.rx_ring().mutable_cells(0)->set_meaning(v1::CELL_MEANING_NEED_WAKEUP);
               }),
         "cell head holds neither an index nor a count"},
        {"SharedCell",
         After(UseSharedIndices,
               [](L l) { Owner(l).mutable_shared_indices()->set_consumer_cell(2); }),
         "consumer_cell: cell 2 of 2"},
        {"SharedTwice",
         After(UseSharedIndices,
               [](L l) { Owner(l).mutable_shared_indices()->set_consumer_cell(1); }),
         "producer and consumer share the cell producer"},
        {"FillValue", After(UseFill, [](L l) { Owner(l).mutable_fill()->set_value(0x10000); }),
         "value 65536 does not fit the 16 bits of RxDone.length"},
        {"GivenBackRing",
         After(UseGivenBack, [](L l) { Owner(l).mutable_given_back()->set_by_ring(2); }),
         "given_back: ring 2 of 2"},
        {"GivenBackItself",
         After(UseGivenBack, [](L l) { Owner(l).mutable_given_back()->set_by_ring(0); }),
         "a ring cannot give its own slots back"},
        {"GivenBackByNobody",
         After(UseGivenBack, [](L l) { Rule(l).set_key(v1::COMPLETION_KEY_NONE); }),
         "ring completions completes nothing, so nobody completes this one"},
        {"GivenBackInACircle",
         After(UseGivenBack,
               [](L l) {
                 l.rx().mutable_rings(1)->mutable_ownership()->mutable_given_back()->set_by_ring(0);
               }),
         "ring completions is itself given back, so nobody completes this one"},
    }),
    RefusalName);

INSTANTIATE_TEST_SUITE_P(
    Completions, OwnershipRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"NoKey", After(UseGivenBack, [](L l) { Rule(l).set_key(v1::COMPLETION_KEY_UNSPECIFIED); }),
         "completes: key 0 is none"},
        {"NoSuchRing", After(UseGivenBack, [](L l) { Rule(l).set_ring(2); }),
         "completes: ring 2 of 2"},
        {"InPlaceElsewhere",
         After(UseGivenBack, [](L l) { Rule(l).set_key(v1::COMPLETION_KEY_IN_PLACE); }),
         "key COMPLETION_KEY_IN_PLACE does not go with the ring's ownership"},
        {"NoneElsewhere",
         After(UseGivenBack, [](L l) { l.rx_ring().mutable_completes()->set_ring(1); }),
         "key COMPLETION_KEY_NONE with another ring, 1"},
        {"NoField", After(UseGivenBack, [](L l) { Rule(l).clear_field(); }),
         "key COMPLETION_KEY_INDEX needs a field that holds it"},
        {"FieldInOrder",
         After(UseGivenBack, [](L l) { Rule(l).set_key(v1::COMPLETION_KEY_IN_ORDER); }),
         "key COMPLETION_KEY_IN_ORDER has no field"},
        {"ForeignField",
         After(UseGivenBack,
               [](L l) { *Rule(l).mutable_field() = l.reference("RxPost", "buffer_address"); }),
         "field RxPost.buffer_address is not of a form that the device completes"},
        {"KeyBits", After(UseGivenBack, [](L l) { Rule(l).set_key_bits(17); }),
         "key bits 17 exceed the 16 bits of RxDone.flow_mark"},
        {"KeyBitsOfATag", After(UseGivenBack, [](L l) { Rule(l).set_key(v1::COMPLETION_KEY_TAG); }),
         "key bits 16 without an index as the key"},
        {"TitleForm",
         After(UseCompressed, [](L l) { Rule(l).mutable_compressed()->set_title_form(77); }),
         "title form 77"},
        {"TitleNotCompleted",
         After(UseCompressed,
               [](L l) { Rule(l).mutable_compressed()->set_title_form(l.form_index("TxData")); }),
         "title form TxData is not of a form that the device completes in the ring"},
        {"MiniTooMany",
         After(UseCompressed, [](L l) { Rule(l).mutable_compressed()->set_per_slot(3); }),
         "3 entries of 8 bytes exceed the slot of 16"},
        {"MiniNone",
         After(UseCompressed, [](L l) { Rule(l).mutable_compressed()->set_per_slot(0); }),
         "0 entries in a slot are not in 1..64"},
        {"NoCount", After(UseCompressed, [](L l) { Rule(l).mutable_compressed()->clear_count(); }),
         "no field says how many entries follow"},
    }),
    RefusalName);

}  // namespace
}  // namespace qsplit::layout
