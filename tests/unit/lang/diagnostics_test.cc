#include "descriptor-lang/diagnostics/diagnostics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace qsplit::qdl {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

TEST(Diagnostics, ShowTheLineWithAnUnderlineAndWhatToDo) {
  const SourceFile source("nic.qdl", "first\n\tu12 x\n");
  Diagnostics diagnostics(source);
  diagnostics.Report(Diagnostic::kBadWord, {7, 10}, {"u12"});
  EXPECT_EQ(diagnostics.Render(),
            "nic.qdl:2:2: error[QDL0043]: there is no word `u12`\n"
            "    2 |  u12 x\n"
            "      |  ^^^\n"
            "      = help: words are u8, u16, u24, u32 and u64\n"
            "nic.qdl: 1 error\n");
}

TEST(Diagnostics, UnderlinesCharactersNotBytes) {
  const SourceFile source("f", "é é x");
  Diagnostics diagnostics(source);
  diagnostics.Report(Diagnostic::kBadWord, {3, 5}, {"é"});
  EXPECT_THAT(diagnostics.Render(), HasSubstr("    1 | é é x\n      |   ^\n"));
}

TEST(Diagnostics, LongLinesAreCutAroundTheUnderline) {
  std::string line(100000, 'a');
  line.replace(50000, 3, "u12");
  const SourceFile source("f", line);
  Diagnostics diagnostics(source);
  diagnostics.Report(Diagnostic::kBadWord, {50000, 50003}, {"u12"});
  const std::string text = diagnostics.Render();
  EXPECT_LT(text.size(), 500u);
  EXPECT_THAT(text, HasSubstr("| …" + std::string(60, 'a') + "u12" + std::string(57, 'a') + "…\n"));
  EXPECT_THAT(text, HasSubstr("| " + std::string(61, ' ') + "^^^\n"));
}

TEST(Diagnostics, NothingThatATerminalActsUponIsShown) {
  const SourceFile source("f", "a\x1b[31m\xc2\x9b b");
  Diagnostics diagnostics(source);
  diagnostics.Report(Diagnostic::kBadWord, {0, 1}, {"a"});
  EXPECT_THAT(diagnostics.Render(), HasSubstr("    1 | a?[31m? b\n"));
}

TEST(Diagnostics, ComeInOrderOfTheirPlaces) {
  const SourceFile source("f", "a\nb\n");
  Diagnostics diagnostics(source);
  diagnostics.Report(Diagnostic::kBadWord, {2, 3}, {"b"});
  diagnostics.Report(Diagnostic::kBadWord, {0, 1}, {"a"});
  const std::string text = diagnostics.Render();
  EXPECT_LT(text.find("f:1:1"), text.find("f:2:1"));
}

TEST(Diagnostics, TheSameMessageAtTheSamePlaceIsSaidOnce) {
  const SourceFile source("f", "a");
  Diagnostics diagnostics(source);
  diagnostics.Report(Diagnostic::kBadWord, {0, 1}, {"a"});
  diagnostics.Report(Diagnostic::kBadWord, {0, 1}, {"a"});
  EXPECT_EQ(diagnostics.error_count(), 1u);
}

TEST(Diagnostics, AreCappedAndTheRestIsCounted) {
  const SourceFile source("f", std::string(300, 'a'));
  Diagnostics diagnostics(source);
  for (uint32_t i = 0; i < 250; ++i) diagnostics.Report(Diagnostic::kBadWord, {i, i + 1}, {"a"});
  EXPECT_EQ(diagnostics.messages().size(), kMaxDiagnostics);
  EXPECT_EQ(diagnostics.error_count(), 250u);
  EXPECT_THAT(diagnostics.Render(), EndsWith("f: 150 more not shown\nf: 250 errors\n"));
}

TEST(Diagnostics, LongArgumentsAreCut) {
  const SourceFile source("f", "a");
  Diagnostics diagnostics(source);
  diagnostics.Report(Diagnostic::kBadWord, {0, 1}, {std::string(5000, 'x')});
  EXPECT_LT(diagnostics.Render().size(), 600u);
}

TEST(Diagnostics, NumbersLeadToTheirEntry) {
  ASSERT_NE(FindDiagnostic(44), nullptr);
  EXPECT_EQ(DiagnosticCode(FindDiagnostic(44)->id), "QDL0044");
  EXPECT_EQ(FindDiagnostic(0), nullptr);
}

}  // namespace
}  // namespace qsplit::qdl
