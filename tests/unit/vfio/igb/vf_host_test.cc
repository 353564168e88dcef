// The PF's side of VFs, hostile ones among them: what a request changes, and what none can.
#include <gtest/gtest.h>

#include "daemon/backend/vfio/igb/vf_message.h"
#include "tests/unit/vfio/igb/fake_vf.h"

namespace qsplit {
namespace {

using namespace vfio::igb;
using test::FakePf;
using test::FakeVf;

constexpr uint32_t kAck = 0x80000000, kNack = 0x40000000, kCts = 0x20000000;

struct Host {
  explicit Host(vfio::DriverSettings settings = test::VfSettings(2), uint16_t id = test::k82576)
      : driver(vfio::MakeIgb(id, false, pf)) {
    const absl::Status status = driver->Start(settings);
    EXPECT_TRUE(status.ok()) << status;
  }
  // The VF writes a message; the word that it is answered with.
  uint32_t Ask(FakeVf& vf, const MailboxWords& words) {
    vf.bar.Write32(kVfmailbox, kVfmailboxVfOwns);
    for (uint32_t i = 0; i < 16; ++i) vf.bar.Write32(Mailbox(0) + 4 * i, words[i]);
    vf.bar.Write32(kVfmailbox, kVfmailboxRequest);
    driver->Service();
    const uint32_t flags = vf.bar.Read32(kVfmailbox);
    EXPECT_NE(flags & kVfmailboxPfAcknowledged, 0u);
    EXPECT_NE(flags & kVfmailboxPfMessage, 0u);
    return vf.bar.Read32(Mailbox(0));
  }

