// One run reports every error of a file, each once, at its place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/lang/compile_text.h"

namespace qsplit::qdl::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Recovery, ErrorsInEveryStatementComeInOneRun) {
  const Compiled c = CompileText(R"(layout Bad.Name
source ""
byte-order middle
enum E : 4 { a 0 }
enum F : 4 bits { a b  c 1 }
descriptor Post 64 bytes {
  @0 address u64 si buffer.address
  @8 u32 { a 1: b 3  c 4 }
  @12 x u16 is no.such
  12 y u16
  @63 z u8 must be three
}
descriptor Done 64 bites {
  @0 a u7
  @63 u8 { done 0 is completed }
}
queue receive {
  ring main {
    slots 8..60 step 8
    post Pots
    complete Done where done
    doorbell bell
  }
  packet spans
  at most 3 wishes per packet
}
)");
  EXPECT_THAT(c.places,
              ::testing::IsSupersetOf({"1:8", "2:8", "3:12", "4:12", "5:21", "7:18", "8:17", "9:16",
                                       "10:3", "11:20", "13:20", "14:8", "19:14", "20:10", "21:19",
                                       "22:14", "24:10", "25:13"}));
}

TEST(Recovery, AMissingBraceDoesNotSwallowTheNextDescriptor) {
  const Compiled c = CompileText(R"(layout a.b
source "x"
byte-order little
descriptor Post 16 bytes {
  @0 address u64 is buffer.address
  @8 u8 { not_done 0 must be zero
descriptor Done 16 bytes {
  @8 u8 { done 0 is completed  last 1 is packet.last
}
queue receive {
  ring main {
    slots 8
    post Post
    complete Done in place when done
    doorbell wakeup
  }
  packet spans descriptors until last
}
)");
  EXPECT_THAT(c.codes, ElementsAre("QDL0012", "QDL0012", "QDL0012"));
  EXPECT_THAT(c.places, ElementsAre("4:26", "6:9", "7:26"));
}

TEST(Recovery, AStrayBraceIsOneError) {
  const Compiled c = CompileText(SpecWith({.head = "}"}));
  EXPECT_THAT(c.codes, ElementsAre("QDL0011"));
}

TEST(Recovery, AnEmptyFileSaysWhatIsMissing) {
  const Compiled c = CompileText("");
  EXPECT_THAT(c.codes, Contains("QDL0010"));
  EXPECT_FALSE(c.layout.has_value());
}

TEST(Recovery, WhatWasSkippedIsNotSaidToBeMissing) {
  const Compiled c = CompileText(SpecWith({.doorbell = "doorbel wakeup"}));
  EXPECT_THAT(c.codes, ElementsAre("QDL0011"));
}

TEST(Recovery, MisspelledWordsAreSuggested) {
  EXPECT_THAT(CompileText(SpecWith({.doorbell = "doorbel wakeup"})).text,
              HasSubstr("did you mean `doorbell`?"));
  EXPECT_THAT(CompileText(SpecWith({.packet = "packet spans main until last"})).text,
              AllOf(HasSubstr("expected `descriptors`, `completions` or `buffers`, found `main`"),
                    Not(HasSubstr("did you mean"))));
  // A word of half a million letters is no misspelt one, and costs no time.
  const std::string word(500'000, 'd');
  EXPECT_THAT(CompileText(SpecWith({.doorbell = word})).text, Not(HasSubstr("did you mean")));
}

TEST(Recovery, AQueueOfNoDirectionHasNoWrongRoles) {
  const Compiled c = CompileText(
      "layout a.b\nsource \"x\"\nbyte-order little\n"
      "descriptor Post 8 bytes {\n @0 address u64 is buffer.address\n}\n"
      "descriptor Done 8 bytes {\n @0 u8 {\n done 0\n last 1 is packet.last\n }\n}\n"
      "queue recieve {\n ring main {\n slots 8\n post Post when address\n"
      " complete Done in place when done\n }\n packet spans descriptors until last\n}\n");
  EXPECT_THAT(c.codes, ElementsAre("QDL0011"));
  EXPECT_THAT(c.text, HasSubstr("did you mean `receive`?"));
}

TEST(Recovery, MisspelledNamesAreSuggested) {
  EXPECT_THAT(CompileText(SpecWith({.packet = "packet spans descriptors until lst"})).text,
              HasSubstr("QDL0082"));
  EXPECT_THAT(CompileText(SpecWith({.fields = "@0 a u16 is packet.lenght"})).text,
              AllOf(HasSubstr("QDL0051"), HasSubstr("did you mean `packet.length`?")));
  EXPECT_THAT(CompileText(SpecWith({.fields = "@0 a u16 when dnoe"})).text,
              AllOf(HasSubstr("QDL0060"), HasSubstr("did you mean `done`?")));
}

}  // namespace
}  // namespace qsplit::qdl::testing
