// What the daemon changes of a netdev comes back, whatever becomes of the daemon: channels in the
// kernel itself; RSS table and ntuple rules in a NIC that is not there, for no netdev here has any.
#include "daemon/backend/af_xdp/netdev_changes.h"

#include <gmock/gmock.h>

#include <utility>

#include "daemon/backend/af_xdp/nic_steering.h"
#include "tests/netns/af_xdp/veth_fixture.h"
#include "tests/support/fake_ethtool_nic.h"

namespace qsplit::af_xdp {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Lt;
using ::testing::Not;
using ::testing::SizeIs;

class NetdevChangesTest : public test::VethFixture {
 protected:
  void SetUp() override {
    test::VethFixture::SetUp();
    if (IsSkipped()) return;
    Open(nullptr);
  }
  void Open(std::unique_ptr<linux_sys::EthtoolIoctl> ioctl) {
    changes_.reset();
    auto link = linux_sys::EthtoolLink::Open(netns(), kNetdev, std::move(ioctl));
    ASSERT_TRUE(link.ok()) << link.status();
    link_ = *std::move(link);
    auto changes = NetdevChanges::Open({netns(), kNetdev, ifindex()}, *link_, *journal_);
    ASSERT_TRUE(changes.ok()) << changes.status();
    changes_ = *std::move(changes);
  }
  void OpenNic() {
    Open(nic_.Wire());
    auto steering = NicSteering::Take(4, *changes_);
    ASSERT_TRUE(steering.ok()) << steering.status();
    steering_ = *std::move(steering);
  }
  // As a crash does: nothing is undone, and the next daemon reads the journal.
  void Crash() {
    (void)steering_.release();
    (void)changes_.release();
    OpenJournal();
  }
  uint32_t Queues() {
    const auto channels = link_->GetChannels();
    return channels.ok() ? channels->now.rx_queues() : 0;
  }

