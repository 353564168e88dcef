#include "descriptor-lang/layout/bit_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace qsplit::layout {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::Field Bits(uint32_t offset, uint32_t word, v1::ByteOrder order, uint32_t lsb, uint32_t bits) {
  v1::Field field;
  v1::Bits& part = *field.add_parts();
  part.set_byte_offset(offset);
  part.set_word_bytes(word);
  part.set_byte_order(order);
  part.set_lsb(lsb);
  part.set_bits(bits);
  return field;
}

void AddPart(v1::Field& field, const v1::Field& other) { *field.add_parts() = other.parts(0); }

constexpr v1::ByteOrder kLittle = v1::BYTE_ORDER_LITTLE;
constexpr v1::ByteOrder kBig = v1::BYTE_ORDER_BIG;

TEST(ByteMasks, LittleEndianCountsFromTheFirstByte) {
  EXPECT_THAT(ByteMasks(Bits(8, 4, kLittle, 1, 1)), ElementsAre(ByteMask{8, 0x02}));
  // A length at bits 38..51 of a word of eight bytes.
  EXPECT_THAT(ByteMasks(Bits(8, 8, kLittle, 38, 14)),
              ElementsAre(ByteMask{12, 0xc0}, ByteMask{13, 0xff}, ByteMask{14, 0x0f}));
  EXPECT_THAT(ByteMasks(Bits(5, 3, kLittle, 0, 24)),
              ElementsAre(ByteMask{5, 0xff}, ByteMask{6, 0xff}, ByteMask{7, 0xff}));
}

TEST(ByteMasks, BigEndianCountsFromTheLastByte) {
  EXPECT_THAT(ByteMasks(Bits(0, 4, kBig, 31, 1)), ElementsAre(ByteMask{0, 0x80}));
  EXPECT_THAT(ByteMasks(Bits(4, 2, kBig, 0, 12)),
              ElementsAre(ByteMask{4, 0x0f}, ByteMask{5, 0xff}));
}

TEST(ByteMasks, PartsAndArrays) {
  v1::Field split = Bits(4, 2, kBig, 0, 6);
  AddPart(split, Bits(1, 1, kLittle, 4, 4));
  EXPECT_THAT(ByteMasks(split), ElementsAre(ByteMask{1, 0xf0}, ByteMask{5, 0x3f}));
  EXPECT_EQ(BitWidth(split), 10u);
  // The last part holds the least significant bits.
  EXPECT_THAT(BitPositions(split), ElementsAre(12, 13, 14, 15, 40, 41, 42, 43, 44, 45));

  v1::Field array;
  array.mutable_bytes()->set_byte_offset(6);
  array.mutable_bytes()->set_length(2);
  EXPECT_THAT(ByteMasks(array), ElementsAre(ByteMask{6, 0xff}, ByteMask{7, 0xff}));
  EXPECT_THAT(BitPositions(array), IsEmpty());
  EXPECT_EQ(BitWidth(array), 0u);
}

// Against the machine's own idea of a little- and a big-endian word.
TEST(BitPositions, AgreeWithReadingTheWord) {
  for (const v1::ByteOrder order : {kLittle, kBig}) {
    for (uint32_t lsb = 0; lsb < 32; ++lsb) {
      for (uint32_t bits = 1; lsb + bits <= 32; ++bits) {
        const v1::Field field = Bits(2, 4, order, lsb, bits);
        const uint32_t value = 0x9c3a51e7;
        unsigned char bytes[6] = {};
        for (int i = 0; i < 4; ++i) {
          const int from_least = order == kLittle ? i : 3 - i;
          bytes[2 + i] = static_cast<unsigned char>(value >> (8 * from_least));
        }
        uint64_t read = 0;
        int shift = 0;
        for (const BitPosition at : BitPositions(field)) {
          read |= uint64_t{bytes[at / 8] >> (at % 8) & 1u} << shift++;
        }
        ASSERT_EQ(read, (value >> lsb) & LowBits(bits)) << lsb << " + " << bits;
      }
    }
  }
}

TEST(BitPositions, SurviveImpossibleFields) {
  EXPECT_THAT(BitPositions(Bits(0, 5, kLittle, 0, 8)), IsEmpty());
  EXPECT_THAT(BitPositions(Bits(UINT32_MAX, 4, kLittle, 0, 8)), IsEmpty());
  EXPECT_THAT(BitPositions(Bits(0, 1, kLittle, 6, UINT32_MAX)), ElementsAre(6, 7));
  EXPECT_THAT(BitPositions(Bits(0, 1, kLittle, UINT32_MAX, UINT32_MAX)), IsEmpty());
  v1::Field wide = Bits(0, 8, kLittle, 0, 64);
  AddPart(wide, Bits(8, 8, kLittle, 0, 64));
  EXPECT_EQ(BitPositions(wide).size(), 64u);
  v1::Field array;
  array.mutable_bytes()->set_length(UINT32_MAX);
  EXPECT_EQ(ByteMasks(array).size(), 4096u);
}

TEST(PositionOf, FollowsTheReader) {
  EXPECT_EQ(PositionOf(Bits(0, 4, kLittle, 4, 8)), (FieldPosition{0, 4}));
  EXPECT_EQ(PositionOf(Bits(0, 4, kBig, 20, 8)), (FieldPosition{0, 4}));
  EXPECT_LT(PositionOf(Bits(0, 4, kBig, 31, 1)), PositionOf(Bits(0, 4, kBig, 30, 1)));
  EXPECT_LT(PositionOf(Bits(0, 4, kLittle, 0, 1)), PositionOf(Bits(0, 4, kLittle, 1, 1)));
  EXPECT_LT(PositionOf(Bits(0, 4, kLittle, 31, 1)), PositionOf(Bits(4, 1, kLittle, 0, 1)));
}

TEST(LowBits, EveryWidth) {
  EXPECT_EQ(LowBits(0), 0u);
  EXPECT_EQ(LowBits(1), 1u);
  EXPECT_EQ(LowBits(63), UINT64_MAX >> 1);
  EXPECT_EQ(LowBits(64), UINT64_MAX);
}

}  // namespace
}  // namespace qsplit::layout
