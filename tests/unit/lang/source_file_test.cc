#include "descriptor-lang/source/source_file.h"

#include <gtest/gtest.h>

#include <string>

namespace qsplit::qdl {
namespace {

TEST(SourceFile, PositionsCountLinesAndCharactersFromOne) {
  const SourceFile file("f", "ab\n\ncd");
  EXPECT_EQ(file.PositionOf(0).line, 1u);
  EXPECT_EQ(file.PositionOf(0).column, 1u);
  EXPECT_EQ(file.PositionOf(1).column, 2u);
  EXPECT_EQ(file.PositionOf(3).line, 2u);
  EXPECT_EQ(file.PositionOf(5).line, 3u);
  EXPECT_EQ(file.PositionOf(5).column, 2u);
}

TEST(SourceFile, ACharacterOfSeveralBytesIsOneColumn) {
  const SourceFile file("f", "é…x");
  EXPECT_EQ(file.PositionOf(5).column, 3u);
}

TEST(SourceFile, LinesComeWithoutTheirEnds) {
  const SourceFile file("f", "a\r\nb\n");
  EXPECT_EQ(file.Line(1), "a");
  EXPECT_EQ(file.Line(2), "b");
  EXPECT_EQ(file.Line(3), "");
  EXPECT_EQ(file.Line(0), "");
  EXPECT_EQ(file.Line(99), "");
}

TEST(SourceFile, AByteOrderMarkInFrontIsNotThere) {
  const SourceFile file("f",
                        "\xef\xbb\xbf"
                        "ab\n");
  EXPECT_EQ(file.Line(1), "ab");
  EXPECT_EQ(file.PositionOf(1).column, 2u);
  EXPECT_FALSE(file.first_invalid_byte().has_value());
}

TEST(SourceFile, PositionsBehindTheEndAreThoseOfTheEnd) {
  const SourceFile file("f", "ab");
  EXPECT_EQ(file.PositionOf(100).line, 1u);
  EXPECT_EQ(file.PositionOf(100).column, 3u);
  EXPECT_EQ(file.Text({1, 100}), "b");
  EXPECT_EQ(file.Text({50, 100}), "");
}

TEST(SourceFile, BytesThatAreNoUtf8BecomeQuestionMarks) {
  const SourceFile file("f", "a\xff\xc3(b");
  EXPECT_EQ(file.text(), "a\?\?(b");
  EXPECT_EQ(file.first_invalid_byte(), 1u);
  EXPECT_FALSE(SourceFile("f", "é").first_invalid_byte().has_value());
}

TEST(SourceFile, OverlongFormsSurrogatesAndCutCharactersAreNoUtf8) {
  EXPECT_EQ(Utf8Length("\xc0\x80"), 0u);
  EXPECT_EQ(Utf8Length("\xed\xa0\x80"), 0u);
  EXPECT_EQ(Utf8Length("\xf4\x90\x80\x80"), 0u);
  EXPECT_EQ(Utf8Length("\xe2\x80"), 0u);
  EXPECT_EQ(Utf8Length("\xe2\x80\xa6"), 3u);
  EXPECT_EQ(Utf8Length("\xf0\x9f\x98\x80"), 4u);
}

TEST(SourceFile, LongTextIsCutAndSaysSo) {
  const SourceFile file("f", std::string(kMaxSourceBytes + 1, 'x'));
  EXPECT_TRUE(file.truncated());
  EXPECT_EQ(file.text().size(), kMaxSourceBytes);
  EXPECT_FALSE(SourceFile("f", std::string(kMaxSourceBytes, 'x')).truncated());
}

}  // namespace
}  // namespace qsplit::qdl
