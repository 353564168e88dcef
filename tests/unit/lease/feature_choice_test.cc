#include "daemon/lease/feature_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/policy/error.h"
#include "tests/support/choosy_layout.h"

namespace qsplit::lease {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ParseFeatures, TakesThemApart) {
  const auto wishes = ParseFeatures({"Size=large", "Word=a=b"});
  ASSERT_TRUE(wishes.ok()) << wishes.status();
  ASSERT_EQ(wishes->size(), 2u);
  EXPECT_EQ((*wishes)[0].feature, "Size");
  EXPECT_EQ((*wishes)[0].choice, "large");
  EXPECT_EQ((*wishes)[1].choice, "a=b");
  EXPECT_TRUE(ParseFeatures({})->empty());
}

TEST(ParseFeatures, RefusesWhatIsNoChoice) {
  for (const char* word : {"", "Size", "=large", "Size=", "="}) {
    const absl::Status status = ParseFeatures({word}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << word;
    EXPECT_THAT(std::string(status.message()), HasSubstr("write Feature=choice"));
    EXPECT_EQ(policy::DetailOf(status)->field(), "features");
  }
  const absl::Status twice = ParseFeatures({"Size=large", "Word=hash", "Size=small"}).status();
  EXPECT_THAT(std::string(twice.message()), HasSubstr("'Size=small'"));
  EXPECT_EQ(ParseFeatures(std::vector<std::string>(33, "Size=large")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(PinChoices, OneForEachFeature) {
  const v1::Layout layout = layout::testing::ChoosyMessage();
  EXPECT_THAT(PinChoices(layout, {{"Word", "mark"}}).value(),
              ElementsAre(std::nullopt, std::optional<uint32_t>(1)));
  EXPECT_THAT(PinChoices(layout, {}).value(), ElementsAre(std::nullopt, std::nullopt));
  EXPECT_FALSE(PinChoices(layout, {{"Word", "hash"}, {"Colour", "red"}}));
  EXPECT_FALSE(PinChoices(layout, {{"Word", "large"}}));
}

TEST(Features, HaveWords) {
  const v1::Layout layout = layout::testing::ChoosyMessage();
  EXPECT_EQ(NameOfChoice(layout.features(0), 1), "Size=large");
  EXPECT_EQ(DescribeFeatures(layout), "Size=small|large, Word=hash|mark");
  EXPECT_EQ(DescribeFeatures(v1::Layout()), "");
}

}  // namespace
}  // namespace qsplit::lease
