// Compiled field access against a model that goes bit by bit.
#include "dataplane/field_access.h"

#include <gtest/gtest.h>

#include <random>

#include "descriptor-lang/layout/bit_layout.h"

namespace qsplit::dataplane {
namespace {

// The byte and the bit in it of each bit of a field, least significant first: straight from the
// definition of a word's value, without loads and shifts of words.
struct BitAt {
  uint32_t byte;
  uint32_t bit;
};
std::vector<BitAt> ModelBits(const v1::Field& field) {
  std::vector<BitAt> bits;
  for (int p = field.parts_size() - 1; p >= 0; --p) {
    const v1::Bits& part = field.parts(p);
    for (uint32_t i = part.lsb(); i < part.lsb() + part.bits(); ++i) {
      const uint32_t byte_of_value = i / 8;
      const uint32_t byte = part.byte_order() == v1::BYTE_ORDER_BIG
                                ? part.word_bytes() - 1 - byte_of_value
                                : byte_of_value;
      bits.push_back({part.byte_offset() + byte, i % 8});
    }
  }
  return bits;
}

uint64_t ModelLoad(const v1::Field& field, const std::byte* bytes) {
  uint64_t value = 0;
  const std::vector<BitAt> bits = ModelBits(field);
  for (size_t i = 0; i < bits.size(); ++i) {
    const auto byte = static_cast<uint32_t>(bytes[bits[i].byte]);
    value |= uint64_t{(byte >> bits[i].bit) & 1} << i;
  }
  return value;
}

void ModelStore(const v1::Field& field, std::byte* bytes, uint64_t value) {
  const std::vector<BitAt> bits = ModelBits(field);
  for (size_t i = 0; i < bits.size(); ++i) {
    const auto mask = static_cast<std::byte>(1u << bits[i].bit);
    std::byte& byte = bytes[bits[i].byte];
    byte = ((value >> i) & 1) != 0 ? byte | mask : byte & ~mask;
  }
}

// A field with 1..4 parts in different words of a form.
v1::Field RandomField(std::mt19937_64& random, uint32_t form_bytes) {
  const auto below = [&](uint64_t n) { return static_cast<uint32_t>(random() % n); };
  constexpr uint32_t kWords[] = {1, 2, 3, 4, 8};
  v1::Field field;
  field.set_name("f");
  uint32_t left = 64;
  std::vector<bool> used(form_bytes, false);
  const uint32_t parts = 1 + below(4);
  for (uint32_t p = 0; p < parts && left > 0; ++p) {
    uint32_t word = kWords[below(5)];
    while (word > form_bytes) word = kWords[below(5)];
    const uint32_t at = below(form_bytes - word + 1);
    bool overlaps = false;
    for (uint32_t i = at; i < at + word; ++i) overlaps = overlaps || used[i];
    if (overlaps) continue;
    for (uint32_t i = at; i < at + word; ++i) used[i] = true;
    v1::Bits& bits = *field.add_parts();
    bits.set_byte_offset(at);
    bits.set_word_bytes(word);
    bits.set_byte_order(word > 1 && below(2) == 1 ? v1::BYTE_ORDER_BIG : v1::BYTE_ORDER_LITTLE);
    bits.set_lsb(below(8 * word));
    bits.set_bits(std::min(left, 1 + below(8 * word - bits.lsb())));
    left -= bits.bits();
  }
  return field;
}

TEST(FieldAccess, RandomFieldsAgreeWithTheModelBitByBit) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20000; ++round) {
    const auto form_bytes = static_cast<uint32_t>(1 + random() % 40);
    const v1::Field field = RandomField(random, form_bytes);
    const auto access = FieldAccess::Compile(field, form_bytes);
    ASSERT_TRUE(access.ok()) << access.status() << field.DebugString();
    DescriptorBytes bytes;
    for (std::byte& b : bytes.bytes) b = static_cast<std::byte>(random());
    EXPECT_EQ(access->LoadRaw(bytes.bytes), ModelLoad(field, bytes.bytes)) << field.DebugString();

    DescriptorBytes expected = bytes;
    const uint64_t value = random();
    ModelStore(field, expected.bytes, value);
    access->StoreRaw(bytes.bytes, value);
    ASSERT_EQ(std::memcmp(bytes.bytes, expected.bytes, sizeof bytes.bytes), 0)
        << form_bytes << " bytes: " << field.DebugString();
    EXPECT_EQ(access->MaxRaw(), layout::LowBits(layout::BitWidth(field)));
  }
}

