#include "daemon/backend/softnic/run_tables.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "daemon/backend/softnic/flow_table.h"

namespace qsplit::softnic {
namespace {

using device::FlowKey;
using RunRule = RunTables::Rule;

// The upper `length` bits of an address.
std::array<uint8_t, 16> PrefixMask(uint32_t length) {
  std::array<uint8_t, 16> mask{};
  for (uint32_t bit = 0; bit < length; ++bit) {
    mask[bit / 8] = static_cast<uint8_t>(mask[bit / 8] | 0x80 >> bit % 8);
  }
  return mask;
}

FlowKey AnyPacket(std::mt19937_64& random, bool six) {
  FlowKey key;
  key.ip_version = six ? 6 : 4;
  key.ether_type = six ? 0x86dd : 0x0800;
  key.has_ports = 1;
  key.l4_protocol = random() % 2 == 0 ? 6 : 17;
  for (size_t i = 0; i < (six ? 16 : 4); ++i) {
    key.src_ip[i] = static_cast<uint8_t>(random());
    key.dst_ip[i] = static_cast<uint8_t>(random());
  }
  key.src_port = static_cast<uint16_t>(random());
  key.dst_port = static_cast<uint16_t>(random());
  return key;
}

// As administrators write them: a prefix of one address or of both, ports, masks of ports.
FlowKey MaskOfSome(std::mt19937_64& random, bool six) {
  constexpr uint32_t kLengths[] = {0, 8, 16, 20, 24, 27, 32};
  constexpr uint16_t kPortMasks[] = {0, 0, 0xffff, 0xfff0, 0xff00};
  FlowKey mask;
  mask.ip_version = 0xff;
  mask.l4_protocol = 0xff;
  uint32_t src = 0, dst = 0;
  while (std::max(src, dst) < 16) {
    src = kLengths[random() % std::size(kLengths)];
    dst = kLengths[random() % std::size(kLengths)];
  }
  mask.src_ip = PrefixMask(six ? 4 * src : src);
  mask.dst_ip = PrefixMask(six ? 4 * dst : dst);
  mask.src_port = kPortMasks[random() % std::size(kPortMasks)];
  mask.dst_port = kPortMasks[random() % std::size(kPortMasks)];
  return mask;
}

RunRule RuleOf(const FlowKey& value, const FlowKey& mask, uint32_t place) {
  RunRule rule{WordsOf(value), WordsOf(mask), place};
  for (size_t i = 0; i < rule.value.size(); ++i) rule.value[i] &= rule.mask[i];
  return rule;
}

// Rules of which each fourth lies inside of one before or behind it.
std::vector<RunRule> MixedRules(size_t count, bool six, std::mt19937_64& random) {
  std::vector<RunRule> rules;
  std::vector<FlowKey> values;
  for (uint32_t i = 0; i < count; ++i) {
    const bool inside = i > 0 && random() % 4 == 0;
    values.push_back(inside ? values[random() % i] : AnyPacket(random, six));
    rules.push_back(RuleOf(values.back(), MaskOfSome(random, six), 3 * i));
  }
  return rules;
}

FlowKey KeyFor(const RunRule& rule, std::mt19937_64& random, bool six) {
  FlowWords words = WordsOf(AnyPacket(random, six));
  for (size_t i = 0; i < words.size(); ++i) words[i] = (words[i] & ~rule.mask[i]) | rule.value[i];
  // Some only nearly.
  if (random() % 4 == 0) words[random() % 8] ^= uint64_t{1} << random() % 64;
  return std::bit_cast<FlowKey>(words);
}

uint32_t LowestPlace(std::span<const RunRule> rules, const FlowKey& key) {
  const FlowWords words = WordsOf(key);
  for (const RunRule& rule : rules) {
    uint64_t differ = 0;
    for (size_t i = 0; i < words.size(); ++i) differ |= (words[i] & rule.mask[i]) ^ rule.value[i];
    if (differ == 0) return rule.place;
  }
  return RunTables::kNone;
}

// The tables, and the bitmap of what they leave.
struct Searched {
  Searched(std::span<const RunRule> rules, uint64_t seed, SearchRegisters registers)
      : rest(rules.begin(), rules.end()), tables(&rest, seed, registers), bitmap(rest, registers) {}

