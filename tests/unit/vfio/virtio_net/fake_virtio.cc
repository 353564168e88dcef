#include "tests/unit/vfio/virtio_net/fake_virtio.h"

#include <fstream>
#include <sstream>

namespace qsplit::vfio::virtio_net {

FakeVirtio::FakeVirtio(uint32_t pairs) : queues(2 * pairs + 1), control_(2 * pairs) {
  queues[control_].max = queues[control_].size = 64;
  AddCapabilities();
  const device::MacAddress mac{0x52, 0x54, 0, 0x12, 0x34, 0x56};
  for (uint32_t i = 0; i < 6; ++i) SetConfig(i, mac[i], 1);
  SetConfig(kNetConfigStatus, kNetStatusLinkUp, 2);
  SetConfig(kNetConfigPairs, pairs, 2);

  const auto reg = [this](uint64_t offset, std::function<uint32_t()> read,
                          std::function<void(uint32_t)> write) {
    registers.OnRead(offset, [this, read] { return gone ? 0xffffffffu : read(); });
    registers.OnWrite(offset, std::move(write));
  };
  reg(
      kDeviceStatus, [this] { return status; },
      [this](uint32_t value) {
        statuses.push_back(static_cast<uint8_t>(value));
        if (value == 0 && never_resets) return;
        if (value == 0) return Reset();
        status = static_cast<uint8_t>(value);
        if (refuses_features) status &= static_cast<uint8_t>(~kFeaturesOk);
      });
  reg(
      kDeviceFeatureSelect, [this] { return device_select_; },
      [this](uint32_t value) { device_select_ = value; });
  reg(
      kDeviceFeature,
      [this] {
        return device_select_ > 1 ? 0 : static_cast<uint32_t>(offered >> (32 * device_select_));
      },
      [](uint32_t) {});
  reg(
      kDriverFeatureSelect, [this] { return driver_select_; },
      [this](uint32_t value) { driver_select_ = value; });
  reg(
      kDriverFeature, [] { return 0u; },
      [this](uint32_t value) {
        EXPECT_EQ(status & kFeaturesOk, 0);
        const uint64_t half = uint64_t{0xffffffff} << (32 * driver_select_);
        accepted = (accepted & ~half) | uint64_t{value} << (32 * driver_select_);
      });
  const auto vector = [this](uint32_t value) {
    return static_cast<uint16_t>(value < vectors ? value : kNoVector);
  };
  reg(
      kConfigVector, [this] { return config_vector; },
      [this, vector](uint32_t value) { config_vector = vector(value); });
  reg(
      kNumQueues, [this] { return static_cast<uint32_t>(queues.size()); }, [](uint32_t) {});
  reg(
      kQueueSelect, [this] { return selected_; },
      [this](uint32_t value) { selected_ = static_cast<uint16_t>(value); });
  reg(
      kQueueSize, [this] { return selected_ < queues.size() ? Selected().size : 0u; },
      [this](uint32_t value) { Selected().size = static_cast<uint16_t>(value); });
  reg(
      kQueueVector, [this] { return Selected().vector; },
      [this, vector](uint32_t value) { Selected().vector = vector(value); });
  reg(
      kQueueEnable, [this] { return Selected().enabled; },
      [this](uint32_t value) {
        EXPECT_EQ(value, 1u);  // 4.1.4.3.2: never 0
        EXPECT_NE(status & kFeaturesOk, 0);
        EXPECT_TRUE(function.bus_master);
        Selected().enabled = 1;
      });
  reg(
      kQueueNotifyOffset, [this] { return selected_; }, [](uint32_t) {});
  const auto address = [&](uint64_t offset, uint64_t FakeQueue::*field) {
    for (const uint32_t half : {0u, 1u}) {
      reg(
          offset + 4 * half, [] { return 0u; },
          [this, field, half](uint32_t value) {
            EXPECT_EQ(Selected().enabled, 0);
            uint64_t& whole = Selected().*field;
            whole = (whole & ~(uint64_t{0xffffffff} << (32 * half))) | uint64_t{value}
                                                                           << (32 * half);
          });
    }
  };
  address(kQueueDescriptors, &FakeQueue::descriptors);
  address(kQueueDriver, &FakeQueue::driver);
  address(kQueueDevice, &FakeQueue::device);
  reg(
      kQueueReset, [this] { return queue_resets_end ? 0u : 1u; },
      [this](uint32_t value) {
        EXPECT_EQ(value, 1u);
        EXPECT_NE(accepted & kRingReset, 0u);
        if (!queue_resets_end) return;
        const uint16_t max = Selected().max;
        Selected() = {.max = max, .size = max};
      });
  for (uint32_t i = 0; i < queues.size(); ++i) {
    registers.OnWrite(kNotify + kMultiplier * i, [this, i](uint32_t value) {
      EXPECT_EQ(value, i);
      Kick(i);
    });
  }
}

void FakeVirtio::AddCapabilities() {
  auto& config = function.config;
  const auto put = [&](size_t at, uint32_t value, uint32_t bytes) {
    std::memcpy(config.data() + at, &value, bytes);
  };
  put(0x06, 0x10, 2);
  put(0x34, 0x40, 1);
  put(0x40, 0x11, 1);  // MSI-X
  put(0x41, 0x50, 1);
  put(0x42, vectors - 1u, 2);
  struct One {
    uint32_t at, next, type, offset, length;
  };
  for (const One& one : std::initializer_list<One>{{0x50, 0x60, 1, 0, 0x1000},
                                                   {0x60, 0x70, 3, 0x1000, 0x1000},
                                                   {0x70, 0x80, 4, kDevice, 0x1000},
                                                   {0x80, 0, 2, kNotify, 0x1000}}) {
    put(one.at, 0x09, 1);
    put(one.at + 1, one.next, 1);
    put(one.at + 2, one.type == 2 ? 20 : 16, 1);
    put(one.at + 3, one.type, 1);
    put(one.at + 4, kBar, 1);
    put(one.at + 8, one.offset, 4);
    put(one.at + 12, one.length, 4);
  }
  put(0x80 + 16, kMultiplier, 4);
}

void FakeVirtio::Reset() {
  ++resets;
  status = 0;
  accepted = 0;
  config_vector = kNoVector;
  for (FakeQueue& queue : queues) queue = {.max = queue.max, .size = queue.max};
  seen_ = 0;
  wrap_ = true;
}

bool FakeVirtio::AnyEnabled() const {
  for (const FakeQueue& queue : queues) {
    if (queue.enabled != 0 && &queue != &queues[control_]) return true;
  }
  return false;
}

std::byte* FakeVirtio::Memory(uint64_t iova, uint64_t bytes) {
  uint64_t at = 0x10000;
  for (const auto& block : function.dma) {
    if (iova >= at && iova + bytes <= at + block->size()) return block->data() + (iova - at);
    at += block->size();
  }
  ADD_FAILURE() << "the device reaches for " << bytes << " bytes at 0x" << std::hex << iova;
  static std::array<std::byte, 65536> nowhere;
  return nowhere.data();
}

uint16_t FakeVirtio::Load16(uint64_t iova) {
  uint16_t value = 0;
  std::memcpy(&value, Memory(iova, 2), 2);
  return value;
}

void FakeVirtio::Kick(uint32_t queue) {
  EXPECT_NE(status & kDriverOk, 0);
  if (queue != control_ || !answers || queues[queue].enabled == 0) return;
  if (packed()) {
    ServePacked(queues[queue]);
  } else {
    ServeSplit(queues[queue]);
  }
}

namespace {

struct Descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t third, fourth;  // split: flags, next; packed: id, flags
};
static_assert(sizeof(Descriptor) == 16);

}  // namespace

