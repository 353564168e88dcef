// Which layouts a guard takes, and what it says of the others.
#include "daemon/guard/guardable.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/unit/guard/guard_rig.h"

namespace qsplit::guard {
namespace {

using dataplane::FeatureChoices;
using dataplane::testing::ForEachChoice;
using dataplane::testing::NamedLayout;

// Of each choice, by its name: empty, or why not.
std::map<std::string, std::string> AnswersFor(std::string_view layout) {
  std::map<std::string, std::string> answers;
  for (const NamedLayout& named : dataplane::testing::ShippedLayouts()) {
    if (named.layout->name() != layout) continue;
    ForEachChoice(named.layout->message(), 64,
                  [&](const FeatureChoices& choices, const std::string& name) {
                    const absl::Status status = CheckGuardable(*named.layout, choices);
                    EXPECT_TRUE(status.ok() || absl::IsUnimplemented(status)) << status;
                    answers[name] = std::string(status.message());
                  });
  }
  EXPECT_FALSE(answers.empty()) << layout;
  return answers;
}

TEST(Guardable, NeitherHeadsNorTablesInMemoryNorWhatMayBeAnAddress) {
  const struct {
    std::string_view layout;
    std::string_view choice;  // part of its name
    std::string_view why;     // part of the answer
  } kRefused[] = {
      {"intel.igb.advanced", "Done=head", "ring head_descriptors"},
      {"intel.e1000.extended", "Buffers=split", "buffer_address_2"},
      {"virtio.split", "Indirect=on", "table.indirect"},
      {"virtio.packed", "Indirect=on", "table.indirect"},
  };
  for (const auto& refused : kRefused) {
    uint32_t seen = 0;
    for (const auto& [choice, answer] : AnswersFor(refused.layout)) {
      if (choice.find(refused.choice) == std::string::npos) {
        EXPECT_EQ(answer, "") << refused.layout << " " << choice;
        continue;
      }
      ++seen;
      EXPECT_NE(answer.find(refused.why), std::string::npos) << choice << ": " << answer;
    }
    EXPECT_GT(seen, 0u) << refused.layout;
  }
  for (const char* layout : {"intel.e1000.legacy", "intel.ixgbe.advanced"}) {
    for (const auto& [choice, answer] : AnswersFor(layout)) EXPECT_EQ(answer, "") << choice;
  }
}

// The answer is that of the queue itself.
TEST(Guardable, WhatIsGuardableIsGuarded) {
  std::map<std::string, uint32_t> directions;
  for (const testing::RxCase& c : testing::GuardedRxCases()) ++directions[c.layout->name()];
  for (const NamedLayout& named : dataplane::testing::ShippedLayouts()) {
    bool any = false;
    ForEachChoice(named.layout->message(), 64,
                  [&](const FeatureChoices& choices, const std::string&) {
                    any = any || CheckGuardable(*named.layout, choices).ok();
                  });
    EXPECT_TRUE(!any || directions.contains(named.layout->name())) << named.name;
  }
}

TEST(Guardable, RingsOfOtherSizesOrRegionsOutOfReachAreRefused) {
  for (const testing::RxCase& c : testing::GuardedRxCases()) {
    const testing::QueueMemory shadow(*c.layout, c.queue, c.choices, 64);
    const testing::QueueMemory real(*c.layout, c.queue, c.choices, 128);
    GuardOptions options;
    options.rx_buffer_bytes = dataplane::testing::BufferBytesFrom(c, 512);
    EXPECT_EQ(GuardedQueue::Create(*c.layout, v1::DIRECTION_RECEIVE, shadow.view(), real.view(), {},
                                   options)
                  .status()
                  .code(),
              absl::StatusCode::kInvalidArgument)
        << c.name;
    const GuardedRegion odd[] = {{0x1000, 0x1000, 0x2000, true}, {0x1800, 0x1000, 0x8000, true}};
    EXPECT_EQ(GuardedQueue::Create(*c.layout, v1::DIRECTION_RECEIVE, shadow.view(), shadow.view(),
                                   odd, options)
                  .status()
                  .code(),
              absl::StatusCode::kInvalidArgument)
        << c.name;
  }
}

}  // namespace
}  // namespace qsplit::guard
