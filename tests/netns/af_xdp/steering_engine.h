// The loaded steering program beside the daemon's own engine, softnic::Parse and FlowTable: frames
// that both meet, and what that one says of them. One thread.
#ifndef QSPLIT_TESTS_NETNS_AF_XDP_STEERING_ENGINE_H_
#define QSPLIT_TESTS_NETNS_AF_XDP_STEERING_ENGINE_H_

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <span>
#include <vector>

#include "daemon/backend/softnic/flow_table.h"
#include "daemon/backend/softnic/packet.h"
#include "tests/netns/af_xdp/steering_world.h"
#include "tests/support/random_steering.h"
#include "tests/support/steering_on_host.h"

namespace qsplit::af_xdp {

// Queues 0 to 3 are one lease's, 4 and 5 another's, the rest nobody's. Queues 2, 5 and 7 have no
// socket.
inline constexpr std::array<device::LeaseId, kQueues> kOwners = {7, 7, 7, 7, 9, 9, 0, 0};
inline constexpr std::array<bool, kQueues> kSockets = {true, true,  false, true,
                                                       true, false, true,  false};

struct Count {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  void Add(size_t frame_bytes) {
    ++packets;
    bytes += frame_bytes;
  }
  bool operator==(const Count&) const = default;
};
inline std::ostream& operator<<(std::ostream& out, const Count& count) {
  return out << count.packets << " packets, " << count.bytes << " bytes";
}
inline Count Between(const SteeringCount& from, const SteeringCount& to) {
  return {to.packets - from.packets, to.bytes - from.bytes};
}

// A verdict and its reason. What has no Ethernet header the kernel does not run, and what passes
// while the rules change is steering_change_test.cc's: no frame here ends so.
enum class Fate : uint8_t {
  kPassedNoRule,
  kPassedByRule,
  kPassedWrongQueue,
  kPassedNoSocket,
  kDroppedByRule,
  kRedirected,
  kSentBack,
};
inline constexpr std::array<const char*, 7> kFateNames = {
    "passed, no rule", "passed by a rule", "passed, wrong queue", "passed, no socket", "dropped",
    "redirected",      "sent back"};
inline constexpr std::array<const char*, 13> kTypeNames = {
    "ether", "ip4",   "ip6", "tcp4", "udp4", "sctp4", "tcp6",
    "udp6",  "sctp6", "ah4", "esp4", "ah6",  "esp6"};  // by device::FlowType

inline int VerdictOf(Fate fate) {
  if (fate == Fate::kDroppedByRule) return XDP_DROP;
  if (fate == Fate::kRedirected) return XDP_REDIRECT;
  return fate == Fate::kSentBack ? XDP_TX : XDP_PASS;
}

// What the daemon's engine says of a frame, and its own books.
class Expectation {
 public:
  explicit Expectation(std::span<const device::FlowRule> installed) : table_(installed) {
    for (const device::FlowRule& rule : installed) {
      types_[rule.location] = rule.match.type;
      if (rule.match.mask.has_spi != 0 && SpiOf(rule.match.mask) != 0) {
        by_index_.insert(rule.location);
      }
    }
  }

  Fate FateOf(std::span<const uint8_t> frame, uint32_t arrived) {
    softnic::Packet packet;
    EXPECT_TRUE(softnic::Parse(frame, &packet));
    const auto* rule = table_.Lookup(packet.key);
    const Fate fate = rule == nullptr ? Fate::kPassedNoRule : FateBy(rule->action, arrived);
    fates[static_cast<size_t>(fate)].Add(frame.size());
    if (rule == nullptr) return fate;
    rules[rule->location].Add(frame.size());
    ++types[static_cast<size_t>(types_.at(rule->location))];
    index_hits += packet.key.has_spi & static_cast<uint8_t>(by_index_.contains(rule->location));
    return fate;
  }

  std::array<Count, kFateNames.size()> fates;
  std::map<uint32_t, Count> rules;                     // by location
  std::array<uint64_t, kTypeNames.size()> types = {};  // packets that rules of a flow type took
  uint64_t index_hits = 0;                             // AH and ESP, taken by their index

