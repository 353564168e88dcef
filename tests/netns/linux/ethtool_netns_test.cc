// What ethtool says of a veth pair and a tap in another network namespace, beside what the programs
// `ethtool` and `ip` say there; and what these netdevs lack, by name.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "daemon/linux/ethtool_link.h"
#include "daemon/linux/netdev_steering.h"
#include "tests/netns/linux/other_netns.h"

namespace qsplit::linux_sys {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::HasSubstr;

class EthtoolNetns : public test::OtherNetns {
 protected:
  void SetUp() override {
    test::OtherNetns::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    Run("ip link add d0 numrxqueues 4 numtxqueues 4 type veth peer name wire numrxqueues 4 "
        "numtxqueues 4");
    Run("ip link set d0 up");
    Run("ip link set wire up");
    d0_ = Open("d0");
  }

  std::unique_ptr<EthtoolLink> Open(const std::string& netdev) {
    auto opened = EthtoolLink::Open(netns(), netdev);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : nullptr;
  }

  std::unique_ptr<EthtoolLink> d0_;
};

void ExpectLacks(const absl::Status& status, const std::string& netdev, const std::string& thing) {
  EXPECT_EQ(status.code(), StatusCode::kUnimplemented) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("netdev " + netdev + " has no " + thing));
}

TEST_F(EthtoolNetns, ChannelsAreReadAndSet) {
  const auto before = d0_->GetChannels();
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_EQ(before->most.rx_queues(), 4u);
  EXPECT_EQ(before->most.tx_queues(), 4u);
  ChannelCounts wish = before->now;
  wish.rx = 3;
  wish.tx = 2;
  ASSERT_TRUE(d0_->SetChannels(wish).ok()) << d0_->SetChannels(wish);
  EXPECT_EQ(d0_->GetChannels()->now, wish);
  // Of ethtool's two blocks the second is what is set.
  const std::string said = Output("ethtool -l d0 | sed 1,/Current/d");
  EXPECT_THAT(said, AllOf(HasSubstr("RX:\t\t3\n"), HasSubstr("TX:\t\t2\n")));
}

TEST_F(EthtoolNetns, MoreChannelsThanThereAreAreRefusedInTheKernelsWords) {
  ChannelCounts wish = d0_->GetChannels()->now;
  wish.rx = 5;
  const absl::Status status = d0_->SetChannels(wish);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("netdev d0"), HasSubstr("ETHTOOL_MSG_CHANNELS_SET"),
                    HasSubstr("requested channel count exceeds maximum")));
}

TEST_F(EthtoolNetns, FeaturesAreThoseThatEthtoolShows) {
  const auto features = d0_->GetFeatures();
  ASSERT_TRUE(features.ok()) << features.status();
  const std::string shown = Output("ethtool -k d0");
  int compared = 0;
  for (const auto& [name, feature] : *features) {
    const std::string line =
        name + (feature.on ? ": on" : ": off") + (feature.changeable ? "" : " [fixed]");
    // The program calls a few by other names, and says where a wish is not fulfilled.
    if (shown.find(name + ":") == std::string::npos) continue;
    EXPECT_THAT(shown, HasSubstr(line));
    ++compared;
  }
  EXPECT_GE(compared, 30);
  ASSERT_EQ(features->count(kNtupleFeature), 1u);
  EXPECT_FALSE(features->at(kNtupleFeature).changeable);
}

TEST_F(EthtoolNetns, AFeatureIsTurnedOffAndOn) {
  ASSERT_TRUE(d0_->GetFeatures()->at("rx-gro").changeable);
  for (const bool on : {false, true, false}) {
    ASSERT_TRUE(d0_->SetFeature("rx-gro", on).ok()) << d0_->SetFeature("rx-gro", on);
    EXPECT_EQ(d0_->GetFeatures()->at("rx-gro").on, on);
    EXPECT_THAT(Output("ethtool -k d0"),
                HasSubstr(std::string("generic-receive-offload: ") + (on ? "on" : "off")));
  }
}

TEST_F(EthtoolNetns, AFeatureThatIsFixedOrUnknownIsUnimplementedByName) {
  const absl::Status fixed = d0_->SetFeature(kNtupleFeature, true);
  EXPECT_EQ(fixed.code(), StatusCode::kUnimplemented) << fixed;
  EXPECT_THAT(std::string(fixed.message()),
              AllOf(HasSubstr("netdev d0"), HasSubstr("rx-ntuple-filter on"), HasSubstr("fixed")));
  const absl::Status unknown = d0_->SetFeature("rx-warp", true);
  EXPECT_EQ(unknown.code(), StatusCode::kUnimplemented) << unknown;
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("rx-warp"));
}

