// Start and Stop of the PF: the order that the datasheet asks for, waits that end, a function that
// is gone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>

#include "tests/unit/vfio/igb/fake_pf.h"

namespace qsplit {
namespace {

using namespace vfio::igb;  // registers
using test::FakePf;
using test::StartedPf;

TEST(IgbFactory, KnowsItsFunctions) {
  FakePf pf;
  for (const uint16_t id : std::initializer_list<uint16_t>{0x10c9, 0x10e6, 0x10e7, 0x10e8, 0x150a,
                                                           0x150d, 0x1518, 0x1526}) {
    EXPECT_NE(vfio::MakeIgb(id, false, pf), nullptr) << id;
    EXPECT_EQ(vfio::MakeIgb(id, true, pf), nullptr) << id;
  }
  for (const uint16_t id :
       std::initializer_list<uint16_t>{0x1521, 0x1522, 0x1523, 0x1524, 0x1546}) {
    EXPECT_NE(vfio::MakeIgb(id, false, pf), nullptr) << id;
  }
  for (const uint16_t id : std::initializer_list<uint16_t>{0x10ca, 0x152d, 0x1520, 0x152f}) {
    EXPECT_NE(vfio::MakeIgb(id, true, pf), nullptr) << id;
    EXPECT_EQ(vfio::MakeIgb(id, false, pf), nullptr) << id;
  }
  EXPECT_EQ(vfio::MakeIgb(0x10d3, false, pf), nullptr);
}

TEST(IgbBringUp, ResetsBeforeAnythingElseAndEnablesReceiveLast) {
  StartedPf it;
  EXPECT_EQ(it.pf.software_resets, 1);
  EXPECT_TRUE(it.pf.bus_master);
  int reset = -1;
  for (size_t i = 0; i < it.pf.bar.log.size(); ++i) {
    if (it.pf.bar.log[i].offset == kCtrl && (it.pf.bar.log[i].value & kCtrlReset) != 0) {
      reset = static_cast<int>(i);
    }
  }
  ASSERT_GE(reset, 0);
  // 4.5: masked and quiet before.
  EXPECT_LT(it.pf.FirstWrite(kImc), reset);
  EXPECT_LT(it.pf.FirstWrite(kEimc), reset);
  EXPECT_LT(it.pf.FirstWrite(kRctl), reset);
  EXPECT_LT(it.pf.FirstWrite(kTctl), reset);
  // And masked again behind it.
  EXPECT_GT(it.pf.LastWrite(kImc), reset);
  // 4.5: all that receive needs stands before RCTL; interrupts come last.
  const int rctl = it.pf.LastWrite(kRctl);
  for (const uint32_t before : {Ral(0), Rah(0), Mta(127), kRxcsum, kRlpml, kMrqc, Reta(31)}) {
    EXPECT_GT(it.pf.LastWrite(before), reset);
    EXPECT_LT(it.pf.LastWrite(before), rctl) << before;
  }
  EXPECT_GT(it.pf.LastWrite(kEims), rctl);
  EXPECT_GT(it.pf.LastWrite(kIms), it.pf.LastWrite(kTctl));
}

TEST(IgbBringUp, EnablesBothDirectionsWithTheBitsThatTheLayoutNeeds) {
  StartedPf it;
  EXPECT_EQ(it.pf.Reg(kRctl), kRctlEnable | kRctlLongPackets | kRctlBroadcast | kRctlStripCrc);
  EXPECT_EQ(it.pf.Reg(kTctl) & (kTctlEnable | kTctlPadShort), kTctlEnable | kTctlPadShort);
  EXPECT_EQ(it.pf.Reg(kRxcsum), kRxcsumIp | kRxcsumL4 | kRxcsumSctp | kRxcsumHash);
  EXPECT_NE(it.pf.Reg(kCtrl) & kCtrlVlanMode, 0u);
  EXPECT_NE(it.pf.Reg(kCtrl) & kCtrlSetLinkUp, 0u);
  EXPECT_EQ(it.pf.Reg(kCtrl) & (kCtrlRxFlowControl | kCtrlTxFlowControl), 0u);
  EXPECT_EQ(it.pf.Reg(kRlpml), 1522u);
  EXPECT_EQ(it.pf.Reg(kQde), 0xffffu);
  EXPECT_NE(it.pf.Reg(kCtrlExt) & kCtrlExtDriverLoaded, 0u);
  // Queue 0, which the reset enables, is off.
  EXPECT_EQ(it.pf.Reg(0xc028), 0u);
  EXPECT_EQ(it.pf.Reg(0xe028), 0u);
}

TEST(IgbBringUp, SaysWhatTheHardwareHas) {
  StartedPf pf;
  const vfio::DriverFacts& facts = pf.driver->facts();
  EXPECT_EQ(facts.family, "82576 PF");
  EXPECT_EQ(facts.rx_queues, 15u);  // one is for drops
  EXPECT_EQ(facts.tx_queues, 16u);
  EXPECT_EQ(facts.vectors, 10u);
  EXPECT_EQ(facts.rss_table_size, 128u);
  EXPECT_TRUE(facts.rss_types.Has(device::FlowType::kUdp6));
  EXPECT_FALSE(facts.rss_types.Has(device::FlowType::kSctp4));
  EXPECT_EQ(facts.rule_capacity, 16u);
  ASSERT_EQ(facts.layouts.size(), 1u);
  EXPECT_EQ(facts.layouts[0].name, "intel.igb.advanced");
  StartedPf i350(test::kI350);
  EXPECT_EQ(i350.driver->facts().family, "I350 PF");
  EXPECT_EQ(i350.driver->facts().rx_queues, 7u);
  EXPECT_EQ(i350.driver->facts().tx_queues, 8u);
  // 8 queues that each take tags and CRC out.
  for (uint32_t i = 0; i < 8; ++i) {
    EXPECT_EQ(i350.pf.Reg(Dvmolr(i)), kDvmolrStripVlan | kDvmolrStripCrc);
  }
}

TEST(IgbBringUp, NegotiatesAgainUnderThePhysLock) {
  FakePf pf;
  uint32_t lock_at_write = 0;
  pf.bar.OnWrite(kMdic, [&](uint32_t value) {
    lock_at_write = pf.bar.Peek(kSwFwSync);
    if ((value & kMdicWrite) != 0) pf.phy[0] = static_cast<uint16_t>(value);
    pf.bar.Poke(kMdic, (value & 0xffff0000) | pf.phy[0] | kMdicReady);
  });
  auto driver = vfio::MakeIgb(test::k82576, false, pf);
  ASSERT_TRUE(driver->Start({}).ok());
  EXPECT_EQ(pf.phy[0], (0x1940 & ~kPhyPowerDown) | kPhyAutonegotiate | kPhyRestartAutonegotiation);
  EXPECT_EQ(lock_at_write, 0x02u);
  EXPECT_EQ(pf.Reg(kSwFwSync), 0u);  // given back
  EXPECT_EQ(pf.Reg(kSwsm) & kSwsmFirmwareSemaphore, 0u);
}

TEST(IgbBringUp, TakesThePhyOfItsOwnPort) {
  FakePf pf;
  pf.bar.OnRead(kStatus, [&] { return pf.bar.Peek(kStatus) | 1u << kStatusPortShift; });
  uint32_t lock = 0;
  pf.bar.OnWrite(kSwFwSync, [&](uint32_t value) {
    lock |= value;
    pf.bar.Poke(kSwFwSync, value);
  });
  auto driver = vfio::MakeIgb(test::k82576, false, pf);
  ASSERT_TRUE(driver->Start({}).ok());
  EXPECT_EQ(lock, 0x04u);
}

TEST(IgbBringUp, LeavesThePhyAloneOnFibre) {
  FakePf pf;
  pf.bar.Poke(kCtrlExt, 3u << 22);
  auto driver = vfio::MakeIgb(0x10e6, false, pf);
  ASSERT_TRUE(driver->Start({}).ok());
  EXPECT_EQ(pf.FirstWrite(kMdic), -1);
}

TEST(IgbBringUp, FailsWhenFirmwareKeepsThePhy) {
  FakePf pf;
  pf.bar.OnRead(kSwFwSync, [] { return 0x02u << kSwFwFirmwareShift; });
  auto driver = vfio::MakeIgb(test::k82576, false, pf);
  const absl::Status status = driver->Start({});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("semaphore"));
  EXPECT_LT(pf.now - absl::UnixEpoch(), absl::Seconds(1));
}

TEST(IgbBringUp, TakesThePhyFromAClientThatKeptIt) {
  FakePf pf;
  // SMBI always reads as taken until it is written, and the port's bit is set.
  pf.bar.Poke(kSwsm, kSwsmSemaphore);
  pf.bar.Poke(kSwFwSync, 0x02);
  auto driver = vfio::MakeIgb(test::k82576, false, pf);
  EXPECT_TRUE(driver->Start({}).ok());
  EXPECT_EQ(pf.Reg(kSwFwSync), 0u);
}

TEST(IgbBringUp, FailsWhenThePhyDoesNotAnswer) {
  FakePf pf;
  pf.phy_answers = false;
  auto driver = vfio::MakeIgb(test::k82576, false, pf);
  EXPECT_EQ(driver->Start({}).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(pf.Reg(kSwFwSync), 0u);
  EXPECT_FALSE(pf.bus_master);
}

TEST(IgbBringUp, FailsWhenResetNeverEnds) {
  FakePf pf;
  pf.comes_out_of_reset = false;
  auto driver = vfio::MakeIgb(test::k82576, false, pf);
  const absl::Status status = driver->Start({});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("CTRL.RST"));
  EXPECT_FALSE(pf.bus_master);
}

TEST(IgbBringUp, GoesOnWhenNoEepromIsRead) {
  // Emulated functions never set EEC.Auto_RD.
  FakePf pf;
  pf.bar.OnRead(kEec, [] { return 0u; });
  auto driver = vfio::MakeIgb(test::k82576, false, pf);
  EXPECT_TRUE(driver->Start({}).ok());
}

TEST(IgbBringUp, FailsOnAFunctionThatIsGone) {
  FakePf pf;
  pf.gone = true;
  auto driver = vfio::MakeIgb(test::k82576, false, pf);
  const absl::Status status = driver->Start({});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(pf.bar.log.empty());
}

TEST(IgbBringUp, FailsWithoutItsBar) {
  test::FakeFunction none;
  auto driver = vfio::MakeIgb(test::k82576, false, none);
  EXPECT_EQ(driver->Start({}).code(), absl::StatusCode::kFailedPrecondition);
  none.AddBar(0, 0x4000);
  EXPECT_EQ(driver->Start({}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(IgbBringUp, HasItsOwnMacOrTheOneThatIsGiven) {
  StartedPf it;
  EXPECT_EQ(it.driver->mac(), test::kOwnMac);
  EXPECT_EQ(it.pf.Reg(Ral(0)), 0x12005452u);
  EXPECT_EQ(it.pf.Reg(Rah(0)), 0x80005634u);
  for (uint32_t i = 1; i < 24; ++i) EXPECT_EQ(it.pf.Reg(Rah(i)), 0u) << i;

  vfio::DriverSettings settings;
  settings.mac = device::MacAddress{0x02, 1, 2, 3, 4, 5};
  StartedPf given(test::k82576, settings);
  EXPECT_EQ(given.driver->mac(), *settings.mac);
  EXPECT_EQ(given.pf.Reg(Ral(0)), 0x03020102u);
  EXPECT_EQ(given.pf.Reg(Rah(0)), 0x80000504u);
}

TEST(IgbBringUp, RefusesAnEepromWithoutMac) {
  FakePf pf;
  for (const uint32_t low : {0u, 0xffffffffu}) {
    pf.bar.OnRead(Ral(0), [low] { return low; });
    pf.bar.OnRead(Rah(0), [low] { return low; });
    auto driver = vfio::MakeIgb(test::k82576, false, pf);
    EXPECT_EQ(driver->Start({}).code(), absl::StatusCode::kFailedPrecondition);
    vfio::DriverSettings settings;
    settings.mac = device::MacAddress{0x02, 1, 2, 3, 4, 5};
    EXPECT_TRUE(driver->Start(settings).ok());
  }
}

TEST(IgbBringUp, RefusesBadSettingsBeforeItTouchesAnything) {
  FakePf pf;
  auto driver = vfio::MakeIgb(test::k82576, false, pf);
  vfio::DriverSettings mtu;
  mtu.mtu_bytes = 9217;
  EXPECT_EQ(driver->Start(mtu).code(), absl::StatusCode::kInvalidArgument);
  vfio::DriverSettings mac;
  mac.mac = device::MacAddress{0x01, 0, 0, 0, 0, 1};
  EXPECT_EQ(driver->Start(mac).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(driver->Start(test::VfSettings(8)).code(), absl::StatusCode::kInvalidArgument);
  vfio::DriverSettings same = test::VfSettings(2);
  same.vfs[1].mac = same.vfs[0].mac;
  EXPECT_EQ(driver->Start(same).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(pf.bar.log.empty());
}

TEST(IgbBringUp, ReadsTheLink) {
  StartedPf it;
  EXPECT_FALSE(it.driver->Link().up);
  it.pf.bar.Poke(kStatus, kStatusLinkUp | 2u << kStatusSpeedShift);
  EXPECT_TRUE(it.driver->Link().up);
  EXPECT_EQ(it.driver->Link().mbps, 1000u);
  it.pf.bar.Poke(kStatus, kStatusLinkUp | 1u << kStatusSpeedShift);
  EXPECT_EQ(it.driver->Link().mbps, 100u);
  it.pf.bar.Poke(kStatus, kStatusLinkUp);
  EXPECT_EQ(it.driver->Link().mbps, 10u);
  it.pf.gone = true;
  EXPECT_FALSE(it.driver->Link().up);
}

TEST(IgbBringUp, SetsMtuPromiscuityAndMulticast) {
  StartedPf it;
  device::DeviceSettings settings;
  settings.mtu_bytes = 9000;
  settings.promiscuous = true;
  ASSERT_TRUE(it.driver->Set(settings).ok());
  EXPECT_EQ(it.pf.Reg(kRlpml), 9022u);
  EXPECT_EQ(it.pf.Reg(kRctl) & (kRctlUnicastPromiscuous | kRctlMulticastPromiscuous),
            kRctlUnicastPromiscuous | kRctlMulticastPromiscuous);

  settings = {};
  settings.promiscuous = false;
  // Hash of 01:00:5e:00:00:fb: bits 47:36, 0xfb0: word 0x7d, bit 16.
  settings.multicast = {{0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb}};
  ASSERT_TRUE(it.driver->Set(settings).ok());
  EXPECT_EQ(it.pf.Reg(kRctl) & (kRctlUnicastPromiscuous | kRctlMulticastPromiscuous), 0u);
  for (uint32_t i = 0; i < kMtaWords; ++i) {
    EXPECT_EQ(it.pf.Reg(Mta(i)), i == 0x7d ? 1u << 16 : 0u) << i;
  }

  settings = {};
  settings.all_multicast = true;
  ASSERT_TRUE(it.driver->Set(settings).ok());
  EXPECT_NE(it.pf.Reg(kRctl) & kRctlMulticastPromiscuous, 0u);
  settings.all_multicast = false;
  ASSERT_TRUE(it.driver->Set(settings).ok());
  EXPECT_EQ(it.pf.Reg(Mta(0x7d)), 1u << 16);  // the list is there again
  EXPECT_EQ(it.pf.Reg(Mta(0)), 0u);
}

TEST(IgbBringUp, SetChangesNothingWhenItFails) {
  StartedPf it;
  it.pf.bar.log.clear();
  device::DeviceSettings settings;
  settings.promiscuous = true;
  settings.mtu_bytes = 67;
  EXPECT_EQ(it.driver->Set(settings).code(), absl::StatusCode::kInvalidArgument);
  settings.mtu_bytes = 1500;
  settings.multicast = {{0x02, 0, 0, 0, 0, 1}};
  EXPECT_EQ(it.driver->Set(settings).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(it.pf.bar.log.empty());
}

TEST(IgbBringUp, StopsEverything) {
  StartedPf it;
  ASSERT_TRUE(it.driver->StartQueue(test::SetupOf(false, 3)).ok());
  it.driver->Stop();
  EXPECT_FALSE(it.pf.bus_master);
  EXPECT_EQ(it.pf.Reg(kRctl) & kRctlEnable, 0u);
  EXPECT_EQ(it.pf.Reg(kTctl) & kTctlEnable, 0u);
  EXPECT_EQ(it.pf.Reg(0xc028 + 3 * 0x40) & kQueueEnable, 0u);
  EXPECT_EQ(it.pf.Reg(kEimc), ~0u);
  EXPECT_EQ(it.pf.Reg(kCtrlExt) & kCtrlExtDriverLoaded, 0u);
  // And again from the start.
  ASSERT_TRUE(it.driver->Start({}).ok());
  EXPECT_TRUE(it.pf.bus_master);
}

}  // namespace
}  // namespace qsplit