// 2.7.
void FakeVirtio::ServeSplit(const FakeQueue& queue) {
  while (Load16(queue.driver + 2) != seen_) {
    const uint16_t head = Load16(queue.driver + 4 + 2 * (seen_ % queue.size));
    std::vector<uint8_t> bytes;
    uint64_t answer_at = 0;
    for (uint16_t slot = head, left = queue.size; left != 0; --left) {
      Descriptor descriptor;
      std::memcpy(&descriptor, Memory(queue.descriptors + 16u * slot, 16), 16);
      if ((descriptor.third & 2) != 0) {
        answer_at = descriptor.address;
      } else {
        EXPECT_EQ(answer_at, 0u);  // 2.7.4.2: what the device writes comes last
        const auto* data = Memory(descriptor.address, descriptor.length);
        for (uint32_t i = 0; i < descriptor.length; ++i) {
          bytes.push_back(std::to_integer<uint8_t>(data[i]));
        }
      }
      if ((descriptor.third & 1) == 0) break;
      slot = descriptor.fourth;
    }
    *Memory(answer_at, 1) = std::byte{Execute(bytes)};
    const uint32_t used[2] = {head, 1};
    std::memcpy(Memory(queue.device + 4 + 8u * (seen_ % queue.size), 8), used, 8);
    ++seen_;
    std::memcpy(Memory(queue.device + 2, 2), &seen_, 2);
  }
}