TEST_F(EthtoolNetns, AVethLacksRssAndNtupleRules) {
  ExpectLacks(d0_->GetRss().status(), "d0", "RSS table");
  ExpectLacks(d0_->SetRss(std::vector<uint32_t>(4)), "d0", "RSS table");
  ExpectLacks(d0_->ResetRss(), "d0", "RSS table");
  ExpectLacks(d0_->GetNtupleTable().status(), "d0", "ntuple rules");
  ExpectLacks(d0_->GetRules().status(), "d0", "ntuple rules");
  ExpectLacks(d0_->GetRule(1).status(), "d0", "ntuple rules");
  NtupleRule rule{};
  rule.flow_type = UDP_V4_FLOW;
  ExpectLacks(d0_->InsertRule(rule).status(), "d0", "ntuple rules");
  rule.location = RX_CLS_LOC_ANY;
  ExpectLacks(d0_->InsertRule(rule).status(), "d0", "ntuple rules");
  ExpectLacks(d0_->DeleteRule(1), "d0", "ntuple rules");
}

TEST_F(EthtoolNetns, ATapHasChannelsThatCannotBeSetAndNoRings) {
  Run("ip tuntap add dev t0 mode tap");
  const auto tap = Open("t0");
  const auto channels = tap->GetChannels();
  ASSERT_TRUE(channels.ok()) << channels.status();
  ChannelCounts more = channels->now;
  ++more.combined;
  ExpectLacks(tap->SetChannels(more), "t0", "channels that can be set");
  ExpectLacks(tap->GetRings().status(), "t0", "rings");
  const auto driver = tap->GetDriver();
  ASSERT_TRUE(driver.ok()) << driver.status();
  EXPECT_EQ(driver->driver, "tun");
}

TEST_F(EthtoolNetns, DriverSpeedAndStatistics) {
  EXPECT_EQ(d0_->GetDriver()->driver, "veth");
  const auto speed = d0_->GetSpeed();
  ASSERT_TRUE(speed.ok()) << speed.status();
  EXPECT_THAT(Output("ethtool d0"), HasSubstr("Speed: " + std::to_string(*speed) + "Mb/s"));
  const auto statistics = d0_->GetStatistics();
  ASSERT_TRUE(statistics.ok()) << statistics.status();
  ASSERT_FALSE(statistics->empty());
  const std::string shown = Output("ethtool -S d0");
  for (const NicStatistic& one : *statistics) EXPECT_THAT(shown, HasSubstr(one.name + ": "));
  // The value of one that the kernel made different from 0.
  const auto peer = std::find_if(statistics->begin(), statistics->end(),
                                 [](const NicStatistic& s) { return s.name == "peer_ifindex"; });
  ASSERT_NE(peer, statistics->end());
  EXPECT_THAT(shown, HasSubstr("peer_ifindex: " + std::to_string(peer->value) + "\n"));
  EXPECT_GT(peer->value, 0u);
}

TEST_F(EthtoolNetns, ANetdevOrNamespaceThatIsNotThereIsSaidSo) {
  const auto missing = Open("d9");
  for (const absl::Status& status :
       {missing->GetChannels().status(), missing->GetFeatures().status(),
        missing->GetRss().status(), missing->GetNtupleTable().status(),
        missing->GetDriver().status(), missing->GetStatistics().status()}) {
    EXPECT_EQ(status.code(), StatusCode::kNotFound) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("d9"));
  }
  EXPECT_EQ(EthtoolLink::Open("no-such-netns", "d0").status().code(), StatusCode::kNotFound);
}

TEST_F(EthtoolNetns, ANetdevOfThisNamespaceIsNotSeenThere) {
  // The process's own namespace has `lo` alone; d0 is in the other one.
  const auto here = EthtoolLink::Open("", "d0");
  ASSERT_TRUE(here.ok()) << here.status();
  EXPECT_EQ((*here)->GetChannels().status().code(), StatusCode::kNotFound);
}

TEST_F(EthtoolNetns, WithoutCapabilityNothingIsSet) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::setresuid(65534, 65534, 65534) != 0) ::_exit(9);
    const auto channels = d0_->GetChannels();
    if (!channels.ok()) ::_exit(8);
    ChannelCounts wish = channels->now;
    wish.rx = 2;
    ::_exit(d0_->SetChannels(wish).code() == StatusCode::kPermissionDenied ? 0 : 7);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(EthtoolNetns, SteeringIsReadAndRestored) {
  const std::vector<std::string> features = {"rx-gro", kNtupleFeature};
  const auto before = ReadSteering(*d0_, features);
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_FALSE(before->rss.has_value());
  EXPECT_EQ(before->features.size(), 1u) << "one of the two can change";
  ChannelCounts fewer = *before->channels;
  fewer.rx = fewer.tx = 2;
  ASSERT_TRUE(d0_->SetChannels(fewer).ok());
  ASSERT_TRUE(d0_->SetFeature("rx-gro", !before->features.at("rx-gro")).ok());
  // By way of the journal.
  const auto read = SteeringOfFields(ToFields(*before));
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_TRUE(RestoreSteering(*d0_, *read, {}).ok()) << RestoreSteering(*d0_, *read, {});
  EXPECT_EQ(d0_->GetChannels()->now, *before->channels);
  EXPECT_EQ(d0_->GetFeatures()->at("rx-gro").on, before->features.at("rx-gro"));
}

}  // namespace
}  // namespace qsplit::linux_sys
