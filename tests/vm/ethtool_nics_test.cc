// What ethtool says of NICs, and sets, by the drivers that the kernel has for them: in a guest that
// ethtool_nics.py boots. The program `ethtool` is asked the same things.
#include <gmock/gmock.h>
#include <linux/ethtool.h>
#include <stdio.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>

#include "daemon/linux/ethtool_link.h"
#include "daemon/linux/netdev_steering.h"

namespace qsplit::linux_sys {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

class Nic : public ::testing::Test {
 protected:
  void SetUp() override {
    netdev_ = Environment("NETDEV");
    auto opened = EthtoolLink::Open("", netdev_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    link_ = *std::move(opened);
  }

  std::string Ethtool(const std::string& words) {
    std::string text;
    FILE* pipe = ::popen(("/usr/sbin/ethtool " + words + " 2>&1").c_str(), "r");
    if (pipe == nullptr) return text;
    char buffer[4096];
    for (size_t got; (got = ::fread(buffer, 1, sizeof buffer, pipe)) != 0;) {
      text.append(buffer, got);
    }
    EXPECT_EQ(::pclose(pipe), 0) << text;
    return text;
  }

  // Of lines such as "  8:   0 1 2 3 0 1 2 3".
  std::vector<uint32_t> TableOfProgram() {
    std::istringstream lines(Ethtool("-x " + netdev_));
    std::vector<uint32_t> table;
    for (std::string line; std::getline(lines, line) && line.rfind("RSS", 0) != 0;) {
      const size_t colon = line.find(':');
      if (line.empty() || line[0] != ' ' || colon == std::string::npos) continue;
      std::istringstream entries(line.substr(colon + 1));
      for (uint32_t queue; entries >> queue;) table.push_back(queue);
    }
    return table;
  }

  std::string netdev_;
  std::unique_ptr<EthtoolLink> link_;
};

class ManyQueues : public Nic {
 protected:
  void SetUp() override {
    Nic::SetUp();
    if (HasFatalFailure()) return;
    ASSERT_TRUE(link_->ResetRss().ok());
    ASSERT_TRUE(link_->SetChannels(Combined(2)).ok());
    ASSERT_TRUE(link_->ResetRss().ok()) << "the driver has an order of its own";
  }

  ChannelCounts Combined(uint32_t count) {
    ChannelCounts counts = link_->GetChannels()->now;
    counts.combined = count;
    return counts;
  }