// 2.8.
void FakeVirtio::ServePacked(const FakeQueue& queue) {
  while (true) {
    const uint16_t first = seen_;
    const bool first_wrap = wrap_;
    std::vector<uint8_t> bytes;
    uint64_t answer_at = 0;
    uint16_t id = 0;
    while (true) {
      Descriptor descriptor;
      std::memcpy(&descriptor, Memory(queue.descriptors + 16u * seen_, 16), 16);
      const bool available = (descriptor.fourth >> 7 & 1) != 0;
      const bool used = (descriptor.fourth >> 15 & 1) != 0;
      if (available != wrap_ || used == wrap_) {
        EXPECT_TRUE(bytes.empty()) << "half a chain";
        return;
      }
      id = descriptor.third;
      if ((descriptor.fourth & 2) != 0) {
        answer_at = descriptor.address;
      } else {
        const auto* data = Memory(descriptor.address, descriptor.length);
        for (uint32_t i = 0; i < descriptor.length; ++i) {
          bytes.push_back(std::to_integer<uint8_t>(data[i]));
        }
      }
      if (++seen_ == queue.size) {
        seen_ = 0;
        wrap_ = !wrap_;
      }
      if ((descriptor.fourth & 1) == 0) break;
    }
    *Memory(answer_at, 1) = std::byte{Execute(bytes)};
    const auto flags = static_cast<uint16_t>(first_wrap ? 1u << 7 | 1u << 15 : 0);
    std::memcpy(Memory(queue.descriptors + 16u * first + 12, 2), &id, 2);
    std::memcpy(Memory(queue.descriptors + 16u * first + 14, 2), &flags, 2);
  }
}

uint8_t FakeVirtio::Execute(const std::vector<uint8_t>& bytes) {
  if (bytes.size() < 2) {
    ADD_FAILURE() << "a command of " << bytes.size() << " bytes";
    return 1;
  }
  commands.push_back({bytes[0], bytes[1], {bytes.begin() + 2, bytes.end()}});
  return bytes[0] == refused_class ? 1 : 0;
}

layout::VerifiedLayout VirtioNetTest::Layout(const std::string& name) {
  std::ifstream file(QSPLIT_LAYOUT_DIR "/" + name + ".layout", std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  auto layout = layout::VerifiedLayout::FromBytes(bytes.str());
  EXPECT_TRUE(layout.ok()) << name << ": " << layout.status();
  return *layout;
}

RingSetup VirtioNetTest::Ring(const QueueSetup& setup, int ring, uint64_t slots_iova,
                              const std::map<std::string, uint64_t>& cells) {
  const v1::Queue* const queue =
      setup.layout.FindQueue(setup.transmit ? v1::DIRECTION_TRANSMIT : v1::DIRECTION_RECEIVE);
  RingSetup out{.slots_iova = slots_iova, .slot_count = 256, .cell_iovas = {}};
  for (const v1::IndexCell& cell : queue->rings(ring).cells()) {
    out.cell_iovas.push_back(cells.at(cell.name()));
  }
  return out;
}

QueueSetup VirtioNetTest::Split(bool transmit, uint32_t queue, uint64_t iova) {
  QueueSetup setup{.transmit = transmit,
                   .queue = queue,
                   .layout = Layout("virtio.split"),
                   .features = kUsualChoices,
                   .rings = {},
                   .rx_buffer_bytes = 0};
  const uint64_t available = iova + 0x3000;
  const uint64_t used = iova + 0x5000;
  setup.rings = {Ring(setup, 0, iova, {}),
                 Ring(setup, 1, available,
                      {{"flags", available - 4},
                       {"index", available - 2},
                       {"used_event", available + 512},
                       {"no_notify", used - 4},
                       {"available_event", used + 2048}}),
                 Ring(setup, 2, used, {{"index", used - 2}})};
  return setup;
}

QueueSetup VirtioNetTest::Packed(bool transmit, uint32_t queue, uint64_t iova, int64_t no_notify,
                                 int64_t no_interrupt) {
  QueueSetup setup{.transmit = transmit,
                   .queue = queue,
                   .layout = Layout("virtio.packed"),
                   .features = kUsualChoices,
                   .rings = {},
                   .rx_buffer_bytes = 0};
  const uint64_t behind = iova + 256 * 16;
  setup.rings = {Ring(setup, 0, iova,
                      {{"no_notify", behind + static_cast<uint64_t>(no_notify)},
                       {"no_interrupt", behind + static_cast<uint64_t>(no_interrupt)}})};
  return setup;
}

}  // namespace qsplit::vfio::virtio_net
