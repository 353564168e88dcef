// The VF's driver against the PF's of this daemon, and against one that answers as a script says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/backend/vfio/igb/vf_message.h"
#include "tests/unit/vfio/igb/fake_vf.h"

namespace qsplit {
namespace {

using namespace vfio::igb;
using test::FakePf;
using test::FakeVf;
using test::ScriptedPf;
using test::SetupOf;

constexpr device::MacAddress kVfMac = {0x02, 0, 0, 0, 0, 1};

// As Linux's igb answers: RESET with the MAC, all else is granted.
MailboxWords LinuxAnswer(const MailboxWords& words) {
  MailboxWords answer = {words[0] | kMessageAck};
  if (words[0] == kVfReset) {
    PutMac(kVfMac, answer);
  } else {
    answer[0] |= kMessageCts;
  }
  return answer;
}

struct Scripted {
  explicit Scripted(ScriptedPf::Answer answer = LinuxAnswer, uint16_t id = 0x10ca)
      : linux_pf(vf, std::move(answer)), driver(vfio::MakeIgb(id, true, vf)) {}
  std::vector<uint32_t> Kinds() const {
    std::vector<uint32_t> kinds;
    for (const MailboxWords& words : linux_pf.asked) kinds.push_back(words[0] & 0xffff);
    return kinds;
  }
  // Lets a second and more pass, with Service called as it is.
  void Wait() {
    for (int i = 0; i < 15; ++i) {
      vf.now += absl::Milliseconds(100);
      driver->Service();
    }
  }

