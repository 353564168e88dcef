// Receive bursts say what the engine says, bit for bit: the engine alone, the plan interpreted, and
// machine code made of it, over equal rings of every spec that is driven in place.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "dataplane/in_place_rx.h"
#include "tests/unit/dataplane/queue_memory.h"
#include "tests/unit/dataplane/rx_pair.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::dataplane::testing {
namespace {

constexpr AccessMode kModes[] = {AccessMode::kEngine, AccessMode::kInterpreted,
                                 AccessMode::kCompiled};
constexpr uint32_t kSides = 3;
constexpr uint32_t kSlots = 64;
constexpr uint32_t kBufferBytes = 2048;

// One driver for each mode over a memory of its own, and a device for the first of them, whose
// stores the others see as well.
class Sides {
 public:
  Sides(const RxCase& c, RxFields wanted) {
    const uint32_t bytes = BufferBytesFrom(c, kBufferBytes);
    for (uint32_t i = 0; i < kSides; ++i) {
      memory[i] = std::make_unique<QueueMemory>(*c.layout, c.queue, c.choices, kSlots);
      auto driver_or =
          InPlaceRxDriver::Create(*c.layout, memory[i]->view(), {wanted, bytes, 0, kModes[i]});
      if (driver_or.ok()) driver[i] = *std::move(driver_or);
    }
    if (driver[0] == nullptr) return;
    auto device_or = RxDevice::Create(*c.layout, memory[0]->view(), {bytes, {}});
    if (device_or.ok()) device = std::make_unique<RxDevice>(*std::move(device_or));
    buffer_bytes = bytes;
  }

  bool driven() const { return driver[0] != nullptr; }
  // Of each ring, used or not, the slots.
  std::vector<std::span<std::byte>> slots(uint32_t side) {
    std::vector<std::span<std::byte>> slots;
    const auto shared = memory[side]->Shared();  // slots, doorbells, cells of one after the other
    for (size_t i = 0; i < shared.size(); i += 3) slots.push_back(shared[i]);
    return slots;
  }
  bool SameSlots(uint32_t side) {
    const auto a = slots(side);
    const auto b = slots(0);
    for (size_t i = 0; i < a.size(); ++i) {
      if (std::memcmp(a[i].data(), b[i].data(), b[i].size()) != 0) return false;
    }
    return true;
  }
  // The first side's ring as the device left it, in the others.
  void Spread() {
    const auto from = memory[0]->Shared();
    for (uint32_t i = 1; i < kSides; ++i) {
      const auto to = memory[i]->Shared();
      for (size_t k = 0; k < from.size(); ++k) {
        std::memcpy(to[k].data(), from[k].data(), from[k].size());
      }
    }
  }

  std::unique_ptr<QueueMemory> memory[kSides];
  std::unique_ptr<InPlaceRxDriver> driver[kSides];
  std::unique_ptr<RxDevice> device;
  uint32_t buffer_bytes = 0;
};

std::string Text(const RxCompletion& c) {
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

class RxBursts : public ::testing::TestWithParam<RxCase> {};

// Posts the same random buffers everywhere, some of them such that nothing can be posted.
void PostSame(Sides* s, Random* random, uint32_t* cookie) {
  std::vector<RxBuffer> buffers((*random)() % 40);
  for (RxBuffer& buffer : buffers) {
    buffer.address = Iova((*random)() % 16 == 0 ? random->Wide() : 0x3400'0000 + *cookie * 4096ull);
    buffer.bytes = (*random)() % 16 == 0 ? (*random)() % 70000 : s->buffer_bytes;
    buffer.cookie = (*cookie)++;
  }
  uint32_t posted[kSides];
  for (uint32_t i = 0; i < kSides; ++i) {
    posted[i] = s->driver[i]->Post(buffers);
    s->driver[i]->Publish();
  }
  for (uint32_t i = 1; i < kSides; ++i) {
    ASSERT_EQ(posted[i], posted[0]) << "mode " << i;
    ASSERT_EQ(s->driver[i]->Outstanding(), s->driver[0]->Outstanding());
    ASSERT_TRUE(s->SameSlots(i)) << "mode " << i << " posted other bytes";
  }
}

void PollSame(Sides* s, uint32_t most) {
  std::vector<RxCompletion> out[kSides];
  uint32_t count[kSides];
  for (uint32_t i = 0; i < kSides; ++i) {
    out[i].resize(most + 1);
    out[i][most].cookie = 0xabcdef;
    count[i] = s->driver[i]->Poll(std::span(out[i]).first(most));
    ASSERT_EQ(out[i][most].cookie, 0xabcdefu) << "mode " << i << " wrote beyond";
  }
  for (uint32_t i = 1; i < kSides; ++i) {
    ASSERT_EQ(count[i], count[0]) << "mode " << i;
    for (uint32_t k = 0; k < count[0]; ++k) {
      ASSERT_EQ(Text(out[i][k]), Text(out[0][k])) << "mode " << i << ", number " << k;
    }
  }
}

TEST_P(RxBursts, SayWhatTheEngineSays) {
  Random random(11);
  for (uint32_t run = 0; run < 12; ++run) {
    const RxFields wanted = run < 4 ? RxFields::All() : RxFields(random());
    Sides s(GetParam(), wanted);
    if (!s.driven()) GTEST_SKIP() << "not driven in place";
    ASSERT_NE(s.device, nullptr);
    uint32_t cookie = 0;
    for (uint32_t step = 0; step < 150; ++step) {
      PostSame(&s, &random, &cookie);
      if (HasFatalFailure()) return;
      // The device: packets of one and of several buffers, all metadata.
      for (uint32_t n = random() % 40; n > 0; --n) {
        const uint32_t buffers = random() % 8 == 0 ? 2 : 1;
        RxResult result;
        result.meta = MakeMetadata(GetParam(), s.device->Supported(), &random);
        for (uint32_t k = 1; k <= buffers; ++k) {
          PostedBuffer buffer;
          if (s.device->Fetch(&buffer, k == 1, 0) != RingFault::kNone) break;
          result.length = random() % 8 == 0 ? random() % 70000 : random() % 1500;
          result.length = std::min(result.length, buffer.bytes);
          result.last = k == buffers;
          s.device->Complete(result);
        }
      }
      s.device->Publish();
      // Now and then it is hostile: some bits are others, in slots at random.
      for (const std::span<std::byte> slots : s.slots(0)) {
        if (run % 2 == 0) break;
        for (uint32_t n = random() % 24; n > 0; --n) {
          slots[random() % slots.size()] ^= static_cast<std::byte>(1u << random() % 8);
        }
        if (random() % 4 == 0) {
          for (std::byte& b : slots) b = static_cast<std::byte>(random());
        }
      }
      s.Spread();
      PollSame(&s, random() % 50);
      if (HasFatalFailure()) return;
    }
    for (const auto& memory : s.memory) EXPECT_EQ(memory->BrokenGuard(), "");
  }
}

TEST_P(RxBursts, AreThereAndCompiled) {
  const Sides s(GetParam(), RxFields::All());
  if (!s.driven()) GTEST_SKIP() << "not driven in place";
  EXPECT_EQ(s.driver[0]->Access().mode, AccessMode::kEngine);
  EXPECT_EQ(s.driver[1]->Access().mode, AccessMode::kInterpreted);
  EXPECT_EQ(s.driver[2]->Access().mode, AccessMode::kCompiled)
      << s.driver[2]->Access().why_not_compiled;
}

INSTANTIATE_TEST_SUITE_P(Specs, RxBursts, ::testing::ValuesIn(AllRxCases()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace qsplit::dataplane::testing