  uint32_t Find(const FlowKey& key) const {
    return std::min(tables.empty() ? RunTables::kNone : tables.Find(key),
                    bitmap.empty() ? RunTables::kNone : bitmap.Find(key));
  }

  std::vector<RunRule> rest;
  RunTables tables;
  RuleBitmap bitmap;
};

// How many of the keys some rule matched.
size_t ExpectLikeAll(std::span<const RunRule> rules, bool six, std::mt19937_64& random) {
  const Searched wide(rules, 1, SearchRegisters::kWidest);
  const Searched other(rules, 2, SearchRegisters::kWidest);
  const Searched narrower(rules, 3, SearchRegisters::kUpTo256);
  const Searched plain(rules, 4, SearchRegisters::kPlain);
  size_t found = 0;
  for (int i = 0; i < 3000; ++i) {
    const FlowKey key = i % 4 == 0 || rules.empty()
                            ? AnyPacket(random, six)
                            : KeyFor(rules[random() % rules.size()], random, six);
    const uint32_t expected = LowestPlace(rules, key);
    found += expected != RunTables::kNone;
    for (const Searched* way : {&wide, &other, &narrower, &plain}) {
      if (way->Find(key) == expected) continue;
      ADD_FAILURE() << "way " << (way - &wide) << " finds " << way->Find(key) << ", not "
                    << expected;
      return found;
    }
  }
  return found;
}

struct MixedShape {
  size_t rules;
  bool six;
};

class RunTablesOf : public ::testing::TestWithParam<MixedShape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, RunTablesOf,
                         ::testing::Values(MixedShape{3, false}, MixedShape{33, false},
                                           MixedShape{600, false}, MixedShape{1024, false},
                                           MixedShape{3000, false}, MixedShape{16, true},
                                           MixedShape{600, true}, MixedShape{2500, true}),
                         [](const auto& of) {
                           return std::to_string(of.param.rules) + (of.param.six ? "Ip6" : "Ip4");
                         });

TEST_P(RunTablesOf, AllRegistersFindTheLowestPlace) {
  std::mt19937_64 random(GetParam().rules);
  std::vector<RunRule> rules = MixedRules(GetParam().rules, GetParam().six, random);
  EXPECT_GT(ExpectLikeAll(rules, GetParam().six, random), 1000u);
  // Behind all others, one that matches everything; then before them.
  rules.push_back(RuleOf({}, {}, rules.back().place + 1));
  EXPECT_EQ(ExpectLikeAll(rules, GetParam().six, random), 3000u);
  std::rotate(rules.begin(), rules.end() - 1, rules.end());
  rules.front().place = 0;
  for (RunRule& rule : std::span(rules).subspan(1)) ++rule.place;
  EXPECT_EQ(ExpectLikeAll(rules, GetParam().six, random), 3000u);
}

// That is what they are for: 1,024 rules of hundreds of masks in few tables, and no bitmap.
TEST(RunTables, HoldsMixedRulesInFewTables) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    std::mt19937_64 random(seed);
    const Searched all(MixedRules(1024, false, random), seed, SearchRegisters::kWidest);
    EXPECT_TRUE(all.bitmap.empty());
    EXPECT_LE(all.tables.table_count(), 3u);
  }
}

TEST(RunTables, WithoutRulesIsEmpty) {
  const Searched none({}, 1, SearchRegisters::kWidest);
  EXPECT_TRUE(none.tables.empty());
  EXPECT_TRUE(none.bitmap.empty());
}

