// Compiled conditions against a direct evaluation of the message; forms by selector and constants.
#include "dataplane/condition.h"

#include <gtest/gtest.h>

#include "dataplane/form_match.h"
#include "tests/support/sample_layouts.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::dataplane {
namespace {

using testing::Random;

// One form with fields of all kinds of places.
v1::Layout Fields() {
  v1::Layout layout;
  v1::Form& form = *layout.add_forms();
  form.set_name("F");
  form.set_size_bytes(16);
  const auto add = [&](uint32_t byte, uint32_t word, v1::ByteOrder order, uint32_t lsb,
                       uint32_t bits) {
    v1::Bits& part = *form.add_fields()->add_parts();
    part.set_byte_offset(byte);
    part.set_word_bytes(word);
    part.set_byte_order(order);
    part.set_lsb(lsb);
    part.set_bits(bits);
  };
  add(0, 1, v1::BYTE_ORDER_LITTLE, 3, 1);
  add(1, 2, v1::BYTE_ORDER_BIG, 4, 9);
  add(3, 4, v1::BYTE_ORDER_LITTLE, 7, 3);
  add(7, 8, v1::BYTE_ORDER_BIG, 0, 2);
  add(15, 1, v1::BYTE_ORDER_LITTLE, 0, 8);
  v1::Bits& second = *form.mutable_fields(4)->add_parts();  // split
  second = form.fields(0).parts(0);
  second.set_lsb(6);
  second.set_bits(2);
  return layout;
}

bool ModelHolds(const v1::Layout& layout, const v1::Condition& condition, const std::byte* bytes) {
  const auto raw = [&](const v1::FieldReference& reference) {
    return FieldAccess::Compile(layout.forms(0).fields(static_cast<int>(reference.field())), 16)
        ->LoadRaw(bytes);
  };
  for (const v1::Conjunction& conjunction : condition.any_of()) {
    bool all = true;
    for (const v1::Comparison& c : conjunction.all_of()) {
      const uint64_t left = raw(c.field());
      const uint64_t right = c.has_other() ? raw(c.other()) : c.constant();
      const bool holds[] = {false,
                            left == right,
                            left != right,
                            left<right, left <= right, left> right,
                            left >= right,
                            (left & right) != 0,
                            (left & right) == 0};
      all = all && holds[c.operator_()];
    }
    if (all) return true;
  }
  return condition.any_of().empty();
}

v1::Condition RandomCondition(Random& random) {
  v1::Condition condition;
  for (uint32_t c = random() % 4; c > 0; --c) {
    v1::Conjunction& conjunction = *condition.add_any_of();
    for (uint32_t i = 1 + random() % 3; i > 0; --i) {
      v1::Comparison& comparison = *conjunction.add_all_of();
      comparison.mutable_field()->set_field(random() % 5);
      comparison.set_operator_(static_cast<v1::Operator>(1 + random() % 8));
      if (random() % 4 == 0) {
        comparison.mutable_other()->set_field(random() % 5);
      } else {
        comparison.set_constant(random() % (random() % 2 ? 4 : 600));
      }
    }
  }
  return condition;
}

TEST(Condition, RandomOnesAgreeWithTheModel) {
  const v1::Layout layout = Fields();
  Random random(21);
  int held = 0, made_true = 0, made_false = 0;
  for (int round = 0; round < 20000; ++round) {
    const v1::Condition message = RandomCondition(random);
    const auto condition = Condition::Compile(layout, message);
    ASSERT_TRUE(condition.ok());
    DescriptorBytes bytes{};
    for (int i = 0; i < 16; ++i) {
      bytes.bytes[i] = static_cast<std::byte>(random() % 2 ? random() : 0);
    }
    const bool holds = ModelHolds(layout, message, bytes.bytes);
    ASSERT_EQ(condition->Holds(bytes.bytes), holds) << message.DebugString();
    held += holds;
    // Stores that are said to make it so do.
    if (const auto stores = condition->StoresThatMakeItTrue(); stores.ok()) {
      DescriptorBytes trial = bytes;
      for (const FieldStore& store : *stores) store.field.StoreRaw(trial.bytes, store.raw);
      ASSERT_TRUE(ModelHolds(layout, message, trial.bytes)) << message.DebugString();
      ++made_true;
    }
    if (const auto stores = condition->StoresThatMakeItFalse(bytes.bytes); stores.ok()) {
      DescriptorBytes trial = bytes;
      for (const FieldStore& store : *stores) store.field.StoreRaw(trial.bytes, store.raw);
      ASSERT_FALSE(ModelHolds(layout, message, trial.bytes)) << message.DebugString();
      ++made_false;
    }
  }
  EXPECT_GT(held, 2000);
  EXPECT_GT(made_true, 2000);
  EXPECT_GT(made_false, 2000);
}

TEST(Condition, ByteRangeIsThatOfTheBits) {
  const v1::Layout layout = Fields();
  v1::Condition message;
  v1::Comparison& comparison = *message.add_any_of()->add_all_of();
  comparison.mutable_field()->set_field(3);  // bits 1:0 of a big-endian word at 7
  comparison.set_operator_(v1::OPERATOR_EQUAL);
  comparison.set_constant(1);
  uint32_t first, last;
  ASSERT_TRUE(Condition::Compile(layout, message)->ByteRange(&first, &last));
  EXPECT_EQ(first, 14u);
  EXPECT_EQ(last, 14u);
  EXPECT_FALSE(Condition().ByteRange(&first, &last));
}

TEST(Condition, RingStateIsSaidToBeMissing) {
  const v1::Layout layout = Fields();
  v1::Condition message;
  v1::Comparison& comparison = *message.add_any_of()->add_all_of();
  comparison.set_operator_(v1::OPERATOR_EQUAL);
  comparison.set_state(v1::RING_STATE_PHASE);
  const absl::Status status = Condition::Compile(layout, message).status();
  EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
}

TEST(FormMatcher, TellsFormsApartByConstants) {
  const layout::VerifiedLayout layout = layout::testing::SimpleLayout();
  const uint32_t forms[] = {*layout.FormIndex("TxData"), *layout.FormIndex("TxContext")};
  const auto matcher = FormMatcher::Compile(layout.message(), forms, {});
  ASSERT_TRUE(matcher.ok());
  DescriptorBytes bytes{};
  EXPECT_EQ(matcher->Match(bytes.bytes), FormMatcher::kNone);
  bytes.bytes[15] = std::byte{0x40};  // kind 1
  EXPECT_EQ(matcher->Match(bytes.bytes), 0);
  bytes.bytes[15] = std::byte{0x80};  // kind 2
  EXPECT_EQ(matcher->Match(bytes.bytes), 1);
  bytes.bytes[9] = std::byte{1};  // a byte that must be zero in a context
  EXPECT_EQ(matcher->Match(bytes.bytes), FormMatcher::kNone);
}

}  // namespace
}  // namespace qsplit::dataplane
