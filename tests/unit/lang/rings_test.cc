// How slots change hands, cells, parts and packet rules in the layout.
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/lang/compile_text.h"

namespace qsplit::qdl::testing {
namespace {

struct Rings {
  std::string work = "post Post\n doorbell register 4 bytes = producer index";
  std::string done = "complete Done when owner == phase\n phase starts 1, flips each pass";
  std::string rules = "completes work by tag number";
  std::string head = "";
  std::string queue = "packet spans descriptors until last";
};

std::string SpecOf(const Rings& rings) {
  return "layout test.rings\nsource \"none\"\nbyte-order little\nfeature F { a, b }\n" +
         rings.head +
         "descriptor Post 16 bytes {\n  @0 address u64 is buffer.address\n"
         "  @8 number u16 is tag\n  @13 type u8 = 0\n}\n"
         "descriptor Done 16 bytes {\n  @0 number u16\n  @2 u8 { owner 0  last 1 is packet.last\n"
         "    kind 7:4 }\n  @4 pieces u8\n  @12 length u16 is packet.length\n"
         "  @15 type u8 = 0\n}\nqueue receive {\n  ring work {\n slots 8..64 powers of two\n" +
         rings.work + "\n  }\n  ring done {\n slots 8..64 powers of two\n" + rings.done + "\n" +
         rings.rules + "\n  }\n" + rings.queue + "\n}\n";
}

Compiled Compiling(const Rings& rings) {
  Compiled c = CompileText(SpecOf(rings));
  EXPECT_TRUE(c.layout.has_value()) << c.text;
  return c;
}

const v1::Ring& RingOf(const Compiled& c, int index) {
  return c.layout.value().message().queues(0).rings(index);
}

std::string NameOf(const Compiled& c, const v1::FieldReference& field) {
  const v1::Form& form = c.layout->message().forms(static_cast<int>(field.form()));
  return form.name() + "." + form.fields(static_cast<int>(field.field())).name();
}

TEST(RingRules, ARingThatAnotherCompletesSaysSo) {
  const Compiled c = Compiling({});
  EXPECT_TRUE(RingOf(c, 0).posted().doorbell());
  EXPECT_TRUE(RingOf(c, 0).completed().completion());
  EXPECT_TRUE(RingOf(c, 0).completes().empty());
  const v1::CompletionRule& rule = RingOf(c, 1).completes(0);
  EXPECT_EQ(rule.key(), v1::COMPLETION_KEY_TAG);
  EXPECT_EQ(rule.ring(), 0u);
  EXPECT_FALSE(rule.cumulative());
  ASSERT_EQ(rule.fields_size(), 1);
  EXPECT_EQ(NameOf(c, rule.fields(0)), "Done.number");
}

TEST(RingRules, PhaseIsAStateOnTheRight) {
  const Compiled c = Compiling({});
  EXPECT_EQ(RingOf(c, 1).phase().initial(), 1u);
  EXPECT_EQ(RingOf(c, 1).phase().flip(), v1::PHASE_FLIP_EACH_PASS);
  const v1::Comparison& one = RingOf(c, 1).completed().when().any_of(0).all_of(0);
  EXPECT_EQ(one.state(), v1::RING_STATE_PHASE);
  EXPECT_EQ(one.operator_(), v1::OPERATOR_EQUAL);
}

TEST(RingRules, ASequenceBeginsWithItsFirstNumber) {
  const Compiled c =
      Compiling({.done = "complete Done when kind == sequence\n sequence 1..7\n fill kind = 0"});
  EXPECT_EQ(RingOf(c, 1).sequence().initial(), 1u);
  EXPECT_EQ(RingOf(c, 1).sequence().last(), 7u);
  EXPECT_EQ(RingOf(c, 1).completed().when().any_of(0).all_of(0).state(), v1::RING_STATE_SEQUENCE);
  ASSERT_EQ(RingOf(c, 1).fills_size(), 1);
  EXPECT_EQ(NameOf(c, RingOf(c, 1).fills(0).field()), "Done.kind");
}

// An event that is there when its word is not all ones: no shipped spec has one, other devices do.
TEST(RingRules, NotAllOnesIsSaidFieldByField) {
  const Compiled c = CompileText(R"(layout test.ones
source "none"
byte-order little
descriptor Post 8 bytes { @0 address u64 is buffer.address }
descriptor Event 4 bytes { @0 u32 { code 31:28  rest 27:16  length 15:0 is packet.length } }
queue receive {
  ring work { slots 8  post Post  doorbell register 4 bytes = producer index }
  ring events {
    slots 8
    complete Event when code != 0xf or rest != 0xfff or length != 0xffff
    fill code = 0xf
    fill rest = 0xfff
    fill length = 0xffff
    completes work in order
  }
  packet is one descriptor
})");
  ASSERT_TRUE(c.layout.has_value()) << c.text;
  const v1::Condition& there = RingOf(c, 1).completed().when();
  ASSERT_EQ(there.any_of_size(), 3);
  for (const v1::Conjunction& alternative : there.any_of()) {
    ASSERT_EQ(alternative.all_of_size(), 1);
    EXPECT_EQ(alternative.all_of(0).operator_(), v1::OPERATOR_NOT_EQUAL);
  }
  EXPECT_EQ(RingOf(c, 1).fills_size(), 3);
}

TEST(RingRules, RulesMayBeCumulativeConditionalAndOfAFeature) {
  const Compiled c = Compiling({.rules = "completes work up to tag number when kind == 1\n"
                                         "completes work in order when kind == 2 with F = b"});
  ASSERT_EQ(RingOf(c, 1).completes_size(), 2);
  EXPECT_TRUE(RingOf(c, 1).completes(0).cumulative());
  EXPECT_EQ(RingOf(c, 1).completes(0).when().any_of_size(), 1);
  EXPECT_EQ(RingOf(c, 1).completes(1).key(), v1::COMPLETION_KEY_IN_ORDER);
  EXPECT_EQ(RingOf(c, 1).completes(1).features_size(), 1);
}

TEST(RingRules, EachDescriptorMayHaveAConditionOfItsOwn) {
  const Compiled c =
      Compiling({.done = "complete Done when owner == phase\n complete Event when flag != phase\n"
                         "phase starts 1, flips each pass",
                 .head = "descriptor Event 16 bytes { @3 u8 { flag 0 } @15 type u8 = 1 }\n"});
  const v1::Condition& when = RingOf(c, 1).completed().when();
  ASSERT_EQ(when.any_of_size(), 2);
  EXPECT_NE(when.any_of(0).all_of(0).field().form(), when.any_of(1).all_of(0).field().form());
  EXPECT_NE(when.any_of(0).all_of(0).operator_(), when.any_of(1).all_of(0).operator_());
}

TEST(RingRules, CellsSayWhoWritesThem) {
  const Compiled c = Compiling(
      {.work = "align 4\n post Post up to made\n cell made u32 at -4 is producer count\n"
               "cell wanted u16 big at end + 2 with F = b is event index from device\n"
               "cell flags u32 & 0x6 is need wakeup\n"
               "doorbell wakeup if flags with F = a, doorbell wakeup past wanted with F = b"});
  const v1::Ring& ring = RingOf(c, 0);
  ASSERT_EQ(ring.cells_size(), 3);  // by name
  EXPECT_EQ(ring.cells(0).mask(), 6u);
  EXPECT_TRUE(ring.cells(0).device_writes());
  EXPECT_EQ(ring.cells(1).offset_bytes(), -4);
  EXPECT_FALSE(ring.cells(1).device_writes());
  EXPECT_EQ(ring.posted().cell(), 1u);
  EXPECT_TRUE(ring.cells(2).behind_slots());
  EXPECT_EQ(ring.cells(2).byte_order(), v1::BYTE_ORDER_BIG);
  EXPECT_TRUE(ring.cells(2).device_writes());
  EXPECT_EQ(ring.producer_doorbells(0).suppressed_by_cell(), 0u);
  EXPECT_EQ(ring.producer_doorbells(1).suppressed_by_cell(), 2u);
  EXPECT_EQ(ring.producer_doorbells(1).features_size(), 1);
}

TEST(RingRules, PartsInsideAndBehind) {
  const Compiled c = Compiling(
      {.work = "post Post, Long\n doorbell register 4 bytes = producer index",
       .rules = "completes work in order",
       .head = "descriptor Segment 8 bytes { @0 address u64 is buffer.address }\n"
               "descriptor Long 32 bytes takes 2 slots {\n @0 count u8\n @13 type u8 = 1\n"
               " @16 one Segment[2]\n then more Segment[1..3] every 16 count by count\n}\n"});
  const v1::Form& form =
      c.layout->message().forms(static_cast<int>(c.layout->FormIndex("Long").value()));
  ASSERT_EQ(form.contains_size(), 2);
  EXPECT_EQ(form.contains(0).byte_offset(), 16u);
  EXPECT_EQ(form.contains(0).max_count(), 2u);
  EXPECT_FALSE(form.contains(0).appended());
  EXPECT_FALSE(form.contains(0).has_count_field());
  EXPECT_EQ(form.contains(1).byte_offset(), 32u);
  EXPECT_EQ(form.contains(1).stride_bytes(), 16u);
  EXPECT_TRUE(form.contains(1).appended());
  EXPECT_EQ(form.fields(static_cast<int>(form.contains(1).count_field())).name(), "count");
}

TEST(RingRules, PacketsInSeveralCompletionsBehindAPrefix) {
  const Compiled c = Compiling({.head = "descriptor Front 12 bytes { @10 pieces u16 }\n",
                                .queue = "packet spans completions, count in pieces\n"
                                         "prefix Front\n length includes prefix"});
  const v1::PacketRule& rule = c.layout->message().queues(0).packet();
  EXPECT_EQ(rule.span(), v1::SPAN_COMPLETIONS);
  EXPECT_EQ(rule.prefix_bytes(), 12u);
  EXPECT_TRUE(rule.length_includes_prefix());
  ASSERT_EQ(rule.fields_size(), 2);
  EXPECT_EQ(Compiling({.queue = "packet spans buffers by length"})
                .layout->message()
                .queues(0)
                .packet()
                .span(),
            v1::SPAN_BY_LENGTH);
}

TEST(RingRules, WhatOnlyTheVerifierRefusesHasItsPlace) {
  const Compiled c = CompileText(
      SpecOf({.work = "post Post\n"
                      "doorbell register 4 bytes = producer index + queue number << 2"}));
  ASSERT_EQ(c.codes, std::vector<std::string>{"QDL0100"}) << c.text;
  EXPECT_EQ(c.places[0], "22:1") << c.text;
}

}  // namespace
}  // namespace qsplit::qdl::testing
