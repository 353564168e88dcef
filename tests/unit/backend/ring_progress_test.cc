// Whether the holder of a queue goes on, by what it writes.
#include "daemon/backend/common/ring_progress.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::backend {
namespace {

constexpr uint32_t kSlots = 64;

// The receive queue of a layout that is shipped, in memory.
struct SomeQueue {
  explicit SomeQueue(const std::string& name, const std::string& ring_name = "descriptors")
      : layout([&] {
          std::ifstream file(std::filesystem::path(QSPLIT_LAYOUT_DIR) / (name + ".layout"),
                             std::ios::binary);
          return *layout::VerifiedLayout::FromBytes(
              std::string(std::istreambuf_iterator<char>(file), {}));
        }()) {
    view.ring_count = static_cast<uint32_t>(queue().rings_size());
    while (queue().rings(static_cast<int>(number)).name() != ring_name) ++number;
    ring().slots = reinterpret_cast<std::byte*>(memory.data());
    ring().slot_count = kSlots;
    ring().cells.fill(bytes(0));
    ring().producer_doorbells.fill(bytes(1));
  }
  const v1::Queue& queue() const { return *layout.FindQueue(v1::DIRECTION_RECEIVE); }
  dataplane::RingView& ring() { return view.rings[number]; }
  // Behind the slots.
  std::byte* bytes(size_t word) { return reinterpret_cast<std::byte*>(&words[word]); }
  uint64_t Position() { return ProgressOf(queue(), view).position; }

  const layout::VerifiedLayout layout;
  std::vector<uint64_t> memory = std::vector<uint64_t>(kSlots * 8);
  std::vector<uint64_t> words = std::vector<uint64_t>(2);
  dataplane::QueueView view;
  size_t number = 0;  // of the ring that is there
};

TEST(RingProgress, ADoorbellSaysHowFarTheHolderIs) {
  SomeQueue queue("intel.igb.advanced");
  const uint64_t before = queue.Position();
  queue.memory[9] = 1;  // as the device does
  EXPECT_EQ(queue.Position(), before);
  queue.words[1] = 3;
  EXPECT_NE(queue.Position(), before);
}

TEST(RingProgress, ACellSaysHowFarTheHolderIs) {
  SomeQueue queue("virtio.split", "available");
  const uint64_t before = queue.Position();
  queue.memory[9] = 1;
  EXPECT_EQ(queue.Position(), before);
  queue.words[0] = 3;
  EXPECT_NE(queue.Position(), before);
}

// The doorbell has the queue's number in it, and nothing else.
TEST(RingProgress, WhereNothingSaysHowFarTheSlotsDo) {
  SomeQueue queue("virtio.packed");
  const uint64_t before = queue.Position();
  EXPECT_EQ(queue.Position(), before);
  queue.memory[kSlots] = 1;
  EXPECT_NE(queue.Position(), before);
}

TEST(RingProgress, RegistersThatWereReadSayHowFarTheHolderIs) {
  SomeQueue queue("intel.igb.advanced");
  queue.ring().producer_doorbells = {};
  const uint64_t before = ProgressOf(queue.queue(), queue.view, 3).position;
  queue.memory[9] = 1;
  EXPECT_EQ(ProgressOf(queue.queue(), queue.view, 3).position, before);
  EXPECT_NE(ProgressOf(queue.queue(), queue.view, 4).position, before);
}

}  // namespace
}  // namespace qsplit::backend
