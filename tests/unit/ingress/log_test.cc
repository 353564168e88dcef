// What a line of the log looks like, above all when a client chose its words.
#include "daemon/log/log.h"

#include <gtest/gtest.h>

namespace qsplit::log {
namespace {

constexpr char kTime[] = "2026-01-02T03:04:05.678Z";

TEST(Log, TextQuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(FormatLine(Format::kText, kTime, Level::kInfo, "ready",
                       {{"pid", 12}, {"dir", "/run/qsplit"}, {"who", "two words"}, {"on", true}}),
            "2026-01-02T03:04:05.678Z info ready pid=12 dir=/run/qsplit who=\"two words\" on=true");
}

TEST(Log, JsonIsOneObject) {
  EXPECT_EQ(FormatLine(Format::kJson, kTime, Level::kWarning, "x", {{"n", -1}, {"s", "a\"b"}}),
            "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"warning\",\"event\":\"x\",\"n\":-1,"
            "\"s\":\"a\\\"b\"}");
}

TEST(Log, ClientsCannotForgeLinesOrMoveTheCursor) {
  EXPECT_EQ(FormatLine(Format::kText, kTime, Level::kInfo, "x", {{"p", "a\nb\x1b[2J\xff"}}),
            "2026-01-02T03:04:05.678Z info x p=\"a\\nb\\x1b[2J\\xff\"");
  EXPECT_EQ(FormatLine(Format::kJson, kTime, Level::kInfo, "x", {{"p", "\x01\xff"}}),
            "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"info\",\"event\":\"x\",\"p\":"
            "\"\\u0001\\u00ff\"}");
  const std::string line =
      FormatLine(Format::kText, "t", Level::kInfo, "x", {{"p", std::string(5000, 'a')}});
  EXPECT_LT(line.size(), 300u);
}

TEST(Log, RateLimitCountsWhatItHolds) {
  RateLimit limit(3);
  uint64_t suppressed = 0;
  int allowed = 0;
  for (int i = 0; i < 1000; ++i) allowed += limit.Allow(suppressed) ? 1 : 0;
  EXPECT_GE(allowed, 3);
  EXPECT_LE(allowed, 6);  // a second may have turned in between
}

}  // namespace
}  // namespace qsplit::log
