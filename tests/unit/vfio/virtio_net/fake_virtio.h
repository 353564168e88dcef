// A virtio network device of memory: the device's side of virtio 1.2, written from the standard and
// not from the driver. It keeps status, features and virtqueues behind a fake function's registers,
// and executes the commands of its control queue out of the fake's DMA memory, split or packed.
#ifndef QSPLIT_TESTS_UNIT_VFIO_VIRTIO_NET_FAKE_VIRTIO_H_
#define QSPLIT_TESTS_UNIT_VFIO_VIRTIO_NET_FAKE_VIRTIO_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/backend/vfio/virtio_net/registers.h"
#include "daemon/backend/vfio/virtio_net/virtio_net.h"
#include "tests/support/fake_function.h"

namespace qsplit::vfio::virtio_net {

inline constexpr uint64_t kUsualFeatures = kVersion1 | kAccessPlatform | kRingReset | kNetMac |
                                           kNetStatus | kNetControlQueue | kNetControlRx |
                                           kNetControlMac | kNetMergeBuffers;
// What they make of the layouts' features: EventIndex, Indirect, RxChecksum, Segmentation and
// TxChecksum off.
inline const std::vector<uint32_t> kUsualChoices = {0, 0, 1, 1, 1};

struct FakeQueue {
  uint16_t max = 256;
  uint16_t size = 256;
  uint16_t vector = kNoVector;
  uint16_t enabled = 0;
  uint64_t descriptors = 0, driver = 0, device = 0;
};

struct FakeCommand {
  uint8_t of_class = 0;
  uint8_t command = 0;
  std::vector<uint8_t> data;
  bool operator==(const FakeCommand&) const = default;
};

class FakeVirtio {
 public:
  static constexpr uint32_t kBar = 4;
  static constexpr uint64_t kDevice = 0x2000;
  static constexpr uint64_t kNotify = 0x3000;
  static constexpr uint32_t kMultiplier = 4;

  explicit FakeVirtio(uint32_t pairs = 1);

  // Bytes of the device's configuration.
  void SetConfig(uint64_t offset, uint32_t value, uint32_t bytes) {
    registers.Poke(kDevice + offset, value, bytes);
  }
  bool packed() const { return (accepted & kRingPacked) != 0; }
  // Commands since the last call.
  std::vector<FakeCommand> TakeCommands() { return std::exchange(commands, {}); }
  // Whether anything may be reached at all.
  bool AnyEnabled() const;

  test::FakeFunction function;
  test::FakeWindow& registers = function.AddBar(kBar, 0x4000);
  uint64_t offered = kUsualFeatures;
  uint64_t accepted = 0;
  uint8_t status = 0;
  std::vector<uint8_t> statuses;  // each that was written
  std::vector<FakeQueue> queues;
  std::vector<FakeCommand> commands;
  int resets = 0;
  uint16_t vectors = 3;
  uint16_t config_vector = kNoVector;

  // What it can be told to do wrong.
  bool gone = false;
  bool never_resets = false;
  bool refuses_features = false;
  bool answers = true;
  bool queue_resets_end = true;
  int refused_class = -1;

 private:
  void AddCapabilities();
  void Reset();
  FakeQueue& Selected() { return queues[selected_ < queues.size() ? selected_ : 0]; }
  std::byte* Memory(uint64_t iova, uint64_t bytes);
  uint16_t Load16(uint64_t iova);
  void Kick(uint32_t queue);
  void ServeSplit(const FakeQueue& queue);
  void ServePacked(const FakeQueue& queue);
  uint8_t Execute(const std::vector<uint8_t>& bytes);

  uint32_t device_select_ = 0;
  uint32_t driver_select_ = 0;
  uint16_t selected_ = 0;
  uint16_t seen_ = 0;  // split: commands; packed: the next slot
  bool wrap_ = true;
  uint32_t control_;
};

class VirtioNetTest : public ::testing::Test {
 protected:
  void Start(const DriverSettings& settings = {}) {
    driver = MakeVirtioNet(0x1041, fake.function);
    const absl::Status status = driver->Start(settings);
    ASSERT_TRUE(status.ok()) << status;
  }
  // What Start says.
  absl::Status Started(const DriverSettings& settings = {}) {
    driver = MakeVirtioNet(0x1041, fake.function);
    return driver->Start(settings);
  }
  std::string Refusal(const DriverSettings& settings = {}) {
    return std::string(Started(settings).message());
  }
  static layout::VerifiedLayout Layout(const std::string& name);
  // Rings as the back end lays them out: each on a page of its own, its first slot on a page.
  static QueueSetup Split(bool transmit, uint32_t queue, uint64_t iova = 0x40000000);
  static QueueSetup Packed(bool transmit, uint32_t queue, uint64_t iova = 0x40000000,
                           int64_t no_notify = 2, int64_t no_interrupt = 66);
  static RingSetup Ring(const QueueSetup& setup, int ring, uint64_t slots_iova,
                        const std::map<std::string, uint64_t>& cells);

  FakeVirtio fake;
  std::unique_ptr<NicDriver> driver;
};

}  // namespace qsplit::vfio::virtio_net

#endif  // QSPLIT_TESTS_UNIT_VFIO_VIRTIO_NET_FAKE_VIRTIO_H_
