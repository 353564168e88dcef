// The XDP program in the kernel against the daemon's own engine, softnic::Parse and FlowTable, on
// random frames and random rules. QSPLIT_STEERING_PACKETS says how many; a million unless it does.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <set>
#include <thread>

#include "daemon/backend/softnic/flow_table.h"
#include "daemon/backend/softnic/packet.h"
#include "tests/netns/af_xdp/steering_world.h"
#include "tests/support/random_steering.h"
#include "tests/support/steering_on_host.h"

namespace qsplit::af_xdp {
namespace {

using device::FlowAction;
using device::FlowRule;
using qsplit::testing::KnownBytesOnHost;
using qsplit::testing::PlainOnHost;
using qsplit::testing::RandomSteering;

// Queues 0 to 3 are one lease's, 4 and 5 another's, the rest nobody's. Queues 2, 5 and 7 have no
// socket.
constexpr std::array<device::LeaseId, kQueues> kOwners = {7, 7, 7, 7, 9, 9, 0, 0};
constexpr std::array<bool, kQueues> kSockets = {true, true, false, true, true, false, true, false};

struct Count {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  void Add(size_t frame_bytes) {
    ++packets;
    bytes += frame_bytes;
  }
  bool operator==(const Count&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Count& count) {
  return out << count.packets << " packets, " << count.bytes << " bytes";
}
Count Between(const SteeringCount& from, const SteeringCount& to) {
  return {to.packets - from.packets, to.bytes - from.bytes};
}

// What the daemon's engine says of a frame, and its own books.
class Expectation {
 public:
  explicit Expectation(std::span<const FlowRule> installed) : table_(installed) {
    for (const FlowRule& rule : installed) {
      if (rule.match.mask.has_spi != 0 && SpiOf(rule.match.mask) != 0) {
        by_index_.insert(rule.location);
      }
    }
  }

  int VerdictOf(std::span<const uint8_t> frame, uint32_t arrived) {
    softnic::Packet packet;
    EXPECT_TRUE(softnic::Parse(frame, &packet));
    const auto* rule = table_.Lookup(packet.key);
    if (rule == nullptr) return Say(no_rule, frame, XDP_PASS);
    rules[rule->location].Add(frame.size());
    index_hits += packet.key.has_spi & static_cast<uint8_t>(by_index_.contains(rule->location));
    if (rule->action.drops()) return Say(dropped, frame, XDP_DROP);
    if (rule->action.passes()) return Say(passed, frame, XDP_PASS);
    if (rule->action.reflects()) return Say(sent_back, frame, XDP_TX);
    const uint32_t wanted = rule->action.queue;
    if (wanted != arrived && (kOwners[wanted] == 0 || kOwners[wanted] != kOwners[arrived])) {
      return Say(wrong_queue, frame, XDP_PASS);
    }
    return kSockets[arrived] ? Say(redirected, frame, XDP_REDIRECT)
                             : Say(no_socket, frame, XDP_PASS);
  }

  std::map<uint32_t, Count> rules;  // by location
  uint64_t index_hits = 0;          // AH and ESP, taken by their index
  Count no_rule, passed, wrong_queue, no_socket, dropped, redirected, sent_back;

 private:
  static int Say(Count& count, std::span<const uint8_t> frame, int verdict) {
    count.Add(frame.size());
    return verdict;
  }
  softnic::FlowTable table_;
  std::set<uint32_t> by_index_;  // locations
};

class SteeringEngine : public SteeringWorld {
 protected:
  void SetUp() override {
    SteeringWorld::SetUp();
    if (IsSkipped()) return;
    program_ = Load();
    ASSERT_NE(program_, nullptr);
    ASSERT_EQ(program_->State().mode, XdpMode::kNative) << program_->State().native_failure;
    for (uint32_t queue = 0; queue < kQueues; ++queue) {
      ASSERT_TRUE(program_->SetQueueOwner(queue, kOwners[queue]).ok());
      if (!kSockets[queue]) continue;
      sockets_.push_back(UnboundSocket());
      ASSERT_TRUE(program_->SetSocket(queue, sockets_.back().get()).ok());
    }
    general_ = std::make_unique<ProgramRun>(program_->State().program_id);
  }

  // The program as it runs where the rules have not changed for a while; null: as `general_` where
  // there are too many.
  std::unique_ptr<ProgramRun> Made() {
    const absl::Status made = program_->MakeNow();
    EXPECT_TRUE(made.ok()) << made;
    const SteeringState state = program_->State();
    if (!state.by_constants) return nullptr;
    return std::make_unique<ProgramRun>(state.program_id);
  }

