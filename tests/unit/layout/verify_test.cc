#include "descriptor-lang/layout/verify.h"

#include <chrono>

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

// A form that is as much work as its bytes allow.
v1::Layout Laborious(int forms, int fields, int conjunctions) {
  v1::Layout layout;
  layout.set_name("test.laborious");
  for (int i = 0; i < forms; ++i) {
    v1::Form& form = *layout.add_forms();
    form.set_name("F" + std::to_string(i));
    form.set_size_bytes(64);
    for (int k = 0; k < fields; ++k) {
      v1::Field& field = *form.add_fields();
      field.set_name("f" + std::to_string(k));
      v1::Bits& part = *field.add_parts();
      part.set_word_bytes(8);
      part.set_byte_order(v1::BYTE_ORDER_LITTLE);
      part.set_bits(64);
      for (int c = 0; c < conjunctions; ++c) {
        v1::Conjunction& all = *field.mutable_valid_when()->add_any_of();
        for (int m = 0; m < 4; ++m) {
          v1::Comparison& comparison = *all.add_all_of();
          comparison.mutable_field()->set_form(static_cast<uint32_t>(i));
          comparison.mutable_field()->set_field(static_cast<uint32_t>(m));
          comparison.set_operator_(v1::OPERATOR_NOT_EQUAL);
          comparison.set_constant(static_cast<uint64_t>(k * 16 + c));
        }
        all.mutable_all_of(3)->set_operator_(v1::OPERATOR_EQUAL);
      }
    }
  }
  return Canonicalize(layout);
}

TEST(Verify, EndsSoonWhateverItIsGiven) {
  for (const auto& [forms, fields, conjunctions] :
       {std::tuple{100, 200, 0}, std::tuple{1, 300, 16}, std::tuple{8, 200, 5}}) {
    const v1::Layout layout = Laborious(forms, fields, conjunctions);
    ASSERT_LE(layout.ByteSizeLong(), kMaxLayoutBytes);
    const auto start = std::chrono::steady_clock::now();
    const absl::Status status = VerifyLayout(layout);
    const auto took = std::chrono::steady_clock::now() - start;
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_LT(took, std::chrono::seconds(10)) << status;
  }
}

}  // namespace
}  // namespace qsplit::layout
