#include "descriptor-lang/layout/canonical.h"
#include "tests/unit/layout/refusals.h"

namespace qsplit::layout {
namespace {

using L = Layout&;

class FormRefusal : public RefusalTest {};
TEST_P(FormRefusal, IsRefused) { ExpectRefused(); }

// A part of TxContext (forms[2]): RxDone (forms[0]) or RxPost (forms[1]), 16 bytes each.
v1::ContainedForm& AddPart(L l, uint32_t form = 0, uint32_t at = 16, bool appended = true) {
  v1::ContainedForm& part = *l.form("TxContext").add_contains();
  part.set_name("part" + std::to_string(l.form("TxContext").contains_size()));
  part.set_form(form);
  part.set_byte_offset(at);
  part.set_stride_bytes(16);
  part.set_max_count(1);
  part.set_appended(appended);
  return part;
}

INSTANTIATE_TEST_SUITE_P(
    Shape, FormRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"NoForms", [](L l) { l.message.clear_forms(); }, "forms: none"},
        {"TooManyForms",
         [](L l) {
           for (int i = 0; i < 256; ++i) l.message.add_forms();
         },
         "forms: 261 forms exceed the limit of 256"},
        {"BadName", [](L l) { l.form("RxDone").set_name("Rx-Done"); }, "forms[0]: name `Rx-Done`"},
        {"NameTwice", [](L l) { l.form("RxDone").set_name("RxPost"); },
         "forms[1]: name RxPost is taken"},
        {"NoSize", [](L l) { l.form("RxDone").set_size_bytes(0); },
         "forms[0] RxDone: size of 0 bytes is not in 1..4096"},
        {"TooLarge", [](L l) { l.form("RxDone").set_size_bytes(4097); }, "size of 4097 bytes"},
        {"NoSlots", [](L l) { l.form("RxDone").set_slots(0); }, "0 slots are not in 1..256"},
        {"TooManyFields",
         [](L l) {
           for (int i = 0; i < 512; ++i) l.form("RxDone").add_fields();
         },
         "fields exceed the limit of 512"},
        {"TooManyFeatures",
         [](L l) {
           for (int i = 0; i < 33; ++i) l.form("RxDone").add_features();
         },
         "33 features exceed the limit of 32"},
        {"FeatureChoice",
         [](L l) {
           v1::Feature& feature = *l.message.add_features();
           feature.set_name("mode");
           feature.add_choices("a");
           feature.add_choices("b");
           l.form("RxDone").add_features()->set_choice(2);
         },
         "features[0]: choice 2 of 2 of feature mode"},
        {"FeatureTwice",
         [](L l) {
           v1::Feature& feature = *l.message.add_features();
           feature.set_name("mode");
           feature.add_choices("a");
           feature.add_choices("b");
           l.form("RxDone").add_features();
           l.form("RxDone").add_features()->set_choice(1);
         },
         "features[1]: feature mode twice"},
    }),
    RefusalName);

INSTANTIATE_TEST_SUITE_P(
    Sharing, FormRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"Bits", [](L l) { l.field("RxDone", "last").mutable_parts(0)->set_lsb(0); },
         "last: shares bits of byte 12 with done"},
        {"BitsOfAnotherOrder",
         [](L l) {
           v1::Bits& part = *l.field("RxDone", "last").mutable_parts(0);
           part.set_byte_order(v1::BYTE_ORDER_BIG);
           part.set_lsb(24);
         },
         "last: shares bits of byte 12 with done"},
        {"BytesAndBits",
         [](L l) { l.field("TxContext", "reserved_9").mutable_bytes()->set_byte_offset(8); },
         "reserved_9: shares bits of byte 8 with"},
        {"BytesAndBytes",
         [](L l) {
           v1::Field& field = *l.form("TxContext").add_fields();
           field = l.field("TxContext", "reserved_9");
           field.set_name("again");
         },
         "again: shares bits of byte 9 with reserved_9"},
        {"OneConditionIsNotEnough",
         [](L l) {
           v1::Field field = l.field("RxDone", "flow_mark");
           field.set_name("mark_of_tcp");
           field.set_role("");
           *field.mutable_valid_when() = l.when("RxDone", "is_tcp", v1::OPERATOR_EQUAL, 1);
           *l.form("RxDone").add_fields() = field;
         },
         "mark_of_tcp: shares bits of byte 10 with flow_mark"},
        {"ConditionsThatCanBothHold",
         [](L l) {
           *l.field("RxDone", "flow_mark").mutable_valid_when() =
               l.when("RxDone", "is_tcp", v1::OPERATOR_EQUAL, 0);
           v1::Field field = l.field("RxDone", "flow_mark");
           field.set_name("other");
           field.set_role("");
           *field.mutable_valid_when() = l.when("RxDone", "is_udp", v1::OPERATOR_EQUAL, 1);
           *l.form("RxDone").add_fields() = field;
         },
         "other: shares bits of byte 10 with flow_mark"},
        {"Role", [](L l) { l.field("RxDone", "flow_mark").set_role("packet.length"); },
         "role packet.length is also that of length"},
    }),
    RefusalName);

