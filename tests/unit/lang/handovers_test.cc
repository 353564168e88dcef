// Conditions of handovers over several forms, and what the driver fills in.
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/lang/compile_text.h"

namespace qsplit::qdl::testing {
namespace {

// A packet's completion has two marks, the one behind it has one. What is posted has an own bit.
std::string Spec(const std::string& when, const std::string& fill = "") {
  return R"(layout test.handovers
source "Tests"
byte-order little
descriptor Buffer 16 bytes {
  @0 address u64 is buffer.address
  @8 u8 { own 0 }
  @10 tag u16 is buffer.tag
}
descriptor Head 32 bytes takes 2 slots {
  @0 u8 { kind 3:0 = 1  first_mark 4 }
  @2 tag u16 is buffer.tag
  @4 length u16 is packet.length
  @16 u8 { second_mark 0 }
}
descriptor Tail 16 bytes {
  @0 u8 { kind 3:0 = 2  mark 4 }
  @2 tag u16 is buffer.tag
  @4 length u16 is packet.length
}
queue receive {
  ring buffers {
    slots 8..64 step 8
    phase starts 0, flips each pass
    post Buffer when own == phase
    )" + fill +
         R"(
  }
  ring completions {
    slots 8..64 step 8
    phase starts 1, flips each pass
    complete Head, Tail when )" +
         when + R"(
    completes buffers by tag tag
  }
  packet is one descriptor
}
)";
}

const v1::Ring& RingOf(const Compiled& compiled, int ring) {
  return compiled.layout->message().queues(0).rings(ring);
}

TEST(Handovers, AnAlternativeOverFieldsOfOneFormIsOfThatFormAlone) {
  const Compiled compiled =
      CompileText(Spec("first_mark == phase and second_mark == phase or mark == phase"));
  ASSERT_TRUE(compiled.layout.has_value()) << compiled.text;
  const v1::Condition& when = RingOf(compiled, 1).completed().when();
  ASSERT_EQ(when.any_of_size(), 2);
  const uint32_t head = *compiled.layout->FormIndex("Head");
  const uint32_t tail = *compiled.layout->FormIndex("Tail");
  for (const v1::Conjunction& alternative : when.any_of()) {
    const uint32_t form = alternative.all_of(0).field().form();
    EXPECT_TRUE(form == head || form == tail);
    EXPECT_EQ(alternative.all_of_size(), form == head ? 2 : 1);
  }
}

TEST(Handovers, AFormThatNoAlternativeSpeaksOfIsReported) {
  const Compiled compiled = CompileText(Spec("first_mark == phase and second_mark == phase"));
  EXPECT_FALSE(compiled.layout.has_value());
  EXPECT_NE(compiled.text.find("`Tail` has no field `first_mark`"), std::string::npos)
      << compiled.text;
}

TEST(Handovers, AFieldThatNoFormHasIsReported) {
  const Compiled compiled =
      CompileText(Spec("first_mark == phase and second_mark == phase or mark == phase or "
                       "marc == phase"));
  EXPECT_FALSE(compiled.layout.has_value());
  EXPECT_NE(compiled.text.find("has no field `marc`"), std::string::npos) << compiled.text;
}

constexpr char kMarks[] = "first_mark == phase and second_mark == phase or mark == phase";

TEST(Handovers, WhatIsPostedCanBeFilledWithTheOppositeOfThePhase) {
  const Compiled compiled = CompileText(Spec(kMarks, "fill Buffer.own = not phase"));
  ASSERT_TRUE(compiled.layout.has_value()) << compiled.text;
  ASSERT_EQ(RingOf(compiled, 0).fills_size(), 1);
  EXPECT_TRUE(RingOf(compiled, 0).fills(0).opposite_phase());
  EXPECT_EQ(RingOf(compiled, 0).fills(0).field().form(), *compiled.layout->FormIndex("Buffer"));
}

TEST(Handovers, OnlyOneBitTakesTheOppositeOfThePhase) {
  const Compiled compiled = CompileText(Spec(kMarks, "fill Buffer.address = not phase"));
  EXPECT_FALSE(compiled.layout.has_value());
  EXPECT_NE(compiled.text.find("a field of one bit"), std::string::npos) << compiled.text;
}

TEST(Handovers, AFormOfAnotherRingIsNotFilled) {
  const Compiled compiled = CompileText(Spec(kMarks, "fill Tail.mark = 1"));
  EXPECT_FALSE(compiled.layout.has_value());
  EXPECT_NE(compiled.text.find("`Tail`"), std::string::npos) << compiled.text;
}

}  // namespace
}  // namespace qsplit::qdl::testing