  FakePf pf;
  FakeVf vf{pf, 1};
  ScriptedPf linux_pf;
  std::unique_ptr<vfio::NicDriver> driver;
};

TEST(IgbVf, StartsThroughTheMailbox) {
  Scripted it;
  ASSERT_TRUE(it.driver->Start({}).ok());
  EXPECT_EQ(it.vf.function_resets, 1);
  EXPECT_EQ(it.driver->mac(), kVfMac);
  EXPECT_THAT(it.Kinds(), testing::ElementsAre(kVfReset, kVfSetMaxFrame));
  EXPECT_EQ(it.linux_pf.asked[1][1], 1522u);
  EXPECT_TRUE(it.vf.bus_master);
  const vfio::DriverFacts& facts = it.driver->facts();
  EXPECT_EQ(facts.family, "82576 VF");
  EXPECT_EQ(facts.rx_queues, 2u);
  EXPECT_EQ(facts.vectors, 3u);
  EXPECT_EQ(facts.rss_table_size, 0u);
  EXPECT_EQ(facts.rule_capacity, 0u);
  // VTIVAR: vectors 1 and 2 for the queues' two directions, 0 for the mailbox.
  EXPECT_EQ(it.vf.Reg(Ivar(0)), 0x82828181u);
  EXPECT_EQ(it.vf.Reg(kIvarMisc), 0x80u);
  EXPECT_EQ(it.vf.Reg(kEims), 7u);
  EXPECT_EQ(it.vf.Reg(kEiac), 7u);
  EXPECT_EQ(it.driver->VectorOf(true, 1), 2u);
  EXPECT_FALSE(it.driver->VectorOf(true, 2).has_value());
}

TEST(IgbVf, TheI350sHasOneQueue) {
  Scripted it(LinuxAnswer, 0x1520);
  ASSERT_TRUE(it.driver->Start({}).ok());
  EXPECT_EQ(it.driver->facts().rx_queues, 1u);
  EXPECT_EQ(it.driver->facts().vectors, 2u);
  EXPECT_EQ(it.vf.Reg(Ivar(0)), 0x8181u);
  EXPECT_TRUE(it.driver->StartQueue(SetupOf(false, 0, "big")).ok());
  EXPECT_EQ(it.driver->StartQueue(SetupOf(false, 1, "big")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(IgbVf, QueuesAreWhereTheVfHasThem) {
  Scripted it;
  ASSERT_TRUE(it.driver->Start({}).ok());
  const auto rx = it.driver->StartQueue(SetupOf(false, 1));
  ASSERT_TRUE(rx.ok()) << rx.status();
  EXPECT_EQ(rx->rings[0].producer_doorbells[0].offset, 0x2918u);
  EXPECT_EQ(it.vf.Reg(0x2928), 8u | 8u << 8 | 1u << 16 | 1u << 25);
  EXPECT_EQ(it.vf.Reg(0x290c), 2u | 1u << 25 | 1u << 31);
  const auto tx = it.driver->StartQueue(SetupOf(true, 0));
  ASSERT_TRUE(tx.ok()) << tx.status();
  EXPECT_EQ(tx->rings[0].producer_doorbells[0].offset, 0x3818u);
  EXPECT_EQ(it.vf.Reg(0x3808), 512u * 16);
  ASSERT_TRUE(it.driver->StopQueue(true, 0).ok());
  EXPECT_EQ(it.vf.Reg(0x3828), 0u);
}

TEST(IgbVf, WaitsForThePfsResetToEnd) {
  Scripted it;
  it.vf.PfReset();
  const absl::Time done = it.vf.now + absl::Milliseconds(300);
  it.vf.on_sleep = [&] {
    if (it.vf.now >= done && it.vf.flags == kVfmailboxPfInReset) it.vf.PfResetDone();
    it.linux_pf.Serve();
  };
  EXPECT_TRUE(it.driver->Start({}).ok());
  EXPECT_GE(it.vf.now, done);
}

TEST(IgbVf, APfWithoutDriverIsNamed) {
  Scripted reset;
  reset.vf.PfReset();
  const absl::Status in_reset = reset.driver->Start({});
  EXPECT_EQ(in_reset.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(in_reset.message()), testing::HasSubstr("start its driver"));

  Scripted deaf;
  deaf.vf.on_sleep = nullptr;
  const absl::Status unread = deaf.driver->Start({});
  EXPECT_EQ(unread.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(unread.message()), testing::HasSubstr("does not read"));
  EXPECT_LT(deaf.vf.now - absl::UnixEpoch(), absl::Seconds(2));

  Scripted silent;
  silent.linux_pf.silent = true;
  const absl::Status unanswered = silent.driver->Start({});
  EXPECT_EQ(unanswered.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(unanswered.message()), testing::HasSubstr("does not answer"));
  EXPECT_FALSE(silent.vf.bus_master);

  Scripted locked;
  locked.pf.bar.Poke(Pfmailbox(1), kPfmailboxPfOwns);
  EXPECT_EQ(locked.driver->Start({}).code(), absl::StatusCode::kUnavailable);
}

TEST(IgbVf, AFunctionThatIsGoneDoesNotStart) {
  Scripted it;
  it.vf.gone = true;
  EXPECT_EQ(it.driver->Start({}).code(), absl::StatusCode::kUnavailable);
  // Or goes while it starts.
  it.vf.gone = false;
  it.vf.on_sleep = [&] { it.vf.gone = true; };
  EXPECT_EQ(it.driver->Start({}).code(), absl::StatusCode::kUnavailable);
}

TEST(IgbVf, AMacIsThePfsOrAskedFor) {
  // Linux without a MAC for the VF: NACK.
  const auto none = [](const MailboxWords& words) -> MailboxWords {
    if (words[0] == kVfReset) return {kVfReset | kMessageNack};
    return LinuxAnswer(words);
  };
  Scripted without(none);
  const absl::Status status = without.driver->Start({});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  vfio::DriverSettings settings;
  settings.mac = device::MacAddress{0x02, 9, 9, 9, 9, 9};
  Scripted given(none);
  ASSERT_TRUE(given.driver->Start(settings).ok());
  EXPECT_EQ(given.driver->mac(), *settings.mac);
  EXPECT_THAT(given.Kinds(), testing::ElementsAre(kVfReset, kVfSetMac, kVfSetMaxFrame));
  EXPECT_EQ(MacOf(given.linux_pf.asked[1]), *settings.mac);

  Scripted refused([](const MailboxWords& words) -> MailboxWords {
    if (words[0] == kVfSetMac) return {kVfSetMac | kMessageNack | kMessageCts};
    return LinuxAnswer(words);
  });
  EXPECT_EQ(refused.driver->Start(settings).code(), absl::StatusCode::kFailedPrecondition);
  // The PF's own needs no asking.
  settings.mac = kVfMac;
  Scripted same;
  ASSERT_TRUE(same.driver->Start(settings).ok());
  EXPECT_THAT(same.Kinds(), testing::ElementsAre(kVfReset, kVfSetMaxFrame));
}

TEST(IgbVf, AnAnswerMayComeBehindAMessageOfThePfsOwn) {
  Scripted it;
  int pings = 0;
  it.linux_pf.answer = [&](const MailboxWords& words) -> MailboxWords {
    if (pings++ == 0) return {kPfControl | kMessageCts};
    return LinuxAnswer(words);
  };
  // After the ping the answer to the RESET comes when the VF has taken it.
  it.vf.on_sleep = [&] {
    it.linux_pf.Serve();
    if (pings == 1 && (it.vf.flags & kVfmailboxPfMessage) == 0 &&
        (it.pf.Reg(kMbvficr) >> 17 & 1) != 0) {
      ++pings;
      it.linux_pf.Say(LinuxAnswer({kVfReset}));
    }
  };
  EXPECT_TRUE(it.driver->Start({}).ok());
  EXPECT_EQ(it.driver->mac(), kVfMac);
}

TEST(IgbVf, SettingsGoThroughThePf) {
  Scripted it;
  ASSERT_TRUE(it.driver->Start({}).ok());
  it.linux_pf.asked.clear();
  device::DeviceSettings settings;
  settings.mtu_bytes = 9000;
  settings.multicast = {{0x01, 0x00, 0x5e, 0, 0, 0xfb}, {0x33, 0x33, 0, 0, 0, 0x01}};
  settings.all_multicast = true;
  settings.promiscuous = false;
  ASSERT_TRUE(it.driver->Set(settings).ok());
  ASSERT_THAT(it.Kinds(), testing::ElementsAre(kVfSetMaxFrame, kVfSetMulticast, kVfSetPromiscuity));
  EXPECT_EQ(it.linux_pf.asked[0][1], 9022u);
  EXPECT_EQ(it.linux_pf.asked[1][0], 2u << 16 | kVfSetMulticast);
  EXPECT_EQ(it.linux_pf.asked[1][1], 0x00100fb0u);
  // The same again asks nobody.
  ASSERT_TRUE(it.driver->Set(settings).ok());
  EXPECT_EQ(it.linux_pf.asked.size(), 3u);
  settings = {};
  settings.promiscuous = true;
  EXPECT_EQ(it.driver->Set(settings).code(), absl::StatusCode::kUnimplemented);
  settings = {};
  settings.multicast.emplace(31, device::MacAddress{0x01, 0, 0, 0, 0, 0});
  EXPECT_EQ(it.driver->Set(settings).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(it.linux_pf.asked.size(), 3u);
}

TEST(IgbVf, ASettingThatNobodyAnswersFailsInTime) {
  Scripted it;
  ASSERT_TRUE(it.driver->Start({}).ok());
  it.linux_pf.silent = true;
  device::DeviceSettings settings;
  settings.mtu_bytes = 9000;
  settings.multicast = {{0x01, 0x00, 0x5e, 0, 0, 0xfb}};
  const absl::Time before = it.vf.now;
  EXPECT_EQ(it.driver->Set(settings).code(), absl::StatusCode::kUnavailable);
  EXPECT_LE(it.vf.now - before, absl::Milliseconds(50));
  it.linux_pf.silent = false;
  it.linux_pf.answer = [](const MailboxWords& words) -> MailboxWords {
    return {words[0] | kMessageNack | kMessageCts};
  };
  EXPECT_EQ(it.driver->Set(settings).code(), absl::StatusCode::kInvalidArgument);
}

TEST(IgbVf, HasNoRssAndNoRules) {
  Scripted it;
  ASSERT_TRUE(it.driver->Start({}).ok());
  EXPECT_EQ(it.driver->SetRss({}).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(it.driver->AddRule({}).code(), absl::StatusCode::kUnimplemented);
  vfio::DriverSettings settings;
  settings.steering = vfio::Steering::kPools;
  EXPECT_EQ(it.driver->Start(settings).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(it.driver->Start(test::VfSettings(1)).code(), absl::StatusCode::kInvalidArgument);
}

TEST(IgbVf, APfThatHasForgottenItIsAskedAgain) {
  Scripted it;
  ASSERT_TRUE(it.driver->Start({}).ok());
  ASSERT_TRUE(it.driver->StartQueue(SetupOf(false, 0)).ok());
  EXPECT_TRUE(it.driver->Link().up);
  it.linux_pf.asked.clear();
  // It still knows the VF: nothing happens.
  it.linux_pf.Say({kPfControl | kMessageCts});
  it.Wait();
  EXPECT_TRUE(it.linux_pf.asked.empty());
  it.linux_pf.Say({kPfControl});
  it.Wait();
  EXPECT_THAT(it.Kinds(), testing::ElementsAre(kVfReset, kVfSetMaxFrame));
  // Its queues were never off.
  EXPECT_NE(it.vf.Reg(0x2828) & kQueueEnable, 0u);
  EXPECT_TRUE(it.driver->Link().up);
}

TEST(IgbVf, AfterAResetOfThePfTheLinkIsDownUntilItsQueuesAreStartedAgain) {
  Scripted it;
  ASSERT_TRUE(it.driver->Start({}).ok());
  device::DeviceSettings settings;
  settings.multicast = {{0x01, 0x00, 0x5e, 0, 0, 0xfb}};
  ASSERT_TRUE(it.driver->Set(settings).ok());
  ASSERT_TRUE(it.driver->StartQueue(SetupOf(false, 0)).ok());
  it.vf.PfReset();
  it.vf.bar.Poke(kEims, 0);
  it.linux_pf.asked.clear();
  EXPECT_FALSE(it.driver->Link().up);
  it.Wait();
  EXPECT_TRUE(it.linux_pf.asked.empty());  // the PF is not there yet
  EXPECT_EQ(it.driver->StartQueue(SetupOf(true, 0)).status().code(),
            absl::StatusCode::kUnavailable);
  it.vf.PfResetDone();
  it.Wait();
  EXPECT_THAT(it.Kinds(), testing::ElementsAre(kVfReset, kVfSetMaxFrame, kVfSetMulticast));
  EXPECT_EQ(it.vf.Reg(kEims), 7u);
  EXPECT_FALSE(it.driver->Link().up);  // the queue is lost
  ASSERT_TRUE(it.driver->StopQueue(false, 0).ok());
  ASSERT_TRUE(it.driver->StartQueue(SetupOf(false, 0)).ok());
  EXPECT_TRUE(it.driver->Link().up);
}

TEST(IgbVf, AskingAgainTakesTurnsAndLittleTime) {
  Scripted it;
  ASSERT_TRUE(it.driver->Start({}).ok());
  it.linux_pf.Say({kPfControl});
  it.linux_pf.silent = true;
  it.driver->Service();
  it.linux_pf.asked.clear();
  for (int i = 0; i < 5; ++i) {
    const absl::Time before = it.vf.now;
    it.driver->Service();
    EXPECT_LE(it.vf.now - before, absl::Milliseconds(50));
  }
  EXPECT_LE(it.linux_pf.asked.size(), 1u);
}

TEST(IgbVf, CountsItsOwn) {
  Scripted it;
  it.vf.bar.Poke(0xf10, 0xffffffff);
  ASSERT_TRUE(it.driver->Start({}).ok());
  it.vf.bar.Poke(0xf10, 9);
  it.vf.bar.Poke(0xf18, 900);
  it.vf.bar.Poke(0xf14, 4);
  it.vf.bar.Poke(0xf34, 400);
  device::DeviceCounters counters;
  it.driver->ReadCounters(&counters);
  EXPECT_EQ(counters.wire_rx_packets, 10u);
  EXPECT_EQ(counters.rx[0].packets, 10u);
  EXPECT_EQ(counters.rx[0].bytes, 900u);
  EXPECT_EQ(counters.tx[0].packets, 4u);
  EXPECT_EQ(counters.wire_tx_bytes, 400u);
  it.vf.gone = true;
  it.vf.bar.Poke(0xf10, 50);
  it.driver->ReadCounters(&(counters = {}));
  EXPECT_EQ(counters.wire_rx_packets, 10u);
}

TEST(IgbVf, StopsEverything) {
  Scripted it;
  ASSERT_TRUE(it.driver->Start({}).ok());
  ASSERT_TRUE(it.driver->StartQueue(SetupOf(true, 1)).ok());
  it.driver->Stop();
  EXPECT_FALSE(it.vf.bus_master);
  EXPECT_EQ(it.vf.Reg(0x3928), 0u);
  EXPECT_EQ(it.vf.Reg(kEimc), ~0u);
}

TEST(IgbVf, OurTwoDriversUnderstandEachOther) {
  FakePf pf;
  FakeVf vf(pf, 1);
  auto pf_driver = vfio::MakeIgb(test::k82576, false, pf);
  ASSERT_TRUE(pf_driver->Start(test::VfSettings(2)).ok());
  vf.on_sleep = [&] { pf_driver->Service(); };
  auto driver = vfio::MakeIgb(0x10ca, true, vf);
  vfio::DriverSettings settings;
  settings.mtu_bytes = 4000;
  ASSERT_TRUE(driver->Start(settings).ok());
  EXPECT_EQ(driver->mac(), kVfMac);
  EXPECT_EQ(pf.Reg(Vmolr(1)) & 0x3fff, 4022u);
  EXPECT_EQ(pf.Reg(kVfre) >> 1 & 1, 1u);
  EXPECT_EQ(pf.Reg(kVfte) >> 1 & 1, 1u);
  device::DeviceSettings more;
  more.multicast = {{0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb}};
  ASSERT_TRUE(driver->Set(more).ok());
  EXPECT_EQ(pf.Reg(Mta(0x7d)), 1u << 16);
  settings.mac = device::MacAddress{0x02, 7, 7, 7, 7, 7};
  EXPECT_EQ(driver->Start(settings).code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace qsplit