  // All to the last of so many queues, and back by way of the journal.
  void LeaveAndComeBack(uint32_t queues) {
    const auto before = ReadSteering(*link_, {});
    ASSERT_TRUE(before.ok()) << before.status();
    ASSERT_TRUE(link_->ResetRss().ok());
    ASSERT_TRUE(link_->SetChannels(Combined(queues)).ok());
    ASSERT_TRUE(link_->SetRss(std::vector<uint32_t>(128, queues - 1)).ok());
    const auto read = SteeringOfFields(ToFields(*before));
    ASSERT_TRUE(read.ok()) << read.status();
    const absl::Status restored = RestoreSteering(*link_, *read, {});
    EXPECT_TRUE(restored.ok()) << restored;
    EXPECT_EQ(link_->GetChannels()->now, *before->channels);
  }
};

TEST_F(ManyQueues, ChannelsRingsSpeedAndDriver) {
  const auto channels = link_->GetChannels();
  ASSERT_TRUE(channels.ok()) << channels.status();
  EXPECT_EQ(channels->now.rx_queues(), 2u);
  EXPECT_GE(channels->most.combined, 4u);
  EXPECT_EQ(link_->GetRings()->now, (RingSlots{256, 256}));
  EXPECT_EQ(link_->GetRings()->most, (RingSlots{4096, 4096}));
  EXPECT_EQ(link_->GetSpeed().value(), 1000u);
  EXPECT_EQ(link_->GetDriver()->driver, "igb");
  EXPECT_EQ(link_->GetDriver()->bus, Environment("PCI_ADDRESS"));
}

TEST_F(ManyQueues, TheRssTableIsTheProgramsByNetlinkAndByIoctl) {
  std::vector<uint32_t> uneven = EvenRssTable(128, 2);
  uneven[0] = uneven[127] = 1;
  uneven[1] = 0;
  ASSERT_TRUE(link_->SetRss(uneven).ok()) << link_->SetRss(uneven);
  const auto rss = link_->GetRss();
  ASSERT_TRUE(rss.ok()) << rss.status();
  EXPECT_EQ(rss->table, uneven);
  EXPECT_EQ(TableOfProgram(), uneven);
  // What GetRss falls back to in older kernels.
  const auto ioctl = OpenEthtoolIoctl("");
  ASSERT_TRUE(ioctl.ok());
  EthtoolCommand<ethtool_rxfh> got(ETHTOOL_GRSSH, uneven.size() * sizeof(uint32_t));
  got->indir_size = static_cast<uint32_t>(uneven.size());
  ASSERT_EQ((*ioctl)->Call(netdev_, got.head()), 0);
  EXPECT_EQ(std::vector<uint32_t>(got->rss_config, got->rss_config + uneven.size()), rss->table);
  EXPECT_EQ(got->hfunc, rss->hash_function);
  EXPECT_EQ(got->key_size, rss->key.size());
}

TEST_F(ManyQueues, AWrongTableIsRefused) {
  EXPECT_EQ(link_->SetRss(EvenRssTable(64, 2)).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(link_->SetRss(EvenRssTable(128, 3)).code(), StatusCode::kInvalidArgument)
      << "it has two queues";
  EXPECT_EQ(TableOfProgram(), EvenRssTable(128, 2));
}

TEST_F(ManyQueues, TheKernelRefusesFewerChannelsThanAWishUses) {
  ASSERT_TRUE(link_->SetChannels(Combined(4)).ok());
  std::vector<uint32_t> wish(128, 0);
  wish[5] = 3;
  ASSERT_TRUE(link_->SetRss(wish).ok());
  const absl::Status refused = link_->SetChannels(Combined(2));
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << refused;
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr(netdev_), HasSubstr("too low for existing indirection table")));
  ASSERT_TRUE(link_->ResetRss().ok());
  EXPECT_TRUE(link_->SetChannels(Combined(2)).ok());
  // Evenly again, in this driver's own order.
  const std::vector<uint32_t> table = TableOfProgram();
  EXPECT_EQ(std::count(table.begin(), table.end(), 0), 64);
  EXPECT_EQ(std::count(table.begin(), table.end(), 1), 64);
}

TEST_F(ManyQueues, AnUnevenTableComesBackFromMoreQueues) {
  std::vector<uint32_t> table = EvenRssTable(128, 2);
  table[0] = 1;
  ASSERT_TRUE(link_->SetRss(table).ok());
  LeaveAndComeBack(4);
  EXPECT_EQ(TableOfProgram(), table);
}

TEST_F(ManyQueues, AnEvenTableComesBackFromFewerQueuesAndIsNobodysWish) {
  LeaveAndComeBack(1);
  EXPECT_EQ(TableOfProgram(), EvenRssTable(128, 2));
  EXPECT_TRUE(link_->SetChannels(Combined(1)).ok()) << "it does not hold channels back";
}

TEST_F(ManyQueues, NtupleRulesThatTheDriverDoesNotTakeAreUnimplementedByName) {
  const auto features = link_->GetFeatures();
  ASSERT_TRUE(features.ok()) << features.status();
  EXPECT_FALSE(features->at(kNtupleFeature).changeable);
  EXPECT_THAT(link_->GetRules().value(), IsEmpty());
  NtupleRule rule{};
  rule.flow_type = ETHER_FLOW;
  rule.h_u.ether_spec.h_proto = 0x0608;  // ARP, big endian
  rule.m_u.ether_spec.h_proto = 0xffff;
  rule.ring_cookie = 1;
  const absl::Status status = link_->InsertRule(rule).status();
  EXPECT_EQ(status.code(), StatusCode::kUnimplemented) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("netdev " + netdev_ + " has no ntuple rules"));
}

TEST_F(ManyQueues, StatisticsAreTheProgramsBySameNames) {
  const auto statistics = link_->GetStatistics();
  ASSERT_TRUE(statistics.ok()) << statistics.status();
  EXPECT_GT(statistics->size(), 50u);
  const std::string shown = Ethtool("-S " + netdev_);
  for (const NicStatistic& one : *statistics) {
    EXPECT_THAT(shown, HasSubstr("     " + one.name + ": "));
  }
}

using TwoQueues = Nic;

TEST_F(TwoQueues, WhatTheDriverLacksIsUnimplementedByName) {
  EXPECT_EQ(link_->GetDriver()->driver, "e1000e");
  for (const absl::Status& status : {link_->GetChannels().status(), link_->GetRss().status(),
                                     link_->ResetRss(), link_->GetNtupleTable().status()}) {
    EXPECT_EQ(status.code(), StatusCode::kUnimplemented) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("netdev " + netdev_ + " has no "));
  }
  const auto steering = ReadSteering(*link_, {});
  ASSERT_TRUE(steering.ok()) << steering.status();
  EXPECT_FALSE(steering->channels.has_value() || steering->rss.has_value());
  EXPECT_TRUE(RestoreSteering(*link_, *steering, {}).ok());
}

}  // namespace
}  // namespace qsplit::linux_sys
