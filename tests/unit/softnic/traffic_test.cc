// Packets from one software NIC to another, as clients see them.
#include <gmock/gmock.h>

#include <map>

#include "daemon/backend/softnic/checksum.h"
#include "tests/unit/softnic/nic_fixture.h"

namespace qsplit::softnic {
namespace {

using dataplane::ChecksumState;
using dataplane::HashType;
using dataplane::RxField;
using dataplane::TxFeature;
using dataplane::TxRequest;

class Layouts : public NicPair, public ::testing::WithParamInterface<const char*> {
 protected:
  layout::VerifiedLayout Layout() {
    return std::string(GetParam()) == "big" ? layout::testing::BigLayout()
                                            : layout::testing::SimpleLayout();
  }
};
INSTANTIATE_TEST_SUITE_P(, Layouts, ::testing::Values("simple", "big"),
                         [](const auto& param) { return std::string(param.param); });

TEST_P(Layouts, FramesArriveAsTheyWereSent) {
  auto sender = Open(left(), {.lease = 1, .tx_queues = {0}}, Layout());
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0}, .join_rss = true}, Layout());
  ASSERT_TRUE(sender && receiver);
  // Everything else leaves RSS, so that all comes to queue 0.
  device::RssConfig rss = *right().GetRss();
  rss.indirection.assign(128, 0);
  ASSERT_TRUE(right().SetRss(rss).ok());
  // More packets than either ring has slots.
  for (uint32_t i = 0; i < 400; ++i) {
    FrameSpec spec = ToRight();
    spec.payload.assign(18 + i * 3, static_cast<uint8_t>(i));
    spec.src_port = static_cast<uint16_t>(i);
    const Bytes frame = MakeFrame(spec);
    ASSERT_TRUE(sender->Send(0, frame)) << i;
    const std::optional<Received> got = receiver->Receive(0);
    ASSERT_TRUE(got.has_value()) << i;
    EXPECT_EQ(got->bytes, frame) << i;
    EXPECT_TRUE(got->meta.present.Has(RxField::kL4Checksum));
    EXPECT_EQ(got->meta.l4_checksum, ChecksumState::kGood);
    if (got->meta.present.Has(RxField::kHashType)) {
      EXPECT_EQ(got->meta.hash_type, HashType::kUdp4);
    }
    ASSERT_TRUE(sender->AwaitSent(0));
  }
  const device::DeviceCounters sent = left().ReadCounters();
  const device::DeviceCounters received = right().ReadCounters();
  EXPECT_EQ(sent.tx[0].packets, 400u);
  EXPECT_EQ(sent.wire_tx_packets, 400u);
  EXPECT_EQ(received.rx[0].packets, 400u);
  EXPECT_EQ(received.rx[0].bytes, sent.tx[0].bytes);
  EXPECT_EQ(received.rx[0].drops_no_descriptor, 0u);
  EXPECT_TRUE(sender->CanariesWhole() && receiver->CanariesWhole());
}

TEST_P(Layouts, ScatterAndGather) {
  auto sender = Open(left(), {.lease = 1, .tx_queues = {0}}, Layout());
  auto receiver = Open(
      right(), {.lease = 1, .rx_queues = {0}, .buffer_bytes = 256, .join_rss = true}, Layout());
  ASSERT_TRUE(sender && receiver);
  ASSERT_TRUE(right().SetRss({std::vector<uint32_t>(128, 0), kDefaultRssKey}).ok());
  FrameSpec spec = ToRight();
  for (int i = 0; i < 1400; ++i) spec.payload.push_back(static_cast<uint8_t>(i * 7 / 3));
  const Bytes frame = MakeFrame(spec);
  for (int i = 0; i < 50; ++i) {
    const std::vector<uint32_t> pieces = {14, 28, 700, static_cast<uint32_t>(frame.size()) - 742};
    ASSERT_TRUE(sender->Send(0, frame, {}, pieces));
    const std::optional<Received> got = receiver->Receive(0);
    ASSERT_TRUE(got.has_value()) << i;
    EXPECT_EQ(got->bytes, frame);
    EXPECT_EQ(got->buffers, (frame.size() + 255) / 256);
  }
  EXPECT_TRUE(receiver->CanariesWhole());
}

