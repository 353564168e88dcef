// The same receive queue several times over, each through a driver that reads and writes
// descriptors in another way, over memory of its own; a device for the first of them, whose stores
// the others see as well. What they say must be equal, bit for bit.
#ifndef QSPLIT_TESTS_UNIT_BURST_RX_SIDES_H_
#define QSPLIT_TESTS_UNIT_BURST_RX_SIDES_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/dataplane/queue_memory.h"
#include "tests/unit/dataplane/rx_pair.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::dataplane::testing {

inline constexpr AccessMode kModes[] = {AccessMode::kEngine, AccessMode::kInterpreted,
                                        AccessMode::kCompiled};
inline constexpr uint32_t kSides = 3;

inline std::string Text(const RxCompletion& c) {
  const RxMetadata& m = c.meta;
  std::ostringstream text;
  text << "cookie " << c.cookie << " length " << c.length << " offset " << c.offset << " first "
       << c.first << " last " << c.last << " present " << std::hex << m.present.bits << " hash "
       << m.hash << " type " << int(m.hash_type) << " l3 " << int(m.l3) << " l4 " << int(m.l4)
       << " sums " << int(m.l3_checksum) << int(m.l4_checksum) << " error " << m.error << " tci "
       << m.vlan_tci << " queue " << m.queue << " mark " << m.mark << " sum " << m.checksum
       << " segment " << m.segment_bytes << "/" << int(m.segment) << " time " << m.timestamp;
  return text.str();
}

// Receive queues that this driver takes, in this mode or any.
template <typename Driver>
std::vector<RxCase> CasesOf(std::optional<AccessMode> mode = std::nullopt) {
  std::vector<RxCase> cases = AllRxCases();
  std::erase_if(cases, [&](const RxCase& c) {
    QueueMemory memory(*c.layout, c.queue, c.choices, 64);
    const auto driver = Driver::Create(
        *c.layout, memory.view(),
        {RxFields::All(), BufferBytesFrom(c, 2048), 0, mode.value_or(AccessMode::kEngine)});
    return !driver.ok() || (mode.has_value() && (*driver)->Access().mode != *mode);
  });
  return cases;
}

template <typename Driver>
class RxSides {
 public:
  static constexpr uint32_t kSlots = 64;
  static constexpr uint32_t kBufferBytes = 2048;
  static constexpr uint32_t kBuffers = 1024;

  RxSides(const RxCase& c, RxFields wanted, uint32_t packet_bytes = 0) : case_(c) {
    const uint32_t bytes = BufferBytesFrom(c, kBufferBytes);
    stride_ = (bytes + 2047) / 2048 * 2048;
    for (uint32_t i = 0; i < kSides; ++i) {
      memory[i] = std::make_unique<QueueMemory>(*c.layout, c.queue, c.choices, kSlots);
      region[i] = std::make_unique<Region>(size_t{stride_} * kBuffers);
      auto driver_or =
          Driver::Create(*c.layout, memory[i]->view(), {wanted, bytes, packet_bytes, kModes[i]});
      if (driver_or.ok()) driver[i] = *std::move(driver_or);
    }
    if (driver[0] == nullptr) return;
    auto device_or = RxDevice::Create(*c.layout, memory[0]->view(), {bytes, region[0]->memory()});
    if (device_or.ok()) device = std::make_unique<RxDevice>(*std::move(device_or));
    buffer_bytes = bytes;
  }

  bool driven() const { return driver[0] != nullptr; }

  // Posts the same random buffers everywhere, some of them such that nothing can be posted.
  void PostSame(Random* random, uint32_t* cookie) {
    std::vector<RxBuffer> buffers((*random)() % 40);
    for (RxBuffer& buffer : buffers) {
      offsets_.push_back(size_t{*cookie % kBuffers} * stride_ + ((*random)() % 32 == 0 ? 4 : 0));
      buffer.address =
          Iova((*random)() % 16 == 0 ? random->Wide() : Region::kIova + offsets_.back());
      buffer.bytes = (*random)() % 16 == 0 ? (*random)() % 70000 : buffer_bytes;
      buffer.cookie = (*cookie)++;
    }
    uint32_t posted[kSides];
    for (uint32_t i = 0; i < kSides; ++i) {
      for (size_t k = 0; k < buffers.size(); ++k) {
        buffers[k].memory = region[i]->bytes().data() + offsets_[k];
      }
      posted[i] = driver[i]->Post(buffers);
      driver[i]->Publish();
    }
    last_posted.assign(buffers.begin(), buffers.begin() + posted[0]);
    for (const RxBuffer& buffer : buffers) bytes_of.push_back(buffer.bytes);
    offset_of.insert(offset_of.end(), offsets_.begin(), offsets_.end());
    offsets_.clear();
    for (uint32_t i = 1; i < kSides; ++i) {
      ASSERT_EQ(posted[i], posted[0]) << "mode " << i;
      ASSERT_EQ(driver[i]->Outstanding(), driver[0]->Outstanding());
      ASSERT_TRUE(SameSlots(i)) << "mode " << i << " posted other bytes";
    }
  }

