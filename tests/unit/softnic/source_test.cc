// A lease whose source addresses are checked: what is honest arrives, what is forged does not
// leave, whatever offload is asked for.
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/softnic/nic_fixture.h"

namespace qsplit::softnic {
namespace {

using dataplane::TxFeature;
using dataplane::TxRequest;

class SourceTest : public NicPair {
 protected:
  void OpenBoth(const layout::VerifiedLayout& layout) {
    ASSERT_TRUE(right().SetRss({std::vector<uint32_t>(128, 0), kDefaultRssKey}).ok());
    ClientOptions options{.lease = 1, .tx_queues = {0}};
    options.source.macs = {FrameSpec().src};
    options.source.prefixes = {{{10, 0, 0, 1}, 4, 32}};
    sender_ = Open(left(), options, layout);
    receiver_ = Open(right(), {.lease = 2, .rx_queues = {0}, .join_rss = true}, layout);
    ASSERT_TRUE(sender_ && receiver_);
  }

  void Send(const Bytes& frame, const TxRequest& request = {}) {
    ASSERT_TRUE(sender_->Send(0, frame, request));
    ASSERT_TRUE(sender_->AwaitSent(0)) << "its descriptor completes, whatever becomes of it";
  }
  device::QueueCounters Counters() { return left().ReadCounters().tx[0]; }

  std::unique_ptr<NicClient> sender_, receiver_;
};

TEST_F(SourceTest, ForgedFramesDoNotLeaveAndHonestOnesDo) {
  OpenBoth(layout::testing::BigLayout());
  std::mt19937 random(3);
  uint64_t honest = 0, forged = 0;
  for (int i = 0; i < 400; ++i) {
    FrameSpec spec = ToRight();
    spec.src_port = static_cast<uint16_t>(i);
    if (random() % 4 == 0) spec.vlan_tci = 5;
    const bool forge_mac = random() % 3 == 0, forge_ip = random() % 3 == 0;
    if (forge_mac) spec.src[random() % 6] ^= 4;
    if (forge_ip) spec.src_ip = random() % 2 == 0 ? "10.0.0.3" : "fd00::1";
    if (spec.src_ip[0] == 'f') spec.dst_ip = "fd00::2";
    const Bytes frame = MakeFrame(spec);
    Send(frame);
    if (forge_mac || forge_ip) {
      ++forged;
      continue;
    }
    ++honest;
    const std::optional<Received> got = receiver_->Receive(0);
    ASSERT_TRUE(got.has_value()) << i;
    if (!spec.vlan_tci) {
      EXPECT_EQ(got->bytes, frame) << "a forged one before it";
    }
  }
  EXPECT_EQ(Counters().drops_source, forged);
  EXPECT_EQ(Counters().packets, honest);
  EXPECT_EQ(Counters().completions, honest + forged);
  EXPECT_EQ(left().ReadCounters().wire_tx_packets, honest);
  EXPECT_FALSE(receiver_->Receive(0, absl::Milliseconds(20)).has_value());
}

// The device writes a checksum where it is told to: over the source address, too.
TEST_F(SourceTest, NoOffloadChangesAnAddressBehindTheCheck) {
  OpenBoth(layout::testing::BigLayout());
  const Bytes frame = MakeFrame(ToRight());
  TxRequest request;
  request.wants = TxFeature::kL4Checksum;
  request.l3 = dataplane::L3Kind::kIp4;
  request.l4 = dataplane::L4Kind::kUdp;
  request.l2_header_bytes = 14;
  request.l3_header_bytes = 6;  // so that UDP's checksum stands in the IPv4 source, at 26
  request.l4_header_bytes = 8;
  Send(frame, request);
  EXPECT_FALSE(receiver_->Receive(0, absl::Milliseconds(20)).has_value());
  EXPECT_EQ(Counters().drops_source, 1u);
  Send(frame);
  EXPECT_TRUE(receiver_->Receive(0).has_value());
}

TEST_F(SourceTest, SegmentsAreCheckedAndCountedAsOnePacket) {
  OpenBoth(layout::testing::SimpleLayout());
  FrameSpec spec = ToRight();
  spec.protocol = 6;
  spec.payload = Bytes(4000, 0x5a);
  TxRequest request;
  request.wants = TxFeature::kSegment | TxFeature::kL4Checksum | TxFeature::kL3Checksum;
  request.segment_bytes = 1000;
  request.l2_header_bytes = 14;
  request.l3_header_bytes = 20;
  request.l4_header_bytes = 20;
  request.l3 = dataplane::L3Kind::kIp4;
  request.l4 = dataplane::L4Kind::kTcp;
  Send(MakeFrame(spec), request);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(receiver_->Receive(0).has_value()) << i;
  spec.src_ip = "10.0.0.9";
  Send(MakeFrame(spec), request);
  EXPECT_FALSE(receiver_->Receive(0, absl::Milliseconds(20)).has_value());
  EXPECT_EQ(Counters().drops_source, 1u);
  EXPECT_EQ(Counters().packets, 1u);
}

}  // namespace
}  // namespace qsplit::softnic
