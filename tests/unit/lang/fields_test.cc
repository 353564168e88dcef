// Fields: where their bits are, and what they mean, in the layout.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "descriptor-lang/layout/bit_layout.h"
#include "tests/unit/lang/compile_text.h"

namespace qsplit::qdl::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Compiled WithFields(std::string fields, std::string head = "",
                    std::string byte_order = "byte-order little") {
  return CompileText(SpecWith(
      {.head = std::move(head), .byte_order = std::move(byte_order), .fields = std::move(fields)}));
}

TEST(Fields, BitsOfALittleWordLieInItsLowBytesFirst) {
  const Compiled c = WithFields("@2 u32 { f 17:4 }");
  const v1::Field& field = DoneField(c, "f");
  EXPECT_THAT(
      layout::ByteMasks(field),
      ElementsAre(layout::ByteMask{2, 0xf0}, layout::ByteMask{3, 0xff}, layout::ByteMask{4, 0x03}));
}

TEST(Fields, BitsOfABigWordLieInItsHighBytesFirst) {
  const Compiled c = WithFields("@2 u32 big { f 17:4 }");
  EXPECT_THAT(
      layout::ByteMasks(DoneField(c, "f")),
      ElementsAre(layout::ByteMask{3, 0x03}, layout::ByteMask{4, 0xff}, layout::ByteMask{5, 0xf0}));
}

TEST(Fields, AWordOverridesTheFilesByteOrder) {
  const Compiled c = WithFields("@0 a u16 @2 b u16 little", "", "byte-order big");
  EXPECT_EQ(DoneField(c, "a").parts(0).byte_order(), v1::BYTE_ORDER_BIG);
  EXPECT_EQ(DoneField(c, "b").parts(0).byte_order(), v1::BYTE_ORDER_LITTLE);
}

TEST(Fields, BitsCanBeNumberedFromTheMostSignificant) {
  const Compiled c = WithFields("@0 u16 { f 0:3 }", "bit-order msb-first");
  EXPECT_EQ(DoneField(c, "f").parts(0).lsb(), 12u);
  EXPECT_EQ(DoneField(c, "f").parts(0).bits(), 4u);
}

TEST(Fields, WordsOfThreeBytesMayStandAtOddOffsets) {
  const Compiled c = WithFields("@5 f u24");
  EXPECT_EQ(DoneField(c, "f").parts(0).word_bytes(), 3u);
  EXPECT_EQ(layout::BitWidth(DoneField(c, "f")), 24u);
}

TEST(Fields, AValueInTwoPlacesHasItsMostSignificantPartFirst) {
  const Compiled c = WithFields("@0 u8 { tag[2:0] 7:5 }\n @4 tag[10:3] u8 is buffer.tag");
  const v1::Field& field = DoneField(c, "tag");
  ASSERT_EQ(field.parts_size(), 2);
  EXPECT_EQ(field.parts(0).byte_offset(), 4u);
  EXPECT_EQ(field.parts(1).lsb(), 5u);
  EXPECT_EQ(layout::BitWidth(field), 11u);
  EXPECT_EQ(field.role(), "buffer.tag");
}

TEST(Fields, ByteArraysHaveNoBits) {
  const Compiled c = WithFields("@0 name 6 bytes");
  EXPECT_EQ(DoneField(c, "name").bytes().length(), 6u);
  EXPECT_EQ(DoneField(c, "name").parts_size(), 0);
}

TEST(Fields, ScaleBiasAndSpecialZero) {
  const Compiled c = WithFields("@0 a u16 times 16 plus 14 zero means 65536\n @2 b u16 minus 14");
  const v1::Scale& a = DoneField(c, "a").scale();
  EXPECT_EQ(a.multiplier(), 16u);
  EXPECT_EQ(a.bias(), 14);
  EXPECT_EQ(a.zero_value(), 65536u);
  EXPECT_EQ(DoneField(c, "b").scale().bias(), -14);
  EXPECT_FALSE(DoneField(c, "b").scale().has_zero_value());
}

TEST(Fields, MustBeOneIsAllOnesOfTheWidth) {
  const Compiled c = WithFields("@0 u16 { a 11:0 must be one  b 15:12 ignored }");
  EXPECT_EQ(DoneField(c, "a").constant(), 0xfffu);
  EXPECT_EQ(DoneField(c, "b").constraint(), v1::CONSTRAINT_IGNORED);
}

TEST(Fields, NegativeLogicAndSign) {
  const Compiled c = WithFields("@0 u8 { a 0 is not checksum.l3.checked }\n @1 b u8 signed");
  EXPECT_TRUE(DoneField(c, "a").inverted());
  EXPECT_TRUE(DoneField(c, "b").is_signed());
}

TEST(Fields, AGroupsConditionHoldsForEachOfItsFields) {
  const Compiled c =
      WithFields("@0 kind u8\n @1 u8 in first when kind == 3 { a 0  b 1 when kind != 9 }");
  EXPECT_EQ(DoneField(c, "a").valid_when().any_of(0).all_of_size(), 1);
  EXPECT_EQ(DoneField(c, "b").valid_when().any_of(0).all_of_size(), 2);
  EXPECT_EQ(DoneField(c, "a").position(), v1::PACKET_POSITION_FIRST);
}

TEST(Fields, ConditionsBecomeSumsOfProducts) {
  const Compiled c =
      WithFields("@0 u8 { a 0  b 1  c 2  d 3 }\n @1 f u8 when not (a and b) and (c or not d)");
  // (!a or !b) and (c or !d): four products of two.
  const v1::Condition& when = DoneField(c, "f").valid_when();
  ASSERT_EQ(when.any_of_size(), 4);
  for (const v1::Conjunction& product : when.any_of()) EXPECT_EQ(product.all_of_size(), 2);
}

