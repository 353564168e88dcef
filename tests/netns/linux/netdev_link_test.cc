// Facts of a netdev in another network namespace, news of it, and settings that go with their
// owner.
#include "daemon/linux/netdev_link.h"

#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "daemon/linux/netdev_settings.h"
#include "tests/netns/linux/other_netns.h"

namespace qsplit::linux_sys {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;
using ::testing::Not;

class NetdevLinks : public test::OtherNetns {
 protected:
  void SetUp() override {
    test::OtherNetns::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    Run("ip link add d0 address 02:00:00:00:00:d0 mtu 1400 numrxqueues 4 numtxqueues 3 type veth "
        "peer name wire");
    auto opened = NetdevLink::Open(netns(), "d0");
    ASSERT_TRUE(opened.ok()) << opened.status();
    d0_ = *std::move(opened);
  }

  NetdevFacts Facts() {
    const auto facts = d0_->GetFacts();
    EXPECT_TRUE(facts.ok()) << facts.status();
    return facts.value_or(NetdevFacts{});
  }
  NetdevSettings Settings() {
    auto settings = NetdevSettings::Open(netns(), "d0");
    EXPECT_TRUE(settings.ok()) << settings.status();
    return *std::move(settings);
  }

  std::unique_ptr<NetdevLink> d0_;
};

bool Readable(const NetdevWatch& watch) {
  pollfd poll{.fd = watch.fd(), .events = POLLIN, .revents = 0};
  return ::poll(&poll, 1, 2000) == 1;
}

TEST_F(NetdevLinks, FactsFollowTheNetdev) {
  NetdevFacts facts = Facts();
  EXPECT_EQ(facts.mac, (NetdevMac{2, 0, 0, 0, 0, 0xd0}));
  EXPECT_EQ(facts.mtu_bytes, 1400u);
  EXPECT_EQ(facts.rx_queues, 4u);
  EXPECT_EQ(facts.tx_queues, 3u);
  EXPECT_EQ(std::to_string(facts.index) + "\n", Output("ip -o link show d0 | cut -d: -f1"));
  EXPECT_FALSE(facts.up || facts.carrier || facts.promiscuous || facts.all_multicast);
  Run("ip link set d0 up");
  EXPECT_TRUE(Facts().up);
  EXPECT_FALSE(Facts().carrier) << "the other end is down";
  Run("ip link set wire up");
  EXPECT_TRUE(Facts().carrier);
  Run("ip link set d0 promisc on allmulticast on mtu 1300");
  facts = Facts();
  EXPECT_TRUE(facts.promiscuous && facts.all_multicast);
  EXPECT_EQ(facts.mtu_bytes, 1300u);
  Run("ip link del d0");
  EXPECT_EQ(d0_->GetFacts().status().code(), StatusCode::kNotFound);
}

TEST_F(NetdevLinks, WhatIsNotThereIsSaidSo) {
  EXPECT_EQ(NetdevLink::Open(netns(), "d9").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(NetdevLink::Open("", "d0").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(NetdevLink::Open("no-such-netns", "d0").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(NetdevSettings::Open(netns(), "d9").status().code(), StatusCode::kNotFound);
}

TEST_F(NetdevLinks, NewsAreOfTheNetdevThatChanged) {
  auto watch = NetdevWatch::Open(netns());
  ASSERT_TRUE(watch.ok()) << watch.status();
  const int d0 = Facts().index;
  EXPECT_FALSE(watch->TakeNews(d0)) << "nothing happened";
  Run("ip link add other type veth peer name others_wire");
  Run("ip link set other mtu 1000");
  EXPECT_TRUE(Readable(*watch));
  EXPECT_FALSE(watch->TakeNews(d0)) << "something happened to another one";
  Run("ip link set d0 up");
  EXPECT_TRUE(Readable(*watch));
  EXPECT_TRUE(watch->TakeNews(d0));
  EXPECT_FALSE(watch->TakeNews(d0)) << "all news are taken";
  Run("ip link del d0");
  EXPECT_TRUE(Readable(*watch));
  EXPECT_TRUE(watch->TakeNews(d0));
}

TEST_F(NetdevLinks, SettingsEndWithTheirOwner) {
  {
    NetdevSettings settings = Settings();
    ASSERT_TRUE(settings.SetPromiscuous(true).ok());
    ASSERT_TRUE(settings.SetPromiscuous(true).ok()) << "it is counted once";
    ASSERT_TRUE(settings.SetAllMulticast(true).ok());
    ASSERT_TRUE(settings.SetMulticast({{1, 0, 0x5e, 0, 0, 7}, {1, 0, 0x5e, 0, 0, 8}}).ok());
    EXPECT_TRUE(Facts().promiscuous && Facts().all_multicast);
    EXPECT_THAT(Output("ip -d link show d0"), HasSubstr("promiscuity 1"));
    EXPECT_THAT(Output("ip maddr show dev d0"), HasSubstr("01:00:5e:00:00:07"));
    ASSERT_TRUE(settings.SetMulticast({{1, 0, 0x5e, 0, 0, 8}}).ok());
    EXPECT_THAT(Output("ip maddr show dev d0"), Not(HasSubstr("01:00:5e:00:00:07")));
    EXPECT_THAT(Output("ip maddr show dev d0"), HasSubstr("01:00:5e:00:00:08"));
    EXPECT_FALSE(settings.former_mtu_bytes().has_value());
    ASSERT_TRUE(settings.SetMtu(1200).ok());
    ASSERT_TRUE(settings.SetMtu(1000).ok());
    EXPECT_EQ(settings.former_mtu_bytes(), 1400u);
    EXPECT_EQ(Facts().mtu_bytes, 1000u);
    ASSERT_TRUE(settings.SetPromiscuous(false).ok());
    EXPECT_FALSE(Facts().promiscuous);
    ASSERT_TRUE(settings.SetPromiscuous(true).ok());
  }
  const NetdevFacts facts = Facts();
  EXPECT_FALSE(facts.promiscuous || facts.all_multicast);
  EXPECT_EQ(facts.mtu_bytes, 1400u);
  EXPECT_THAT(Output("ip maddr show dev d0"), Not(HasSubstr("01:00:5e:00:00:08")));
}

TEST_F(NetdevLinks, AnMtuThatAnAdministratorSetMeanwhileStays) {
  {
    NetdevSettings settings = Settings();
    ASSERT_TRUE(settings.SetMtu(1200).ok());
    Run("ip link set d0 mtu 1100");
  }
  EXPECT_EQ(Facts().mtu_bytes, 1100u);
}

TEST_F(NetdevLinks, AnMtuThatTheDriverDoesNotTakeIsRefusedAndNothingIsToBeRestored) {
  NetdevSettings settings = Settings();
  const absl::Status status = settings.SetMtu(20);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("netdev d0, 20 bytes"));
  EXPECT_FALSE(settings.former_mtu_bytes().has_value());
  EXPECT_EQ(WriteNetdevMtu(netns(), "d9", 1300).code(), StatusCode::kNotFound);
  ASSERT_TRUE(WriteNetdevMtu(netns(), "d0", 1300).ok());
  EXPECT_EQ(Facts().mtu_bytes, 1300u);
}

TEST_F(NetdevLinks, TheKernelUndoesMembershipsOfAProcessThatIsKilled) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    NetdevSettings settings = Settings();
    const bool set =
        settings.SetPromiscuous(true).ok() && settings.SetMulticast({{1, 0, 0x5e, 0, 0, 9}}).ok();
    if (::write(ready[1], set ? "y" : "n", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char set = 0;
  EXPECT_EQ(::read(ready[0], &set, 1), 1);
  EXPECT_EQ(set, 'y');
  EXPECT_TRUE(Facts().promiscuous);
  EXPECT_THAT(Output("ip maddr show dev d0"), HasSubstr("01:00:5e:00:00:09"));
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(Facts().promiscuous);
  EXPECT_THAT(Output("ip maddr show dev d0"), Not(HasSubstr("01:00:5e:00:00:09")));
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace qsplit::linux_sys
