// What a program asks for and the layout lacks, the library computes and says so; the values are
// the same whoever makes them. Against a real qsplitd, over layouts that lack more and more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <qsplit/qsplit.h>
#include <qsplit/rpc_session.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "descriptor-lang/layout/canonical.h"
#include "qsplit/v1/steering.grpc.pb.h"
#include "tests/support/choosy_layout.h"
#include "tests/support/sample_layouts.h"
#include "tests/unit/client/daemon.h"
#include "tests/unit/client/frames.h"
#include "tests/unit/client/packets.h"

namespace qsplit {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_support::Daemon;
using testing_support::Datagram;
using testing_support::Fill;
using testing_support::Hex;
using testing_support::Put16;
using testing_support::Text;

constexpr absl::Duration kLong = absl::Seconds(10);

// test.simple without the roles that begin so, in either direction.
layout::VerifiedLayout Without(const char* name, const std::vector<std::string>& beginnings) {
  v1::Layout message = layout::testing::SimpleMessage();
  message.set_name(name);
  for (v1::Form& form : *message.mutable_forms()) {
    for (v1::Field& field : *form.mutable_fields()) {
      for (const std::string& beginning : beginnings) {
        if (field.role().starts_with(beginning)) field.clear_role();
      }
    }
  }
  auto layout = layout::VerifiedLayout::FromMessage(layout::Canonicalize(message));
  if (!layout.ok()) {
    std::fprintf(stderr, "%s\n", layout.status().ToString().c_str());
    std::abort();
  }
  return *std::move(layout);
}

struct Nic {
  const char* name;
  std::vector<std::string> lacks;     // roles that begin so
  std::vector<std::string> computed;  // of kWanted
};

const std::vector<std::string> kWanted = {"packet.length",   "hash.value",      "hash.type",
                                          "checksum.l3.bad", "checksum.l4.bad", "vlan.tci"};

class Computes : public testing::TestWithParam<Nic> {
 protected:
  void SetUp() override {
    daemon_ = std::make_unique<Daemon>(Without(GetParam().name, GetParam().lacks));
    // The key of RSS's verification suite.
    const std::shared_ptr<RpcSession> rpc = RpcSession::Open(daemon_->Options());
    ASSERT_TRUE(rpc->OpenSession().ok());
    v1::SetRssRequest request;
    request.set_device("nic1");
    request.set_key(
        Hex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"));
    v1::SetRssResponse response;
    grpc::ClientContext context;
    rpc->PrepareContext(context);
    const grpc::Status set =
        v1::SteeringService::NewStub(rpc->channel())->SetRss(&context, request, &response);
    ASSERT_TRUE(set.ok()) << set.error_message();
  }

  Lease Acquire(const std::string& device, const LeaseOptions& options = {}) {
    absl::StatusOr<Session> session = Session::Connect(daemon_->Options());
    EXPECT_TRUE(session.ok()) << session.status();
    absl::StatusOr<Device> opened = session->OpenDevice(device);
    EXPECT_TRUE(opened.ok()) << opened.status();
    absl::StatusOr<Lease> lease = opened->Acquire(options);
    EXPECT_TRUE(lease.ok()) << lease.status();
    return *std::move(lease);
  }

  bool Lacks(const std::string& role) const {
    const auto& computed = GetParam().computed;
    return std::find(computed.begin(), computed.end(), role) != computed.end();
  }

  std::unique_ptr<Daemon> daemon_;
};

// 66.9.149.187:2794 to 161.142.100.80:1766, of the verification suite; without checksums.
std::string SuiteFrame() {
  std::string frame = Datagram(2794, 1766, "whoever makes them");
  frame.replace(26, 8, Hex("420995bba18e6450"));
  Put16(frame, 24, 0);
  return frame;
}

TEST_P(Computes, WhatWasAskedForAndIsNotThere) {
  Lease a = Acquire("nic0", {.tx_roles = {"checksum.l4.request", "vlan.insert"}});
  Lease b = Acquire("nic1", {.rx_roles = kWanted});
  EXPECT_THAT(b.roles_in_software(), ElementsAreArray(GetParam().computed));
  ASSERT_TRUE(b.AddRule("flow-type udp4 dst-port 1766 action 0").ok());

  Packet good = a.tx(0).Allocate(static_cast<uint32_t>(SuiteFrame().size()));
  Fill(good, SuiteFrame());
  good.set_vlan(0x6064);
  good.RequestChecksums();
  ASSERT_TRUE(a.tx(0).Send(std::move(good)));
  std::string nonsense = SuiteFrame();
  Put16(nonsense, 24, 0x1234);
  Put16(nonsense, 40, 0x5678);
  Packet bad = a.tx(0).Allocate(static_cast<uint32_t>(nonsense.size()));
  Fill(bad, nonsense);
  ASSERT_TRUE(a.tx(0).Send(std::move(bad)));

  std::vector<Packet> got;
  std::array<Packet, 4> burst;
  while (got.size() < 2) {
    ASSERT_TRUE(b.rx(0).Wait(kLong).ok()) << got.size();
    const size_t n = b.rx(0).Receive(burst);
    for (size_t i = 0; i < n; ++i) got.push_back(std::move(burst[i]));
  }
  for (const Packet& packet : got) {
    ASSERT_TRUE(packet.hash().has_value());
    EXPECT_EQ(*packet.hash(), 0x51ccc178u);
    EXPECT_EQ(packet.hash_type(), HashType::kUdp4);
    EXPECT_EQ(packet.computed(PacketField::kHash), Lacks("hash.value"));
    EXPECT_EQ(packet.computed(PacketField::kHashType), Lacks("hash.type"));
    EXPECT_EQ(packet.computed(PacketField::kChecksumL3), Lacks("checksum.l3.bad"));
    EXPECT_EQ(packet.computed(PacketField::kChecksumL4), Lacks("checksum.l4.bad"));
    EXPECT_EQ(Text(packet).substr(12, 2), Hex("0800")) << "the tag stands beside the packet";
  }
  EXPECT_EQ(got[0].vlan(), std::optional<uint16_t>(0x6064));
  EXPECT_EQ(got[0].computed(PacketField::kVlan), Lacks("vlan.tci"));
  EXPECT_EQ(got[0].checksum_l3(), ChecksumState::kGood);
  EXPECT_EQ(got[0].checksum_l4(), ChecksumState::kGood);
  EXPECT_EQ(got[1].vlan(), std::nullopt);
  EXPECT_EQ(got[1].checksum_l3(), ChecksumState::kBad);
  EXPECT_EQ(got[1].checksum_l4(), ChecksumState::kBad);
}

// Roles are there, in hardware or in software, and the program reads some of them only.
TEST_P(Computes, NothingThatIsNotRead) {
  Lease a = Acquire("nic0");
  Lease b = Acquire("nic1", {.rx_roles = kWanted,
                             .rx_fields = PacketField::kHashType | PacketField::kChecksumL4});
  EXPECT_THAT(b.roles_in_software(), ElementsAreArray(GetParam().computed));
  ASSERT_TRUE(b.AddRule("flow-type udp4 dst-port 1766 action 0").ok());
  Packet packet = a.tx(0).Allocate(static_cast<uint32_t>(SuiteFrame().size()));
  Fill(packet, SuiteFrame());
  packet.RequestChecksums();
  ASSERT_TRUE(a.tx(0).Send(std::move(packet)));
  std::array<Packet, 1> got;
  ASSERT_TRUE(b.rx(0).Wait(kLong).ok());
  ASSERT_EQ(b.rx(0).Receive(got), 1u);
  EXPECT_EQ(got[0].hash_type(), HashType::kUdp4);
  EXPECT_EQ(got[0].computed(PacketField::kHashType), Lacks("hash.type"));
  EXPECT_EQ(got[0].checksum_l4(), ChecksumState::kGood);
  EXPECT_EQ(got[0].computed(PacketField::kChecksumL4), Lacks("checksum.l4.bad"));
  EXPECT_EQ(got[0].hash(), std::nullopt);
  EXPECT_EQ(got[0].checksum_l3(), ChecksumState::kUnknown);
  EXPECT_EQ(got[0].vlan(), std::nullopt);
  const PacketFields read = PacketField::kHashType | PacketField::kChecksumL4;
  EXPECT_EQ(got[0].metadata().present & ~read.bits, 0u);
  EXPECT_EQ(b.rx(0).available_fields() & ~read.bits, 0u);
}

TEST_P(Computes, NothingThatWasNotAskedFor) {
  Lease a = Acquire("nic0");
  Lease b = Acquire("nic1");
  EXPECT_THAT(b.roles_in_software(), IsEmpty());
  ASSERT_TRUE(b.AddRule("flow-type udp4 dst-port 1766 action 0").ok());
  Packet packet = a.tx(0).Allocate(static_cast<uint32_t>(SuiteFrame().size()));
  Fill(packet, SuiteFrame());
  packet.set_vlan(0x6064);
  packet.RequestChecksums();
  ASSERT_TRUE(a.tx(0).Send(std::move(packet)));
  std::array<Packet, 1> got;
  ASSERT_TRUE(b.rx(0).Wait(kLong).ok());
  ASSERT_EQ(b.rx(0).Receive(got), 1u);
  EXPECT_EQ(got[0].metadata().computed, 0u);
  EXPECT_EQ(got[0].vlan().has_value(), !Lacks("vlan.tci"));
  EXPECT_EQ(got[0].hash().has_value(), !Lacks("hash.value"));
  EXPECT_EQ(Text(got[0]).substr(12, 2), Hex(Lacks("vlan.tci") ? "8100" : "0800"));
}

INSTANTIATE_TEST_SUITE_P(
    All, Computes,
    testing::Values(Nic{"test.whole", {}, {}}, Nic{"test.typeless", {"hash.type"}, {"hash.type"}},
                    Nic{"test.hashless", {"hash."}, {"hash.value", "hash.type"}},
                    Nic{"test.unchecked", {"checksum."}, {"checksum.l3.bad", "checksum.l4.bad"}},
                    Nic{"test.tagless", {"vlan."}, {"vlan.tci"}},
                    Nic{"test.bare",
                        {"hash.", "checksum.", "vlan."},
                        {"hash.value", "hash.type", "checksum.l3.bad", "checksum.l4.bad",
                         "vlan.tci"}}),
    [](const testing::TestParamInfo<Nic>& one) { return std::string(one.param.name + 5); });

// A layout with choices, set up in each way.
TEST(FeaturesOfALease, AreThoseThatTheRolesNeedOrTheProgramNames) {
  Daemon daemon(layout::testing::ChoosyLayout());
  absl::StatusOr<Session> session = Session::Connect(daemon.Options());
  ASSERT_TRUE(session.ok()) << session.status();
  Device nic0 = *session->OpenDevice("nic0");
  Device nic1 = *session->OpenDevice("nic1");
  const struct {
    LeaseOptions options;
    std::vector<std::string> features;
    bool timestamp;
  } kCases[] = {
      {{.rx_roles = {"hash.value"}}, {"Size=small", "Word=hash"}, false},
      {{.rx_roles = {"flow.mark"}}, {"Size=small", "Word=mark"}, false},
      {{.rx_roles = {"timestamp"}}, {"Size=large", "Word=hash"}, true},
      {{.features = {"Word=mark", "Size=large"}}, {"Size=large", "Word=mark"}, true},
  };
  absl::StatusOr<Lease> sender = nic0.Acquire({});
  ASSERT_TRUE(sender.ok()) << sender.status();
  for (const auto& one : kCases) {
    absl::StatusOr<Lease> lease = nic1.Acquire(one.options);
    ASSERT_TRUE(lease.ok()) << lease.status();
    EXPECT_THAT(lease->features(), ElementsAreArray(one.features));
    ASSERT_TRUE(lease->AddRule("flow-type udp4 dst-port 1766 action 0").ok());
    for (int i = 0; i < 100; ++i) {
      Packet packet = sender->tx(0).Allocate(static_cast<uint32_t>(SuiteFrame().size()));
      Fill(packet, SuiteFrame());
      packet.RequestChecksums();
      ASSERT_TRUE(sender->tx(0).Send(std::move(packet)));
      std::array<Packet, 1> got;
      ASSERT_TRUE(lease->rx(0).Wait(kLong).ok());
      ASSERT_EQ(lease->rx(0).Receive(got), 1u);
      EXPECT_EQ(got[0].timestamp().has_value(), one.timestamp);
      EXPECT_EQ(Text(got[0]).substr(42), "whoever makes them");
      ASSERT_TRUE(sender->tx(0).Flush(kLong).ok());
    }
  }
  const absl::Status none = nic1.Acquire({.features = {"Size=huge"}}).status();
  EXPECT_EQ(none.code(), absl::StatusCode::kNotFound) << none;
  const absl::Status missing =
      nic1.Acquire({.rx_roles = {"timestamp"}, .features = {"Size=small"}}).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(missing.message()),
              HasSubstr("test.choosy lacks timestamp; test.choosy with Size=large has all"));
}

}  // namespace
}  // namespace qsplit