TEST(Fields, ANegatedComparisonIsTheOppositeOne) {
  const Compiled c = WithFields("@0 n u8\n @1 a u8 when not n < 7\n @2 b u8 when not n & 6");
  const v1::Comparison& a = DoneField(c, "a").valid_when().any_of(0).all_of(0);
  EXPECT_EQ(a.operator_(), v1::OPERATOR_GREATER_OR_EQUAL);
  EXPECT_EQ(a.constant(), 7u);
  EXPECT_EQ(DoneField(c, "b").valid_when().any_of(0).all_of(0).operator_(), v1::OPERATOR_NO_BITS);
}

TEST(Fields, OneBitIsSaidOneWay) {
  const Compiled c =
      WithFields("@0 u8 { a 0 }\n @1 f u8 when a\n @2 g u8 when a != 0\n @3 h u8 when a == 1");
  const std::string expected = DoneField(c, "f").valid_when().SerializeAsString();
  EXPECT_EQ(DoneField(c, "g").valid_when().SerializeAsString(), expected);
  EXPECT_EQ(DoneField(c, "h").valid_when().SerializeAsString(), expected);
}

TEST(Fields, ValuesAndOtherFieldsInConditions) {
  const Compiled c =
      WithFields("@0 kind u8 Kind\n @1 a u8\n @2 b u8 when kind == udp and a != kind",
                 "enum Kind : 8 bits { tcp 6  udp 17 }");
  const v1::Conjunction& all = DoneField(c, "b").valid_when().any_of(0);
  ASSERT_EQ(all.all_of_size(), 2);
  bool constant = false;
  bool other = false;
  for (const v1::Comparison& comparison : all.all_of()) {
    constant |= comparison.constant() == 17;
    other |= comparison.has_other();
  }
  EXPECT_TRUE(constant && other);
}

TEST(Fields, SharedBitsNeedConditionsThatExcludeEachOther) {
  EXPECT_THAT(WithFields("@0 k u8\n @4 a u32 when k == 1\n @4 b u16 when k == 2").codes, IsEmpty());
  EXPECT_THAT(WithFields("@0 k u8\n @4 a u32 when k < 4\n @4 b u16 when k >= 4").codes, IsEmpty());
  EXPECT_THAT(WithFields("@0 k u8\n @4 a u32 when k == 1\n @4 b u16 when k != 2").codes,
              ElementsAre("QDL0044"));
  EXPECT_THAT(WithFields("@0 k u8\n @4 a u32 when k == 1\n @4 b u16").codes,
              ElementsAre("QDL0044"));
}

TEST(Fields, SharedBitsMayBelongToChoicesOfOneFeature) {
  const std::string head = "feature Mode { one, two }";
  EXPECT_THAT(WithFields("@0 a u32 with Mode = one\n @0 b u32 with Mode = two", head).codes,
              IsEmpty());
  EXPECT_THAT(WithFields("@0 a u32 with Mode = one\n @0 b u32 with Mode = one", head).codes,
              ElementsAre("QDL0044"));
}

TEST(Fields, TouchingIsNotOverlapping) {
  EXPECT_THAT(WithFields("@0 u16 { a 7:0 }\n @1 b u8\n @0 u16 big { }").codes, IsEmpty());
  EXPECT_THAT(WithFields("@0 u16 big { a 7:0 }\n @1 b u8").codes, ElementsAre("QDL0044"));
}

TEST(Fields, RepeatableRolesMayRepeat) {
  EXPECT_THAT(WithFields("@0 u8 { a 0 is error  b 1 is error }").codes, IsEmpty());
}

TEST(Fields, CommentsBehindThemAreNotes) {
  const Compiled c = WithFields("@0 a u8   // 7.1, the first\n @1 b u8\n // not a note\n @2 c u8");
  const v1::Documentation& words = c.layout->message().documentation();
  ASSERT_EQ(words.notes_size(), 1);
  EXPECT_EQ(words.notes(0).path(), "Done.a");
  EXPECT_EQ(words.notes(0).text(), "7.1, the first");
}

TEST(Fields, ConstantsMayBeNamesOfTheEnumeration) {
  const Compiled compiled = CompileText(SpecWith({.head = "enum Kind : 2 bits { head 0  body 2 }",
                                                  .fields = "@0 u8 { kind 1:0 Kind = body }"}));
  ASSERT_TRUE(compiled.layout) << compiled.text;
  EXPECT_EQ(DoneField(compiled, "kind").constraint(), v1::CONSTRAINT_CONSTANT);
  EXPECT_EQ(DoneField(compiled, "kind").constant(), 2u);

  EXPECT_THAT(CompileText(SpecWith({.head = "enum Kind : 2 bits { head 0  body 2 }",
                                    .fields = "@0 u8 { kind 1:0 Kind = bdoy }"}))
                  .codes,
              ElementsAre("QDL0021"));
  EXPECT_THAT(CompileText(SpecWith({.fields = "@0 u8 { kind 1:0 = body }"})).codes,
              ElementsAre("QDL0021"));
}

TEST(Fields, DescriptorsBesideTheRingsNeedNone) {
  const Compiled compiled = CompileText(
      SpecWith({.head = "descriptor Flags 4 bytes beside the rings { @2 u16 { off 0 } }"}));
  ASSERT_TRUE(compiled.layout) << compiled.text;
  EXPECT_TRUE(compiled.layout->FormIndex("Flags").has_value());
  EXPECT_THAT(
      CompileText(SpecWith({.head = "descriptor Flags 4 bytes { @2 u16 { off 0 } }"})).codes,
      ElementsAre("QDL0059"));
}

}  // namespace
}  // namespace qsplit::qdl::testing