v1::Field Plain(uint32_t bits) {
  v1::Field field;
  v1::Bits& part = *field.add_parts();
  part.set_word_bytes(8);
  part.set_byte_order(v1::BYTE_ORDER_LITTLE);
  part.set_bits(bits);
  return field;
}

TEST(FieldAccess, ScaleBiasAndZeroValue) {
  v1::Field field = Plain(8);
  field.mutable_scale()->set_multiplier(16);
  field.mutable_scale()->set_bias(-14);
  const auto access = FieldAccess::Compile(field, 8);
  ASSERT_TRUE(access.ok());
  DescriptorBytes bytes{};
  EXPECT_TRUE(access->Store(bytes.bytes, 32 - 14));
  EXPECT_EQ(access->LoadRaw(bytes.bytes), 2u);
  EXPECT_EQ(access->Load(bytes.bytes), 18u);
  EXPECT_FALSE(access->Store(bytes.bytes, 19));             // no multiple
  EXPECT_FALSE(access->Store(bytes.bytes, 256 * 16 - 14));  // too much
  EXPECT_EQ(access->LoadRaw(bytes.bytes), 2u);              // untouched
  EXPECT_EQ(access->MaxValue(), 255u * 16 - 14);

  v1::Field zero = Plain(14);
  zero.mutable_scale()->set_zero_value(16384);
  const auto special = FieldAccess::Compile(zero, 8);
  ASSERT_TRUE(special.ok());
  EXPECT_TRUE(special->Store(bytes.bytes, 16384));
  EXPECT_EQ(special->LoadRaw(bytes.bytes), 0u);
  EXPECT_EQ(special->Load(bytes.bytes), 16384u);
  EXPECT_FALSE(special->Store(bytes.bytes, 0));
  EXPECT_EQ(special->MaxValue(), 16384u);

  v1::Field count = Plain(4);  // zero-based count
  count.mutable_scale()->set_bias(1);
  const auto based = FieldAccess::Compile(count, 8);
  ASSERT_TRUE(based.ok());
  EXPECT_FALSE(based->CanStore(0));
  EXPECT_TRUE(based->CanStore(16));
  EXPECT_FALSE(based->CanStore(17));
}

TEST(FieldAccess, SignedAndInverted) {
  v1::Field field = Plain(8);
  field.set_is_signed(true);
  const auto access = FieldAccess::Compile(field, 8);
  ASSERT_TRUE(access.ok());
  DescriptorBytes bytes{};
  EXPECT_TRUE(access->Store(bytes.bytes, static_cast<uint64_t>(-128)));
  EXPECT_EQ(static_cast<int64_t>(access->Load(bytes.bytes)), -128);
  EXPECT_FALSE(access->CanStore(128));

  v1::Field flag = Plain(1);
  flag.set_inverted(true);
  const auto inverted = FieldAccess::Compile(flag, 8);
  ASSERT_TRUE(inverted.ok());
  EXPECT_TRUE(inverted->Store(bytes.bytes, 1));
  EXPECT_EQ(inverted->LoadRaw(bytes.bytes), 0u);
  EXPECT_EQ(inverted->Load(bytes.bytes), 1u);
}

TEST(FieldAccess, RefusesByteArraysAndBitsOutsideTheForm) {
  v1::Field array;
  array.mutable_bytes()->set_length(6);
  EXPECT_TRUE(absl::IsInvalidArgument(FieldAccess::Compile(array, 16).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(FieldAccess::Compile(Plain(8), 7).status()));
}

}  // namespace
}  // namespace qsplit::dataplane