TEST_P(Layouts, VlanTagsComeAndGo) {
  auto sender = Open(left(), {.lease = 1, .tx_queues = {0}}, Layout());
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0}, .join_rss = true}, Layout());
  ASSERT_TRUE(sender && receiver);
  ASSERT_TRUE(right().SetRss({std::vector<uint32_t>(128, 0), kDefaultRssKey}).ok());
  const Bytes frame = MakeFrame(ToRight());
  ASSERT_TRUE(sender->Send(0, frame, {.wants = TxFeature::kVlanInsert, .vlan_tci = 0x6123}));
  std::optional<Received> got = receiver->Receive(0);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->bytes, frame);
  ASSERT_TRUE(got->meta.present.Has(RxField::kVlanTci));
  EXPECT_EQ(got->meta.vlan_tci, 0x6123);
  // A service tag stays, and so does what is behind it.
  FrameSpec spec = ToRight();
  spec.vlan_tci = 5;
  spec.outer_vlan_tci = 6;
  ASSERT_TRUE(sender->Send(0, MakeFrame(spec)));
  got = receiver->Receive(0);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->bytes, MakeFrame(spec));
  EXPECT_FALSE(got->meta.present.Has(RxField::kVlanTci));
}

TEST_P(Layouts, ChecksumsAreFilledInAndVerified) {
  auto sender = Open(left(), {.lease = 1, .tx_queues = {0}}, Layout());
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0}, .join_rss = true}, Layout());
  ASSERT_TRUE(sender && receiver);
  ASSERT_TRUE(right().SetRss({std::vector<uint32_t>(128, 0), kDefaultRssKey}).ok());
  for (const uint8_t protocol : {uint8_t{6}, uint8_t{17}}) {
    FrameSpec spec = ToRight();
    spec.protocol = protocol;
    const Bytes right_frame = MakeFrame(spec);
    Bytes frame = right_frame;
    StoreBe16(frame.data() + 24, 0);
    StoreBe16(
        frame.data() + 34 + (protocol == 6 ? 16 : 6),
        PseudoHeaderSum(frame.data() + 14, 4, protocol, static_cast<uint32_t>(frame.size() - 34)));
    TxRequest request;
    request.wants = TxFeature::kL3Checksum | TxFeature::kL4Checksum;
    request.l3 = dataplane::L3Kind::kIp4;
    request.l4 = protocol == 6 ? dataplane::L4Kind::kTcp : dataplane::L4Kind::kUdp;
    request.l2_header_bytes = 14;
    request.l3_header_bytes = 20;
    request.l4_header_bytes = protocol == 6 ? 20 : 8;
    ASSERT_TRUE(sender->Send(0, frame, request));
    std::optional<Received> got = receiver->Receive(0);
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->bytes, right_frame);
    EXPECT_EQ(got->meta.l3_checksum, ChecksumState::kGood);
    EXPECT_EQ(got->meta.l4_checksum, ChecksumState::kGood);
    // Not asked for: it goes out wrong, and that shows.
    ASSERT_TRUE(sender->Send(0, frame));
    got = receiver->Receive(0);
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->bytes, frame);
    EXPECT_EQ(got->meta.l3_checksum, ChecksumState::kBad);
    EXPECT_EQ(got->meta.l4_checksum, ChecksumState::kBad);
  }
  EXPECT_EQ(right().ReadCounters().rx[0].checksum_errors, 2u);
}

using Traffic = NicPair;

TEST_F(Traffic, RssSpreadsFlowsByTheirHash) {
  auto sender = Sender();
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0, 1, 2, 3}, .join_rss = true});
  ASSERT_TRUE(sender && receiver);
  device::RssConfig rss = *right().GetRss();
  for (size_t i = 0; i < 128; ++i) rss.indirection[i] = static_cast<uint32_t>(i * 7 % 4);
  ASSERT_TRUE(right().SetRss(rss).ok());
  const Toeplitz toeplitz(rss.key);
  std::map<uint32_t, int> by_queue;
  for (uint16_t flow = 0; flow < 200; ++flow) {
    FrameSpec spec = ToRight();
    spec.src_port = flow;
    spec.payload = Bytes(30, 1);
    const Bytes frame = MakeFrame(spec);
    Packet packet;
    ASSERT_TRUE(Parse(frame, &packet));
    const uint32_t hash = HashFlow(toeplitz, packet).value;
    const uint32_t queue = rss.indirection[hash % 128];
    ASSERT_TRUE(sender->Send(0, frame));
    const std::optional<Received> got = receiver->Receive(queue);
    ASSERT_TRUE(got.has_value()) << "flow " << flow << " did not come to queue " << queue;
    EXPECT_EQ(got->meta.hash, hash);
    EXPECT_EQ(got->bytes, frame);
    ++by_queue[queue];
  }
  for (uint32_t queue = 0; queue < 4; ++queue) EXPECT_GT(by_queue[queue], 20) << queue;
}

