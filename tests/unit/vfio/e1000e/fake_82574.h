// An 82574 that answers as its datasheet says where drivers wait for an answer: a reset that clears
// itself and loads the EEPROM, requests that end when they are told to.
#ifndef QSPLIT_TESTS_UNIT_VFIO_E1000E_FAKE_82574_H_
#define QSPLIT_TESTS_UNIT_VFIO_E1000E_FAKE_82574_H_

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/backend/vfio/e1000e/e1000e.h"
#include "daemon/backend/vfio/e1000e/registers.h"
#include "tests/support/fake_function.h"

namespace qsplit::vfio::e1000e {

class E1000eTest : public ::testing::Test {
 protected:
  E1000eTest() {
    registers.OnRead(kStatus, [this] {
      if (gone) return kGone;
      const bool enabled = (registers.Peek(kCtrl) & kCtrlMasterDisable) == 0 || never_ends;
      return registers.Peek(kStatus) | (enabled ? kStatusMasterEnable : 0);
    });
    registers.OnRead(kCtrl, [this] { return gone ? kGone : registers.Peek(kCtrl); });
    registers.OnWrite(kCtrl, [this](uint32_t value) {
      if ((value & kCtrlReset) != 0 && reset_works) {
        ++resets;
        registers.Poke(kEecd, eeprom_works ? kEecdAutoReadDone : 0);
        registers.Poke(Ral(0), 0x12005452);
        registers.Poke(Rah(0), kRahValid | 0x5634);
        value = 0;
      }
      registers.Poke(kCtrl, value);
    });
    driver = MakeE1000e(0x10d3, function);
  }

  void Start(const DriverSettings& settings = {}) {
    const absl::Status status = driver->Start(settings);
    ASSERT_TRUE(status.ok()) << status;
  }

  static layout::VerifiedLayout Layout(const std::string& name = "intel.e1000.extended") {
    std::ifstream file(QSPLIT_LAYOUT_DIR "/" + name + ".layout", std::ios::binary);
    std::stringstream bytes;
    bytes << file.rdbuf();
    auto layout = layout::VerifiedLayout::FromBytes(bytes.str());
    EXPECT_TRUE(layout.ok()) << name << ": " << layout.status();
    return *layout;
  }

  static QueueSetup Receive(uint32_t queue, uint64_t iova = 0x123456780) {
    return {.transmit = false,
            .queue = queue,
            .layout = Layout(),
            .features = {0, 0},
            .rings = {{.slots_iova = iova, .slot_count = 512, .cell_iovas = {}}, {}},
            .rx_buffer_bytes = 2048};
  }
  static QueueSetup Transmit(uint32_t queue, uint64_t iova = 0xfedcba00) {
    return {.transmit = true,
            .queue = queue,
            .layout = Layout(),
            .features = {0, 0},
            .rings = {{.slots_iova = iova, .slot_count = 64, .cell_iovas = {}}},
            .rx_buffer_bytes = 0};
  }

  // Where in the log a value was written to a register, at `from` or later; -1: nowhere.
  int Written(uint64_t offset, uint32_t value, int from = 0) const {
    for (size_t i = static_cast<size_t>(from); i < registers.log.size(); ++i) {
      if (registers.log[i] == test::FakeWindow::Write{offset, 4, value}) return static_cast<int>(i);
    }
    return -1;
  }

  test::FakeFunction function;
  test::FakeWindow& registers = function.AddBar(0, 0x20000);
  std::unique_ptr<NicDriver> driver;
  bool gone = false;
  bool never_ends = false;  // requests go on, whatever CTRL says
  bool reset_works = true;
  bool eeprom_works = true;
  int resets = 0;
};

}  // namespace qsplit::vfio::e1000e

#endif  // QSPLIT_TESTS_UNIT_VFIO_E1000E_FAKE_82574_H_
