// Frames that were published together: of many flows and kinds, some of them not plain, to several
// queues. Each arrives as if it had been sent alone.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>
#include <vector>

#include "daemon/backend/softnic/checksum.h"
#include "tests/unit/softnic/nic_fixture.h"

namespace qsplit::softnic {
namespace {

using dataplane::RxField;

constexpr uint32_t kMostFrames = 48;  // of a burst; the ring has 64 slots
constexpr std::array<uint16_t, 3> kPorts = {1000, 1001, 1002};
constexpr std::array<uint32_t, 3> kQueues = {0, 0, 1};  // of each port's flows

class Runs : public NicPair, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    NicPair::SetUp();
    const layout::VerifiedLayout layout = std::string(GetParam()) == "big"
                                              ? layout::testing::BigLayout()
                                              : layout::testing::SimpleLayout();
    sender_ = Open(left(), {.lease = 1, .tx_queues = {0}}, layout);
    receiver_ = Open(right(), {.lease = 2, .rx_queues = {0, 1}}, layout);
    ASSERT_TRUE(sender_ && receiver_);
    for (uint32_t i = 0; i < kPorts.size(); ++i) {
      ASSERT_TRUE(right().AddRule(UdpPortRule(i, kPorts[i], kQueues[i])).ok());
    }
  }

  std::unique_ptr<NicClient> sender_;
  std::unique_ptr<NicClient> receiver_;
};
INSTANTIATE_TEST_SUITE_P(, Runs, ::testing::Values("simple", "big"),
                         [](const auto& param) { return std::string(param.param); });

TEST_P(Runs, EachFrameArrivesAsIfItWereAlone) {
  std::mt19937 random(3);
  std::map<std::pair<uint16_t, uint16_t>, uint32_t> hashes;  // by ports
  std::array<uint64_t, kPorts.size()> of_rule{};
  uint64_t elsewhere = 0;
  uint64_t bad = 0;
  FrameSpec spec = ToRight();
  spec.dst_port = kPorts[0];
  for (int round = 0; round < 200; ++round) {
    std::vector<Bytes> frames;
    std::array<std::vector<Bytes>, 2> expected;
    for (auto n = 1 + random() % kMostFrames; n > 0; --n) {
      if (random() % 6 == 0) {  // another flow than the one before
        spec.dst_port = kPorts[random() % kPorts.size()];
        spec.src_port = static_cast<uint16_t>(random() % 5);
      }
      FrameSpec own = spec;
      own.payload.assign(random() % 4 == 0 ? random() % 1400 : 22, static_cast<uint8_t>(n));
      const auto kind = random() % 16;
      if (kind == 0) own.dst_port = 7;              // nobody's
      if (kind == 1) own.ip_options = Bytes(8, 1);  // not plain
      Bytes frame = MakeFrame(own);
      if (kind == 2) frame[24] ^= 1;                       // its IP header's checksum is wrong
      if (kind == 3) frame[41] ^= 1;                       // UDP's
      if (kind == 4) frame[40] = frame[41] = 0;            // UDP has none
      if (kind == 5) frame[18] = static_cast<uint8_t>(n);  // identification, and so the checksum
      frames.push_back(frame);
      if (frame.size() < kMinFrameBytes) frame.resize(kMinFrameBytes);
      if (kind == 0) {
        ++elsewhere;
        continue;
      }
      const size_t rule =
          static_cast<size_t>(std::ranges::find(kPorts, own.dst_port) - kPorts.begin());
      ++of_rule[rule];
      expected[kQueues[rule]].push_back(frame);
    }
    SendTogether(*sender_, frames);
    for (size_t queue = 0; queue < expected.size(); ++queue) {
      for (const Bytes& frame : expected[queue]) {
        const std::optional<Received> got = receiver_->Receive(queue);
        ASSERT_TRUE(got.has_value()) << round;
        ASSERT_EQ(got->bytes, frame) << round;
        Packet packet;
        ASSERT_TRUE(Parse(frame, &packet));
        const ChecksumVerdict right = Verify(packet);
        if (got->meta.present.Has(RxField::kL3Checksum)) {
          EXPECT_EQ(got->meta.l3_checksum, right.l3) << round;
        }
        if (got->meta.present.Has(RxField::kL4Checksum)) {
          EXPECT_EQ(got->meta.l4_checksum, right.l4) << round;
        }
        bad += right.l3 == dataplane::ChecksumState::kBad ||
               right.l4 == dataplane::ChecksumState::kBad;
        if (!got->meta.present.Has(RxField::kHash)) continue;
        const auto [known, is_new] =
            hashes.try_emplace({packet.key.src_port, packet.key.dst_port}, got->meta.hash);
        EXPECT_EQ(known->second, got->meta.hash) << round;
      }
    }
  }
  const device::DeviceCounters counters = right().ReadCounters();
  EXPECT_EQ(counters.rx[0].packets, of_rule[0] + of_rule[1]);
  EXPECT_EQ(counters.rx[1].packets, of_rule[2]);
  EXPECT_EQ(counters.rx[0].checksum_errors + counters.rx[1].checksum_errors, bad);
  EXPECT_EQ(counters.wire_rx_packets, of_rule[0] + of_rule[1] + of_rule[2] + elsewhere);
  const std::vector<device::RuleCounters> rules = right().ReadRuleCounters();
  ASSERT_EQ(rules.size(), kPorts.size());
  for (const device::RuleCounters& rule : rules) {
    EXPECT_EQ(rule.packets, of_rule[rule.location]) << rule.location;
  }
  EXPECT_GT(bad, 100u);
  EXPECT_GT(hashes.size(), 10u);
  EXPECT_TRUE(sender_->CanariesWhole() && receiver_->CanariesWhole());
}

TEST_P(Runs, AQueueThatRunsOutOfBuffersGetsThoseThatFit) {
  // As many as there are buffers for, and more, without the receiver's doing anything.
  const uint32_t posted = receiver_->rx(1).Outstanding();
  FrameSpec spec = ToRight();
  spec.dst_port = kPorts[2];
  uint32_t sent = 0;
  while (sent < posted + 40) {
    const std::vector<Bytes> frames(kMostFrames, MakeFrame(spec));
    SendTogether(*sender_, frames);
    sent += kMostFrames;
  }
  for (uint32_t i = 0; i < posted; ++i) ASSERT_TRUE(receiver_->Receive(1).has_value()) << i;
  EXPECT_FALSE(receiver_->Receive(1, absl::Milliseconds(20)).has_value());
  const device::DeviceCounters counters = right().ReadCounters();
  EXPECT_EQ(counters.rx[1].packets, posted);
  EXPECT_EQ(counters.rx[1].drops_no_descriptor, sent - posted);
}

}  // namespace
}  // namespace qsplit::softnic
