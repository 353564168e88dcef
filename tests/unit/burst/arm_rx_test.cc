// Receive bursts made for aarch64, run in an emulator: they say what the plan says, over rings of
// every spec that is driven in place, whatever stands there; and they read memory that the device
// writes once, first of all with acquire the word that says that it is done.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/burst/generator.h"
#include "dataplane/in_place_rx.h"
#include "tests/unit/burst/arm_machine.h"
#include "tests/unit/dataplane/queue_memory.h"
#include "tests/unit/dataplane/rx_pair.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::dataplane::burst::testing {
namespace {

using namespace dataplane::testing;  // NOLINT(google-build-using-namespace)

constexpr uint32_t kSlots = 16;
constexpr uint32_t kBufferBytes = 2048;

template <typename T>
std::span<std::byte> BytesOf(std::vector<T>& values) {
  return std::as_writable_bytes(std::span(values));
}

// A queue's memory, what drives it, its plan and the plan's code.
class ArmRx : public ::testing::TestWithParam<RxCase> {
 protected:
  // False: not driven in place, or there is no plan.
  bool Open(RxFields wanted) {
    const RxCase& c = GetParam();
    bytes_ = BufferBytesFrom(c, kBufferBytes);
    memory_ = std::make_unique<QueueMemory>(*c.layout, c.queue, c.choices, kSlots);
    auto driver = InPlaceRxDriver::Create(*c.layout, memory_->view(),
                                          {wanted, bytes_, 0, AccessMode::kInterpreted});
    if (!driver.ok() || (*driver)->burst() == nullptr) return false;
    driver_ = *std::move(driver);
    device_ =
        std::make_unique<RxDevice>(*RxDevice::Create(*c.layout, memory_->view(), {bytes_, {}}));
    absl::StatusOr<RxCode> code = a64::GenerateRx(plan());
    EXPECT_TRUE(code.ok()) << code.status();
    if (!code.ok()) return false;
    code_ = *std::move(code);
    machine_ = std::make_unique<ArmMachine>(code_.bytes);
    return true;
  }
  const RxBurstPlan& plan() const { return driver_->burst()->plan(); }
  size_t ring_bytes() const { return size_t{plan().slot_count} * plan().slot_bytes; }

