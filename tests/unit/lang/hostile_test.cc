// Input made to hurt: it ends soon, with messages. The limit of time is far above what is needed,
// so that a busy machine does not fail it, and far below what a quadratic walk over a megabyte
// takes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "descriptor-lang/source/source_file.h"
#include "tests/unit/lang/compile_text.h"

namespace qsplit::qdl::testing {
namespace {

using ::testing::Contains;

std::string Repeat(std::string_view piece, size_t bytes) {
  std::string out;
  out.reserve(bytes + piece.size());
  while (out.size() + piece.size() <= bytes) out += piece;
  return out;
}

Compiled InTime(const std::string& spec) {
  const auto begin = std::chrono::steady_clock::now();
  Compiled compiled = CompileText(spec);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  return compiled;
}

TEST(Hostile, AFileOverTheLimitIsRefused) {
  EXPECT_THAT(InTime(Repeat("// x\n", kMaxSourceBytes + 10)).codes, Contains("QDL0001"));
}

TEST(Hostile, AMegabyteOfOneThing) {
  constexpr size_t kBytes = kMaxSourceBytes - 4096;
  for (const std::string_view piece : {"(",
                                       "{",
                                       "}",
                                       "@",
                                       "\"",
                                       "not ",
                                       "descriptor A 1 bytes {",
                                       "descriptor A 1 bytes {\n",
                                       "queue receive {",
                                       "enum E : 1 bit { a 0 }",
                                       "@0 u8 { ",
                                       "a ",
                                       "0 ",
                                       "\x80",
                                       "/",
                                       ";",
                                       "layout a ",
                                       "ring r { ",
                                       "ring r { cell c u32 at - ",
                                       "queue receive { table t { complete a when b == phase ",
                                       "completes r up to ",
                                       "then p P[1..2] every ",
                                       "phase starts ",
                                       "u8 ",
                                       "..",
                                       "\n",
                                       "source \"x\"\n"}) {
    EXPECT_FALSE(InTime(Repeat(piece, kBytes)).layout.has_value()) << piece;
  }
}

TEST(Hostile, AMegabyteInOneDescriptor) {
  constexpr size_t kBytes = kMaxSourceBytes - 4096;
  for (const std::string_view piece :
       {"@0 a u8\n", "@0 u8 { a 0 }", "@0 a[0] u8\n", "@0 u64 { a[0] 0 }\n", "@0 a u8 when done\n",
        "@0 u8 when done and last { a 0 when last }\n", "a 0 ", "@0 x 1 bytes\n", "then p Post\n",
        "then p Post[1..64] count by done\n", "@0 p Done\n", "@0 p bytes to end of slot\n"}) {
    EXPECT_FALSE(InTime(SpecWith({.fields = Repeat(piece, kBytes)})).layout.has_value()) << piece;
  }
}

TEST(Hostile, ManyFieldsThatOverlap) {
  std::string fields;
  for (int i = 0; i < 510; ++i) {
    fields += "@0 f" + std::to_string(i) + " u64 when done or last\n";
  }
  EXPECT_THAT(InTime(SpecWith({.fields = fields})).codes, Contains("QDL0044"));
}

TEST(Hostile, ManyDescriptorsWithManyFields) {
  std::string spec;
  for (int form = 0; spec.size() < kMaxSourceBytes - 100000; ++form) {
    spec += "descriptor D" + std::to_string(form) + " 4096 bytes {\n";
    for (int field = 0; field < 500; ++field) {
      spec += "@" + std::to_string(field) + " f" + std::to_string(field) + " u64\n";
    }
    spec += "}\n";
  }
  EXPECT_THAT(InTime(SpecWith({.head = spec})).codes, Contains("QDL0044"));
}

TEST(Hostile, PartsOfPartsOfParts) {
  // Each contains the one before it many times; a walk over all of them would never end.
  std::string spec = "descriptor P0 1 bytes { @0 a u8 }\n";
  for (int form = 1; form < 240; ++form) {
    const std::string before = "P" + std::to_string(form - 1);
    spec += "descriptor P" + std::to_string(form) + " 4096 bytes {\n";
    for (int part = 0; part < 32; ++part) {
      spec += "  @0 p" + std::to_string(part) + " " + before + "\n";
    }
    spec += "}\n";
  }
  EXPECT_THAT(InTime(SpecWith({.head = spec})).codes, Contains("QDL0111"));
  std::string ring = "descriptor P0 1 bytes { @0 a P239 }\n" + spec.substr(spec.find('\n') + 1);
  EXPECT_FALSE(InTime(SpecWith({.head = ring})).layout.has_value());
}

TEST(Hostile, LongConditions) {
  const std::string chain = "done" + Repeat(" and last", 900000);
  EXPECT_THAT(InTime(SpecWith({.fields = "@0 a u8 when " + chain})).codes, Contains("QDL0062"));
  std::string product = "(k == 1 or k == 2)";
  for (int i = 0; i < 40; ++i) product += " and (k == 1 or k == 2)";
  EXPECT_THAT(InTime(SpecWith({.fields = "@0 k u8\n @1 a u8 when " + product})).codes,
              Contains("QDL0062"));
}

TEST(Hostile, DeepConditions) {
  std::string deep(100000, '(');
  deep.append("done").append(100000, ')');
  EXPECT_THAT(InTime(SpecWith({.fields = "@0 a u8 when " + deep})).codes, Contains("QDL0016"));
  EXPECT_THAT(InTime(SpecWith({.fields = "@0 a u8 when " + Repeat("not ", 400000) + "done"})).codes,
              Contains("QDL0016"));
}

TEST(Hostile, LongNamesAndStrings) {
  const std::string name(500000, 'x');
  EXPECT_THAT(InTime(SpecWith({.fields = "@0 " + name + " u8"})).codes, Contains("QDL0014"));
  EXPECT_THAT(InTime(SpecWith({.head = "title \"" + name + "\""})).codes, Contains("QDL0024"));
  EXPECT_TRUE(InTime(SpecWith({.fields = "@0 a u8 // " + name})).layout.has_value());
}

TEST(Hostile, NumbersAtTheirEnds) {
  EXPECT_THAT(InTime(SpecWith({.fields = "@18446744073709551615 a u64"})).codes,
              Contains("QDL0042"));
  EXPECT_THAT(InTime(SpecWith({.fields = "@0 u64 { a 18446744073709551615:0 }"})).codes,
              Contains("QDL0040"));
  EXPECT_THAT(InTime(SpecWith({.fields = "@0 a[18446744073709551615:0] u64"})).codes,
              Contains("QDL0046"));
  EXPECT_THAT(
      InTime(SpecWith({.slots = "slots 0..18446744073709551615 step 18446744073709551615"})).codes,
      Contains("QDL0072"));
  EXPECT_THAT(InTime(SpecWith({.fields = "@0 a u64 times 18446744073709551615"})).codes,
              Contains("QDL0057"));
  EXPECT_THAT(InTime(SpecWith({.queue = "at most 17592186044416 MiB per packet"})).codes,
              Contains("QDL0006"));
}

}  // namespace
}  // namespace qsplit::qdl::testing
