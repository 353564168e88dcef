// Each layout that the build compiles out of a spec carries packets of the software NIC: whole, in
// pieces, tagged, with checksums to fill in. What a layout cannot ask for is left out, and said.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "daemon/backend/softnic/checksum.h"
#include "tests/unit/softnic/nic_fixture.h"

namespace qsplit::softnic {
namespace {

using dataplane::RxField;
using dataplane::TxFeature;
using dataplane::TxRequest;

std::vector<layout::VerifiedLayout> ShippedLayouts() {
  std::vector<layout::VerifiedLayout> layouts;
  for (const auto& entry : std::filesystem::directory_iterator(QSPLIT_LAYOUT_DIR)) {
    if (entry.path().extension() != ".layout") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << file.rdbuf();
    auto layout = layout::VerifiedLayout::FromBytes(bytes.str());
    EXPECT_TRUE(layout.ok()) << entry.path() << ": " << layout.status();
    if (layout.ok()) layouts.push_back(*std::move(layout));
  }
  return layouts;
}

void Carries(const layout::VerifiedLayout& layout) {
  SCOPED_TRACE(layout.name());
  SoftNicConfig left;
  left.name = "left";
  left.mac = kLeftMac;
  left.layouts = {layout};
  left.wire = PeerWire{"right"};
  SoftNicConfig right = left;
  right.name = "right";
  right.mac = kRightMac;
  right.wire = PeerWire{"left"};
  auto nics = SoftNic::CreateAll({left, right});
  ASSERT_TRUE(nics.ok()) << nics.status();
  SoftNic& to = *nics->at(1);
  auto sender =
      NicClient::Open(nics->at(0).get(), layout, {.lease = 1, .tx_queues = {0}, .slots = 256});
  if (absl::IsUnimplemented(sender.status())) {
    GTEST_LOG_(INFO) << layout.name() << " is not driven yet: " << sender.status().message();
    return;
  }
  ASSERT_TRUE(sender.ok()) << sender.status();
  auto receiver = NicClient::Open(
      &to, layout, {.lease = 1, .rx_queues = {0, 1}, .slots = 256, .join_rss = true});
  ASSERT_TRUE(receiver.ok()) << receiver.status();
  ASSERT_TRUE(to.SetRss({std::vector<uint32_t>(kRssTableSize, 1), kDefaultRssKey}).ok());
  NicClient& tx = **sender;
  NicClient& rx = **receiver;
  for (uint32_t i = 0; i < 200; ++i) {
    FrameSpec spec{.dst = kRightMac};
    spec.payload.assign(20 + i * 7, static_cast<uint8_t>(i));
    const Bytes frame = MakeFrame(spec);
    const std::vector<uint32_t> pieces = {44, static_cast<uint32_t>(frame.size()) - 44};
    ASSERT_TRUE(tx.Send(0, frame, {}, i % 2 == 0 ? pieces : std::vector<uint32_t>{})) << i;
    const std::optional<Received> got = rx.Receive(1);
    ASSERT_TRUE(got.has_value()) << i;
    EXPECT_EQ(got->bytes, frame) << i;
    if (got->meta.present.Has(RxField::kL4Checksum)) {
      EXPECT_EQ(got->meta.l4_checksum, dataplane::ChecksumState::kGood);
    }
    ASSERT_TRUE(tx.AwaitSent(0)) << i;
  }
  const Bytes frame = MakeFrame({.dst = kRightMac});
  TxRequest tag{.wants = TxFeature::kVlanInsert, .vlan_tci = 0x2345};
  if (tx.tx(0).Supports(tag)) {
    ASSERT_TRUE(tx.Send(0, frame, tag));
    const std::optional<Received> got = rx.Receive(1);
    ASSERT_TRUE(got.has_value());
    if (rx.rx(1).Available().Has(RxField::kVlanTci)) {
      EXPECT_EQ(got->bytes, frame);
      EXPECT_EQ(got->meta.vlan_tci, 0x2345);
    } else {
      EXPECT_EQ(got->bytes, MakeFrame({.dst = kRightMac, .vlan_tci = 0x2345}));
    }
  }
  TxRequest sum{.wants = TxFeature::kL4Checksum,
                .l3 = dataplane::L3Kind::kIp4,
                .l4 = dataplane::L4Kind::kUdp,
                .l2_header_bytes = 14,
                .l3_header_bytes = 20,
                .l4_header_bytes = 8};
  if (tx.tx(0).Supports(sum)) {
    Bytes without = frame;
    StoreBe16(without.data() + 40, PseudoHeaderSum(without.data() + 14, 4, 17,
                                                   static_cast<uint32_t>(frame.size() - 34)));
    ASSERT_TRUE(tx.Send(0, without, sum));
    const std::optional<Received> got = rx.Receive(1);
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->bytes, frame);
  }
  TxRequest cut{.wants = TxFeature::kSegment | TxFeature::kL4Checksum | TxFeature::kL3Checksum,
                .l3 = dataplane::L3Kind::kIp4,
                .l4 = dataplane::L4Kind::kTcp,
                .l2_header_bytes = 14,
                .l3_header_bytes = 20,
                .l4_header_bytes = 20,
                .segment_bytes = 1000};
  if (tx.tx(0).Supports(cut)) {
    FrameSpec spec{.dst = kRightMac, .protocol = 6, .payload = Bytes(2500, 3)};
    ASSERT_TRUE(tx.Send(0, MakeFrame(spec), cut));
    for (const size_t part : {size_t{1000}, size_t{1000}, size_t{500}}) {
      const std::optional<Received> got = rx.Receive(1);
      ASSERT_TRUE(got.has_value());
      EXPECT_EQ(got->bytes.size(), 54 + part);
      EXPECT_TRUE(qsplit::testing::ChecksumsHold(got->bytes));
    }
  }
  EXPECT_TRUE(tx.CanariesWhole() && rx.CanariesWhole());
}

TEST(ShippedLayouts, CarryPackets) {
  const std::vector<layout::VerifiedLayout> layouts = ShippedLayouts();
  ASSERT_FALSE(layouts.empty()) << "nothing in " << QSPLIT_LAYOUT_DIR;
  for (const layout::VerifiedLayout& layout : layouts) Carries(layout);
}

}  // namespace
}  // namespace qsplit::softnic
