// RSS, ntuple rules, statistics and the way back, against a NIC that answers only ioctls.
#include "daemon/linux/ethtool_link.h"

#include <gmock/gmock.h>
#include <linux/ethtool.h>

#include <cerrno>
#include <memory>
#include <string>

#include "daemon/linux/netdev_steering.h"
#include "tests/support/fake_ethtool_nic.h"

namespace qsplit::linux_sys {
namespace {

using absl::StatusCode;
using test::FakeEthtoolNic;
using test::FakeEthtoolNicFacts;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// `lo` is in every namespace, and has no channels, RSS or rules of its own that would answer.
std::unique_ptr<EthtoolLink> LinkTo(FakeEthtoolNic& nic) {
  auto link = EthtoolLink::Open("", "lo", nic.Wire());
  EXPECT_TRUE(link.ok()) << link.status();
  return link.ok() ? *std::move(link) : nullptr;
}
FakeEthtoolNicFacts Facts() { return {.netdev = "lo"}; }

NtupleRule RuleAt(uint32_t location, uint64_t queue, uint16_t port) {
  NtupleRule rule{};
  rule.flow_type = UDP_V4_FLOW;
  rule.h_u.udp_ip4_spec.pdst = port;
  rule.m_u.udp_ip4_spec.pdst = 0xffff;
  rule.ring_cookie = queue;
  rule.location = location;
  return rule;
}

TEST(EthtoolRules, AreInsertedReadAndDeleted) {
  FakeEthtoolNic nic(Facts());
  const auto link = LinkTo(nic);
  EXPECT_EQ(link->InsertRule(RuleAt(9, 1, 53)).value(), 9u);
  EXPECT_EQ(link->InsertRule(RuleAt(4, RX_CLS_FLOW_DISC, 7)).value(), 4u);
  const auto table = link->GetNtupleTable();
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->slots, 64u);
  EXPECT_FALSE(table->driver_chooses);
  EXPECT_THAT(table->taken, ElementsAre(4, 9));
  const auto rules = link->GetRules();
  ASSERT_TRUE(rules.ok()) << rules.status();
  ASSERT_EQ(rules->size(), 2u);
  EXPECT_TRUE(SameRule((*rules)[1], RuleAt(9, 1, 53)));
  EXPECT_TRUE(link->DeleteRule(9).ok());
  EXPECT_EQ(link->DeleteRule(9).code(), StatusCode::kNotFound);
  EXPECT_EQ(link->GetRule(9).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(nic.rules().size(), 1u);
}

TEST(EthtoolRules, ARuleThatStandsThereIsNotReplaced) {
  FakeEthtoolNic nic(Facts());
  nic.PutRule(RuleAt(5, 2, 22));
  const absl::Status status = LinkTo(nic)->InsertRule(RuleAt(5, 1, 53)).status();
  EXPECT_EQ(status.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("netdev lo"), HasSubstr("rule 5")));
  EXPECT_TRUE(SameRule(nic.rules().at(5), RuleAt(5, 2, 22)));
}

TEST(EthtoolRules, TheDriverChoosesWhereItCan) {
  FakeEthtoolNicFacts facts = Facts();
  facts.driver_chooses = true;
  facts.rule_slots = 3;
  FakeEthtoolNic nic(facts);
  const auto link = LinkTo(nic);
  EXPECT_TRUE(link->GetNtupleTable()->driver_chooses);
  EXPECT_EQ(link->GetNtupleTable()->slots, 3u);
  EXPECT_EQ(link->InsertRule(RuleAt(RX_CLS_LOC_LAST, 0, 1)).value(), 2u);
  EXPECT_EQ(link->InsertRule(RuleAt(RX_CLS_LOC_ANY, 0, 2)).value(), 0u);
  EXPECT_EQ(link->InsertRule(RuleAt(RX_CLS_LOC_ANY, 0, 3)).value(), 1u);
  EXPECT_EQ(link->InsertRule(RuleAt(RX_CLS_LOC_ANY, 0, 4)).status().code(),
            StatusCode::kResourceExhausted);
}

TEST(EthtoolRules, ATableThatGrowsWhileItIsReadIsReadAgain) {
  FakeEthtoolNic nic(Facts());
  nic.PutRule(RuleAt(1, 0, 1));
  const auto link = LinkTo(nic);
  nic.FailNext(ETHTOOL_GRXCLSRLALL, EMSGSIZE);
  const auto table = link->GetNtupleTable();
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->taken, ElementsAre(1));
}

TEST(EthtoolRules, WhatTheDriverRefusesHasTheCallAndTheNetdevInIt) {
  FakeEthtoolNic nic(Facts());
  const auto link = LinkTo(nic);
  const absl::Status queue = link->InsertRule(RuleAt(1, 4, 53)).status();
  EXPECT_EQ(queue.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(queue.message()),
              AllOf(HasSubstr("netdev lo"), HasSubstr("ETHTOOL_SRXCLSRLINS"), HasSubstr("EINVAL")));
  nic.FailNext(ETHTOOL_SRXCLSRLINS, EOPNOTSUPP);
  EXPECT_EQ(link->InsertRule(RuleAt(1, 0, 53)).status().code(), StatusCode::kUnimplemented);
  EXPECT_THAT(nic.rules(), IsEmpty());
}

