// Bring-up, refusals, interrupts, link and statistics of the 82574.
#include <gmock/gmock.h>

#include "tests/unit/vfio/e1000e/fake_82574.h"

namespace qsplit::vfio::e1000e {
namespace {

using ::testing::HasSubstr;

TEST_F(E1000eTest, KnowsItsDeviceIdsOnly) {
  EXPECT_NE(MakeE1000e(0x10d3, function), nullptr);
  EXPECT_NE(MakeE1000e(0x10f6, function), nullptr);
  EXPECT_EQ(MakeE1000e(0x10c9, function), nullptr);
}

TEST_F(E1000eTest, StartsInTheOrderOfTheDatasheet) {
  Start();
  const int masked = Written(kImc, kGone);
  const int barred = Written(kCtrl, kCtrlMasterDisable);
  const int reset = Written(kCtrl, kCtrlReset);
  const int link = registers.LastWriteTo(kCtrl);
  const int enabled = registers.LastWriteTo(kIms);
  EXPECT_GE(masked, 0);
  EXPECT_LT(masked, barred);
  EXPECT_LT(barred, reset);
  EXPECT_LT(reset, registers.LastWriteTo(kRfctl));
  EXPECT_LT(registers.LastWriteTo(kRfctl), link);
  EXPECT_LT(link, enabled);
  EXPECT_EQ(enabled, static_cast<int>(registers.log.size()) - 1);
  EXPECT_EQ(resets, 1);
  EXPECT_TRUE(function.bus_master);
}

TEST_F(E1000eTest, StartSetsUpWhatTheLayoutAsksFor) {
  Start();
  EXPECT_EQ(registers.Peek(kRfctl) & (1u << 15), 1u << 15);          // EXSTEN
  EXPECT_EQ(registers.Peek(kRctl), 1u << 15 | 1u << 26);             // BAM, SECRC, 2048, off
  EXPECT_EQ(registers.Peek(kRxcsum), 1u << 13 | 1u << 9 | 1u << 8);  // PCSD, TUOFL, IPOFL
  EXPECT_EQ(registers.Peek(kCtrl), 1u << 30 | 1u << 6 | 1u);         // VME, SLU, FD
  EXPECT_EQ(registers.Peek(kVlanEtherType), 0x8100u);
  EXPECT_EQ(registers.Peek(kTctl) & 2, 0u);  // off
  EXPECT_EQ(registers.Peek(kTctl) & 8, 8u);  // PSP
  EXPECT_EQ(registers.Peek(kErt), 0u);
  for (const uint64_t queue : {0u, 1u}) {
    EXPECT_EQ(registers.Peek(0x2828 + 0x100 * queue), 0x01010000u);            // RXDCTL
    EXPECT_EQ(registers.Peek(0x3828 + 0x100 * queue), 0x01410000u);            // TXDCTL
    EXPECT_EQ(registers.Peek(0x3840 + 0x100 * queue) & (1u << 10), 1u << 10);  // TARC
    EXPECT_EQ(registers.Peek(0x2808 + 0x100 * queue), 0u);                     // RDLEN
    EXPECT_EQ(registers.Peek(0x3808 + 0x100 * queue), 0u);                     // TDLEN
  }
}

TEST_F(E1000eTest, EachCompletionSignalsWithoutBeingAskedAgain) {
  Start();
  EXPECT_EQ(registers.Peek(0xe4), 0x800cba98u);      // IVAR: vectors 0 to 4, all valid
  EXPECT_EQ(registers.Peek(0xdc), 0x00f00000u);      // EIAC: a message clears its cause
  EXPECT_EQ(registers.Peek(0xe0), 0u);               // IAM: and masks nothing
  EXPECT_EQ(registers.Peek(0x18) & (1u << 24), 0u);  // CTRL_EXT.EIAME
  EXPECT_EQ(registers.Peek(0x18) & (1u << 27), 1u << 27);
  EXPECT_EQ(registers.Peek(0xd0), 0x01f00004u);  // IMS: queues, other, link
  EXPECT_EQ(driver->VectorOf(false, 0), 0u);
  EXPECT_EQ(driver->VectorOf(false, 1), 1u);
  EXPECT_EQ(driver->VectorOf(true, 0), 2u);
  EXPECT_EQ(driver->VectorOf(true, 1), 3u);
  EXPECT_EQ(driver->VectorOf(true, 2), std::nullopt);
  EXPECT_EQ(driver->OtherVector(), 4u);
  EXPECT_EQ(driver->facts().vectors, 5u);
  EXPECT_FALSE(driver->facts().leases_may_share);
}

// A read of ICR would clear the causes of queues too, whose messages may not be out yet.
TEST_F(E1000eTest, ServiceClearsOtherCausesOnly) {
  Start();
  bool read = false;
  registers.OnRead(kIcr, [&] {
    read = true;
    return 0u;
  });
  registers.log.clear();
  driver->Service();
  EXPECT_FALSE(read);
  ASSERT_GE(registers.LastWriteTo(kIcr), 0);
  const uint32_t cleared = registers.log[static_cast<size_t>(registers.LastWriteTo(kIcr))].value;
  EXPECT_EQ(cleared & kCauseQueues, 0u);
  EXPECT_EQ(cleared & (kCauseOther | kCauseLink), kCauseOther | kCauseLink);
}

TEST_F(E1000eTest, TheMacIsTheEepromsOrTheOneThatIsSet) {
  Start();
  EXPECT_EQ(driver->mac(), (device::MacAddress{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}));
  EXPECT_EQ(registers.Peek(Ral(0)), 0x12005452u);
  EXPECT_EQ(registers.Peek(Rah(0)), 0x80005634u);

  Start({.mac = device::MacAddress{2, 3, 4, 5, 6, 7}});
  EXPECT_EQ(driver->mac(), (device::MacAddress{2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(registers.Peek(Ral(0)), 0x05040302u);
  EXPECT_EQ(registers.Peek(Rah(0)), 0x80000706u);
  for (uint32_t i = 1; i < 16; ++i) EXPECT_EQ(registers.Peek(Rah(i)), 0u);
}

TEST_F(E1000eTest, StartNamesTheStepThatFailed) {
  const auto message = [&](const DriverSettings& settings = {}) {
    return std::string(driver->Start(settings).message());
  };
  gone = true;
  EXPECT_THAT(message(), HasSubstr("ones"));
  gone = false;
  reset_works = false;
  EXPECT_THAT(message(), HasSubstr("CTRL.RST"));
  reset_works = true;
  eeprom_works = false;
  EXPECT_THAT(message(), HasSubstr("EECD.AUTO_RD"));
  eeprom_works = true;
  EXPECT_THAT(message({.mtu_bytes = 9001}), HasSubstr("9001"));
  EXPECT_THAT(message({.steering = Steering::kPools}), HasSubstr("pools"));
  EXPECT_THAT(message({.vfs = {{}}}), HasSubstr("VFs"));
  EXPECT_THAT(message({.mac = device::MacAddress{1, 0, 0, 0, 0, 1}}), HasSubstr("unicast"));
  EXPECT_THAT(message(), "");
}

TEST_F(E1000eTest, StartRefusesWhatHasNoRegisters) {
  test::FakeFunction empty;
  EXPECT_EQ(MakeE1000e(0x10d3, empty)->Start({}).code(), absl::StatusCode::kFailedPrecondition);
  empty.AddBar(0, 0x1000);
  EXPECT_EQ(MakeE1000e(0x10d3, empty)->Start({}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(E1000eTest, StopBarsTheFunctionFromMemory) {
  Start();
  driver->Stop();
  EXPECT_FALSE(function.bus_master);
  EXPECT_EQ(registers.Peek(kRctl) & kRctlEnable, 0u);
  EXPECT_EQ(registers.Peek(kTctl) & kTctlEnable, 0u);
  EXPECT_EQ(registers.Peek(kImc), kGone);
  Start();
  EXPECT_TRUE(function.bus_master);
}

TEST_F(E1000eTest, LinkIsWhatStatusSays) {
  Start();
  EXPECT_FALSE(driver->Link().up);
  registers.Poke(kStatus, 2);
  EXPECT_EQ(driver->Link().mbps, 10u);
  registers.Poke(kStatus, 2 | 1 << 6);
  EXPECT_EQ(driver->Link().mbps, 100u);
  registers.Poke(kStatus, 2 | 2 << 6);
  EXPECT_EQ(driver->Link().mbps, 1000u);
  gone = true;
  EXPECT_FALSE(driver->Link().up);
}

TEST_F(E1000eTest, CountersAddUpWhatReadingClears) {
  const auto clears = [&](uint64_t offset) {
    registers.OnRead(offset, [this, offset] {
      const uint32_t value = registers.Peek(offset);
      registers.Poke(offset, 0);
      return value;
    });
  };
  for (const uint64_t offset : {kGoodReceived, kGoodSent, kCrcErrors, kLengthErrors, kMissed}) {
    clears(offset);
  }
  for (const uint64_t low : {kOctetsReceived, kOctetsSent}) {  // the high half clears both
    registers.OnRead(low + 4, [this, low] {
      const uint32_t value = registers.Peek(low + 4);
      registers.Poke(low, 0);
      registers.Poke(low + 4, 0);
      return value;
    });
  }
  registers.Poke(kGoodReceived, 99);  // from before
  Start();
  device::DeviceCounters counters;
  counters.rx.resize(2);
  driver->ReadCounters(&counters);
  EXPECT_EQ(counters.wire_rx_packets, 0u);

  for (int round = 0; round < 2; ++round) {
    registers.Poke(kGoodReceived, 3);
    registers.Poke(kOctetsReceived, 212);
    registers.Poke(kGoodSent, 1);
    registers.Poke(kOctetsSent, 5);
    registers.Poke(kOctetsSent + 4, 1);
    registers.Poke(kCrcErrors, 2);
    registers.Poke(kMissed, 4);
    driver->Service();
  }
  counters = {};
  counters.rx.resize(2);
  counters.wire_rx_packets = 100;
  driver->ReadCounters(&counters);
  EXPECT_EQ(counters.wire_rx_packets, 106u);
  EXPECT_EQ(counters.wire_rx_bytes, 400u);  // without CRCs
  EXPECT_EQ(counters.wire_tx_packets, 2u);
  EXPECT_EQ(counters.wire_tx_bytes, 2 * ((uint64_t{1} << 32) + 1));
  EXPECT_EQ(counters.drops_malformed, 4u);
  EXPECT_EQ(counters.rx[0].drops_no_descriptor, 8u);

  gone = true;  // ones are no counts
  device::DeviceCounters later;
  driver->ReadCounters(&later);
  EXPECT_EQ(later.wire_rx_packets, 6u);
}

}  // namespace
}  // namespace qsplit::vfio::e1000e
