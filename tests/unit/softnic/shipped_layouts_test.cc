// Each layout that the build compiles out of a spec, those of pages included, with each choice of
// its features, carries packets of the software NIC: whole, in pieces, tagged, with checksums to
// fill in. What a layout cannot ask for is left out.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/backend/softnic/checksum.h"
#include "tests/unit/softnic/nic_fixture.h"

namespace qsplit::softnic {
namespace {

using dataplane::RxField;
using dataplane::TxFeature;
using dataplane::TxRequest;

constexpr uint32_t kSlots = 512;  // which every layout has

// A layout with one choice for each of its features.
struct Choice {
  layout::VerifiedLayout layout;
  std::vector<uint32_t> features;

  std::string Name() const {
    std::string name = layout.name();
    for (size_t i = 0; i < features.size(); ++i) {
      const v1::Feature& feature = layout.message().features(static_cast<int>(i));
      name += "_" + feature.name() + "_" + feature.choices(static_cast<int>(features[i]));
    }
    std::replace_if(
        name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
    return name;
  }
};

constexpr const char* kShipped = QSPLIT_LAYOUT_DIR;
constexpr const char* kOfPages = QSPLIT_BINARY_DIR "/docs/examples";

// What the folder has, but for those without queues for packets, with all combinations of choices.
std::vector<Choice> AllChoices(const char* folder) {
  std::vector<Choice> all;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".layout") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << file.rdbuf();
    auto layout = layout::VerifiedLayout::FromBytes(bytes.str());
    if (!layout.ok()) {
      ADD_FAILURE() << entry.path() << ": " << layout.status();
      continue;
    }
    if (layout->FindQueue(v1::DIRECTION_RECEIVE) == nullptr) continue;
    std::vector<uint32_t> features(static_cast<size_t>(layout->message().features_size()), 0);
    while (true) {
      all.push_back({*layout, features});
      size_t at = 0;
      for (; at < features.size(); ++at) {
        const auto choices =
            static_cast<uint32_t>(layout->message().features(static_cast<int>(at)).choices_size());
        if (++features[at] < choices) break;
        features[at] = 0;
      }
      if (at == features.size()) break;
    }
  }
  std::sort(all.begin(), all.end(),
            [](const Choice& a, const Choice& b) { return a.Name() < b.Name(); });
  return all;
}

class ShippedLayouts : public ::testing::TestWithParam<Choice> {};

TEST_P(ShippedLayouts, CarryPackets) {
  const layout::VerifiedLayout& layout = GetParam().layout;
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
  const std::vector<uint32_t>& features = GetParam().features;
  auto sender =
      NicClient::Open(nics->at(0).get(), layout,
                      {.lease = 1, .tx_queues = {0}, .slots = kSlots, .features = features});
  ASSERT_TRUE(sender.ok()) << sender.status();
  auto receiver = NicClient::Open(
      &to, layout,
      {.lease = 1, .rx_queues = {0, 1}, .slots = kSlots, .join_rss = true, .features = features});
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
    // Some layouts can only say that a checksum is bad.
    EXPECT_NE(got->meta.l4_checksum, dataplane::ChecksumState::kBad);
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

INSTANTIATE_TEST_SUITE_P(Specs, ShippedLayouts, ::testing::ValuesIn(AllChoices(kShipped)),
                         [](const auto& each) { return each.param.Name(); });

INSTANTIATE_TEST_SUITE_P(SpecsOfPages, ShippedLayouts, ::testing::ValuesIn(AllChoices(kOfPages)),
                         [](const auto& each) { return each.param.Name(); });

// docs/specs.md says of these that real packets go through them.
TEST(ShippedLayoutsAreThere, AsThePageOfSpecsSays) {
  std::ifstream page(QSPLIT_SOURCE_DIR "/tests/unit/specs/checked.txt");
  std::set<std::string> promised;
  for (std::string line; std::getline(page, line);) {
    const size_t name_end = line.find(" | packets |");
    if (name_end != std::string::npos) promised.insert(line.substr(0, name_end));
  }
  EXPECT_GE(promised.size(), 25u);
  std::set<std::string> tried;
  for (const Choice& each : AllChoices(kShipped)) tried.insert(each.layout.name());
  EXPECT_EQ(tried, promised);
}

}  // namespace
}  // namespace qsplit::softnic