  // The device: packets of one and of several buffers, all metadata.
  void CompleteSome(Random* random) {
    for (uint32_t n = (*random)() % 40; n > 0; --n) {
      const uint32_t buffers = device->PacketMayGoOn() && (*random)() % 8 == 0 ? 2 : 1;
      RxResult result;
      result.meta = MakeMetadata(case_, device->Supported(), random);
      for (uint32_t k = 1; k <= buffers; ++k) {
        PostedBuffer buffer;
        if (device->Fetch(&buffer, k == 1, 0) != RingFault::kNone) break;
        result.length = (*random)() % 8 == 0 ? (*random)() % 70000 : (*random)() % 1500;
        result.length = std::min(result.length, buffer.bytes);
        result.last = k == buffers;
        device->Complete(result);
      }
    }
    device->Publish();
  }

  // A hostile one: other bits in what a device writes, at random.
  void Spoil(Random* random) {
    const auto flip = [&](std::span<std::byte> bytes, uint32_t most) {
      if (bytes.empty()) return;
      for (uint32_t n = (*random)() % most; n > 0; --n) {
        bytes[(*random)() % bytes.size()] ^= static_cast<std::byte>(1u << (*random)() % 8);
      }
    };
    const v1::Queue& queue = case_.layout->message().queues(static_cast<int>(case_.queue));
    const auto shared = memory[0]->Shared();  // slots, doorbells, cells of one after the other
    for (size_t i = 0; i < shared.size(); i += 3) {
      if (queue.rings(static_cast<int>(i / 3)).complete_forms().empty()) continue;
      flip(shared[i], 24);
      if ((*random)() % 16 == 0) flip(shared[i + 2], 3);
      if ((*random)() % 4 != 0) continue;
      for (std::byte& b : shared[i]) b = static_cast<std::byte>((*random)());
    }
    for (uint32_t n = (*random)() % 24; n > 0; --n) {
      const size_t at = size_t{(*random)() % kBuffers} * stride_;
      flip(std::span(region[0]->bytes()).subspan(at, kPrefix), 3);
    }
  }

  // The first side's memory as the device left it, in the others.
  void Spread() {
    const auto from = memory[0]->Shared();
    for (uint32_t i = 1; i < kSides; ++i) {
      const auto to = memory[i]->Shared();
      for (size_t k = 0; k < from.size(); ++k) {
        std::memcpy(to[k].data(), from[k].data(), from[k].size());
      }
      for (uint32_t b = 0; b < kBuffers; ++b) {
        std::memcpy(region[i]->bytes().data() + size_t{b} * stride_,
                    region[0]->bytes().data() + size_t{b} * stride_, kPrefix);
      }
    }
  }

  void PollSame(uint32_t most) {
    std::vector<RxCompletion> out[kSides];
    uint32_t count[kSides];
    for (uint32_t i = 0; i < kSides; ++i) {
      out[i].resize(most + 1);
      out[i][most].cookie = 0xabcdef;
      count[i] = driver[i]->Poll(std::span(out[i]).first(most));
      ASSERT_EQ(out[i][most].cookie, 0xabcdefu) << "mode " << i << " wrote beyond";
    }
    for (uint32_t i = 1; i < kSides; ++i) {
      ASSERT_EQ(count[i], count[0]) << "mode " << i;
      for (uint32_t k = 0; k < count[0]; ++k) {
        ASSERT_EQ(Text(out[i][k]), Text(out[0][k])) << "mode " << i << ", number " << k;
      }
    }
    taken += count[0];
    out[0].resize(count[0]);
    got = std::move(out[0]);
  }

  std::unique_ptr<QueueMemory> memory[kSides];
  std::unique_ptr<Region> region[kSides];
  std::unique_ptr<Driver> driver[kSides];
  std::unique_ptr<RxDevice> device;
  uint32_t buffer_bytes = 0;
  uint64_t taken = 0;             // completions that each of them took
  std::vector<RxCompletion> got;  // the last ones
  std::vector<RxBuffer> last_posted;
  std::vector<uint32_t> bytes_of;  // how large a buffer is, by its cookie
  std::vector<size_t> offset_of;   // where a buffer stands in a region, by its cookie

 private:
  static constexpr uint32_t kPrefix = 64;  // longer than any layout's

  bool SameSlots(uint32_t side) {
    const auto a = memory[side]->Shared();
    const auto b = memory[0]->Shared();
    for (size_t i = 0; i < a.size(); i += 3) {
      if (std::memcmp(a[i].data(), b[i].data(), b[i].size()) != 0) return false;
    }
    return true;
  }

  RxCase case_;
  uint32_t stride_ = 0;
  std::vector<size_t> offsets_;
};

}  // namespace qsplit::dataplane::testing

#endif  // QSPLIT_TESTS_UNIT_BURST_RX_SIDES_H_
