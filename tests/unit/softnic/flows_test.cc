// Flows that the device knows already: each frame goes where a look at it alone says, under the
// rules, the RSS table and the settings of its moment.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "daemon/backend/softnic/checksum.h"
#include "daemon/backend/softnic/toeplitz.h"
#include "tests/unit/softnic/nic_fixture.h"
#include "tests/unit/softnic/random_frames.h"

namespace qsplit::softnic {
namespace {

using dataplane::RxField;

constexpr uint32_t kTogether = 30;    // frames; the ring has 64 slots
constexpr uint32_t kMtuBytes = 1000;  // the receiver's
constexpr size_t kMostBytes = 1014;   // of a frame without a tag
constexpr device::MacAddress kStranger = {0x02, 0, 0, 0, 0, 0x77};

// What is to happen to frames, told the slow way.
struct Expectation {
  std::map<uint32_t, device::FlowRule> rules;  // by location
  device::RssConfig rss{std::vector<uint32_t>(kRssTableSize, 0), kDefaultRssKey};
  bool promiscuous = false;

  const device::FlowRule* RuleOf(const device::FlowKey& key) const {
    using Words = std::array<uint64_t, 8>;
    for (const auto& [location, rule] : rules) {
      const auto of = std::bit_cast<Words>(key);
      const auto value = std::bit_cast<Words>(rule.match.value);
      const auto mask = std::bit_cast<Words>(rule.match.mask);
      bool matches = true;
      for (size_t i = 0; i < of.size(); ++i) matches &= (of[i] & mask[i]) == value[i];
      if (matches) return &rule;
    }
    return nullptr;
  }
};

class Flows : public NicPair {
 protected:
  static constexpr uint32_t kGuest = 2;  // a queue that comes and goes

  void SetUp() override {
    NicPair::SetUp();
    sender_ = Open(left(), {.lease = 1, .tx_queues = {0}});
    receiver_ = Open(right(), {.lease = 2, .rx_queues = {0, 1}, .join_rss = true});
    ASSERT_TRUE(sender_ && receiver_);
    ASSERT_TRUE(right().SetRss(now_.rss).ok());
    ASSERT_TRUE(right().Set({.mtu_bytes = kMtuBytes}).ok());
  }

  // All of them, with one doorbell, and what came of them.
  void SendAndCheck(const std::vector<Bytes>& frames) {
    std::array<std::vector<Bytes>, kGuest + 1> expected;
    std::array<std::vector<FlowHash>, kGuest + 1> hashes;
    std::array<std::vector<ChecksumVerdict>, kGuest + 1> verdicts;
    const Toeplitz toeplitz(now_.rss.key);
    for (const Bytes& frame : frames) {
      Packet packet;
      ASSERT_TRUE(Parse(frame, &packet));
      const FlowHash hash = HashFlow(toeplitz, packet);
      const device::FlowRule* const rule = now_.RuleOf(packet.key);
      const size_t tag_bytes = packet.key.vlan_ether_type == kEtherTypeVlan ? 4 : 0;
      const bool ours = (packet.key.dst_mac == kRightMac || now_.promiscuous) &&
                        frame.size() <= kMostBytes + tag_bytes;
      const uint32_t queue =
          rule != nullptr ? rule->action.queue : now_.rss.indirection[hash.value % kRssTableSize];
      if (ours && rule != nullptr) ++of_rule_[rule->location];
      if (ours && queue <= kGuest && (queue != kGuest || guest_)) {
        expected[queue].push_back(frame);
        if (tag_bytes != 0) {  // this layout has it stripped
          Bytes& stripped = expected[queue].back();
          stripped.erase(stripped.begin() + 12, stripped.begin() + 16);
        }
        hashes[queue].push_back(hash);
        verdicts[queue].push_back(Verify(packet));
      }
    }
    SendTogether(*sender_, frames);
    for (uint32_t queue = 0; queue < expected.size(); ++queue) {
      NicClient* const client = queue == kGuest ? guest_.get() : receiver_.get();
      const size_t index = queue == kGuest ? 0 : queue;
      for (size_t i = 0; i < expected[queue].size(); ++i) {
        const std::optional<Received> got = client->Receive(index);
        ASSERT_TRUE(got.has_value()) << queue << " " << i;
        ASSERT_EQ(got->bytes, expected[queue][i]) << queue << " " << i;
        ASSERT_EQ(got->meta.present.Has(RxField::kHash) ? got->meta.hash : hashes[queue][i].value,
                  hashes[queue][i].value);
        if (client->rx(index).Available().Has(RxField::kL4Checksum)) {
          ASSERT_EQ(got->meta.l4_checksum, verdicts[queue][i].l4) << queue << " " << i;
          ++judged_;
        }
        ++arrived_;
      }
      if (client != nullptr) {
        ASSERT_FALSE(client->Receive(index, absl::ZeroDuration()).has_value()) << queue;
      }
    }
  }

