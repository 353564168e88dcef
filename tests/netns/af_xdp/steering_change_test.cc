// The rules of the XDP program while they change: every packet meets a change whole or not at all.
#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <thread>

#include "daemon/backend/softnic/packet.h"
#include "tests/netns/af_xdp/steering_engine.h"
#include "tests/support/random_steering.h"
#include "tests/support/steering_on_host.h"

namespace qsplit::af_xdp {
namespace {

using device::FlowAction;
using device::FlowRule;
using qsplit::testing::PlainOnHost;

using SteeringChange = SteeringEngine;
using RuleSets = std::array<std::vector<FlowRule>, 2>;

// Two sets of rules that drop one frame, by rules, masks and places that have nothing in common: a
// frame that met a bit of each, or half of a change, would pass. The rules take turns meanwhile.
// The program that runs is the one that was made for the first of them.
void DropsAllWhileRulesChange(SteeringProgram& program, const RuleSets& sets,
                              std::span<const uint8_t> frame) {
  ASSERT_TRUE(program.SetRules(sets[0]).ok());
  ASSERT_TRUE(program.MakeNow().ok());
  ProgramRun run(program.State().program_id);
  const SteeringReasons before = program.ReadReasons();
  std::atomic<bool> stop{false};
  std::atomic<int> changes{0};
  std::thread changer([&] {
    while (!stop) {
      ASSERT_TRUE(program.SetRules(sets[static_cast<size_t>(++changes) & 1]).ok());
    }
  });
  constexpr uint32_t kRepeat = 1000;
  uint32_t runs = 0;
  for (; runs < 100 || (changes < 100 && runs < 10'000); ++runs) {
    EXPECT_EQ(run.Run(frame, 0, kRepeat), XDP_DROP);
  }
  stop = true;
  changer.join();
  const SteeringReasons after = program.ReadReasons();
  EXPECT_GE(changes, 100);
  EXPECT_EQ(Between(before.dropped_by_rule, after.dropped_by_rule).packets +
                Between(before.passed_in_change, after.passed_in_change).packets,
            uint64_t{runs} * kRepeat);
  std::printf("%d changes, %llu packets gave up in one\n", changes.load(),
              static_cast<unsigned long long>(
                  Between(before.passed_in_change, after.passed_in_change).packets));
}

TEST_F(SteeringChange, AChangeIsMetWholeOrNotAtAll) {
  std::vector<uint8_t> frame(60, 0);
  frame[12] = 0x08;  // IPv4, of which nothing else is right: only Ethernet's fields are there
  RuleSets sets;
  for (uint32_t i = 0; i < 1000; ++i) {
    for (uint32_t set = 0; set < 2; ++set) {
      FlowRule rule;
      rule.location = set == 0 ? i : 1023 - i;
      // Masks with the number of the rule in them, values that the frame does not have.
      rule.match.mask.src_port = static_cast<uint16_t>(0xff00 >> set);
      rule.match.mask.dst_port = static_cast<uint16_t>(set == 0 ? i : i | 0x8000);
      rule.match.value.src_port = rule.match.mask.src_port;
      rule.action.queue = FlowAction::kPass;
      if (i == 999) {
        rule.match.mask.ether_type = 0xffff;
        rule.match.mask.src_port = rule.match.value.src_port = 0;
        rule.match.value.ether_type = 0x0800;
        rule.action.queue = FlowAction::kDrop;
      }
      sets[set].push_back(rule);
    }
  }
  DropsAllWhileRulesChange(*program_, sets, frame);
}

// Of one mask each, so that the first group decides.
TEST_F(SteeringChange, APlainPacketMeetsAChangeWholeOrNotAtAll) {
  RandomSteering random(2);
  std::vector<uint8_t> frame = random.PlainFrame();
  while (!PlainOnHost(frame)) frame = random.PlainFrame();
  softnic::Packet packet;
  ASSERT_TRUE(softnic::Parse(frame, &packet));
  for (const uint32_t rules : {1, 200}) {
    RuleSets sets;
    for (uint32_t i = 0; i < rules; ++i) {
      FlowRule one;
      one.location = i;
      one.match.mask.dst_port = 0xffff;
      one.match.value.dst_port = static_cast<uint16_t>(packet.key.dst_port + i);
      FlowRule other;
      other.location = 1023 - i;
      other.match.mask.src_port = 0xffff;
      other.match.value.src_port = static_cast<uint16_t>(packet.key.src_port + i);
      one.action.queue = other.action.queue = i == 0 ? FlowAction::kDrop : FlowAction::kPass;
      sets[0].push_back(one);
      sets[1].push_back(other);
    }
    DropsAllWhileRulesChange(*program_, sets, frame);
  }
}

// Rules by which the frame's fate is the same with a rule for all packets and without.
TEST_F(SteeringChange, ARuleForAllPacketsComesAndGoesWhole) {
  RandomSteering random(4);
  std::vector<uint8_t> frame = random.PlainFrame();
  while (!PlainOnHost(frame)) frame = random.PlainFrame();
  softnic::Packet packet;
  ASSERT_TRUE(softnic::Parse(frame, &packet));
  FlowRule all;
  all.location = 3;
  all.action.queue = FlowAction::kDrop;
  FlowRule other_port;
  other_port.location = 1;
  other_port.match.mask.dst_port = 0xffff;
  other_port.match.value.dst_port = static_cast<uint16_t>(packet.key.dst_port + 1);
  other_port.action.queue = FlowAction::kPass;
  FlowRule passes_all = all;
  passes_all.location = 4;
  passes_all.action.queue = FlowAction::kPass;
  FlowRule port = other_port;
  port.match.value.dst_port = packet.key.dst_port;
  port.action.queue = FlowAction::kDrop;
  DropsAllWhileRulesChange(*program_, {{{all, passes_all}, {other_port, all}}}, frame);
  DropsAllWhileRulesChange(*program_, {{{all}, {port, passes_all}}}, frame);
}

// As if the table were being rewritten under each attempt.
TEST_F(SteeringChange, WhatMeetsATableThatIsBeingWrittenPassesAndIsCounted) {
  auto loaded = XdpLoaded::Load(1);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  SteeringMemory& memory = loaded->memory();
  memory.generation = 1;
  ProgramRun run(loaded->program_id());
  RandomSteering random(3);
  std::vector<uint8_t> plain = random.PlainFrame();
  while (!PlainOnHost(plain)) plain = random.PlainFrame();
  const std::vector<uint8_t> frame(60, 0);
  const auto passed = [&] {
    for (const std::vector<uint8_t>& one : {frame, plain}) EXPECT_EQ(run.Run(one, 0), XDP_PASS);
    const auto counts = loaded->Counts();
    return std::array{counts->reasons[kSteeringPassedInChange].packets,
                      counts->reasons[kSteeringPassedNoRule].packets};
  };
  EXPECT_THAT(passed(), ::testing::ElementsAre(2u, 0u));
  memory.tables[1].generation = 1;
  EXPECT_THAT(passed(), ::testing::ElementsAre(2u, 2u));
}

}  // namespace
}  // namespace qsplit::af_xdp
