#include "descriptor-lang/layout/verify.h"

#include <chrono>
#include <string>

#include "descriptor-lang/layout/canonical.h"
#include "descriptor-lang/layout/limits.h"
#include "tests/unit/layout/refusals.h"

namespace qsplit::layout {
namespace {

using L = Layout&;

class LayoutRefusal : public RefusalTest {};
TEST_P(LayoutRefusal, IsRefused) { ExpectRefused(); }

v1::Enumeration& Hash(L l) { return *l.message.mutable_enumerations(0); }

v1::Feature& AddFeature(L l, std::string name = "mode") {
  v1::Feature& feature = *l.message.add_features();
  feature.set_name(std::move(name));
  feature.add_choices("a");
  feature.add_choices("b");
  return feature;
}

INSTANTIATE_TEST_SUITE_P(
    Top, LayoutRefusal,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"NoName", [](L l) { l.message.clear_name(); }, "name: `` of 0 bytes"},
        {"UpperCase", [](L l) { l.message.set_name("Test"); },
         "name: `Test` of 4 bytes; a layout's name is 1 to 64 of a-z 0-9 _ ."},
        {"LongName", [](L l) { l.message.set_name(std::string(65, 'a')); }, "of 65 bytes"},
        {"NameIsAPath", [](L l) { l.message.set_name("../x"); }, "name: `../x`"},
        {"TooLarge",
         [](L l) { l.message.mutable_documentation()->set_title(std::string(1u << 20, 'x')); },
         "bytes exceed the limit of 1048576"},
        {"UnknownField",
         [](L l) {
           l.message.GetReflection()->MutableUnknownFields(&l.message)->AddVarint(2047, 1);
         },
         "fields that this version does not know"},
        {"UnknownFieldDeepInside",
         [](L l) {
           v1::Field& field = l.field("RxDone", "length");
           field.GetReflection()->MutableUnknownFields(&field)->AddVarint(100, 0);
         },
         "fields that this version does not know"},
        {"EnumerationBits", [](L l) { Hash(l).set_bits(65); },
         "enumerations[0] HashType: 65 bits are not in 1..64"},
        {"EnumerationName", [](L l) { Hash(l).set_name("L4"); }, "name L4 is taken"},
        {"ValueName", [](L l) { Hash(l).mutable_values(1)->set_name("none"); },
         "values[1]: name none is taken"},
        {"ValueWidth", [](L l) { Hash(l).mutable_values(6)->set_value(16); },
         "values[6] udp6: value 16 does not fit 4 bits"},
        {"ValueTwice", [](L l) { Hash(l).mutable_values(1)->set_value(0); },
         "values[1] tcp4: value 0 is not greater than that of none"},
        {"TooManyEnumerations",
         [](L l) {
           for (int i = 0; i < 255; ++i) l.message.add_enumerations();
         },
         "257 enumerations exceed the limit of 256"},
        {"TooManyValues",
         [](L l) {
           for (int i = 0; i < 4096; ++i) Hash(l).add_values();
         },
         "4103 values exceed the limit of 4096"},
        {"FeatureChoices", [](L l) { AddFeature(l).mutable_choices()->RemoveLast(); },
         "features[0] mode: 1 choices; a feature has at least 2"},
        {"FeatureChoiceTwice", [](L l) { AddFeature(l).set_choices(1, "a"); }, "name a is taken"},
        {"FeatureTwice",
         [](L l) {
           AddFeature(l);
           AddFeature(l);
         },
         "features[1]: name mode is taken"},
        {"TooManyFeatures",
         [](L l) {
           for (int i = 0; i < 33; ++i) AddFeature(l, "f" + std::to_string(i));
         },
         "33 features exceed the limit of 32"},
        {"NoSources", [](L l) { l.message.mutable_documentation()->clear_sources(); },
         "documentation.sources: none; say where the facts come from"},
        {"EmptySource", [](L l) { l.message.mutable_documentation()->set_sources(0, ""); },
         "documentation.sources[0]: empty"},
        {"TitleNotUtf8", [](L l) { l.message.mutable_documentation()->set_title("\xff"); },
         "documentation.title: not UTF-8, or with control characters"},
        {"TitleOverlong", [](L l) { l.message.mutable_documentation()->set_title("\xc0\xaf"); },
         "not UTF-8"},
        {"TitleSurrogate",
         [](L l) { l.message.mutable_documentation()->set_title("\xed\xa0\x80"); }, "not UTF-8"},
        {"TitleCutOff", [](L l) { l.message.mutable_documentation()->set_title("\xe2\x82"); },
         "not UTF-8"},
        {"NoteSpeaksToTheTerminal",
         [](L l) { l.message.mutable_documentation()->add_notes()->set_text("\x1b[31m"); },
         "documentation.notes[0].text: not UTF-8, or with control characters"},
        {"LongNote",
         [](L l) {
           l.message.mutable_documentation()->add_notes()->set_text(std::string(5000, 'x'));
         },
         "5000 bytes exceed the limit of 4096"},
    }),
    RefusalName);

