#include "daemon/backend/softnic/flow_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <random>
#include <string>
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

// Bytes of keys out of small pools, so that rules meet.
FlowKey RandomKey(std::mt19937_64& random) {
  std::array<uint8_t, sizeof(FlowKey)> bytes;
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() % 4 * 85 + random() % 2);
  return std::bit_cast<FlowKey>(bytes);
}

// Compares some bytes, and of some of them a few bits.
FlowKey RandomMask(std::mt19937_64& random, uint32_t one_in) {
  std::array<uint8_t, sizeof(FlowKey)> bytes{};
  for (uint8_t& byte : bytes) {
    if (random() % one_in == 0) byte = random() % 3 == 0 ? static_cast<uint8_t>(random()) : 0xff;
  }
  return std::bit_cast<FlowKey>(bytes);
}

bool Matches(const FlowRule& rule, const FlowKey& key) {
  const FlowWords mask = WordsOf(rule.match.mask);
  const FlowWords value = WordsOf(rule.match.value);
  const FlowWords words = WordsOf(key);
  for (size_t i = 0; i < mask.size(); ++i) {
    if (((value[i] ^ words[i]) & mask[i]) != 0) return false;
  }
  return true;
}

// A row of rules, of so many masks that each compare one of so many bytes.
struct Shape {
  uint32_t rules;
  uint32_t masks;
  uint32_t one_in;
};

class FlowTableOf : public ::testing::TestWithParam<Shape> {
 protected:
  FlowTableOf() {
    std::vector<FlowKey> masks;
    for (uint32_t i = 0; i < GetParam().masks; ++i) {
      masks.push_back(RandomMask(random_, GetParam().one_in));
    }
    for (uint32_t i = 0; i < GetParam().rules; ++i) {
      FlowRule rule;
      rule.location = 2 * i;
      rule.match.mask = masks[random_() % masks.size()];
      rule.match.value = RandomKey(random_);
      rules_.push_back(rule);
    }
    std::shuffle(rules_.begin(), rules_.end(), random_);
  }
  // Made for a rule; of it but for one bit; any.
  FlowKey Key() {
    if (random_() % 4 == 0) return RandomKey(random_);
    const FlowRule& rule = rules_[random_() % rules_.size()];
    FlowWords words = WordsOf(RandomKey(random_));
    const FlowWords mask = WordsOf(rule.match.mask);
    const FlowWords value = WordsOf(rule.match.value);
    for (size_t i = 0; i < words.size(); ++i) {
      words[i] = (words[i] & ~mask[i]) | (value[i] & mask[i]);
    }
    if (random_() % 2 == 0) words[random_() % 8] ^= uint64_t{1} << random_() % 64;
    return std::bit_cast<FlowKey>(words);
  }
  uint32_t Search(const FlowKey& key) const {
    uint32_t lowest = UINT32_MAX;
    for (const FlowRule& rule : rules_) {
      if (rule.location < lowest && Matches(rule, key)) lowest = rule.location;
    }
    return lowest;
  }

  std::mt19937_64 random_{GetParam().rules + GetParam().masks};
  std::vector<FlowRule> rules_;
};
// All hashed; some hashed, some in the bitmap; all in the bitmap, of one and two lines and of
// several blocks; masks that compare nothing, everything.
INSTANTIATE_TEST_SUITE_P(Shapes, FlowTableOf,
                         ::testing::Values(Shape{1, 1, 8}, Shape{300, 1, 8}, Shape{1000, 2, 20},
                                           Shape{900, 3, 12}, Shape{1500, 8, 12}, Shape{40, 40, 8},
                                           Shape{400, 300, 16}, Shape{1024, 1024, 24},
                                           Shape{1024, 700, 3}, Shape{2600, 1000, 24},
                                           Shape{20, 20, 1000}, Shape{300, 200, 1}),
                         [](const auto& of) {
                           return std::to_string(of.param.rules) + "RulesOf" +
                                  std::to_string(of.param.masks) + "Masks" +
                                  std::to_string(of.param.one_in);
                         });

TEST_P(FlowTableOf, AgreesWithLinearSearch) {
  const FlowTable table(rules_, 1);
  const FlowTable other(rules_, 2);
  size_t found = 0;
  for (int round = 0; round < 1000; ++round) {
    const FlowKey key = Key();
    const uint32_t expected = Search(key);
    found += expected != UINT32_MAX;
    ASSERT_EQ(table.Find(key).location, expected);
    ASSERT_EQ(other.Find(key).location, expected);
    ASSERT_EQ(table.Lookup(key) != nullptr, expected != UINT32_MAX);
  }
  EXPECT_GT(found, 0u);
}

TEST_P(FlowTableOf, AllRegistersFindTheSame) {
  std::sort(rules_.begin(), rules_.end(),
            [](const FlowRule& a, const FlowRule& b) { return a.location < b.location; });
  std::vector<RuleBitmap::Rule> list;
  for (const FlowRule& rule : rules_) {
    const FlowWords mask = WordsOf(rule.match.mask);
    FlowWords value = WordsOf(rule.match.value);
    for (size_t i = 0; i < value.size(); ++i) value[i] &= mask[i];
    list.push_back({value, mask, rule.location});
  }
  const RuleBitmap wide(list);
  const RuleBitmap narrower(list, SearchRegisters::kUpTo256);
  const RuleBitmap plain(list, SearchRegisters::kPlain);
  for (int i = 0; i < 500; ++i) {
    const FlowKey key = Key();
    const uint32_t expected = Search(key);
    ASSERT_EQ(wide.Find(key), expected);
    ASSERT_EQ(narrower.Find(key), expected);
    ASSERT_EQ(plain.Find(key), expected);
  }
}

}  // namespace
}  // namespace qsplit::softnic
