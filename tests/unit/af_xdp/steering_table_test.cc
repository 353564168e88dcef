// Rules in the XDP program's form, and its parser and search on this machine.
#include <gmock/gmock.h>
#include <netinet/in.h>

#include <algorithm>
#include <memory>

#include "daemon/backend/af_xdp/xdp_constants.h"
#include "daemon/backend/af_xdp/xdp_table.h"
#include "daemon/backend/softnic/flow_table.h"
#include "daemon/backend/softnic/packet.h"
#include "tests/support/random_steering.h"
#include "tests/support/steering_on_host.h"

namespace qsplit::af_xdp {
namespace {

using device::FlowRule;
using qsplit::testing::ConstantOnHost;
using qsplit::testing::KeyOnHost;
using qsplit::testing::KnownBytesOnHost;
using qsplit::testing::PlainOnHost;
using qsplit::testing::RandomSteering;
using qsplit::testing::SearchFirstOnHost;
using qsplit::testing::SearchOnHost;

TEST(SteeringTable, AgreesWithTheSoftwareNic) {
  auto table = std::make_unique<SteeringTable>();
  for (uint64_t set = 0; set < 48; ++set) {
    RandomSteering random(set + 1000);
    constexpr std::array<uint32_t, 6> kSizes = {0, 1, 3, 4, 200, 1024};
    const auto rules = random.Rules(kSizes[set % kSizes.size()], 8, set % 12 == 11);
    ASSERT_TRUE(FillTable(rules, random.Below(1u << 31), table.get()).ok());
    const softnic::FlowTable reference(rules);
    const auto constants = ConstantsOf(rules, 1);
    for (int i = 0; i < 500; ++i) {
      const std::vector<uint8_t> frame = random.Frame();
      softnic::Packet packet;
      ASSERT_TRUE(softnic::Parse(frame, &packet));
      const auto key = KeyOnHost(frame);
      ASSERT_TRUE(key.has_value());
      ASSERT_EQ(*key, packet.key) << ::testing::PrintToString(frame);
      const auto* rule = reference.Lookup(packet.key);
      const uint32_t location = rule == nullptr ? STEERING_NONE : rule->location;
      ASSERT_EQ(SearchOnHost(*table, *key), location);
      ASSERT_EQ(SearchFirstOnHost(*table, *key).value_or(location), location);
      if (const auto plain = PlainOnHost(frame); plain && constants) {
        ASSERT_EQ(ConstantOnHost(*constants, *plain), location);
      }
    }
  }
  EXPECT_FALSE(KeyOnHost(std::vector<uint8_t>(13)).has_value());
}

TEST(SteeringTable, APlainPacketHasTheSameKeyByItsOwnWay) {
  RandomSteering random(31);
  int plain_ones = 0;
  constexpr int kFrames = 200'000;
  for (int i = 0; i < kFrames; ++i) {
    const std::vector<uint8_t> frame = i % 2 == 0 ? random.PlainFrame() : random.Frame();
    const auto plain = PlainOnHost(frame);
    if (!plain) continue;
    ++plain_ones;
    const auto key = KeyOnHost(frame);
    ASSERT_TRUE(key.has_value());
    ASSERT_EQ(KeyOnHost(*plain), *key) << ::testing::PrintToString(frame);
    ASSERT_EQ(plain->bytes, frame.size());
  }
  EXPECT_GT(plain_ones, kFrames / 4) << "hardly any takes that way";
}

// What is one bit away from plain is not taken for it, unless the bit is of no consequence.
TEST(SteeringTable, EachHeaderBitOfAPlainPacketCounts) {
  for (const size_t payload : {0, 4, 18, 19, 1000}) {
    std::vector<uint8_t> frame(14 + 20 + 8 + payload);
    frame[12] = 8;
    frame[14] = 0x45;
    frame[16] = static_cast<uint8_t>((frame.size() - 14) >> 8);
    frame[17] = static_cast<uint8_t>(frame.size() - 14);
    frame[23] = 17;
    ASSERT_TRUE(PlainOnHost(frame).has_value());
    for (size_t bit = 0; bit < 8 * frame.size(); ++bit) {
      std::vector<uint8_t> other = frame;
      other[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
      const auto plain = PlainOnHost(other);
      const auto key = KeyOnHost(other);
      if (plain) {
        ASSERT_EQ(KeyOnHost(*plain), *key) << "bit " << bit;
      }
    }
    // Cut off, with a trailer, padded.
    for (size_t bytes = 14; bytes < frame.size() + 70; ++bytes) {
      std::vector<uint8_t> other = frame;
      other.resize(bytes);
      const auto plain = PlainOnHost(other);
      EXPECT_EQ(plain.has_value(), bytes == frame.size() || (bytes == 60 && frame.size() < bytes))
          << bytes;
    }
  }
}

// Of each field and of none, of constants that plain packets have and of others, of two fields that
// stand for the same bytes.
TEST(SteeringConstants, TakePlainPacketsByTheFramesOwnBytes) {
  int compared = 0;
  int taken = 0;
  for (uint64_t set = 0; set < 800; ++set) {
    RandomSteering random(set + 90'000);
    const auto rules = random.Rules(random.Below(13), 8, set % 2 == 0);
    const auto constants = ConstantsOf(rules, set + 1);
    ASSERT_TRUE(constants.has_value() || rules.size() > kSteeringConstantRules);
    if (!constants) continue;
    EXPECT_EQ(constants->generation, set + 1);
    const softnic::FlowTable reference(rules);
    for (int i = 0; i < 60; ++i) {
      const auto plain = PlainOnHost(random.PlainFrame());
      if (!plain) continue;
      const auto* rule = reference.Lookup(KeyOnHost(*plain));
      ASSERT_EQ(ConstantOnHost(*constants, *plain),
                rule == nullptr ? STEERING_NONE : rule->location)
          << "set " << set;
      ++compared;
      taken += rule != nullptr ? 1 : 0;
    }
  }
  EXPECT_GT(compared, 10'000);
  EXPECT_GT(taken, compared / 10);
  EXPECT_GT(compared - taken, compared / 10);
}

FlowRule PortRule(uint32_t location, uint32_t port) {
  FlowRule rule;
  rule.location = location;
  rule.match.value.dst_port = static_cast<uint16_t>(port);
  rule.match.mask.dst_port = 0xffff;
  return rule;
}

// Bytes 34 to 37 are a packet's ports, the index of ESP, or what AH begins with: only the protocol
// says which, and the short way is for ports alone.
TEST(SteeringTable, ARuleByIndexTakesNoPlainPacketAndAPortRuleNoEsp) {
  auto table = std::make_unique<SteeringTable>();
  for (const uint8_t protocol : std::initializer_list<uint8_t>{50, 51}) {
    FlowRule by_index{.location = 1};
    by_index.match.value.ip_version = 4;
    by_index.match.value.l4_protocol = protocol;
    by_index.match.mask.ip_version = by_index.match.mask.l4_protocol = 0xff;
    by_index.match.value.has_spi = by_index.match.mask.has_spi = 1;
    SetSpi(1000u << 16 | 53, by_index.match.value);
    SetSpi(0xffffffff, by_index.match.mask);
    FlowRule by_port = PortRule(0, 53);
    by_port.match.value.has_ports = by_port.match.mask.has_ports = 1;
    const std::vector rules = {by_index, by_port};
    ASSERT_TRUE(FillTable(rules, 1, table.get()).ok());
    const auto constants = ConstantsOf(rules, 1);
    ASSERT_TRUE(constants.has_value());
    EXPECT_EQ(constants->rules_used, 1u);

    std::vector<uint8_t> frame(60);
    const std::initializer_list<uint8_t> kIndex = {0x03, 0xe8, 0, 53};  // 1000, 53
    frame[12] = 8;
    frame[14] = 0x45;
    frame[17] = 46;
    frame[23] = protocol;
    std::ranges::copy(kIndex, &frame[protocol == 50 ? 34 : 38]);
    EXPECT_FALSE(PlainOnHost(frame).has_value());
    EXPECT_EQ(SearchOnHost(*table, *KeyOnHost(frame)), 1u);
    std::ranges::copy(kIndex, &frame[34]);
    frame[23] = 17;
    ASSERT_TRUE(PlainOnHost(frame).has_value());
    EXPECT_EQ(ConstantOnHost(*constants, *PlainOnHost(frame)), 0u);
    EXPECT_EQ(SearchOnHost(*table, *KeyOnHost(frame)), 0u);
  }
}

// One mask, so that all of them share a group and its chains: each is found, whatever the seed.
TEST(SteeringTable, AFullGroupFindsEachOfItsRules) {
  std::vector<FlowRule> rules;
  for (uint32_t i = 0; i < kSteeringRules; ++i) rules.push_back(PortRule(i, i * 64));
  auto table = std::make_unique<SteeringTable>();
  for (uint64_t seed = 0; seed < 200; ++seed) {
    ASSERT_TRUE(FillTable(rules, seed << 40 | seed, table.get()).ok()) << seed;
    EXPECT_EQ(table->groups_used, 1u);
    for (const FlowRule& rule : rules) {
      ASSERT_EQ(SearchOnHost(*table, rule.match.value), rule.location) << "seed " << seed;
    }
  }
}

TEST(SteeringTable, TheLowestOfEqualRulesStays) {
  auto table = std::make_unique<SteeringTable>();
  const std::vector<FlowRule> rules = {PortRule(9, 53), PortRule(4, 53), PortRule(7, 53)};
  ASSERT_TRUE(FillTable(rules, 1, table.get()).ok());
  EXPECT_EQ(table->rules_used, 1u);
  EXPECT_EQ(SearchOnHost(*table, rules[0].match.value), 4u);
}

TEST(SteeringTable, MoreRulesThanThereIsRoomForAreRefused) {
  std::vector<FlowRule> rules;
  for (uint32_t i = 0; i <= kSteeringRules; ++i) rules.push_back(PortRule(i, i));
  auto table = std::make_unique<SteeringTable>();
  EXPECT_EQ(FillTable(rules, 1, table.get()).message(),
            "1025 rules; the program has room for 1024");
}

TEST(SteeringConstants, TheFirstRuleTakesAllIfItAsksForNothing) {
  EXPECT_EQ(ConstantsOf({}, 1)->catch_all, 0u);
  FlowRule all;
  all.location = 4;
  all.match.value.dst_port = 53;  // outside of the mask
  all.action.queue = device::FlowAction::kDrop;
  for (const auto& rules : {std::vector{all}, std::vector{PortRule(5, 53), all}}) {
    const auto constants = ConstantsOf(rules, 1);
    EXPECT_NE(constants->catch_all, 0u);
    EXPECT_EQ(constants->rules_used, 1u);
    EXPECT_EQ(constants->rules[0].action, STEERING_DROP);
    EXPECT_EQ(constants->rules[0].counter, offsetof(SteeringCounts, rules[4]));
  }
  EXPECT_EQ(ConstantsOf(std::vector{all, PortRule(3, 53)}, 1)->catch_all, 0u);
}

// Then no look at it is needed before the rules.
TEST(SteeringConstants, EachRuleAsksForTcpOrUdpOrNotAllDo) {
  const auto rule = [](uint8_t protocol, uint8_t mask) {
    FlowRule by_port = PortRule(0, 53);
    by_port.match.mask.l4_protocol = mask;
    by_port.match.value.l4_protocol = protocol;
    return by_port;
  };
  const auto any = [](const std::vector<FlowRule>& rules) {
    return ConstantsOf(rules, 1)->any_protocol != 0;
  };
  EXPECT_FALSE(any({rule(IPPROTO_UDP, 0xff), rule(IPPROTO_TCP, 0xff)}));
  EXPECT_TRUE(any({rule(IPPROTO_UDP, 0xff), rule(IPPROTO_UDP, 0xfe)}));  // 16, too
  EXPECT_TRUE(any({rule(0, 0)}));
  EXPECT_TRUE(any({rule(IPPROTO_SCTP, 0xff)}));
}

TEST(SteeringConstants, MoreRulesThanThereIsRoomForHaveNone) {
  std::vector<FlowRule> rules;
  for (uint32_t i = 0; i < kSteeringConstantRules; ++i) rules.push_back(PortRule(i, i));
  EXPECT_EQ(ConstantsOf(rules, 1)->rules_used, uint64_t{kSteeringConstantRules});
  // One that no plain packet can meet needs none.
  rules.push_back(PortRule(900, 7));
  rules.back().match.mask.ip_version = 0xff;
  rules.back().match.value.ip_version = 6;
  EXPECT_EQ(ConstantsOf(rules, 1)->rules_used, uint64_t{kSteeringConstantRules});
  rules.push_back(PortRule(1000, 8));
  EXPECT_FALSE(ConstantsOf(rules, 1).has_value());
}

TEST(SteeringTable, ALengthThatIsKnownIsTheFrames) {
  RandomSteering random(6);
  int known = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::vector<uint8_t> frame = random.OneIn(2) ? random.PlainFrame() : random.Frame();
    const uint32_t bytes = KnownBytesOnHost(frame);
    ASSERT_THAT(bytes, ::testing::AnyOf(0u, frame.size()));
    known += bytes != 0;
    ASSERT_TRUE(bytes != 0 || !PlainOnHost(frame));
    // No first piece that ends within its packet is taken for the whole.
    if (bytes > 60) {
      frame.pop_back();
      ASSERT_EQ(KnownBytesOnHost(frame), 0u);
    }
  }
  EXPECT_GT(known, 5'000);
}

TEST(SteeringTable, OverwritingGivesTheNewGenerationAndAllThatIsInUse) {
  auto from = std::make_unique<SteeringTable>();
  auto to = std::make_unique<SteeringTable>();
  RandomSteering random(5);
  ASSERT_TRUE(FillTable(random.Rules(500, 8, false), 77, to.get()).ok());
  const auto rules = random.Rules(300, 8, false);
  ASSERT_TRUE(FillTable(rules, 78, from.get()).ok());
  Overwrite(*from, 12, to.get());
  EXPECT_EQ(to->generation, 12u);
  for (int i = 0; i < 1000; ++i) {
    const auto key = KeyOnHost(random.Frame());
    ASSERT_EQ(SearchOnHost(*to, *key), SearchOnHost(*from, *key));
  }
}

}  // namespace
}  // namespace qsplit::af_xdp
