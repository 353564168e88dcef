// What a daemon that crashed has changed of a netdev comes back by its journal.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/netns/af_xdp/changes_fixture.h"

namespace qsplit::af_xdp {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

using NetdevUndoTest = ChangesFixture;

TEST_F(NetdevUndoTest, ChannelsComeBackAfterACrash) {
  ASSERT_TRUE(changes_->SetChannels(1).ok());
  Crash();
  EXPECT_EQ(Queues(), 1u);
  EXPECT_THAT(UndoLeftovers(*journal_), IsEmpty());
  EXPECT_EQ(Queues(), 4u);
  EXPECT_THAT(journal_->Records(), IsEmpty());
  EXPECT_THAT(UndoLeftovers(*journal_), IsEmpty()) << "twice is as good as once";
}

TEST_F(NetdevUndoTest, AnotherNetdevOfTheSameNameIsLeftAlone) {
  ASSERT_TRUE(changes_->SetChannels(2).ok());
  Crash();
  MakeAnotherNetdevOfTheName();
  EXPECT_THAT(UndoLeftovers(*journal_), IsEmpty());
  EXPECT_EQ(Queues(), 3u);
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevUndoTest, ANetdevThatHasAnotherNameNowComesBack) {
  ASSERT_TRUE(changes_->SetChannels(2).ok());
  Run("ip link set d0 down");
  Run("ip link set d0 name d7");
  changes_.reset();
  EXPECT_EQ(Queues("d7"), 4u);
  Run("ip link set d7 name d0");
  Open(nullptr);
  ASSERT_TRUE(changes_->SetChannels(2).ok());
  Crash();
  Run("ip link set d0 name d8");
  EXPECT_THAT(UndoLeftovers(*journal_), IsEmpty());
  EXPECT_EQ(Queues("d8"), 4u);
}

TEST_F(NetdevUndoTest, ANamespaceThatHasLostItsNameIsFoundByItsNumber) {
  ASSERT_TRUE(changes_->SetChannels(2).ok());
  Crash();
  const NetdevId id = Id();
  ASSERT_NE(id.netns_cookie, 0u);
  const pid_t in_it = ::fork();
  if (in_it == 0) {
    ::execlp("ip", "ip", "netns", "exec", netns().c_str(), "sleep", "60", nullptr);
    ::_exit(1);
  }
  const std::string ns = absl::StrCat("/proc/", in_it, "/ns/net");
  for (int i = 0; i < 5000 && linux_sys::NetnsCookie(ns).value_or(0) != id.netns_cookie; ++i) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  ASSERT_EQ(std::system(("ip netns del " + netns()).c_str()), 0);
  // Another namespace takes the name, with another netdev of the same name and number.
  ASSERT_EQ(std::system(("ip netns add " + netns()).c_str()), 0);
  Run(absl::StrCat("ip link add d0 index ", id.ifindex,
                   " numrxqueues 4 numtxqueues 4 type veth peer name d1 numrxqueues 4"
                   " numtxqueues 4"));
  Run("ethtool -L d0 rx 3 tx 3");
  EXPECT_THAT(UndoLeftovers(*journal_), IsEmpty());
  EXPECT_EQ(Queues(), 3u);
  EXPECT_EQ(QueuesIn(ns, kNetdev), 4u);
  EXPECT_EQ(::kill(in_it, SIGKILL), 0);
  EXPECT_EQ(::waitpid(in_it, nullptr, 0), in_it);
}

TEST_F(NetdevUndoTest, TheFirstFormerStateIsTheOneThatComesBack) {
  ASSERT_TRUE(changes_->SetChannels(3).ok());
  Crash();  // and the next daemon cannot undo it
  Open(nullptr);
  ASSERT_TRUE(changes_->SetChannels(2).ok());
  EXPECT_THAT(journal_->Records(), SizeIs(1)) << "it is taken over";
  Crash();
  Open(nullptr);
  changes_.reset();
  EXPECT_EQ(Queues(), 4u) << "without a change of its own";
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevUndoTest, OfTwoFormerStatesTheOlderIsTrue) {
  ASSERT_TRUE(changes_->SetChannels(3).ok());
  const auto changed = linux_sys::ReadSteering(*link_, {});
  ASSERT_TRUE(changed.ok()) << changed.status();
  ASSERT_TRUE(AddFormer(*journal_, {.netdev = changes_->netdev(), .before = *changed}).ok());
  ASSERT_TRUE(changes_->SetChannels(1).ok());
  Crash();
  EXPECT_THAT(UndoLeftovers(*journal_), IsEmpty());
  EXPECT_EQ(Queues(), 4u);
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevUndoTest, ARuleWithoutAFormerStateIsUndone) {
  OpenNic();
  ASSERT_TRUE(steering_->Leave(std::vector<uint32_t>{3}).ok());
  ASSERT_TRUE(steering_->AddRule(UdpPortRule(0, 4242, 3)).ok());
  ASSERT_TRUE(journal_->Done(journal_->Records("netdev").front().id).ok());
  Crash();
  EXPECT_THAT(UndoLeftovers(*journal_, [this] { return nic_.Wire(); }), IsEmpty());
  EXPECT_THAT(nic_.rules(), IsEmpty());
  EXPECT_THAT(journal_->Records(), IsEmpty());
  // A netdev that has no filters has no rule.
  ASSERT_TRUE(AskRule(*journal_, Id(), {}).ok());
  EXPECT_THAT(UndoLeftovers(*journal_), IsEmpty());
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevUndoTest, TheFormerStateIsStruckLast) {
  const NetdevId netdev = Id();
  NetdevRecords records{.netdev = netdev, .before = linux_sys::NetdevSteering()};
  const auto former = AddFormer(*journal_, records);
  ASSERT_TRUE(former.ok()) << former.status();
  records.former = {*former};
  records.rules.push_back({.record = *former + 1, .rule = {}});
  EXPECT_FALSE(Strike(*journal_, records).ok()) << "the rule's record cannot be struck";
  EXPECT_THAT(journal_->Records(), SizeIs(1));
}

TEST_F(NetdevUndoTest, ATableThatAnAdministratorSetsMeanwhileIsHis) {
  OpenNic();
  ASSERT_TRUE(steering_->Leave(std::vector<uint32_t>{3}).ok());
  ASSERT_TRUE(steering_->Return(std::vector<uint32_t>{3}).ok());
  std::vector<uint32_t> his(nic_.rss_table().size(), 1);
  his[0] = 2;
  SetTable(his);
  ASSERT_TRUE(steering_->Leave(std::vector<uint32_t>{2}).ok());
  std::vector<uint32_t> without = nic_.rss_table();
  EXPECT_NE(std::exchange(without[0], 2), 2u);
  EXPECT_EQ(without, his);
  ASSERT_TRUE(steering_->Return(std::vector<uint32_t>{2}).ok());
  EXPECT_EQ(nic_.rss_table(), his);
  EXPECT_THAT(journal_->Records(), SizeIs(1));
  ASSERT_TRUE(steering_->Leave(std::vector<uint32_t>{1}).ok());
  Crash();
  EXPECT_THAT(UndoLeftovers(*journal_, [this] { return nic_.Wire(); }), IsEmpty());
  EXPECT_EQ(nic_.rss_table(), his) << "and after a crash";
}

TEST_F(NetdevUndoTest, ATableThatAnAdministratorSetsLaterIsHis) {
  const std::vector<uint32_t> his = {3, 3, 3, 0};
  std::vector<uint32_t> whole(nic_.rss_table().size(), 1);
  std::ranges::copy(his, whole.begin());
  OpenNic();
  ASSERT_TRUE(steering_->TryUdpRule().ok()) << "of which the journal knows";
  SetTable(whole);
  steering_.reset();
  changes_.reset();
  EXPECT_EQ(nic_.rss_table(), whole) << "no queue was leased when he set it";
  OpenNic();
  ASSERT_TRUE(steering_->Leave(std::vector<uint32_t>{3}).ok());
  Crash();
  whole.back() = 2;
  SetTable(whole);
  EXPECT_THAT(UndoLeftovers(*journal_, [this] { return nic_.Wire(); }), IsEmpty());
  EXPECT_EQ(nic_.rss_table(), whole) << "after a crash, while one was";
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevUndoTest, ANetdevThatHasGoneLeavesNothingToUndo) {
  ASSERT_TRUE(changes_->SetChannels(2).ok());
  Crash();
  Run("ip link del d0");
  EXPECT_THAT(UndoLeftovers(*journal_), IsEmpty());
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(NetdevUndoTest, TableAndRulesComeBackAfterACrash) {
  OpenNic();
  const std::vector<uint32_t> before = nic_.rss_table();
  ASSERT_TRUE(steering_->Leave(std::vector<uint32_t>{3}).ok());
  ASSERT_TRUE(steering_->AddRule(UdpPortRule(0, 4242, 3)).ok());
  ASSERT_TRUE(steering_->AddRule(UdpPortRule(5, 4243, 3)).ok());
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

}  // namespace
}  // namespace qsplit::af_xdp