TEST_F(Traffic, LeasesOutsideOfRssGetOnlyWhatRulesBring) {
  auto sender = Sender();
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {2}});
  ASSERT_TRUE(sender && receiver);
  const device::RssConfig rss = *right().GetRss();
  EXPECT_THAT(rss.indirection, ::testing::Each(::testing::Ne(2u)));
  ASSERT_TRUE(right().AddRule(UdpPortRule(9, 4242, 2)).ok());
  FrameSpec spec = ToRight();
  for (uint16_t port = 4000; port < 4020; ++port) {
    spec.dst_port = port;
    ASSERT_TRUE(sender->Send(0, MakeFrame(spec)));
    ASSERT_TRUE(sender->AwaitSent(0));
  }
  spec.dst_port = 4242;
  const Bytes frame = MakeFrame(spec);
  ASSERT_TRUE(sender->Send(0, frame));
  const std::optional<Received> got = receiver->Receive(0);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->bytes, frame) << "something else came first";
  // The others had nowhere to go: no lease, no representor.
  EXPECT_EQ(right().ReadCounters().drops_representor, 20u);
  ASSERT_TRUE(right().RemoveRule(9).ok());
  ASSERT_TRUE(right().CloseQueues(1).ok());
  EXPECT_THAT(right().GetRss()->indirection, ::testing::Contains(2u));
}

TEST_F(Traffic, RulesInOrderOfTheirLocation) {
  auto sender = Sender();
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0, 1}});
  ASSERT_TRUE(sender && receiver);
  ASSERT_TRUE(right().AddRule(UdpPortRule(20, 4242, 0)).ok());
  FrameSpec spec = ToRight();
  spec.dst_port = 4242;
  const Bytes frame = MakeFrame(spec);
  ASSERT_TRUE(sender->Send(0, frame));
  EXPECT_TRUE(receiver->Receive(0).has_value());
  ASSERT_TRUE(right().AddRule(UdpPortRule(10, 4242, 1)).ok());
  ASSERT_TRUE(sender->Send(0, frame));
  EXPECT_TRUE(receiver->Receive(1).has_value());
  ASSERT_TRUE(right().AddRule(UdpPortRule(5, 4242, device::FlowAction::kDrop)).ok());
  ASSERT_TRUE(sender->Send(0, frame));
  ASSERT_TRUE(sender->AwaitSent(0));
  EXPECT_EQ(right().ReadCounters().drops_rule, 1u);
  ASSERT_TRUE(right().RemoveRule(5).ok());
  ASSERT_TRUE(right().RemoveRule(10).ok());
  ASSERT_TRUE(sender->Send(0, frame));
  EXPECT_TRUE(receiver->Receive(0).has_value());
  const std::vector<device::RuleCounters> counters = right().ReadRuleCounters();
  ASSERT_EQ(counters.size(), 1u);
  EXPECT_EQ(counters[0].location, 20u);
  EXPECT_EQ(counters[0].packets, 2u);
  EXPECT_EQ(counters[0].bytes, 2 * frame.size());

  EXPECT_EQ(right().AddRule(UdpPortRule(20, 1, 0)).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(right().AddRule(UdpPortRule(1024, 1, 0)).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(right().AddRule(UdpPortRule(21, 1, 8)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(right().RemoveRule(21).code(), absl::StatusCode::kNotFound);
}

TEST_F(Traffic, ARuleSendsBackWithTheMacAddressesSwappedAndNotForEver) {
  auto sender = Open(left(), {.lease = 100, .rx_queues = {0}, .tx_queues = {0}});
  ASSERT_TRUE(sender);
  ASSERT_TRUE(left().AddRule(UdpPortRule(0, 7, 0)).ok());
  ASSERT_TRUE(right().AddRule(UdpPortRule(0, 7, device::FlowAction::kReflect)).ok());
  FrameSpec spec = ToRight();
  spec.src = kLeftMac;
  spec.dst_port = 7;
  ASSERT_TRUE(sender->Send(0, MakeFrame(spec)));
  std::swap(spec.dst, spec.src);
  const std::optional<Received> got = sender->Receive(0);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->bytes, MakeFrame(spec));
  EXPECT_EQ(right().ReadRuleCounters().front().packets, 1u);

  // Both reflect: back once, and then dropped where it came from.
  ASSERT_TRUE(left().RemoveRule(0).ok());
  ASSERT_TRUE(left().AddRule(UdpPortRule(0, 7, device::FlowAction::kReflect)).ok());
  std::swap(spec.dst, spec.src);
  ASSERT_TRUE(sender->Send(0, MakeFrame(spec)));
  ASSERT_TRUE(sender->AwaitSent(0));
  EXPECT_EQ(right().ReadRuleCounters().front().packets, 3u);
  EXPECT_EQ(left().ReadRuleCounters().front().packets, 1u);
  EXPECT_EQ(right().ReadCounters().drops_rule, 1u);
}

TEST_F(Traffic, ARulePassesWhatRssWouldHaveGivenToAQueue) {
  auto sender = Sender();
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0}, .join_rss = true});
  ASSERT_TRUE(sender && receiver);
  ASSERT_TRUE(right().SetRss({std::vector<uint32_t>(128, 0), kDefaultRssKey}).ok());
  ASSERT_TRUE(right().AddRule(UdpPortRule(0, 7, device::FlowAction::kPass)).ok());
  FrameSpec spec = ToRight();
  spec.dst_port = 7;
  ASSERT_TRUE(sender->Send(0, MakeFrame(spec)));
  spec.dst_port = 8;
  ASSERT_TRUE(sender->Send(0, MakeFrame(spec)));
  const std::optional<Received> got = receiver->Receive(0);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->bytes, MakeFrame(spec)) << "the first went to the representor, which is not there";
  EXPECT_EQ(right().ReadCounters().drops_representor, 1u);
}