  // Runs frames against rules that are there already, by the general program and by the one that is
  // made for them; all verdicts and all counters must agree. `pieces`: frames come in several where
  // they can.
  void Compare(RandomSteering& random, std::span<const FlowRule> rules, int frames,
               bool pieces = false) {
    const std::unique_ptr<ProgramRun> made = Made();
    by_constants_ += made != nullptr ? 1 : 0;
    Expectation expected(rules);
    const SteeringReasons before = program_->ReadReasons();
    for (int i = 0; i < frames; ++i) {
      const std::vector<uint8_t> frame = random.Frame();
      const uint32_t arrived = random.Below(kQueues);
      uint32_t first = 0;
      if (pieces && frame.size() > 14 && frame.size() <= 1600) {
        first = 14 + random.Below(static_cast<uint32_t>(frame.size()) - 14);
        while (KnownBytesOnHost(std::span(frame).first(first)) != 0) --first;  // the test below
      }
      const int verdict = expected.VerdictOf(frame, arrived);
      ProgramRun& run = made != nullptr && i % 2 == 0 ? *made : *general_;
      ASSERT_EQ(run.Run(frame, arrived, 1, first), verdict)
          << "queue " << arrived << ", frame " << ::testing::PrintToString(frame);
      std::vector<uint8_t> out = frame;
      if (verdict == XDP_TX) std::swap_ranges(out.begin(), out.begin() + 6, out.begin() + 6);
      ASSERT_TRUE(std::equal(out.begin(), out.end(), run.out().begin(), run.out().end()))
          << "verdict " << verdict << " changed the frame " << ::testing::PrintToString(frame);
    }
    const SteeringReasons after = program_->ReadReasons();
    EXPECT_EQ(Between(before.passed_no_rule, after.passed_no_rule), expected.no_rule);
    EXPECT_EQ(Between(before.passed_by_rule, after.passed_by_rule), expected.passed);
    EXPECT_EQ(Between(before.passed_wrong_queue, after.passed_wrong_queue), expected.wrong_queue);
    EXPECT_EQ(Between(before.passed_no_socket, after.passed_no_socket), expected.no_socket);
    EXPECT_EQ(Between(before.passed_in_change, after.passed_in_change), Count{});
    EXPECT_EQ(Between(before.dropped_by_rule, after.dropped_by_rule), expected.dropped);
    EXPECT_EQ(Between(before.dropped_malformed, after.dropped_malformed), Count{});
    EXPECT_EQ(Between(before.redirected, after.redirected), expected.redirected);
    EXPECT_EQ(Between(before.sent_back, after.sent_back), expected.sent_back);
    for (const device::RuleCounters& rule : program_->ReadRuleCounters()) {
      const Count count{rule.packets, rule.bytes};
      ASSERT_EQ(count, expected.rules[rule.location]) << "rule " << rule.location;
    }
    hits_ += static_cast<uint64_t>(frames) - expected.no_rule.packets;
    index_hits_ += expected.index_hits;
  }

  std::unique_ptr<SteeringProgram> program_;
  std::vector<linux_sys::OwnedFd> sockets_;
  std::unique_ptr<ProgramRun> general_;
  uint64_t hits_ = 0;
  int by_constants_ = 0;  // rule sets that had a program of their own
  uint64_t index_hits_ = 0;
};

TEST_F(SteeringEngine, AgreesWithTheDaemonsOwnOnAMillionRandomFrames) {
  const char* wanted = std::getenv("QSPLIT_STEERING_PACKETS");
  const int frames =
      wanted == nullptr ? 1'000'000 : static_cast<int>(std::strtol(wanted, nullptr, 10));
  constexpr int kFramesOfASet = 2500;
  constexpr std::array<uint32_t, 8> kSizes = {1, 3, 4, 16, 64, 300, 1000, 1024};
  const auto begin = std::chrono::steady_clock::now();
  int compared = 0;
  for (uint64_t set = 0; compared < frames; ++set) {
    RandomSteering random(set);
    const uint32_t size = kSizes[set % kSizes.size()];
    const auto rules = random.Rules(size, kQueues, set % 16 == 15);
    ASSERT_TRUE(program_->SetRules(rules).ok());
    Compare(random, rules, kFramesOfASet);
    if (HasFatalFailure()) FAIL() << "rule set " << set;
    compared += kFramesOfASet;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::printf(
      "%d frames against %d rule sets, %llu of them hit a rule, %llu by AH's or ESP's index, %.1f "
      "s\n",
      compared, compared / kFramesOfASet, static_cast<unsigned long long>(hits_),
      static_cast<unsigned long long>(index_hits_), seconds.count());
  EXPECT_GT(hits_, static_cast<uint64_t>(compared) / 4) << "most rules hit nothing";
  EXPECT_GE(by_constants_, compared / kFramesOfASet / 4) << "hardly any rules were constants";
  EXPECT_GT(index_hits_, static_cast<uint64_t>(compared) / 200) << "hardly any is by an index";
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

TEST_F(SteeringEngine, AChangeIsMetWholeOrNotAtAll) {
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
TEST_F(SteeringEngine, APlainPacketMeetsAChangeWholeOrNotAtAll) {
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
TEST_F(SteeringEngine, ARuleForAllPacketsComesAndGoesWhole) {
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
TEST_F(SteeringEngine, WhatMeetsATableThatIsBeingWrittenPassesAndIsCounted) {
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