 private:
  static Fate FateBy(device::FlowAction action, uint32_t arrived) {
    if (action.drops()) return Fate::kDroppedByRule;
    if (action.passes()) return Fate::kPassedByRule;
    if (action.reflects()) return Fate::kSentBack;
    const uint32_t wanted = action.queue;
    if (wanted != arrived && (kOwners[wanted] == 0 || kOwners[wanted] != kOwners[arrived])) {
      return Fate::kPassedWrongQueue;
    }
    return kSockets[arrived] ? Fate::kRedirected : Fate::kPassedNoSocket;
  }
  softnic::FlowTable table_;
  std::map<uint32_t, device::FlowType> types_;  // by location
  std::set<uint32_t> by_index_;                 // locations
};

class SteeringEngine : public SteeringWorld {
 protected:
  using RandomSteering = qsplit::testing::RandomSteering;

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
  void Compare(RandomSteering& random, std::span<const device::FlowRule> rules, int frames,
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
        while (qsplit::testing::KnownBytesOnHost(std::span(frame).first(first)) != 0)
          --first;  // a test of its own
      }
      const bool by_made = made != nullptr && i % 2 == 0;
      ProgramRun& run = by_made ? *made : *general_;
      const Fate fate = expected.FateOf(frame, arrived);
      const int verdict = VerdictOf(fate);
      ASSERT_EQ(run.Run(frame, arrived, 1, first), verdict)
          << "queue " << arrived << ", frame " << ::testing::PrintToString(frame);
      std::vector<uint8_t> out = frame;
      if (verdict == XDP_TX) std::swap_ranges(out.begin(), out.begin() + 6, out.begin() + 6);
      ASSERT_TRUE(std::equal(out.begin(), out.end(), run.out().begin(), run.out().end()))
          << "verdict " << verdict << " changed the frame " << ::testing::PrintToString(frame);
      ++met_[by_made ? 1 : 0][static_cast<size_t>(fate)];
    }
    const SteeringReasons after = program_->ReadReasons();
    ExpectFates(before, after, expected);
    for (const device::RuleCounters& rule : program_->ReadRuleCounters()) {
      const Count count{rule.packets, rule.bytes};
      ASSERT_EQ(count, expected.rules[rule.location]) << "rule " << rule.location;
    }
    types_ = expected.types;
    index_hits_ += expected.index_hits;
  }

  static void ExpectFates(const SteeringReasons& before, const SteeringReasons& after,
                          const Expectation& expected) {
    const auto of = [&expected](Fate fate) { return expected.fates[static_cast<size_t>(fate)]; };
    EXPECT_EQ(Between(before.passed_no_rule, after.passed_no_rule), of(Fate::kPassedNoRule));
    EXPECT_EQ(Between(before.passed_by_rule, after.passed_by_rule), of(Fate::kPassedByRule));
    EXPECT_EQ(Between(before.passed_wrong_queue, after.passed_wrong_queue),
              of(Fate::kPassedWrongQueue));
    EXPECT_EQ(Between(before.passed_no_socket, after.passed_no_socket), of(Fate::kPassedNoSocket));
    EXPECT_EQ(Between(before.passed_in_change, after.passed_in_change), Count{});
    EXPECT_EQ(Between(before.dropped_by_rule, after.dropped_by_rule), of(Fate::kDroppedByRule));
    EXPECT_EQ(Between(before.dropped_malformed, after.dropped_malformed), Count{});
    EXPECT_EQ(Between(before.redirected, after.redirected), of(Fate::kRedirected));
    EXPECT_EQ(Between(before.sent_back, after.sent_back), of(Fate::kSentBack));
  }

  std::unique_ptr<SteeringProgram> program_;
  std::vector<linux_sys::OwnedFd> sockets_;
  std::unique_ptr<ProgramRun> general_;
  // Frames by what became of them, with the general program and with those of constants.
  std::array<std::array<uint64_t, kFateNames.size()>, 2> met_ = {};
  std::array<uint64_t, kTypeNames.size()> types_ = {};  // the last comparison's Expectation::types
  int by_constants_ = 0;                                // rule sets that had a program of their own
  uint64_t index_hits_ = 0;
};

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_TESTS_NETNS_AF_XDP_STEERING_ENGINE_H_