INSTANTIATE_TEST_SUITE_P(
    Parts, FormRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"Position", [](L l) { l.form("TxData").set_position(static_cast<v1::PacketPosition>(9)); },
         "TxData: position 9 is none"},
        {"NoPosition", [](L l) { l.form("TxData").clear_position(); },
         "TxData: position 0 is none"},
        {"NotBefore", [](L l) { AddPart(l, 2); },
         "forms[2] TxContext.contains[0] part1: form 2 must stand before its container 2"},
        {"NoSuchForm", [](L l) { AddPart(l, 500); }, "form 500 must stand before"},
        {"NoCount", [](L l) { AddPart(l).set_max_count(0); }, "max_count 0 is not in 1..4096"},
        {"TooMany", [](L l) { AddPart(l).set_max_count(5000); }, "max_count 5000"},
        {"Stride",
         [](L l) {
           AddPart(l).set_max_count(2);
           l.form("TxContext").mutable_contains(0)->set_stride_bytes(8);
         },
         "stride 8 is less than the 16 bytes of RxDone"},
        {"PastTheForm", [](L l) { AddPart(l, 0, 4, false); },
         "ends at byte 20 behind the limit of 16"},
        {"AppendedTooFar",
         [](L l) {
           AddPart(l).set_max_count(4096);
           l.form("TxContext").mutable_contains(0)->set_stride_bytes(UINT32_MAX);
         },
         "behind the limit of 65536"},
        {"AppendedInside", [](L l) { AddPart(l, 0, 8); },
         "is appended but begins at byte 8 inside the 16 bytes"},
        {"CountField", [](L l) { AddPart(l).set_count_field(40); }, "count field 40 of 13"},
        {"CountBytes",
         [](L l) { AddPart(l).set_count_field(l.field_index("TxContext", "reserved_9")); },
         "count field reserved_9 is a byte array"},
        {"NameOfAField", [](L l) { AddPart(l).set_name("l2_bytes"); }, "name l2_bytes is taken"},
        {"TooManyParts",
         [](L l) {
           for (int i = 0; i < 33; ++i) AddPart(l);
         },
         "33 parts exceed the limit of 32"},
        {"OverAField", [](L l) { AddPart(l, 0, 0, false); },
         "shares byte 0 with the field l2_bytes"},
        {"OverEachOther",
         [](L l) {
           l.form("TxContext").clear_fields();
           AddPart(l, 0, 0, false);
           AddPart(l, 1, 0, false);
         },
         "part2: shares bytes with the part part1, and nothing tells their forms apart"},
        {"AppendedOverEachOther",
         [](L l) {
           AddPart(l, 0).set_max_count(2);
           AddPart(l, 1, 32);
         },
         "shares bytes with the part part1, and nothing tells their forms apart"},
        {"BehindAVaryingPart",
         [](L l) {
           AddPart(l, 0).set_count_field(0);
           AddPart(l, 1, 32);
         },
         "part2 stands behind part1, of which there may be fewer"},
        {"AppendedInAPart",
         [](L l) {
           AddPart(l);
           v1::ContainedForm& outer = *l.form("TxData").add_contains();
           outer = l.form("TxContext").contains(0);
           outer.set_form(2);
         },
         "form TxContext has appended parts; such a form cannot be a part"},
    }),
    RefusalName);