  test::FakeEthtoolNic nic_{{.netdev = kNetdev, .queues = 4, .rule_slots = 16}};
  std::unique_ptr<linux_sys::EthtoolLink> link_;
  std::unique_ptr<NetdevChanges> changes_;
  std::unique_ptr<NicSteering> steering_;
};

device::FlowRule UdpTo(uint32_t location, uint16_t port, uint32_t queue) {
  device::FlowRule rule;
  rule.location = location;
  rule.match.type = device::FlowType::kUdp4;
  rule.match.value.ip_version = 4;
  rule.match.mask.ip_version = 0xff;
  rule.match.value.l4_protocol = 17;
  rule.match.mask.l4_protocol = 0xff;
  rule.match.value.has_ports = 1;
  rule.match.mask.has_ports = 1;
  rule.match.value.dst_port = port;
  rule.match.mask.dst_port = 0xffff;
  rule.action.queue = queue;
  return rule;
}

TEST_F(NetdevChangesTest, ChannelsComeBackAtTheEnd) {
  ASSERT_EQ(Queues(), 4u);
  ASSERT_TRUE(changes_->SetChannels(2).ok());
  EXPECT_EQ(Queues(), 2u);
  EXPECT_THAT(journal_->Records(), SizeIs(1));
  changes_.reset();
  EXPECT_EQ(Queues(), 4u);
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevChangesTest, WhatNobodyChangesIsNotInTheJournal) {
  ASSERT_TRUE(changes_->SetChannels(4).ok());
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevChangesTest, MoreChannelsThanThereCanBeAreRefusedByNumber) {
  const absl::Status status = changes_->SetChannels(5);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(status.message(), HasSubstr("can have 4 channels, not 5"));
}

TEST_F(NetdevChangesTest, ChannelsComeBackAfterACrash) {
  ASSERT_TRUE(changes_->SetChannels(1).ok());
  Crash();
  EXPECT_EQ(Queues(), 1u);
  EXPECT_THAT(UndoLeftovers(*journal_), IsEmpty());
  EXPECT_EQ(Queues(), 4u);
  EXPECT_THAT(journal_->Records(), IsEmpty());
  EXPECT_THAT(UndoLeftovers(*journal_), IsEmpty()) << "twice is as good as once";
}

TEST_F(NetdevChangesTest, AnotherNetdevOfTheSameNameIsLeftAlone) {
  ASSERT_TRUE(changes_->SetChannels(2).ok());
  Crash();
  Run("ip link del d0");
  Run("ip link add d0 numrxqueues 4 numtxqueues 4 type veth peer name d1 numrxqueues 4 "
      "numtxqueues 4");
  Run("ethtool -L d0 rx 3 tx 3");
  EXPECT_THAT(UndoLeftovers(*journal_), IsEmpty());
  EXPECT_EQ(Queues(), 3u);
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevChangesTest, ANetdevThatHasGoneLeavesNothingToUndo) {
  ASSERT_TRUE(changes_->SetChannels(2).ok());
  Crash();
  Run("ip link del d0");
  EXPECT_THAT(UndoLeftovers(*journal_), IsEmpty());
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevChangesTest, LeasedQueuesLeaveTheRssTableAndComeBack) {
  OpenNic();
  const std::vector<uint32_t> before = nic_.rss_table();
  ASSERT_TRUE(steering_->Leave(std::vector<uint32_t>{2, 3}).ok());
  EXPECT_THAT(nic_.rss_table(), Each(Lt(2u)));
  ASSERT_TRUE(steering_->Return(std::vector<uint32_t>{2}).ok());
  EXPECT_THAT(nic_.rss_table(), Contains(2u));
  EXPECT_THAT(nic_.rss_table(), Not(Contains(3u)));
  steering_.reset();
  changes_.reset();
  EXPECT_EQ(nic_.rss_table(), before);
  EXPECT_FALSE(nic_.rss_is_a_wish()) << "it was nobody's before";
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevChangesTest, OneQueueStaysInTheRssTable) {
  OpenNic();
  const absl::Status status = steering_->Leave(std::vector<uint32_t>{0, 1, 2, 3});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_TRUE(steering_->Leave(std::vector<uint32_t>{0, 1, 2}).ok()) << "as if nothing had been";
}

TEST_F(NetdevChangesTest, RulesStandBetweenThoseOfAnAdministrator) {
  ethtool_rx_flow_spec theirs{};
  theirs.flow_type = TCP_V4_FLOW;
  theirs.location = 0;
  theirs.ring_cookie = 1;
  nic_.PutRule(theirs);
  OpenNic();
  EXPECT_EQ(steering_->rule_capacity(), 15u);
  ASSERT_TRUE(steering_->AddRule(UdpTo(0, 4242, 3)).ok());
  ASSERT_TRUE(nic_.rules().contains(1)) << "the first place that is free";
  EXPECT_EQ(nic_.rules().at(1).ring_cookie, 3u);
  ASSERT_TRUE(steering_->RemoveRule(0).ok());
  EXPECT_THAT(nic_.rules(), SizeIs(1));
  EXPECT_EQ(steering_->RemoveRule(0).code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(steering_->AddRule(UdpTo(1, 4243, 3)).ok());
  steering_.reset();
  changes_.reset();
  EXPECT_THAT(nic_.rules(), SizeIs(1)) << "the end takes those that are left";
  EXPECT_TRUE(nic_.rules().contains(0));
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevChangesTest, TableAndRulesComeBackAfterACrash) {
  OpenNic();
  const std::vector<uint32_t> before = nic_.rss_table();
  ASSERT_TRUE(steering_->Leave(std::vector<uint32_t>{3}).ok());
  ASSERT_TRUE(steering_->AddRule(UdpTo(0, 4242, 3)).ok());
  ASSERT_TRUE(steering_->AddRule(UdpTo(5, 4243, 3)).ok());
  Crash();
  ethtool_rx_flow_spec theirs{};
  theirs.flow_type = TCP_V4_FLOW;
  theirs.location = 9;
  nic_.PutRule(theirs);  // an administrator's, meanwhile
  EXPECT_THAT(UndoLeftovers(*journal_, [this] { return nic_.Wire(); }), IsEmpty());
  EXPECT_EQ(nic_.rss_table(), before);
  EXPECT_THAT(nic_.rules(), SizeIs(1));
  EXPECT_TRUE(nic_.rules().contains(9));
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevChangesTest, ARuleThatTheNicRefusesLeavesNoRecord) {
  OpenNic();
  ASSERT_TRUE(steering_->Leave(std::vector<uint32_t>{3}).ok());
  const size_t records = journal_->Records().size();
  nic_.FailNext(ETHTOOL_SRXCLSRLINS, ENOSPC);
  EXPECT_FALSE(steering_->AddRule(UdpTo(0, 4242, 3)).ok());
  EXPECT_THAT(journal_->Records(), SizeIs(records));
}

TEST_F(NetdevChangesTest, FiltersThatTakeNoPortsAreFoundOut) {
  OpenNic();
  EXPECT_TRUE(steering_->TryUdpRule().ok());
  EXPECT_THAT(nic_.rules(), IsEmpty()) << "what was tried is taken out";
  nic_.FailNext(ETHTOOL_SRXCLSRLINS, EINVAL);
  const absl::Status status = steering_->TryUdpRule();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
  EXPECT_THAT(status.message(), HasSubstr("takes no ntuple rule by UDP port"));
}

TEST_F(NetdevChangesTest, TheOnlyQueueStaysInTheRssTable) {
  test::FakeEthtoolNic one({.netdev = kNetdev, .queues = 1});
  Open(one.Wire());
  const auto steering = NicSteering::Take(1, *changes_);
  EXPECT_EQ(steering.status().code(), absl::StatusCode::kUnimplemented) << steering.status();
  changes_.reset();  // the wire goes before the NIC
  link_.reset();
}

TEST_F(NetdevChangesTest, AVethSteersNothing) {
  const auto steering = NicSteering::Take(4, *changes_);
  EXPECT_EQ(steering.status().code(), absl::StatusCode::kUnimplemented) << steering.status();
}

}  // namespace
}  // namespace qsplit::af_xdp