TEST(Verify, AcceptsNotesInAnyScript) {
  Layout layout(testing::SimpleMessage());
  v1::Note& note = *layout.message.mutable_documentation()->add_notes();
  note.set_path("RxDone.length");
  note.set_text("grün — 長さ\n\tσ ≤ 64 KiB 🙂");
  const absl::Status status = VerifyLayout(layout.message);
  EXPECT_TRUE(status.ok()) << status;
}

v1::Field& AddBits(v1::Form& form, uint32_t at, uint32_t lsb, uint32_t bits) {
  v1::Field& field = *form.add_fields();
  field.set_name("f" + std::to_string(form.fields_size()));
  v1::Bits& part = *field.add_parts();
  part.set_byte_offset(at);
  part.set_word_bytes(8);
  part.set_byte_order(v1::BYTE_ORDER_LITTLE);
  part.set_lsb(lsb);
  part.set_bits(bits);
  field.mutable_scale()->set_multiplier(1);
  field.set_constraint(v1::CONSTRAINT_NONE);
  field.set_position(v1::PACKET_POSITION_EACH);
  return field;
}

v1::Form& AddForm(v1::Layout& layout) {
  v1::Form& form = *layout.add_forms();
  form.set_name("F" + std::to_string(layout.forms_size()));
  form.set_size_bytes(64);
  form.set_position(v1::PACKET_POSITION_EACH);
  form.set_slots(1);
  return form;
}

// Layouts that are as much work as their bytes allow; each must end within seconds even in a slow
// build, and say what is wrong.
void ExpectEndsSoon(const v1::Layout& layout, const std::string& words) {
  ASSERT_LE(layout.ByteSizeLong(), kMaxLayoutBytes);
  const auto start = std::chrono::steady_clock::now();
  const absl::Status status = VerifyLayout(layout);
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(words));
  EXPECT_LT(took, std::chrono::seconds(20));
}

TEST(VerifyEndsSoon, ManyAlternativesOverTheSameBits) {
  v1::Layout layout;
  layout.set_name("test.laborious");
  v1::Form& form = AddForm(layout);
  AddBits(form, 8, 0, 64);
  for (uint32_t k = 0; k < 500; ++k) {
    v1::Field& field = AddBits(form, 0, 0, 64);
    for (uint32_t c = 0; c < 16; ++c) {
      v1::Comparison& comparison = *field.mutable_valid_when()->add_any_of()->add_all_of();
      comparison.mutable_field();
      comparison.set_operator_(v1::OPERATOR_EQUAL);
      comparison.set_constant(16 * k + c);
    }
  }
  ExpectEndsSoon(layout, "too many overlaps and conditions to compare");
}

TEST(VerifyEndsSoon, ManyFieldsThatReachAcrossEachOther) {
  v1::Layout layout;
  layout.set_name("test.laborious");
  for (int i = 0; i < 80; ++i) {
    v1::Form& form = AddForm(layout);
    for (uint32_t k = 0; k < 192; ++k) {
      v1::Field& field = AddBits(form, 8 * (k / 64), k % 64, 1);
      *field.add_parts() = field.parts(0);
      field.mutable_parts(1)->set_byte_offset(8 * (k / 64) + 32);
    }
  }
  layout.mutable_forms(79)->mutable_selector()->add_any_of();
  ExpectEndsSoon(layout, "F80.selector.any_of[0]: no comparison");
}

TEST(VerifyEndsSoon, ManyFormsInManyRings) {
  v1::Layout layout;
  layout.set_name("test.laborious");
  for (uint32_t i = 0; i < 256; ++i) {
    v1::Form& form = AddForm(layout);
    for (uint32_t k = 0; k < 50; ++k) {
      v1::Field& field = AddBits(form, 8 * (k / 8), 8 * (k % 8), 8);
      field.set_constraint(v1::CONSTRAINT_CONSTANT);
      field.set_constant(k == 49 ? i : 0);
    }
  }
  Layout good(testing::SimpleMessage());
  for (int i = 0; i < 16; ++i) {
    v1::Queue& queue = *layout.add_queues();
    queue.set_name("q" + std::to_string(i));
    queue.set_direction(v1::DIRECTION_RECEIVE);
    for (int k = 0; k < 8; ++k) {
      v1::Ring& ring = *queue.add_rings();
      ring.set_name("r" + std::to_string(k));
      ring.set_slot_bytes(64);
      *ring.mutable_slots() = good.rx_ring().slots();
      ring.set_alignment_bytes(1);
      for (uint32_t form = 0; form < 256; ++form) ring.add_complete_forms(form);
      ring.set_kind(v1::RING_KIND_ORDERED);
      ring.set_position(v1::PACKET_POSITION_EACH);
      ring.mutable_completed()->set_cell(0);
    }
  }
  ExpectEndsSoon(layout, "q0.rings[0] r0");
}

}  // namespace
}  // namespace qsplit::layout
