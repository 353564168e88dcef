// The XDP program in the kernel against the daemon's own engine, softnic::Parse and FlowTable, on
// random frames and random rules. QSPLIT_STEERING_PACKETS says how many; a million unless it does.
#include "tests/netns/af_xdp/steering_engine.h"

#include <gmock/gmock.h>

#include <chrono>
#include <cstdlib>
#include <map>

#include "tests/support/random_steering.h"
#include "tests/support/steering_on_host.h"

namespace qsplit::af_xdp {
namespace {

using device::FlowRule;
using qsplit::testing::PlainOnHost;

TEST_F(SteeringEngine, AgreesWithTheDaemonsOwnOnAMillionRandomFrames) {
  const char* wanted = std::getenv("QSPLIT_STEERING_PACKETS");
  const int frames =
      wanted == nullptr ? 1'000'000 : static_cast<int>(std::strtol(wanted, nullptr, 10));
  constexpr int kFramesOfASet = 2500;
  constexpr std::array<uint32_t, 8> kSizes = {1, 3, 4, 16, 64, 300, 1000, 1024};
  const auto begin = std::chrono::steady_clock::now();
  int compared = 0;
  std::array<uint64_t, kTypeNames.size()> types = {};
  for (uint64_t set = 0; compared < frames; ++set) {
    RandomSteering random(set);
    const uint32_t size = kSizes[set % kSizes.size()];
    // Two of three sets as clients ask for them; the third has any bits in its masks.
    const bool asked = set % 3 != 2;
    const auto rules =
        asked ? random.AskedRules(size, kQueues) : random.Rules(size, kQueues, set % 12 == 11);
    ASSERT_TRUE(program_->SetRules(rules).ok());
    Compare(random, rules, kFramesOfASet);
    if (HasFatalFailure()) FAIL() << "rule set " << set;
    compared += kFramesOfASet;
    for (size_t type = 0; asked && type < types.size(); ++type) types[type] += types_[type];
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::printf("%d frames against %d rule sets, %.1f s\n", compared, compared / kFramesOfASet,
              seconds.count());
  // Nothing of it is compared in name only; few rule sets do not have everything in them.
  const bool many = compared / kFramesOfASet >= 100;
  const auto least = [compared, many](uint64_t met, int one_in, const char* what) {
    std::printf("%9llu %s\n", static_cast<unsigned long long>(met), what);
    EXPECT_GE(met, static_cast<uint64_t>(many ? compared / one_in : 0)) << what;
  };
  for (const auto& of_program : met_) {
    const bool made = &of_program != met_.data();
    std::printf("by %s:\n", made ? "programs of constants" : "the general program");
    for (size_t fate = 0; fate < kFateNames.size(); ++fate) {
      least(of_program[fate], 1000, kFateNames[fate]);
    }
  }
  std::printf("by clients' rules of the flow type:\n");
  for (size_t type = 0; type < kTypeNames.size(); ++type) {
    least(types[type], 2000, kTypeNames[type]);
  }
  least(index_hits_, 200, "by AH's or ESP's index");
  EXPECT_GE(by_constants_, compared / kFramesOfASet / 4) << "hardly any rules were constants";
}

// Before all others, or among them.
TEST_F(SteeringEngine, OneRuleForAllPacketsTakesThem) {
  for (uint64_t set = 0; set < 60; ++set) {
    RandomSteering random(set + 9000);
    auto rules = random.Rules(1 + static_cast<uint32_t>(set), kQueues, false);
    if (set % 3 != 0) std::ranges::min_element(rules, {}, &FlowRule::location)->match.mask = {};
    rules[random.Below(static_cast<uint32_t>(rules.size()))].match.mask = {};
    ASSERT_TRUE(program_->SetRules(rules).ok());
    Compare(random, rules, 1000, set % 2 == 1);
    if (HasFatalFailure()) FAIL() << "rule set " << set;
  }
}

// As from a driver that puts headers into a piece of their own, or that has small buffers.
TEST_F(SteeringEngine, WhatComesInPiecesIsSteeredAsAWhole) {
  if (general_->Run(std::vector<uint8_t>(60), 0, 1, 20) < 0) {
    GTEST_SKIP() << "SKIPPED: this kernel makes no short pieces (Linux 6.18 does)";
  }
  for (uint64_t set = 0; set < 40; ++set) {
    RandomSteering random(set + 5000);
    const auto rules = random.Rules(set % 4 == 0 ? 1 : 50, kQueues, false);
    ASSERT_TRUE(program_->SetRules(rules).ok());
    Compare(random, rules, 1000, true);
    if (HasFatalFailure()) FAIL() << "rule set " << set;
  }
}

// What steering_plain.h says of it: only a driver that cuts where an IP packet ends would do that.
TEST_F(SteeringEngine, ATrailerAloneInAPieceIsNotCounted) {
  RandomSteering random(1);
  std::vector<uint8_t> frame = random.PlainFrame();
  while (!PlainOnHost(frame) || frame.size() < 61) frame = random.PlainFrame();
  const auto packet_bytes = static_cast<uint32_t>(frame.size());
  frame.resize(packet_bytes + 9);
  if (general_->Run(frame, 0, 1, packet_bytes) < 0) {
    GTEST_SKIP() << "SKIPPED: this kernel makes no short pieces (Linux 6.18 does)";
  }
  const SteeringCount one_piece = program_->ReadReasons().passed_no_rule;
  EXPECT_EQ(one_piece.bytes, packet_bytes);
  ASSERT_EQ(general_->Run(frame, 0), XDP_PASS);
  EXPECT_EQ(program_->ReadReasons().passed_no_rule.bytes, one_piece.bytes + frame.size());
}

TEST_F(SteeringEngine, OneRuleAtATimeAgreesToo) {
  RandomSteering random(4711);
  std::map<uint32_t, FlowRule> rules;
  for (const FlowRule& rule : random.Rules(300, kQueues, false)) {
    if (!rules.empty() && random.OneIn(3)) {
      auto victim = rules.begin();
      std::advance(victim, random.Below(static_cast<uint32_t>(rules.size())));
      ASSERT_TRUE(program_->RemoveRule(victim->first).ok());
      rules.erase(victim);
    }
    ASSERT_TRUE(program_->AddRule(rule).ok());
    rules.emplace(rule.location, rule);
    if (rules.size() % 10 != 0) continue;
    // The same rules once more, so that all counters begin at 0.
    std::vector<FlowRule> list;
    list.reserve(rules.size());
    for (const auto& [location, one] : rules) list.push_back(one);
    for (const FlowRule& one : list) {
      ASSERT_TRUE(program_->RemoveRule(one.location).ok());
      ASSERT_TRUE(program_->AddRule(one).ok());
    }
    Compare(random, list, 50);
    if (HasFatalFailure()) return;
  }
}

TEST_F(SteeringEngine, A1024MasksFindTheirRule) {
  RandomSteering random(99);
  const auto rules = random.Rules(SteeringProgram::kCapacity, kQueues, true);
  for (const FlowRule& rule : rules) ASSERT_TRUE(program_->AddRule(rule).ok());
  EXPECT_EQ(program_->ReadRuleCounters().size(), 1024u);
  FlowRule more = rules.front();
  more.location = SteeringProgram::kCapacity;
  EXPECT_EQ(program_->AddRule(more).code(), absl::StatusCode::kResourceExhausted);
  Compare(random, rules, 5000);
}

}  // namespace
}  // namespace qsplit::af_xdp