  FakePf pf;
  FakeVf zero{pf, 0}, one{pf, 1};
  std::unique_ptr<vfio::NicDriver> driver;
};

TEST(IgbVfHost, SetsUpEachVfsPool) {
  vfio::DriverSettings settings = test::VfSettings(2);
  settings.vfs[1].vlan = 100;
  Host host(settings);
  EXPECT_EQ(host.pf.Reg(kMrqc) & 7, 5u);
  EXPECT_EQ(host.pf.Reg(kVfre), 0xffu);
  EXPECT_EQ(host.pf.Reg(kVfte), 0xffu);
  // Loopback; VFs send from their own address and VLAN.
  EXPECT_EQ(host.pf.Reg(kDtxswc), 0x80000303u);
  EXPECT_EQ(host.pf.Reg(Vmolr(0)), 1522u | kVmolrLongPackets | kVmolrBroadcast |
                                       kVmolrMulticastTable | kVmolrUntagged | kVmolrStripVlan |
                                       kVmolrStripCrc);
  // In a VLAN: no untagged packets, and its own are tagged.
  EXPECT_EQ(host.pf.Reg(Vmolr(1)) & kVmolrUntagged, 0u);
  EXPECT_EQ(host.pf.Reg(Vmvir(1)), 100u | 1u << 30);
  EXPECT_EQ(host.pf.Reg(Vmvir(0)), 0u);
  EXPECT_EQ(host.pf.Reg(Vlvf(0)), 100u | 2u << 12 | 1u << 31);
  // 02:00:00:00:00:01 to pool 1.
  EXPECT_EQ(host.pf.Reg(Ral(2)), 0x00000002u);
  EXPECT_EQ(host.pf.Reg(Rah(2)), 0x0100u | 2u << 18 | 1u << 31);
  // The VFs hear that the reset is over, and only then.
  EXPECT_NE(host.pf.Reg(kCtrlExt) & kCtrlExtPfResetDone, 0u);
  EXPECT_GT(host.pf.LastWrite(kCtrlExt), host.pf.LastWrite(Vmolr(1)));
  EXPECT_EQ(host.driver->facts().rx_queues, 12u);
}

TEST(IgbVfHost, ThePfMustKeepItsMac) {
  FakePf pf;
  auto driver = vfio::MakeIgb(test::k82576, false, pf);
  vfio::DriverSettings settings = test::VfSettings(1);
  settings.vfs[0].mac = test::kOwnMac;
  EXPECT_EQ(driver->Start(settings).code(), absl::StatusCode::kInvalidArgument);
  settings.vfs[0].mac = {};
  EXPECT_EQ(driver->Start(settings).code(), absl::StatusCode::kInvalidArgument);
}

TEST(IgbVfHost, AnswersResetWithTheMac) {
  Host host;
  EXPECT_EQ(host.Ask(host.one, ResetMessage()), kVfReset | kAck);
  EXPECT_EQ(host.one.bar.Read32(Mailbox(0) + 4), 0x00000002u);
  EXPECT_EQ(host.one.bar.Read32(Mailbox(0) + 8), 0x0100u);
}

TEST(IgbVfHost, NothingIsGrantedBeforeAReset) {
  Host host;
  EXPECT_EQ(host.Ask(host.one, MaxFrameMessage(9000)), kVfSetMaxFrame | kNack);
  EXPECT_EQ(host.pf.Reg(Vmolr(1)) & 0x3fff, 1522u);
  EXPECT_EQ(host.Ask(host.one, ResetMessage()), kVfReset | kAck);
  EXPECT_EQ(host.Ask(host.one, MaxFrameMessage(9000)), kVfSetMaxFrame | kAck | kCts);
  EXPECT_EQ(host.pf.Reg(Vmolr(1)) & 0x3fff, 9000u);
  // Of VF 1 VF 0 knows nothing.
  EXPECT_EQ(host.Ask(host.zero, MaxFrameMessage(9000)), kVfSetMaxFrame | kNack);
}

TEST(IgbVfHost, GrantsWhatIsTheVfsOwn) {
  Host host;
  host.Ask(host.one, ResetMessage());
  const auto granted = [&](const MailboxWords& words) {
    return (host.Ask(host.one, words) & kAck) != 0;
  };
  EXPECT_TRUE(granted(MacMessage({0x02, 0, 0, 0, 0, 1})));
  EXPECT_FALSE(granted(MacMessage({0x02, 0, 0, 0, 0, 0})));  // VF 0's
  EXPECT_FALSE(granted(MacMessage(test::kOwnMac)));
  EXPECT_FALSE(granted(MacMessage({})));
  EXPECT_TRUE(granted({0x010002}));   // clear the filters that it does not have
  EXPECT_FALSE(granted({0x020002}));  // one more
  for (const uint32_t frame : {0u, 63u, 9729u, 0xffffffffu}) {
    EXPECT_FALSE(granted(MaxFrameMessage(frame))) << frame;
  }
  EXPECT_TRUE(granted(MaxFrameMessage(64)));
  EXPECT_FALSE(granted({0x010006}));  // unicast promiscuity
  EXPECT_FALSE(granted({0x030006}));
  EXPECT_EQ(host.pf.Reg(Vmolr(1)) & kVmolrMulticastPromiscuous, 0u);
  EXPECT_TRUE(granted({0x020006}));
  EXPECT_NE(host.pf.Reg(Vmolr(1)) & kVmolrMulticastPromiscuous, 0u);
  EXPECT_TRUE(granted({0x06}));
  EXPECT_EQ(host.pf.Reg(Vmolr(1)) & kVmolrMulticastPromiscuous, 0u);
  EXPECT_FALSE(granted({0x07}));
  EXPECT_FALSE(granted({0x0100}));
  // What it may not do it has not done.
  EXPECT_EQ(host.pf.Reg(Ral(2)), 0x00000002u);
  EXPECT_EQ(host.pf.Reg(Rah(2)), 0x0100u | 2u << 18 | 1u << 31);
}

TEST(IgbVfHost, MulticastOfAllIsInOneTable) {
  Host host;
  host.Ask(host.zero, ResetMessage());
  host.Ask(host.one, ResetMessage());
  const uint16_t first[] = {0x021}, second[] = {0x022};
  host.Ask(host.zero, MulticastMessage(first));
  host.Ask(host.one, MulticastMessage(second));
  device::DeviceSettings settings;
  settings.multicast = {{0x01, 0, 0, 0, 0x30, 0x02}};  // hash 0x023
  ASSERT_TRUE(host.driver->Set(settings).ok());
  EXPECT_EQ(host.pf.Reg(Mta(1)), 0xeu);
  host.Ask(host.one, MulticastMessage({}));
  EXPECT_EQ(host.pf.Reg(Mta(1)), 0xau);
}

TEST(IgbVfHost, VlansAreSharedOut) {
  Host host;
  host.Ask(host.one, ResetMessage());
  uint32_t granted = 0;
  for (uint32_t vid = 1; vid <= 40; ++vid) {
    if ((host.Ask(host.one, {0x010004, vid}) & kAck) != 0) ++granted;
  }
  // 32, less one for each pool of the PF, for two VFs.
  EXPECT_EQ(granted, 13u);
  EXPECT_NE(host.Ask(host.one, {0x010004, 5}) & kAck, 0u);  // has it
  EXPECT_NE(host.Ask(host.one, {0x04, 5}) & kAck, 0u);
  EXPECT_NE(host.Ask(host.one, {0x010004, 4095}) & kAck, 0u);
  // VF 0 has its own part.
  host.Ask(host.zero, ResetMessage());
  EXPECT_NE(host.Ask(host.zero, {0x010004, 77}) & kAck, 0u);
  // One VLAN for both is one entry.
  EXPECT_NE(host.Ask(host.zero, {0x010004, 4095}) & kAck, 0u);
  uint32_t pools = 0;
  for (uint32_t i = 0; i < 32; ++i) {
    if ((host.pf.Reg(Vlvf(i)) & 0xfff) == 4095) pools |= host.pf.Reg(Vlvf(i)) >> 12 & 0xff;
  }
  EXPECT_EQ(pools, 3u);
}

TEST(IgbVfHost, AVfInAVlanOfTheSettingsHasNoOther) {
  vfio::DriverSettings settings = test::VfSettings(1);
  settings.vfs[0].vlan = 100;
  Host host(settings);
  host.Ask(host.zero, ResetMessage());
  EXPECT_NE(host.Ask(host.zero, {0x010004, 5}) & kNack, 0u);
  EXPECT_NE(host.Ask(host.zero, {0x04, 100}) & kNack, 0u);
  EXPECT_EQ(host.pf.Reg(Vlvf(0)), 100u | 1u << 12 | 1u << 31);
}

TEST(IgbVfHost, AVfThatIsResetIsEnabledAgainAndKnowsNothing) {
  Host host;
  host.Ask(host.one, ResetMessage());
  host.Ask(host.one, MaxFrameMessage(9000));
  host.Ask(host.one, {0x010004, 5});
  host.one.FunctionReset();
  EXPECT_EQ(host.pf.Reg(kVfre), 0xfdu);
  host.driver->Service();
  EXPECT_EQ(host.pf.Reg(kVfre), 0xffu);
  EXPECT_EQ(host.pf.Reg(kVfte), 0xffu);
  EXPECT_EQ(host.pf.Reg(kVflre), 0u);
  EXPECT_EQ(host.pf.Reg(Vmolr(1)) & 0x3fff, 1522u);
  EXPECT_EQ(host.pf.Reg(Vlvf(0)), 0u);
  EXPECT_NE(host.Ask(host.one, MaxFrameMessage(9000)) & kNack, 0u);
}

TEST(IgbVfHost, AMailboxThatIsNeverLetGoOfHoldsNobodyUp) {
  Host host;
  host.one.bar.Write32(kVfmailbox, kVfmailboxRequest | kVfmailboxVfOwns);
  const absl::Time before = host.pf.now;
  for (int i = 0; i < 100; ++i) host.driver->Service();
  EXPECT_EQ(host.pf.now, before);
  EXPECT_EQ(host.Ask(host.zero, ResetMessage()), kVfReset | kAck);
  // It is still there when the VF lets go.
  host.one.bar.Write32(Mailbox(0), kVfReset);
  host.one.bar.Write32(kVfmailbox, 0);
  host.driver->Service();
  EXPECT_EQ(host.one.bar.Read32(Mailbox(0)), kVfReset | kAck);
}

TEST(IgbVfHost, AnswersThatComeBackAreNotAnswered) {
  Host host;
  host.one.bar.Write32(Mailbox(0), kVfReset | kAck);
  host.one.bar.Write32(kVfmailbox, kVfmailboxRequest);
  host.driver->Service();
  const uint32_t flags = host.one.bar.Read32(kVfmailbox);
  EXPECT_NE(flags & kVfmailboxPfAcknowledged, 0u);
  EXPECT_EQ(flags & kVfmailboxPfMessage, 0u);
}

TEST(IgbVfHost, BitsOfVfsThatAreNotThereDoNothing) {
  Host host;
  host.pf.bar.Poke(kMbvficr, 0xfffffffc);
  host.pf.bar.Poke(kVflre, 0xfffffffc);
  host.pf.bar.log.clear();
  host.driver->Service();
  EXPECT_TRUE(host.pf.bar.log.empty());
}

TEST(IgbVfHost, StopTakesTheVfsOff) {
  Host host;
  host.driver->Stop();
  EXPECT_EQ(host.pf.Reg(kVfre), 0u);
  EXPECT_EQ(host.pf.Reg(kVfte), 0u);
}

TEST(IgbVfHost, TheI350SwitchesElsewhere) {
  Host host(test::VfSettings(2), test::kI350);
  EXPECT_EQ(host.pf.Reg(kTxswc), 0x80000303u);
  EXPECT_EQ(host.pf.Reg(kDtxswc), 0u);
  EXPECT_EQ(host.driver->facts().rx_queues, 6u);
}

}  // namespace
}  // namespace qsplit
