#include "daemon/backend/softnic/flow_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace qsplit::softnic {
namespace {

using device::FlowKey;
using device::FlowRule;

FlowRule PortRule(uint32_t location, uint16_t port, uint32_t queue) {
  FlowRule rule;
  rule.location = location;
  rule.match.value.dst_port = port;
  rule.match.mask.dst_port = 0xffff;
  rule.action.queue = queue;
  return rule;
}

FlowKey KeyOf(uint16_t src_port, uint16_t dst_port) {
  FlowKey key;
  key.src_port = src_port;
  key.dst_port = dst_port;
  return key;
}

TEST(FlowTable, EmptyMatchesNothing) { EXPECT_EQ(FlowTable().Lookup(KeyOf(1, 2)), nullptr); }

TEST(FlowTable, LowestLocationWins) {
  FlowRule any;  // matches everything
  any.location = 7;
  any.action.queue = 9;
  std::vector<FlowRule> rules = {any, PortRule(5, 80, 1), PortRule(3, 80, 2), PortRule(8, 81, 3)};
  const FlowTable table(rules);
  EXPECT_EQ(table.Lookup(KeyOf(1, 80))->location, 3u);
  EXPECT_EQ(table.Lookup(KeyOf(1, 80))->action.queue, 2u);
  EXPECT_EQ(table.Lookup(KeyOf(1, 81))->location, 7u);
}

// Against the plain search through all rules.
TEST(FlowTable, AgreesWithLinearSearch) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20; ++round) {
    std::vector<FlowRule> rules;
    const FlowKey masks[] = {KeyOf(0xffff, 0), KeyOf(0, 0xffff), KeyOf(0xffff, 0xffff), KeyOf(3, 1),
                             KeyOf(0, 0xfff0)};
    for (uint32_t i = 0; i < 200; ++i) {
      FlowRule rule;
      rule.location = i * 3 + static_cast<uint32_t>(random() % 3);
      rule.match.mask = masks[random() % 5];
      const FlowKey key =
          KeyOf(static_cast<uint16_t>(random() % 64), static_cast<uint16_t>(random() % 64));
      rule.match.value.src_port = key.src_port & rule.match.mask.src_port;
      rule.match.value.dst_port = key.dst_port & rule.match.mask.dst_port;
      rule.action.queue = i;
      rules.push_back(rule);
    }
    std::shuffle(rules.begin(), rules.end(), random);
    const FlowTable table(rules);
    for (uint16_t src = 0; src < 70; ++src) {
      for (uint16_t dst = 0; dst < 70; ++dst) {
        const FlowRule* expected = nullptr;
        for (const FlowRule& rule : rules) {
          const bool match = (src & rule.match.mask.src_port) == rule.match.value.src_port &&
                             (dst & rule.match.mask.dst_port) == rule.match.value.dst_port;
          if (match && (expected == nullptr || rule.location < expected->location)) {
            expected = &rule;
          }
        }
        const FlowTable::Entry* found = table.Lookup(KeyOf(src, dst));
        ASSERT_EQ(found == nullptr, expected == nullptr);
        if (found != nullptr) {
          ASSERT_EQ(found->location, expected->location);
        }
      }
    }
  }
}

}  // namespace
}  // namespace qsplit::softnic