  void SetPromiscuous(bool on) {
    ASSERT_TRUE(right().Set({.promiscuous = on}).ok());
    now_.promiscuous = on;
  }
  void AddRule(uint32_t location, uint16_t port, uint32_t queue) {
    now_.rules[location] = UdpPortRule(location, port, queue);
    of_rule_[location] = 0;
    ASSERT_TRUE(right().AddRule(now_.rules[location]).ok());
  }
  void RemoveRule(uint32_t location) {
    ASSERT_TRUE(right().RemoveRule(location).ok());
    now_.rules.erase(location);
  }
  void Come() { guest_ = Open(right(), {.lease = 3, .rx_queues = {kGuest}}); }
  void Go() {
    ASSERT_TRUE(right().CloseQueues(3).ok());
    guest_ = nullptr;
  }

  std::unique_ptr<NicClient> sender_, receiver_, guest_;
  Expectation now_;
  std::map<uint32_t, uint64_t> of_rule_;
  uint64_t arrived_ = 0;
  uint64_t judged_ = 0;
};

// Each change by itself, with a flow that is known by then.
TEST_F(Flows, NoneOutlivesAChange) {
  const std::vector<Bytes> frames(3, MakeFrame({.dst = kRightMac, .dst_port = 1}));
  const auto check = [&](const char* what) {
    SCOPED_TRACE(what);
    const uint64_t before = arrived_;
    SendAndCheck(frames);
    SendAndCheck(frames);
    return arrived_ - before;
  };
  EXPECT_EQ(check("at first"), 6u);
  std::ranges::fill(now_.rss.indirection, 1);
  ASSERT_TRUE(right().SetRss(now_.rss).ok());
  EXPECT_EQ(check("another table"), 6u);
  now_.rss.key[3] ^= 0x55;
  ASSERT_TRUE(right().SetRss(now_.rss).ok());
  EXPECT_EQ(check("another key"), 6u);
  AddRule(5, 1, 0);
  EXPECT_EQ(check("a rule"), 6u);
  AddRule(4, 1, kGuest);
  EXPECT_EQ(check("a rule in front, to a queue that nobody has"), 0u);
  Come();
  EXPECT_EQ(check("somebody has it"), 6u);
  Go();
  EXPECT_EQ(check("nobody again"), 0u);
  RemoveRule(4);
  EXPECT_EQ(check("without it"), 6u);
  RemoveRule(5);
  EXPECT_EQ(check("without any"), 6u);
}

TEST_F(Flows, NoneOutlivesASetting) {
  const std::vector<Bytes> frames(3, MakeFrame({.dst = kStranger}));
  for (const bool on : {false, true, false, true}) {
    SetPromiscuous(on);
    for (int i = 0; i < 2; ++i) {
      const uint64_t before = arrived_;
      SendAndCheck(frames);
      EXPECT_EQ(arrived_ - before, on ? 3u : 0u);
    }
  }
}

// A head that is cut is like those of its flow by the key's bits, and yet has no ports, or no
// transport header at all.
TEST_F(Flows, ACutOneSaysNothingOfThoseBehindIt) {
  for (const uint8_t protocol : {uint8_t{6}, uint8_t{17}}) {
    for (uint16_t bytes = 0; bytes < 24; ++bytes) {
      FrameSpec spec{.dst = kRightMac};
      spec.protocol = protocol;
      spec.dst_port = static_cast<uint16_t>(1000 + bytes);
      spec.payload = Bytes(40, 1);
      const Bytes whole = MakeFrame(spec);
      Bytes cut = whole;
      StoreBe16(cut.data() + 16, static_cast<uint16_t>(20 + bytes));
      SendAndCheck({cut, whole, whole, cut, whole});
    }
  }
  EXPECT_EQ(arrived_, 2u * 24 * 5);
}

// Their heads are read ahead, while the one before them takes the long way.
TEST_F(Flows, TheReceiversMtuHoldsBehindARunToo) {
  const Bytes frame = MakeFrame({.dst = kRightMac});
  const Bytes not_plain = MakeFrame({.dst = kRightMac, .ip_options = Bytes(4, 1)});
  Bytes longest = frame;
  longest.resize(kMostBytes);
  Bytes too_long = frame;
  too_long.resize(kMostBytes + 1);
  std::vector<Bytes> frames(12, frame);
  for (const Bytes& one : {not_plain, too_long, longest, frame, not_plain, longest, too_long}) {
    frames.push_back(one);
  }
  SendAndCheck(frames);
  EXPECT_EQ(arrived_, frames.size() - 2);
}

TEST_F(Flows, EachFrameGoesWhereItWouldAlone) {
  std::mt19937 random(11);
  std::vector<Bytes> known;
  for (int round = 0; round < 400 && !HasFatalFailure(); ++round) {
    SCOPED_TRACE(round);
    switch (random() % 12) {
      case 0:
        if (now_.rules.size() < 4) {
          uint32_t location = 0;
          while (now_.rules.contains(location)) ++location;
          AddRule(location, static_cast<uint16_t>(1 + random() % 2),
                  static_cast<uint32_t>(random() % (kGuest + 1)));
        }
        break;
      case 1:
        if (!now_.rules.empty()) RemoveRule(now_.rules.begin()->first);
        break;
      case 2:
        for (uint32_t& queue : now_.rss.indirection) queue = static_cast<uint32_t>(random() % 2);
        now_.rss.key[random() % now_.rss.key.size()] = static_cast<uint8_t>(random());
        ASSERT_TRUE(right().SetRss(now_.rss).ok());
        break;
      case 3:
        guest_ ? Go() : Come();
        break;
      case 4:
        SetPromiscuous(!now_.promiscuous);
        break;
      default:
        break;
    }
    std::vector<Bytes> frames;
    for (auto n = 1 + random() % kTogether; n > 0; --n) {
      const auto kind = random() % 8;
      if (kind == 0 || known.empty()) {
        known.push_back(RandomFrame(random, random() % 8 == 0 ? kStranger : kRightMac));
      }
      // Now and then the same again, so that there are runs.
      frames.push_back(kind < 4 && !frames.empty() ? frames.back()
                                                   : known[random() % known.size()]);
      // Another of its flow; one that is cut, that says of itself that it is shorter, or that is
      // longer than the MTU.
      Bytes& frame = frames.back();
      if (kind == 5) frame.resize(frame.size() + random() % 100);
      switch (random() % 20) {
        case 0:
          frame.resize(std::max<size_t>(kMinFrameBytes, frame.size() - random() % frame.size()));
          break;
        case 1:
          if (LoadBe16(frame.data() + 12) == kEtherTypeIp4) {
            Bytes whole = frame;
            StoreBe16(frame.data() + 16, static_cast<uint16_t>(20 + random() % 40));
            frames.push_back(std::move(whole));
          }
          break;
        case 2:
          frame.resize(kMostBytes + random() % 2);
          break;
        default:
          break;
      }
    }
    SendAndCheck(frames);
  }
  EXPECT_GT(arrived_, 2000u);
  EXPECT_EQ(judged_, arrived_);
  for (const device::RuleCounters& rule : right().ReadRuleCounters()) {
    EXPECT_EQ(rule.packets, of_rule_[rule.location]) << rule.location;
  }
}

}  // namespace
}  // namespace qsplit::softnic
