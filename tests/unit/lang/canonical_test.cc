// The same meaning gives the same digest, however it is written; another meaning another one.
#include <gtest/gtest.h>

#include "tests/unit/lang/compile_text.h"

namespace qsplit::qdl::testing {
namespace {

std::string Digest(const Pieces& pieces) {
  const Compiled compiled = CompileText(SpecWith(pieces));
  EXPECT_TRUE(compiled.layout.has_value()) << compiled.text;
  return compiled.layout ? compiled.layout->digest_hex() : "";
}

TEST(Canonical, OrderOfLinesDoesNotMatter) {
  EXPECT_EQ(Digest({.fields = "@0 a u8\n @1 b u8"}), Digest({.fields = "@1 b u8\n @0 a u8"}));
  EXPECT_EQ(Digest({.head = "enum A : 1 bit { x 0 } enum B : 1 bit { y 0 }"}),
            Digest({.head = "enum B : 1 bit { y 0 } enum A : 1 bit { x 0 }"}));
}

TEST(Canonical, WaysToSayTheSameDoNotMatter) {
  EXPECT_EQ(Digest({.fields = "@0 a u8 must be zero"}), Digest({.fields = "@0 a u8 = 0"}));
  EXPECT_EQ(Digest({.fields = "@0 a u8"}), Digest({.fields = "@0 u8 { a 7:0 }"}));
  EXPECT_EQ(Digest({.fields = "@0 a u8"}), Digest({.fields = "@0x0 a u8 times 1"}));
  EXPECT_EQ(Digest({.fields = "@0 u8 { a 0 } @1 b u8 when a"}),
            Digest({.fields = "@0 u8 { a 0 } @1 b u8 when not not a == 1"}));
  EXPECT_EQ(Digest({}), Digest({.ring = "align 1"}));
}

TEST(Canonical, CommentsTitlesAndBlanksDoNotMatter) {
  EXPECT_EQ(Digest({.fields = "@0 a u8"}),
            Digest({.head = "title \"x\" source \"y\"", .fields = "@0\ta  u8   // a note"}));
}

TEST(Canonical, WhatMeansSomethingElseDoes) {
  const std::string plain = Digest({.fields = "@0 a u16"});
  EXPECT_NE(plain, Digest({.fields = "@0 a u16 big"}));
  EXPECT_NE(plain, Digest({.fields = "@0 a u16 ignored"}));
  EXPECT_NE(plain, Digest({.fields = "@0 a u16 is packet.length"}));
  EXPECT_NE(plain, Digest({.fields = "@0 a u16 in last"}));
  EXPECT_NE(plain, Digest({.fields = "@0 b u16"}));
  EXPECT_NE(plain, Digest({.fields = "@0 a u16", .ring = "align 16"}));
}

}  // namespace
}  // namespace qsplit::qdl::testing
