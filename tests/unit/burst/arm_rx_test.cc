// Receive bursts made for aarch64 say what the plan says, over rings of every spec that is driven
// in place, whatever stands there.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "dataplane/in_place_rx.h"
#include "tests/unit/burst/arm_burst.h"
#include "tests/unit/burst/random_plans.h"
#include "tests/unit/burst/rx_sides.h"
#include "tests/unit/dataplane/queue_memory.h"
#include "tests/unit/dataplane/rx_pair.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::dataplane::burst::testing {
namespace {

using namespace dataplane::testing;  // NOLINT(google-build-using-namespace)

constexpr uint32_t kSlots = 16;
constexpr uint32_t kBufferBytes = 2048;

// A queue's memory, both sides of it, and the code of its plan.
class ArmRx : public ::testing::TestWithParam<RxCase> {
 protected:
  void Open(RxFields wanted) {
    const RxCase& c = GetParam();
    bytes_ = BufferBytesFrom(c, kBufferBytes);
    memory_ = std::make_unique<QueueMemory>(*c.layout, c.queue, c.choices, kSlots);
    auto driver = InPlaceRxDriver::Create(*c.layout, memory_->view(),
                                          {wanted, bytes_, 0, AccessMode::kInterpreted});
    ASSERT_TRUE(driver.ok() && (*driver)->burst() != nullptr);
    driver_ = *std::move(driver);
    device_ =
        std::make_unique<RxDevice>(*RxDevice::Create(*c.layout, memory_->view(), {bytes_, {}}));
    arm_ = std::make_unique<ArmRxBurst>(plan());
  }
  const RxBurstPlan& plan() const { return driver_->burst()->plan(); }

  // The ring with new buffers, some of them completed by the device.
  std::vector<std::byte> Ring(Random& random) {
    std::vector<RxCompletion> unused(kSlots);
    while (driver_->Poll(unused) != 0) {
    }
    for (uint32_t i = driver_->Room(); i > 0; --i) {
      const RxBuffer buffer{Iova(0x3400'0000 + i * 4096ull), bytes_, i};
      driver_->Post(std::span(&buffer, 1));
    }
    driver_->Publish();
    for (uint32_t n = random() % (kSlots + 1); n > 0; --n) {
      PostedBuffer buffer;
      if (device_->Fetch(&buffer, true, 0) != RingFault::kNone) break;
      RxResult result;
      result.meta = MakeMetadata(GetParam(), device_->Supported(), &random);
      result.length = std::min(random() % 1500, buffer.bytes);
      result.last = true;
      device_->Complete(result);
    }
    device_->Publish();
    // Of the rings that the queue has, the one that the plan is of.
    const size_t ring_bytes = size_t{plan().slot_count} * plan().slot_bytes;
    for (const std::span<std::byte> slots : memory_->Shared()) {
      if (slots.size() == ring_bytes) return {slots.begin(), slots.end()};
    }
    ADD_FAILURE() << "no ring of " << ring_bytes << " bytes";
    return std::vector<std::byte>(ring_bytes);
  }
  uint32_t Poll(Random& random, std::vector<std::byte>& ring) {
    std::vector<PostedSlot> posted(plan().slot_count);
    for (PostedSlot& slot : posted) slot = {random(), random() % 4 == 0 ? random() : bytes_};
    return arm_->PollSame(ring, posted, RandomSlot(plan().slot_count, random),
                          random() % (plan().slot_count + 4));
  }
  uint32_t Post(Random& random) {
    std::vector<RxBuffer> buffers(random() % (plan().slot_count + 4));
    for (RxBuffer& buffer : buffers) {
      buffer.address =
          Iova(random() % 16 == 0 ? random.Wide() : 0x3400'0000 + (random() & 0xfff000));
      buffer.bytes = random() % 16 == 0 ? random() % 70000 : bytes_;
      buffer.cookie = random();
    }
    return arm_->PostSame(buffers, RandomSlot(plan().slot_count, random));
  }

 private:
  uint32_t bytes_ = 0;
  std::unique_ptr<QueueMemory> memory_;
  std::unique_ptr<InPlaceRxDriver> driver_;
  std::unique_ptr<RxDevice> device_;
  std::unique_ptr<ArmRxBurst> arm_;
};

TEST_P(ArmRx, SaysWhatThePlanSays) {
  Random random(23);
  uint64_t completions = 0;
  uint64_t buffers = 0;
  bool posts = false;
  for (uint32_t run = 0; run < 4; ++run) {
    ASSERT_NO_FATAL_FAILURE(Open(run < 2 ? RxFields::All() : RxFields(random())));
    posts = posts || plan().posts;
    for (uint32_t step = 0; step < 24 && !HasFailure(); ++step) {
      std::vector<std::byte> ring = Ring(random);
      completions += Poll(random, ring);
      // A hostile device: some other bits, then any.
      for (uint32_t n = random() % 24; n > 0; --n) {
        ring[random() % ring.size()] ^= static_cast<std::byte>(1u << random() % 8);
      }
      completions += Poll(random, ring);
      for (std::byte& b : ring) b = static_cast<std::byte>(random());
      completions += Poll(random, ring);
      buffers += Post(random);
    }
  }
  EXPECT_GT(completions, 0u);
  EXPECT_EQ(buffers > 0, posts);
}

INSTANTIATE_TEST_SUITE_P(Specs, ArmRx,
                         ::testing::ValuesIn(CasesOf<InPlaceRxDriver>(AccessMode::kInterpreted)),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace qsplit::dataplane::burst::testing
