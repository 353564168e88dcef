// Tables and sheets: columns line up, and bytes from elsewhere do no harm to a terminal.
#include "cli/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace qsplit::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Harmless, KeepsOrdinaryText) {
  EXPECT_EQ(Harmless("qsplit-responder 1.0 (a:b)"), "qsplit-responder 1.0 (a:b)");
  EXPECT_EQ(Harmless(""), "");
}

TEST(Harmless, KeepsLettersOfAllLanguages) {
  EXPECT_EQ(Harmless("größe 網卡 🙂"), "größe 網卡 🙂");
}

TEST(Harmless, EscapeSequencesLoseTheirEscape) {
  EXPECT_EQ(Harmless("\x1b[2J\x1b]0;title\x07"), "?[2J?]0;title?");
}

TEST(Harmless, LinesAndTabsCannotBeFaked) {
  EXPECT_EQ(Harmless("a\nb\rc\td\x7f"), "a?b?c?d?");
  EXPECT_EQ(Harmless(absl::string_view("a\0b", 3)), "a?b");
}

// CSI is one byte in the C1 set: U+009B, c2 9b in UTF-8, 9b alone in Latin-1.
TEST(Harmless, C1ControlsAreControls) {
  EXPECT_EQ(Harmless("\xc2\x9b"
                     "2J")
                .find('\x9b'),
            std::string::npos);
  EXPECT_EQ(Harmless("\x9b"
                     "2J"),
            "?2J");
  EXPECT_EQ(Harmless("\xc2\xa0"), "\xc2\xa0");  // the first that is none
}

TEST(Harmless, BrokenUtf8IsReplaced) {
  EXPECT_EQ(Harmless("a\xff"), "a?");
  EXPECT_EQ(Harmless("\xe7\xb6"), "??");        // ends early
  EXPECT_EQ(Harmless("\xc0\x9b"), "??");        // an overlong form of ESC
  EXPECT_EQ(Harmless("\xe7\x1b[2J"), "??[2J");  // a lead byte does not swallow an escape
}

// Marks that turn the direction of text around can make a line read as another.
TEST(Harmless, DirectionMarksAreReplaced) {
  for (const char* mark : {"\u202a", "\u202e", "\u2066", "\u2069", "\u200e", "\u200f", "\u061c"}) {
    EXPECT_EQ(Harmless(std::string("a") + mark + "b").find(mark), std::string::npos);
  }
  EXPECT_EQ(Harmless("\u2070"), "\u2070");
}

// Overlong forms and surrogates, which some terminals decode all the same.
TEST(Harmless, OnlyShortestFormsOfCharacters) {
  EXPECT_EQ(Harmless("\xe0\x82\x9b"), "???");       // overlong U+009B
  EXPECT_EQ(Harmless("\xf0\x80\x82\x9b"), "????");  // and longer
  EXPECT_EQ(Harmless("\xed\xa0\x80"), "???");       // a surrogate
  EXPECT_EQ(Harmless("\xf4\x90\x80\x80"), "????");  // past U+10FFFF
}

TEST(Table, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({{"NAME"}, {"N", Table::Align::kRight}, {"WHAT"}});
  table.Row({"a", "1", "x"});
  table.Row({"longer", "12345", "y"});
  EXPECT_EQ(table.Text(),
            "NAME        N  WHAT\n"
            "a           1  x\n"
            "longer  12345  y\n");
}

TEST(Table, NoSpacesAtTheEndOfALine) {
  Table table({{"A"}, {"LONG TITLE"}});
  table.Row({"1", "x"});
  EXPECT_EQ(table.Text(), "A  LONG TITLE\n1  x\n");
}

TEST(Table, WithoutRowsTheTitlesStand) {
  const Table table({{"A"}, {"B"}});
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(table.Text(), "A  B\n");
}

TEST(Table, ColumnsLineUpBehindLettersOfSeveralBytes) {
  Table table({{"NAME"}, {"N"}});
  table.Row({"größe", "1"});
  table.Row({"abcde", "2"});
  EXPECT_EQ(table.Text(), "NAME   N\ngröße  1\nabcde  2\n");
}

// A client names itself; that name stands in `lease list`.
TEST(Table, AHostileNameStaysInItsCell) {
  Table table({{"PROGRAM"}, {"PID"}});
  table.Row({"\x1b[31mevil\nroot", "7"});
  const std::string text = table.Text();
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_EQ(text, "PROGRAM         PID\n?[31mevil?root  7\n");
}

TEST(Sheet, ValuesStandInOneColumn) {
  Sheet sheet;
  sheet.Line("mtu", "1500 bytes");
  sheet.Line("representor", "none");
  EXPECT_EQ(sheet.Text(), "mtu:          1500 bytes\nrepresentor:  none\n");
}

TEST(Sheet, AHostileValueStaysInItsLine) {
  Sheet sheet;
  sheet.Line("held by", "a\nstate: active\x1b[0m");
  EXPECT_EQ(sheet.Text(), "held by:  a?state: active?[0m\n");
}

}  // namespace
}  // namespace qsplit::cli