// What the refusals above leave: sharing that is in order.
TEST(Forms, BitsMayBeSharedByFieldsThatExcludeEachOther) {
  struct {
    v1::Operator op_a;
    uint64_t a;
    v1::Operator op_b;
    uint64_t b;
    bool fine;
  } const cases[] = {
      {v1::OPERATOR_EQUAL, 1, v1::OPERATOR_EQUAL, 2, true},
      {v1::OPERATOR_EQUAL, 1, v1::OPERATOR_EQUAL, 1, false},
      {v1::OPERATOR_EQUAL, 1, v1::OPERATOR_NOT_EQUAL, 1, true},
      {v1::OPERATOR_EQUAL, 1, v1::OPERATOR_NOT_EQUAL, 2, false},
      {v1::OPERATOR_LESS, 4, v1::OPERATOR_GREATER_OR_EQUAL, 4, true},
      {v1::OPERATOR_LESS, 5, v1::OPERATOR_GREATER_OR_EQUAL, 4, false},
      {v1::OPERATOR_LESS_OR_EQUAL, 3, v1::OPERATOR_GREATER, 3, true},
      {v1::OPERATOR_ANY_BITS, 4, v1::OPERATOR_NO_BITS, 6, true},
      {v1::OPERATOR_ANY_BITS, 5, v1::OPERATOR_NO_BITS, 6, false},
      {v1::OPERATOR_EQUAL, 3, v1::OPERATOR_NO_BITS, 1, true},
      {v1::OPERATOR_EQUAL, 3, v1::OPERATOR_ANY_BITS, 12, true},
      {v1::OPERATOR_EQUAL, 3, v1::OPERATOR_ANY_BITS, 2, false},
      {v1::OPERATOR_GREATER, 7, v1::OPERATOR_EQUAL, 7, true},
  };
  for (const auto& test : cases) {
    Layout layout(testing::SimpleMessage());
    v1::Field other = layout.field("RxDone", "flow_mark");
    other.set_name("other");  // the same role too
    *other.mutable_valid_when() = layout.when("RxDone", "hash_type", test.op_b, test.b);
    *layout.field("RxDone", "flow_mark").mutable_valid_when() =
        layout.when("RxDone", "hash_type", test.op_a, test.a);
    *layout.form("RxDone").add_fields() = other;
    const absl::Status status = VerifyLayout(Canonicalize(layout.message));
    EXPECT_EQ(status.ok(), test.fine)
        << v1::Operator_Name(test.op_a) << " " << test.a << ", " << v1::Operator_Name(test.op_b)
        << " " << test.b << ": " << status;
  }
}

TEST(Forms, BitsMayBeSharedByFieldsOfDifferentFeatures) {
  Layout layout(testing::SimpleMessage());
  v1::Feature& feature = *layout.message.add_features();
  feature.set_name("mode");
  feature.add_choices("plain");
  feature.add_choices("marked");
  v1::Field other = layout.field("RxDone", "flow_mark");
  other.set_name("other");
  other.add_features()->set_choice(1);
  *layout.form("RxDone").add_fields() = other;
  EXPECT_FALSE(VerifyLayout(Canonicalize(layout.message)).ok());  // flow_mark is always there
  layout.field("RxDone", "flow_mark").add_features()->set_choice(0);
  const absl::Status status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_TRUE(status.ok()) << status;
}

TEST(Forms, PartsInsideAndBehind) {
  Layout layout(testing::SimpleMessage());
  v1::ContainedForm& part = AddPart(layout);
  part.set_max_count(100);
  part.set_count_field(layout.field_index("TxContext", "l4_bytes"));
  const absl::Status status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_TRUE(status.ok()) << status;
}

TEST(Forms, AppendedPartsFollowOneAnother) {
  Layout layout(testing::SimpleMessage());
  AddPart(layout, 0).set_max_count(2);
  v1::ContainedForm& last = AddPart(layout, 1, 48);
  last.set_max_count(50);
  last.set_count_field(layout.field_index("TxContext", "l4_bytes"));
  // The two that are always there need two slots more, and the ring has eight.
  absl::Status status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_TRUE(status.ok()) << status;
  layout.form("TxContext").mutable_contains(0)->set_max_count(8);
  layout.form("TxContext").mutable_contains(1)->set_byte_offset(144);
  status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr("form TxContext takes 9 slots of 8"));
}

TEST(Forms, AppendedPartsOfDifferentFeaturesMayStandInOnePlace) {
  Layout layout(testing::SimpleMessage());
  layout.AddFeature();
  for (const char* name : {"Wide", "Zero"}) {
    v1::Form& form = *layout.message.add_forms();
    form.set_name(name);
    form.set_size_bytes(16);
    form.add_features()->set_choice(name[0] == 'W' ? 0 : 1);
  }
  // Parts stand before their container.
  const uint32_t first = static_cast<uint32_t>(layout.message.forms_size()) - 2;
  AddPart(layout, first).set_count_field(layout.field_index("TxContext", "l4_bytes"));
  AddPart(layout, first + 1);
  absl::Status status = VerifyLayout(Canonicalize(layout.message));
  EXPECT_TRUE(status.ok()) << status;
  layout.form("Zero").mutable_features(0)->set_choice(0);
  EXPECT_FALSE(VerifyLayout(Canonicalize(layout.message)).ok());
}

TEST(Forms, RepeatableRolesMayRepeat) {
  Layout layout(testing::SimpleMessage());
  layout.field("RxDone", "l4_bad").set_role("error");
  const absl::Status status = VerifyLayout(layout.message);
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace qsplit::layout
