// A PF of the 82576 or I350 made of memory, that resets and has a PHY and semaphores as the real
// one; and what tests ask of a driver again and again. One thread.
#ifndef QSPLIT_TESTS_UNIT_VFIO_IGB_FAKE_PF_H_
#define QSPLIT_TESTS_UNIT_VFIO_IGB_FAKE_PF_H_

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "daemon/backend/vfio/igb/igb.h"
#include "daemon/backend/vfio/igb/registers.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "tests/support/fake_function.h"

namespace qsplit::test {

inline constexpr uint16_t k82576 = 0x10c9;
inline constexpr uint16_t kI350 = 0x1521;
inline constexpr device::MacAddress kOwnMac = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

class FakePf : public FakeFunction {
 public:
  FakePf() : bar(AddBar(0, 0x20000)) {
    using namespace vfio::igb;
    PowerOn();
    bar.OnWrite(kCtrl, [this](uint32_t value) {
      if ((value & kCtrlReset) != 0) {
        ++software_resets;
        if (comes_out_of_reset) {
          PowerOn();
          value &= ~kCtrlReset;
        }
      }
      bar.Poke(kCtrl, value);
      // Master requests end when they are told to.
      const uint32_t status = bar.Peek(kStatus) & ~kStatusMasterEnabled;
      bar.Poke(kStatus, status | ((value & kCtrlMasterDisable) != 0 ? 0 : kStatusMasterEnabled));
    });
    // SWSM: the first read takes the semaphore.
    bar.OnRead(kSwsm, [this] {
      const uint32_t value = bar.Peek(kSwsm);
      bar.Poke(kSwsm, value | kSwsmSemaphore);
      return value;
    });
    bar.OnRead(kStatus, [this] { return gone ? kGone : bar.Peek(kStatus); });
    bar.OnWrite(kMdic, [this](uint32_t value) {
      const uint32_t reg = value >> kMdicRegisterShift & 0x1f;
      if ((value & kMdicWrite) != 0) phy[reg] = static_cast<uint16_t>(value);
      if ((value & kMdicRead) != 0) value = (value & 0xffff0000) | phy[reg];
      bar.Poke(kMdic, phy_answers ? value | kMdicReady : value);
    });
  }

  // What a reset leaves.
  void PowerOn() {
    using namespace vfio::igb;
    bar.Poke(kStatus, kStatusMasterEnabled | 2u << kStatusSpeedShift);
    bar.Poke(kEec, kEecAutoReadDone);
    bar.Poke(Ral(0), 0x12005452);
    bar.Poke(Rah(0), 0x80005634);
    bar.Poke(0xc028, kQueueEnable);
    bar.Poke(0xe028, kQueueEnable);
    bar.Poke(kVfre, 0xff);
    bar.Poke(kVfte, 0xff);
  }
  // Queue `number` (of the hardware) never follows its enable bit to `value`.
  void StickEnable(uint32_t control, bool enabled) {
    bar.OnRead(control, [enabled] { return enabled ? vfio::igb::kQueueEnable : 0u; });
  }
  uint32_t Reg(uint32_t offset) const { return bar.Peek(offset); }
  int LastWrite(uint32_t offset) const { return bar.LastWriteTo(offset); }
  int FirstWrite(uint32_t offset) const {
    for (size_t i = 0; i < bar.log.size(); ++i) {
      if (bar.log[i].offset == offset) return static_cast<int>(i);
    }
    return -1;
  }

  FakeWindow& bar;
  std::array<uint16_t, 32> phy{0x1940};  // powered down, 1000 Mb/s
  int software_resets = 0;
  bool comes_out_of_reset = true;
  bool phy_answers = true;
  bool gone = false;
};

inline layout::VerifiedLayout IgbLayout(const std::string& name = "intel.igb.advanced") {
  const std::filesystem::path folder = QSPLIT_LAYOUT_DIR;
  std::ifstream file(folder / (name + ".layout"), std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  auto layout = layout::VerifiedLayout::FromBytes(bytes.str());
  EXPECT_TRUE(layout.ok()) << layout.status();
  return *layout;
}

// As the daemon would set up a queue of this layout, with the choices by name.
inline vfio::QueueSetup SetupOf(bool transmit, uint32_t queue,
                                const std::string& loopback_tag = "little",
                                const std::string& dword1 = "hash",
                                const std::string& done = "descriptor") {
  vfio::QueueSetup setup{.transmit = transmit,
                         .queue = queue,
                         .layout = IgbLayout(),
                         .features = {},
                         .rings = {},
                         .rx_buffer_bytes = 2048};
  for (const v1::Feature& feature : setup.layout.message().features()) {
    const std::string& wanted = feature.name() == "LoopbackTag" ? loopback_tag
                                : feature.name() == "Dword1"    ? dword1
                                                                : done;
    uint32_t index = 0;
    while (feature.choices(static_cast<int>(index)) != wanted) ++index;
    setup.features.push_back(index);
  }
  const v1::Queue* of =
      setup.layout.FindQueue(transmit ? v1::DIRECTION_TRANSMIT : v1::DIRECTION_RECEIVE);
  for (const v1::Ring& ring : of->rings()) {
    setup.rings.push_back(ring.name() == "descriptors"
                              ? vfio::RingSetup{.slots_iova = 0x1234567000u + 0x10000u * queue,
                                                .slot_count = 512,
                                                .cell_iovas = {}}
                              : vfio::RingSetup{});
  }
  return setup;
}

// A driver that has been started.
struct StartedPf {
  explicit StartedPf(uint16_t device_id = k82576, const vfio::DriverSettings& settings = {})
      : driver(vfio::MakeIgb(device_id, false, pf)) {
    const absl::Status status = driver->Start(settings);
    EXPECT_TRUE(status.ok()) << status;
  }

  FakePf pf;
  std::unique_ptr<vfio::NicDriver> driver;
};

inline vfio::DriverSettings PoolSettings() {
  vfio::DriverSettings settings;
  settings.steering = vfio::Steering::kPools;
  return settings;
}

// `vfs` VFs with MACs 02:00:00:00:00:00 + n.
inline vfio::DriverSettings VfSettings(uint32_t vfs) {
  vfio::DriverSettings settings;
  for (uint32_t i = 0; i < vfs; ++i) {
    settings.vfs.push_back({.mac = {0x02, 0, 0, 0, 0, static_cast<uint8_t>(i)}, .vlan = 0});
  }
  return settings;
}

}  // namespace qsplit::test

#endif  // QSPLIT_TESTS_UNIT_VFIO_IGB_FAKE_PF_H_