TEST(EthtoolRss, IsReadSetAndReset) {
  FakeEthtoolNic nic(Facts());
  const auto link = LinkTo(nic);
  const auto before = link->GetRss();
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_EQ(before->table, EvenRssTable(128, 4));
  EXPECT_EQ(before->key, nic.rss_key());
  const std::vector<uint32_t> narrow = EvenRssTable(128, 2);
  ASSERT_TRUE(link->SetRss(narrow).ok());
  EXPECT_EQ(nic.rss_table(), narrow);
  EXPECT_EQ(nic.rss_key(), before->key) << "no key was given";
  std::vector<uint8_t> key = before->key;
  key[0] ^= 1;
  ASSERT_TRUE(link->SetRss(narrow, key).ok());
  EXPECT_EQ(nic.rss_key(), key);
  ASSERT_TRUE(link->ResetRss().ok());
  EXPECT_EQ(nic.rss_table(), EvenRssTable(128, 4));
  EXPECT_EQ(nic.rss_key(), key);
}

TEST(EthtoolRss, AWrongTableOrKeyIsRefusedAndChangesNothing) {
  FakeEthtoolNicFacts facts = Facts();
  facts.rss_key_is_fixed = true;
  FakeEthtoolNic nic(facts);
  const auto link = LinkTo(nic);
  const absl::Status shorter = link->SetRss(EvenRssTable(64, 2));
  EXPECT_EQ(shorter.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(shorter.message()), AllOf(HasSubstr("64"), HasSubstr("it has 128")));
  EXPECT_EQ(link->SetRss({}).code(), StatusCode::kInvalidArgument) << "the kernel would reset it";
  EXPECT_EQ(link->SetRss(EvenRssTable(128, 5)).code(), StatusCode::kInvalidArgument)
      << "no queue 4";
  EXPECT_EQ(link->SetRss(EvenRssTable(128, 2), std::vector<uint8_t>(8)).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(link->SetRss(EvenRssTable(128, 2), std::vector<uint8_t>(40)).code(),
            StatusCode::kUnimplemented);
  EXPECT_EQ(nic.rss_table(), EvenRssTable(128, 4));
}

TEST(EthtoolLink, IsOfOneNumberWhateverHasTheName) {
  FakeEthtoolNic nic(Facts());
  constexpr uint32_t kLo = 1;  // in every namespace
  const auto lo = EthtoolLink::Open("", "called-so-once", nic.Wire(), kLo);
  ASSERT_TRUE(lo.ok()) << lo.status();
  EXPECT_TRUE((*lo)->GetDriver().ok()) << "the ioctl has the name that it has now";
  EXPECT_FALSE((*lo)->Gone());
  const auto gone = EthtoolLink::Open("", "lo", nic.Wire(), 0x7fffffff);
  ASSERT_TRUE(gone.ok()) << gone.status();
  const size_t calls = nic.calls().size();
  EXPECT_EQ((*gone)->DeleteRule(1).code(), StatusCode::kNotFound);
  EXPECT_EQ((*gone)->SetChannels({.rx = 1}).code(), StatusCode::kNotFound);
  EXPECT_TRUE((*gone)->Gone());
  EXPECT_EQ(nic.calls().size(), calls) << "nobody was asked";
}

TEST(EthtoolStatistics, HaveTheDriversNames) {
  FakeEthtoolNicFacts facts = Facts();
  // One fills its field up: no zero ends it.
  facts.statistics = {"rx_packets", std::string(ETH_GSTRING_LEN, 'x'), "rx_dropped"};
  FakeEthtoolNic nic(facts);
  nic.SetStatistic("rx_dropped", 77);
  const auto statistics = LinkTo(nic)->GetStatistics();
  ASSERT_TRUE(statistics.ok()) << statistics.status();
  ASSERT_EQ(statistics->size(), 3u);
  EXPECT_EQ((*statistics)[0].name, "rx_packets");
  EXPECT_EQ((*statistics)[1].name, std::string(ETH_GSTRING_LEN, 'x'));
  EXPECT_EQ((*statistics)[2].name, "rx_dropped");
  EXPECT_EQ((*statistics)[2].value, 77u);
  EXPECT_EQ(LinkTo(nic)->GetDriver()->bus, "0000:00:1f.6");
}

// What a daemon that was killed has left, and the next one that reads the journal.
TEST(NetdevSteering, AllThatWasAddedGoesAndAllThatWasThereComesBack) {
  FakeEthtoolNic nic(Facts());
  nic.PutRule(RuleAt(3, 2, 22));
  nic.PutRule(RuleAt(6, 3, 80));
  const auto link = LinkTo(nic);
  std::vector<uint32_t> uneven = EvenRssTable(128, 4);
  uneven[0] = 3;
  ASSERT_TRUE(link->SetRss(uneven).ok());
  const auto before = ReadSteering(*link, {});
  ASSERT_TRUE(before.ok()) << before.status();
  const SteeringFields journal = ToFields(*before);

  ASSERT_TRUE(link->SetRss(EvenRssTable(128, 2), std::vector<uint8_t>(40, 1)).ok());
  std::vector<NtupleRule> added;
  for (const uint32_t location : {1, 2, 8}) {
    ASSERT_TRUE(link->InsertRule(RuleAt(location, 1, 53)).ok());
    added.push_back(*link->GetRule(location));
  }
  const std::string added_text = ToText(added);
  // Meanwhile an administrator has put a rule of his own in the place of one of ours, has added
  // another, and has deleted one that was there before, which is his right.
  nic.PutRule(RuleAt(8, 0, 123));
  nic.PutRule(RuleAt(20, 0, 124));
  ASSERT_TRUE(link->DeleteRule(6).ok());

  const auto read = SteeringOfFields(journal);
  ASSERT_TRUE(read.ok()) << read.status();
  const auto read_added = RulesOfText(added_text);
  ASSERT_TRUE(read_added.ok()) << read_added.status();
  for (int times = 0; times < 2; ++times) {
    const absl::Status restored = RestoreSteering(*LinkTo(nic), *read, *read_added);
    EXPECT_TRUE(restored.ok()) << restored;
    EXPECT_EQ(nic.rss_table(), uneven);
    EXPECT_EQ(nic.rss_key(), before->rss->key);
    const auto rules = nic.rules();
    ASSERT_EQ(rules.size(), 3u);
    EXPECT_TRUE(SameRule(rules.at(3), RuleAt(3, 2, 22)));
    EXPECT_TRUE(SameRule(rules.at(8), RuleAt(8, 0, 123)));
    EXPECT_TRUE(SameRule(rules.at(20), RuleAt(20, 0, 124)));
  }
}

TEST(NetdevSteering, AnErrorDoesNotKeepTheRestFromComingBack) {
  FakeEthtoolNic nic(Facts());
  const auto link = LinkTo(nic);
  std::vector<uint32_t> uneven = EvenRssTable(128, 4);
  uneven[0] = 3;
  ASSERT_TRUE(link->SetRss(uneven).ok());
  const auto before = ReadSteering(*link, {});
  ASSERT_TRUE(link->InsertRule(RuleAt(1, 1, 53)).ok());
  ASSERT_TRUE(link->InsertRule(RuleAt(2, 1, 54)).ok());
  ASSERT_TRUE(link->SetRss(EvenRssTable(128, 2)).ok());
  nic.FailNext(ETHTOOL_SRXCLSRLDEL, EBUSY);
  const std::vector<NtupleRule> added = {RuleAt(1, 1, 53), RuleAt(2, 1, 54)};
  EXPECT_FALSE(RestoreSteering(*link, *before, added).ok());
  EXPECT_EQ(nic.rules().size(), 1u);
  EXPECT_EQ(nic.rss_table(), uneven);
  EXPECT_TRUE(RestoreSteering(*link, *before, added).ok());
  EXPECT_THAT(nic.rules(), IsEmpty());
}

TEST(NetdevSteering, AnEmptyRssTableIsNone) {
  FakeEthtoolNicFacts facts = Facts();
  facts.rss_is_hollow = true;
  FakeEthtoolNic nic(facts);
  const auto link = LinkTo(nic);
  ASSERT_TRUE(link->GetRss().ok()) << "the driver says so itself";
  const auto before = ReadSteering(*link, {});
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_FALSE(before->rss.has_value());
  // Former daemons wrote it down as a table.
  NetdevSteering written = *before;
  written.rss.emplace();
  EXPECT_TRUE(RestoreSteering(*link, written, {}).ok());
}

TEST(NetdevSteering, ADriverThatDoesNotTellItsRulesIsRead) {
  FakeEthtoolNic nic(Facts());
  nic.FailNext(ETHTOOL_GRXCLSRLCNT, EINVAL);
  const auto before = ReadSteering(*LinkTo(nic), {});
  EXPECT_TRUE(before.ok()) << before.status();
}

TEST(NetdevSteering, TextThatIsDamagedIsRefused) {
  const SteeringFields good = {{"channels", "1 2 0 4"},
                               {"rss_table", "0 1 2 3"},
                               {"rss_key", "00ff"},
                               {"rss_hash", "1"},
                               {"feature_rx_gro", "1"}};
  const auto read = SteeringOfFields(good);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(ToFields(*read), good);
  EXPECT_TRUE(read->features.at("rx-gro"));
  EXPECT_EQ(read->channels->combined, 4u);
  for (const auto& [field, value] : SteeringFields{{"channels", "1 2 3"},
                                                   {"channels", "1 2 3 x"},
                                                   {"rss_table", "-1"},
                                                   {"rss_key", "0"},
                                                   {"rss_key2", "00"},
                                                   {"rss_hash", ""},
                                                   {"feature_rx_gro", "2"},
                                                   {"warp", "1"}}) {
    SteeringFields bad = good;
    bad[field] = value;
    const absl::Status status = SteeringOfFields(bad).status();
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << field << "=" << value;
    EXPECT_THAT(std::string(status.message()), HasSubstr(field));
  }
}

}  // namespace
}  // namespace qsplit::linux_sys
