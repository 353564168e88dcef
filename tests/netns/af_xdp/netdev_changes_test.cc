// What the daemon changes of a netdev comes back at the end.
#include "daemon/backend/af_xdp/netdev_changes.h"

#include <gmock/gmock.h>

#include <utility>

#include "daemon/backend/af_xdp/ntuple.h"
#include "tests/netns/af_xdp/changes_fixture.h"

namespace qsplit::af_xdp {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Lt;
using ::testing::Not;
using ::testing::SizeIs;

using NetdevChangesTest = ChangesFixture;

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

TEST_F(NetdevChangesTest, AnotherNetdevOfTheSameNameIsLeftAloneAtTheEndToo) {
  ASSERT_TRUE(changes_->SetChannels(2).ok());
  MakeAnotherNetdevOfTheName();
  EXPECT_EQ(changes_->SetChannels(1).code(), absl::StatusCode::kNotFound);
  changes_.reset();
  EXPECT_EQ(Queues(), 3u);
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevChangesTest, ANicThatIsAnotherNowKeepsItsTableAndItsRules) {
  OpenNic();
  ASSERT_TRUE(steering_->Leave(std::vector<uint32_t>{3}).ok());
  ASSERT_TRUE(steering_->AddRule(UdpPortRule(0, 4242, 3)).ok());
  const std::vector<uint32_t> now = nic_.rss_table();
  MakeAnotherNetdevOfTheName();
  EXPECT_FALSE(steering_->Return(std::vector<uint32_t>{3}).ok());
  EXPECT_TRUE(steering_->RemoveRule(0).ok()) << "it went with its netdev";
  steering_.reset();
  changes_.reset();
  EXPECT_EQ(nic_.rss_table(), now);
  EXPECT_THAT(nic_.rules(), SizeIs(1));
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevChangesTest, ANicWhoseRssTableIsEmptyComesBack) {
  test::FakeEthtoolNic hollow({.netdev = kNetdev, .queues = 4, .rss_is_hollow = true});
  Open(hollow.Wire());
  ASSERT_TRUE(changes_->SetChannels(2).ok());
  EXPECT_TRUE(changes_->Restore({}).ok()) << changes_->Restore({});
  EXPECT_EQ(Queues(), 4u);
  EXPECT_THAT(journal_->Records(), IsEmpty());
  changes_.reset();  // the wire goes before the NIC
  link_.reset();
}

TEST_F(NetdevChangesTest, WhoLeavesNothingSetsNoTable) {
  OpenNic();
  ASSERT_TRUE(steering_->Leave({}).ok());
  ASSERT_TRUE(steering_->Return(std::vector<uint32_t>{1}).ok());
  EXPECT_FALSE(nic_.rss_is_a_wish());
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
  ASSERT_TRUE(steering_->AddRule(UdpPortRule(0, 4242, 3)).ok());
  ASSERT_TRUE(nic_.rules().contains(1)) << "the first place that is free";
  EXPECT_EQ(nic_.rules().at(1).ring_cookie, 3u);
  ASSERT_TRUE(steering_->RemoveRule(0).ok());
  EXPECT_THAT(nic_.rules(), SizeIs(1));
  EXPECT_EQ(steering_->RemoveRule(0).code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(steering_->AddRule(UdpPortRule(1, 4243, 3)).ok());
  steering_.reset();
  changes_.reset();
  EXPECT_THAT(nic_.rules(), SizeIs(1)) << "the end takes those that are left";
  EXPECT_TRUE(nic_.rules().contains(0));
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevChangesTest, ARuleThatAnAdministratorPutInTheirPlaceStays) {
  OpenNic();
  ASSERT_TRUE(steering_->AddRule(UdpPortRule(0, 4242, 3)).ok());
  ASSERT_TRUE(steering_->AddRule(UdpPortRule(1, 4243, 3)).ok());
  ethtool_rx_flow_spec his{};
  his.flow_type = TCP_V4_FLOW;
  nic_.PutRule(his);
  EXPECT_TRUE(steering_->RemoveRule(0).ok()) << "it is gone";
  EXPECT_TRUE(steering_->RemoveRule(1).ok());
  EXPECT_THAT(nic_.rules(), SizeIs(1));
  EXPECT_TRUE(linux_sys::SameRule(nic_.rules().at(0), his));
  EXPECT_THAT(journal_->Records("netdev-rule"), IsEmpty());
  ASSERT_TRUE(steering_->AddRule(UdpPortRule(0, 4242, 3)).ok()) << "at the next place";
  EXPECT_EQ(steering_->PlaceOf(0), 1u);
  EXPECT_TRUE(linux_sys::SameRule(nic_.rules().at(0), his));
}

TEST_F(NetdevChangesTest, TheSameRuleInTwoPlacesIsRefusedOnce) {
  OpenNic();
  nic_.FailNext(ETHTOOL_SRXCLSRLINS, EEXIST);  // as drivers do that compare
  EXPECT_EQ(steering_->AddRule(UdpPortRule(0, 4242, 3)).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(nic_.rules(), IsEmpty());
}

TEST_F(NetdevChangesTest, RulesOfOthersThatFillTheNicAreTold) {
  OpenNic();
  ethtool_rx_flow_spec his{};
  his.flow_type = TCP_V4_FLOW;
  for (his.location = 0; his.location < 16; ++his.location) nic_.PutRule(his);
  const absl::Status status = steering_->AddRule(UdpPortRule(1023, 4242, 3));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(status.message(), HasSubstr("`ethtool -n` shows them"));
}

TEST_F(NetdevChangesTest, ARuleThatTheNicRefusesLeavesNoRecord) {
  OpenNic();
  ASSERT_TRUE(steering_->Leave(std::vector<uint32_t>{3}).ok());
  const size_t records = journal_->Records().size();
  nic_.FailNext(ETHTOOL_SRXCLSRLINS, ENOSPC);
  EXPECT_FALSE(steering_->AddRule(UdpPortRule(0, 4242, 3)).ok());
  EXPECT_THAT(journal_->Records(), SizeIs(records));
}

TEST_F(NetdevChangesTest, ANicThatPutsRulesElsewhereIsOfNoUse) {
  test::FakeEthtoolNic mover(
      {.netdev = kNetdev, .queues = 4, .rule_slots = 16, .moves_rules = true});
  Open(mover.Wire());
  const absl::Status status = changes_->AddRule(*ToNtuple(UdpPortRule(3, 4242, 1)));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
  EXPECT_THAT(status.message(), HasSubstr("puts a rule for location 3 at 15"));
  EXPECT_THAT(mover.rules(), IsEmpty());
  EXPECT_THAT(journal_->Records("netdev-rule"), IsEmpty());
  changes_.reset();  // the wire goes before the NIC
  link_.reset();
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

// No netdev here has ntuple filters: another feature that can be turned on stands in for them.
TEST_F(NetdevChangesTest, FiltersThatAreOfNoUseAreTurnedOffAgain) {
  const std::string filters = "rx-gro";
  const auto on = [&] { return link_->GetFeatures()->at(filters).on; };
  Run("ethtool -K d0 gro off");
  Open(nic_.Wire(), filters);
  {
    auto steering = NicSteering::Take(4, 1024, *changes_);
    ASSERT_TRUE(steering.ok()) << steering.status();
    EXPECT_TRUE(on());
    nic_.FailNext(ETHTOOL_SRXCLSRLINS, EINVAL);
    EXPECT_FALSE((*steering)->TryUdpRule().ok());
    EXPECT_FALSE(on());
  }
  test::FakeEthtoolNic none({.netdev = kNetdev, .queues = 4, .rule_slots = 0});
  Open(none.Wire(), filters);
  EXPECT_FALSE(NicSteering::Take(4, 1024, *changes_).ok());
  EXPECT_FALSE(on());
  changes_.reset();  // the wire goes before the NIC
  link_.reset();
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevChangesTest, TheOnlyQueueStaysInTheRssTable) {
  test::FakeEthtoolNic one({.netdev = kNetdev, .queues = 1});
  Open(one.Wire());
  const auto steering = NicSteering::Take(1, 1024, *changes_);
  EXPECT_EQ(steering.status().code(), absl::StatusCode::kUnimplemented) << steering.status();
  changes_.reset();  // the wire goes before the NIC
  link_.reset();
}

TEST_F(NetdevChangesTest, AVethSteersNothing) {
  const auto steering = NicSteering::Take(4, 1024, *changes_);
  EXPECT_EQ(steering.status().code(), absl::StatusCode::kUnimplemented) << steering.status();
}

}  // namespace
}  // namespace qsplit::af_xdp