TEST_F(Traffic, MacFilter) {
  auto sender = Sender();
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0}, .join_rss = true});
  ASSERT_TRUE(sender && receiver);
  ASSERT_TRUE(right().SetRss({std::vector<uint32_t>(128, 0), kDefaultRssKey}).ok());
  uint16_t serial = 0;
  const auto arrives = [&](const device::MacAddress& dst) {
    FrameSpec spec = ToRight();
    spec.dst = dst;
    spec.src_port = ++serial;
    const uint64_t before = right().ReadCounters().drops_mac_filter;
    EXPECT_TRUE(sender->Send(0, MakeFrame(spec)));
    EXPECT_TRUE(sender->AwaitSent(0));
    const uint64_t dropped = right().ReadCounters().drops_mac_filter - before;
    const std::optional<Received> got =
        receiver->Receive(0, dropped != 0 ? absl::ZeroDuration() : absl::Seconds(2));
    EXPECT_EQ(got.has_value(), dropped == 0);
    return got.has_value() && got->bytes == MakeFrame(spec);
  };
  const device::MacAddress other = {0x02, 9, 9, 9, 9, 9};
  const device::MacAddress group = {0x01, 0, 0x5e, 0, 0, 9};
  EXPECT_TRUE(arrives(kRightMac));
  EXPECT_TRUE(arrives({0xff, 0xff, 0xff, 0xff, 0xff, 0xff}));
  EXPECT_FALSE(arrives(other));
  EXPECT_FALSE(arrives(group));
  ASSERT_TRUE(right().Set({.multicast = std::vector{group}}).ok());
  EXPECT_TRUE(arrives(group));
  EXPECT_FALSE(arrives({0x01, 0, 0x5e, 0, 0, 10}));
  ASSERT_TRUE(right().Set({.all_multicast = true}).ok());
  EXPECT_TRUE(arrives({0x01, 0, 0x5e, 0, 0, 10}));
  EXPECT_FALSE(arrives(other));
  ASSERT_TRUE(right().Set({.promiscuous = true}).ok());
  EXPECT_TRUE(arrives(other));
  EXPECT_TRUE(right().State().promiscuous);
}

TEST_F(Traffic, SegmentsOfALongTcpPacket) {
  auto sender = Sender();
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0}, .join_rss = true});
  ASSERT_TRUE(sender && receiver);
  ASSERT_TRUE(right().SetRss({std::vector<uint32_t>(128, 0), kDefaultRssKey}).ok());
  FrameSpec spec = ToRight();
  spec.protocol = 6;
  spec.payload.clear();
  for (int i = 0; i < 20000; ++i) spec.payload.push_back(static_cast<uint8_t>(i * 13 / 5));
  TxRequest request;
  request.wants = TxFeature::kSegment | TxFeature::kL4Checksum | TxFeature::kL3Checksum;
  request.l3 = dataplane::L3Kind::kIp4;
  request.l4 = dataplane::L4Kind::kTcp;
  request.l2_header_bytes = 14;
  request.l3_header_bytes = 20;
  request.l4_header_bytes = 20;
  request.segment_bytes = 1448;
  ASSERT_TRUE(sender->Send(0, MakeFrame(spec), request));
  Bytes payload;
  while (payload.size() < spec.payload.size()) {
    const std::optional<Received> got = receiver->Receive(0);
    ASSERT_TRUE(got.has_value());
    EXPECT_TRUE(qsplit::testing::ChecksumsHold(got->bytes));
    payload.insert(payload.end(), got->bytes.begin() + 54, got->bytes.end());
  }
  EXPECT_EQ(payload, spec.payload);
}

}  // namespace
}  // namespace qsplit::softnic
