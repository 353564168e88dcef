#include "daemon/journal/text.h"

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"

namespace qsplit::journal {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Line(RecordId id, const std::string& kind, const Fields& fields) {
  auto line = RecordLine({id, kind, fields});
  EXPECT_TRUE(line.ok()) << line.status();
  return line.ok() ? *line : "";
}

std::string Text(const std::vector<std::string>& lines) {
  std::string text(kHeading);
  for (const std::string& line : lines) text += line;
  return text;
}

// The message of the error; empty: there is none.
std::string Refusal(const std::string& text) {
  const auto contents = ParseText(text, "/run/j");
  if (contents.ok()) return "";
  EXPECT_EQ(contents.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(contents.status().message()), HasSubstr("remove the file"));
  return std::string(contents.status().message());
}

TEST(JournalText, WhatIsWrittenIsRead) {
  const Record odd{
      7, "pci-driver", {{"a", ""}, {"b", " =#%\n\xff\x01"}, {"c_1", "é 0000:01:00.0"}}};
  const auto contents = ParseText(Text({*RecordLine(odd)}), "j");
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_EQ(contents->records, std::vector<Record>{odd});
  EXPECT_EQ(contents->last_id, 7u);
}

TEST(JournalText, ALineIsAsTheHeaderSays) {
  EXPECT_THAT(Line(1, "pci-driver", {{"function", "0000:01:00.0"}, {"words", "a b"}}),
              StartsWith("+ 1 pci-driver function=0000:01:00.0 words=a%20b #"));
  EXPECT_THAT(DoneLine(1), StartsWith("- 1 #"));
}

TEST(JournalText, WhatIsDoneIsGone) {
  const auto contents =
      ParseText(Text({Line(1, "a", {}), Line(2, "b", {}), DoneLine(1), Line(3, "c", {})}), "j");
  ASSERT_TRUE(contents.ok()) << contents.status();
  ASSERT_EQ(contents->records.size(), 2u);
  EXPECT_EQ(contents->records[0].kind, "b");
  EXPECT_EQ(contents->records[1].kind, "c");
}

TEST(JournalText, OneLineEndsARecordAndBeginsAnother) {
  const Record now{.id = 3, .kind = "b", .fields = {{"x", "new"}}};
  const std::string instead = *InsteadLine(now, 1);
  EXPECT_THAT(instead, StartsWith("= 3 1 b x=new #"));
  const std::string before = Text({Line(1, "b", {{"x", "old"}}), Line(2, "c", {})});
  const auto contents = ParseText(before + instead, "j");
  ASSERT_TRUE(contents.ok()) << contents.status();
  ASSERT_EQ(contents->records.size(), 2u);
  EXPECT_EQ(contents->records[0].id, 2u);
  EXPECT_EQ(contents->records[1], now);
  // Of a line that is cut nothing holds.
  for (size_t bytes = 0; bytes < instead.size(); ++bytes) {
    const auto cut = ParseText(before + instead.substr(0, bytes), "j");
    ASSERT_TRUE(cut.ok()) << cut.status();
    EXPECT_EQ(cut->records[0].id, 1u);
    EXPECT_EQ(cut->last_id, 2u);
  }
  EXPECT_THAT(Refusal(before + *InsteadLine(now, 7)), HasSubstr("ends a record that there is not"));
  EXPECT_THAT(Refusal(before + *InsteadLine({2, "b", {}}, 1)), HasSubstr("is not higher"));
}

TEST(JournalText, NamesOfOtherCharactersAreRefusedWhenWritten) {
  EXPECT_FALSE(RecordLine({1, "A b", {}}).ok());
  EXPECT_FALSE(RecordLine({1, "", {}}).ok());
  EXPECT_FALSE(RecordLine({1, "a", {{"n=", ""}}}).ok());
}

TEST(JournalText, ALineThatIsCutAnywhereWasNeverWritten) {
  const std::string before = Text({Line(1, "a", {{"x", "y"}})});
  for (const std::string& line : {Line(2, "b", {{"long", "v v v"}}), DoneLine(1)}) {
    for (size_t bytes = 0; bytes < line.size(); ++bytes) {
      const auto contents = ParseText(before + line.substr(0, bytes), "j");
      ASSERT_TRUE(contents.ok()) << contents.status();
      ASSERT_EQ(contents->records.size(), 1u) << bytes;
      EXPECT_EQ(contents->records[0].id, 1u);
      EXPECT_EQ(contents->whole_bytes, before.size());
    }
  }
  for (size_t bytes = 0; bytes < kHeading.size(); ++bytes) {
    EXPECT_EQ(ParseText(kHeading.substr(0, bytes), "j")->records.size(), 0u);
  }
}

TEST(JournalText, EveryByteOfAWholeLineCounts) {
  const std::string good = Text({Line(1, "pci-driver", {{"function", "0000:01:00.0"}})});
  for (size_t at = 0; at + 1 < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    const size_t line = at < kHeading.size() ? 1 : 2;
    EXPECT_THAT(Refusal(bad), StartsWith(absl::StrCat("/run/j:", line, ": "))) << at;
  }
}

TEST(JournalText, DamageIsNamedByFileLineAndWhatIsWrong) {
  EXPECT_THAT(Refusal("something else\n"), StartsWith("/run/j:1: "));
  EXPECT_THAT(Refusal(Text({"+ 1 a\n"})), HasSubstr("no checksum"));
  EXPECT_THAT(Refusal(Text({DoneLine(1)})), HasSubstr("ends a record that there is not"));
  EXPECT_THAT(Refusal(Text({Line(1, "a", {}), Line(1, "a", {})})),
              AllOf(StartsWith("/run/j:3: "), HasSubstr("not higher")));
  EXPECT_THAT(Refusal(Text({Line(0, "a", {})})), HasSubstr("no number"));
  EXPECT_THAT(Refusal(Text({Line(UINT64_MAX, "a", {})})), HasSubstr("no number"));
  EXPECT_THAT(Refusal(Text({"\n"})), StartsWith("/run/j:2: "));
}

}  // namespace
}  // namespace qsplit::journal