// Rules that compare so many bytes of a key, packed into 2, 4, 6 and 8 words: so many of them that
// all ways have tables, plain ones too.
TEST(RunTables, KeysOfAllWidths) {
  std::mt19937_64 random(8);
  for (const size_t bytes : {11, 16, 17, 32, 40, 48, 49, 64}) {
    std::vector<RunRule> rules;
    for (uint32_t i = 0; i < 2500; ++i) {
      std::array<uint8_t, sizeof(FlowKey)> mask{}, value;
      std::fill_n(mask.end() - static_cast<std::ptrdiff_t>(bytes), bytes, uint8_t{0xff});
      mask.back() = static_cast<uint8_t>(random() | 1);
      for (uint8_t& byte : value) byte = static_cast<uint8_t>(random());
      rules.push_back(RuleOf(std::bit_cast<FlowKey>(value), std::bit_cast<FlowKey>(mask), i));
    }
    for (const auto way :
         {SearchRegisters::kWidest, SearchRegisters::kUpTo256, SearchRegisters::kPlain}) {
      const Searched all(rules, bytes, way);
      EXPECT_EQ(all.tables.table_count(), 1u) << bytes;
      EXPECT_TRUE(all.bitmap.empty()) << bytes;
    }
    EXPECT_GT(ExpectLikeAll(rules, false, random), 1000u) << bytes;
  }
}

// More alike than a run has room for: the same bits in common, or the same altogether.
TEST(RunTables, RulesThatNothingTellsApart) {
  std::mt19937_64 random(5);
  const FlowKey value = AnyPacket(random, false);
  FlowKey mask;
  mask.src_ip = PrefixMask(32);
  std::vector<RunRule> rules;
  for (uint32_t i = 0; i < 60; ++i) {
    mask.dst_port = static_cast<uint16_t>(0x8000 | 3u << i % 13);
    mask.dst_ip = PrefixMask(i % 3 == 0 ? 0 : 32 - i % 7);
    rules.push_back(RuleOf(value, mask, i));
  }
  for (uint32_t i = 60; i < 100; ++i) rules.push_back(RuleOf(value, FlowKey(), i));
  std::shuffle(rules.begin(), rules.end(), random);
  for (uint32_t i = 0; i < rules.size(); ++i) rules[i].place = i;
  EXPECT_GT(ExpectLikeAll(rules, false, random), 1000u);
}

// Rules of one bit each, of every bit of a key: packed keys are whole ones.
TEST(RunTables, RulesOfSingleBits) {
  std::mt19937_64 random(6);
  std::vector<RunRule> rules;
  for (uint32_t bit = 0; bit < 512; ++bit) {
    FlowWords mask{}, value{};
    mask[bit / 64] = uint64_t{1} << bit % 64 | uint64_t{0xff} << 8 * (bit % 8);
    for (uint64_t& word : value) word = random();
    rules.push_back(RuleOf(std::bit_cast<FlowKey>(value), std::bit_cast<FlowKey>(mask), bit));
  }
  ExpectLikeAll(rules, false, random);
}

// The whole table, with rules that one mask has many of beside those of many masks.
TEST(RunTables, InATableWithManyOfOneMask) {
  std::mt19937_64 random(7);
  std::vector<RunRule> rules = MixedRules(300, false, random);
  FlowKey ports;
  ports.src_port = 0x0f0f;
  ports.dst_port = 0xffff;
  while (rules.size() < 900) {
    rules.insert(rules.begin() + static_cast<std::ptrdiff_t>(random() % rules.size()),
                 RuleOf(AnyPacket(random, false), ports, 0));
  }
  std::vector<device::FlowRule> flow;
  for (uint32_t i = 0; i < rules.size(); ++i) {
    rules[i].place = i;
    device::FlowRule& rule = flow.emplace_back();
    rule.location = i;
    rule.match.value = std::bit_cast<FlowKey>(rules[i].value);
    rule.match.mask = std::bit_cast<FlowKey>(rules[i].mask);
    rule.action.queue = i;
  }
  std::shuffle(flow.begin(), flow.end(), random);
  const FlowTable table(flow);
  for (int i = 0; i < 3000; ++i) {
    const FlowKey key = KeyFor(rules[random() % rules.size()], random, false);
    const uint32_t expected = LowestPlace(rules, key);
    ASSERT_EQ(table.Find(key).location, expected);
    if (expected == RunTables::kNone) continue;
    ASSERT_EQ(table.Find(key).action.queue, expected);
  }
}

}  // namespace
}  // namespace qsplit::softnic
