#include "tests/unit/layout/refusals.h"

namespace qsplit::layout {
namespace {

using L = Layout&;

class ConditionRefusal : public RefusalTest {};
TEST_P(ConditionRefusal, IsRefused) { ExpectRefused(); }

INSTANTIATE_TEST_SUITE_P(
    Conditions, ConditionRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"NoSuchForm",
         [](L l) {
           l.field("RxDone", "hash")
               .mutable_valid_when()
               ->mutable_any_of(0)
               ->mutable_all_of(0)
               ->mutable_field()
               ->set_form(5);
         },
         "hash.valid_when.any_of[0].all_of[0]: form 5 of 5"},
        {"NoSuchField",
         [](L l) {
           l.field("RxDone", "hash")
               .mutable_valid_when()
               ->mutable_any_of(0)
               ->mutable_all_of(0)
               ->mutable_field()
               ->set_field(99);
         },
         "form RxDone has no field 99"},
        {"FieldOfAnotherForm",
         [](L l) {
           *l.field("RxDone", "hash").mutable_valid_when() =
               l.when("TxData", "kind", v1::OPERATOR_EQUAL, 1);
         },
         "field TxData.kind is not of the form, its container or its parts"},
        {"ByteArray",
         [](L l) {
           *l.field("TxContext", "vlan_tci").mutable_valid_when() =
               l.when("TxContext", "reserved_9", v1::OPERATOR_EQUAL, 1);
         },
         "reserved_9 is a byte array, not a number"},
        {"NoLeftSide",
         [](L l) {
           l.field("RxDone", "hash")
               .mutable_valid_when()
               ->mutable_any_of(0)
               ->mutable_all_of(0)
               ->clear_field();
         },
         "no field on the left side"},
        {"NoRightSide",
         [](L l) {
           l.field("RxDone", "hash")
               .mutable_valid_when()
               ->mutable_any_of(0)
               ->mutable_all_of(0)
               ->clear_constant();
         },
         "nothing on the right side"},
        {"NoOperator",
         [](L l) {
           l.field("RxDone", "hash")
               .mutable_valid_when()
               ->mutable_any_of(0)
               ->mutable_all_of(0)
               ->set_operator_(v1::OPERATOR_UNSPECIFIED);
         },
         "operator 0 is none"},
        {"UnknownOperator",
         [](L l) {
           l.field("RxDone", "hash")
               .mutable_valid_when()
               ->mutable_any_of(0)
               ->mutable_all_of(0)
               ->set_operator_(static_cast<v1::Operator>(77));
         },
         "operator 77 is none"},
        {"ConstantWidth",
         [](L l) {
           *l.field("RxDone", "hash").mutable_valid_when() =
               l.when("RxDone", "hash_type", v1::OPERATOR_EQUAL, 16);
         },
         "constant 16 does not fit the 4 bits of RxDone.hash_type"},
        {"Always",
         [](L l) {
           *l.field("RxDone", "hash").mutable_valid_when() =
               l.when("RxDone", "hash_type", v1::OPERATOR_LESS_OR_EQUAL, 15);
         },
         "holds for every value of RxDone.hash_type"},
        {"Never",
         [](L l) {
           *l.field("RxDone", "hash").mutable_valid_when() =
               l.when("RxDone", "hash_type", v1::OPERATOR_GREATER, 15);
         },
         "holds for no value of RxDone.hash_type"},
        {"ContradictsItself",
         [](L l) {
           v1::Condition when = l.when("RxDone", "hash_type", v1::OPERATOR_LESS, 3);
           *when.mutable_any_of(0)->add_all_of() =
               l.compare("RxDone", "hash_type", v1::OPERATOR_GREATER, 7);
           *l.field("RxDone", "hash").mutable_valid_when() = when;
         },
         "hash.valid_when.any_of[0]: can never hold"},
        {"RingState",
         [](L l) {
           v1::Condition when = l.when("RxDone", "is_tcp", v1::OPERATOR_EQUAL, 0);
           when.mutable_any_of(0)->mutable_all_of(0)->set_state(v1::RING_STATE_PHASE);
           *l.field("RxDone", "hash").mutable_valid_when() = when;
         },
         "compares with the ring's state; only what says how slots change hands may"},
        {"WithItself",
         [](L l) {
           v1::Condition when = l.when("RxDone", "is_tcp", v1::OPERATOR_EQUAL, 0);
           *when.mutable_any_of(0)->mutable_all_of(0)->mutable_other() =
               l.reference("RxDone", "is_tcp");
           *l.field("RxDone", "hash").mutable_valid_when() = when;
         },
         "compares RxDone.is_tcp with itself"},
        {"EmptyConjunction",
         [](L l) { l.field("RxDone", "hash").mutable_valid_when()->add_any_of(); },
         "any_of[1]: no comparison"},
        {"TooManyConjunctions",
         [](L l) {
           for (int i = 0; i < 16; ++i)
             l.field("RxDone", "hash").mutable_valid_when()->add_any_of();
         },
         "17 alternatives exceed the limit of 16"},
        {"TooManyComparisons",
         [](L l) {
           for (int i = 0; i < 16; ++i) {
             l.field("RxDone", "hash").mutable_valid_when()->mutable_any_of(0)->add_all_of();
           }
         },
         "17 comparisons exceed the limit of 16"},
        {"SelectorOfAnotherForm",
         [](L l) {
           *l.form("RxDone").mutable_selector() = l.when("TxData", "kind", v1::OPERATOR_EQUAL, 1);
         },
         "RxDone.selector.any_of[0].all_of[0]: field TxData.kind is not of the form itself"},
    }),
    RefusalName);

}  // namespace
}  // namespace qsplit::layout