  // Fills the ring: buffers, and completions of them by the device.
  std::vector<std::byte> Ring(Random& random) {
    const uint32_t room = driver_->Room();
    for (uint32_t i = 0; i < room; ++i) {
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
    for (const std::span<std::byte> slots : memory_->Shared()) {
      if (slots.size() == ring_bytes()) return {slots.begin(), slots.end()};
    }
    ADD_FAILURE() << "no ring of " << ring_bytes() << " bytes";
    return std::vector<std::byte>(ring_bytes());
  }

  // Each word of a slot at most once, the deciding one first and with acquire.
  void CheckReads() {
    std::vector<bool> seen(ring_bytes() / 8);
    for (const ArmMachine::Access& access : machine_->accesses()) {
      if (access.area != ArmMachine::kSlots) continue;
      ASSERT_EQ(access.bytes, 8u);
      ASSERT_EQ(access.offset % 8, 0u);
      const size_t word = access.offset / 8;
      const size_t first = word - word % (plan().slot_bytes / 8) + plan().first_word;
      ASSERT_FALSE(seen[word]) << "word " << word << " is read twice";
      ASSERT_EQ(access.acquires, word == first) << "word " << word;
      ASSERT_TRUE(word == first || seen[first]) << "word " << word << " is read first";
      seen[word] = true;
    }
  }

  void PollSame(Random& random, std::vector<std::byte>& ring) {
    std::vector<PostedSlot> posted(plan().slot_count);
    for (PostedSlot& slot : posted) slot = {random(), random() % 4 == 0 ? random() : bytes_};
    const uint32_t first = random() % 8 == 0 ? random() : random() % (plan().slot_count + 2);
    const uint32_t most = random() % (plan().slot_count + 4);
    std::vector<RxCompletion> expected(most);
    std::vector<RxCompletion> got(most);
    const uint32_t count =
        RxBurst::PollByPlan(plan(), ring.data(), posted.data(), first, most, expected.data());
    const auto polled = machine_->Call(
        code_.poll,
        {{{{ring, true, false}, {BytesOf(posted), true, false}, {BytesOf(got), false, true}, {}}},
         first,
         most});
    ASSERT_EQ(machine_->fault(), "");
    ASSERT_EQ(polled, count) << "from slot " << first << ", at most " << most;
    ASSERT_EQ(std::memcmp(got.data(), expected.data(), count * sizeof(RxCompletion)), 0);
    CheckReads();
    completions_ += count;
  }

  void PostSame(Random& random) {
    std::vector<RxBuffer> buffers(random() % (plan().slot_count + 4));
    for (RxBuffer& buffer : buffers) {
      buffer.address =
          Iova(random() % 16 == 0 ? random.Wide() : 0x3400'0000 + (random() & 0xfff000));
      buffer.bytes = random() % 16 == 0 ? random() % 70000 : bytes_;
      buffer.cookie = random();
    }
    const uint32_t first = random() % 8 == 0 ? random() : random() % (plan().slot_count + 2);
    const auto most = static_cast<uint32_t>(buffers.size());
    std::vector<std::byte> ring(ring_bytes(), std::byte{0xa5});
    std::vector<std::byte> same = ring;
    std::vector<PostedSlot> posted(plan().slot_count);
    std::vector<PostedSlot> same_posted = posted;
    const uint32_t count =
        RxBurst::PostByPlan(plan(), ring.data(), posted.data(), first, most, buffers.data());
    const auto done = machine_->Call(code_.post, {{{{same, false, true},
                                                    {BytesOf(same_posted), false, true},
                                                    {BytesOf(buffers), true, false},
                                                    {}}},
                                                  first,
                                                  most});
    ASSERT_EQ(machine_->fault(), "");
    ASSERT_EQ(done, count) << "from slot " << first << ", at most " << most;
    ASSERT_EQ(ring, same);
    ASSERT_EQ(std::memcmp(posted.data(), same_posted.data(), posted.size() * sizeof(PostedSlot)),
              0);
    buffers_ += count;
  }

  uint32_t bytes_ = 0;
  std::unique_ptr<QueueMemory> memory_;
  std::unique_ptr<InPlaceRxDriver> driver_;
  std::unique_ptr<RxDevice> device_;
  RxCode code_;
  std::unique_ptr<ArmMachine> machine_;
  uint64_t completions_ = 0;
  uint64_t buffers_ = 0;
};

TEST_P(ArmRx, SaysWhatThePlanSays) {
  Random random(23);
  for (uint32_t run = 0; run < 4; ++run) {
    if (!Open(run < 2 ? RxFields::All() : RxFields(random()))) {
      GTEST_SKIP() << "no burst, or not driven in place";
    }
    for (uint32_t step = 0; step < 24; ++step) {
      std::vector<std::byte> ring = Ring(random);
      PollSame(random, ring);
      if (HasFatalFailure()) return;
      // A hostile device: some other bits, then any.
      for (uint32_t n = random() % 24; n > 0; --n) {
        ring[random() % ring.size()] ^= static_cast<std::byte>(1u << random() % 8);
      }
      PollSame(random, ring);
      if (HasFatalFailure()) return;
      for (std::byte& b : ring) b = static_cast<std::byte>(random());
      PollSame(random, ring);
      if (HasFatalFailure()) return;
      PostSame(random);
      if (HasFatalFailure()) return;
      std::vector<RxCompletion> unused(kSlots);
      while (driver_->Poll(unused) != 0) {
      }
    }
  }
  EXPECT_GT(completions_, 0u);
  EXPECT_EQ(buffers_ > 0, plan().posts);
}

INSTANTIATE_TEST_SUITE_P(Specs, ArmRx, ::testing::ValuesIn(AllRxCases()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace qsplit::dataplane::burst::testing
