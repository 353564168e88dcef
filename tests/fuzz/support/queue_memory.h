// Memory for all rings of a queue with their doorbells and cells, each an allocation of its exact
// size, so that the address sanitizer sees every byte beyond, or against a fence, so that machine
// code that no sanitizer sees is caught as well; and what a hostile peer does to it.
#ifndef QSPLIT_TESTS_FUZZ_SUPPORT_QUEUE_MEMORY_H_
#define QSPLIT_TESTS_FUZZ_SUPPORT_QUEUE_MEMORY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/device_memory.h"
#include "dataplane/ring_view.h"
#include "qsplit/v1/layout.pb.h"
#include "tests/fuzz/support/input.h"
#include "tests/support/fenced_array.h"

namespace qsplit::fuzz {

class QueueMemory {
 public:
  // Buffers for packets, the device's address of the first one; each an allocation of its own.
  static constexpr uint64_t kBuffersIova = 0x12'3400'0000;
  static constexpr uint32_t kBufferBytes = 2048;
  static constexpr uint32_t kBuffers = 16;
  // A queue that takes more than this is not made.
  static constexpr uint64_t kMaxBytes = 4u << 20;

  // Of Layout.queues[queue]. Null: too much memory, or fewer slots than the layout asks for. The
  // input says what is not the layout's: slots above the fewest, whether memory stands for
  // registers, whether there is a wakeup flag. fence: of what is the rings'.
  static std::unique_ptr<QueueMemory> Create(
      const v1::Layout& layout, uint32_t queue, std::span<const uint32_t> choices, Input& in,
      std::optional<qsplit::testing::Fence> fence = std::nullopt);
  QueueMemory(const QueueMemory&) = delete;
  QueueMemory& operator=(const QueueMemory&) = delete;

  const dataplane::QueueView& view() const { return view_; }
  static dataplane::Iova BufferIova(uint32_t buffer) {
    return dataplane::Iova(kBuffersIova + uint64_t{buffer} * kBufferBytes);
  }
  std::byte* Buffer(uint32_t buffer) const { return buffers_[buffer]; }
  // Reads and writes within a buffer or the scratch memory only.
  dataplane::DeviceMemory device_memory();
  // One hostile act on anything that is shared.
  void Scribble(Input& in);
  // Whether all that is shared is the same in both, which are of the same queue and input.
  bool IsSame(const QueueMemory& other) const;
  // Takes all that is shared from such another one.
  void CopyFrom(const QueueMemory& other);

 private:
  QueueMemory() = default;
  std::byte* Allocate(size_t bytes);
  bool AddRing(const v1::Ring& ring, dataplane::RingView* view, Input& in);
  std::byte* At(dataplane::Iova iova, uint64_t bytes);

  // Of a ring: at a multiple of 16 bytes, no further from the fence than that takes.
  std::byte* AllocateForRing(size_t bytes);

  std::optional<qsplit::testing::Fence> fence_;
  std::vector<qsplit::testing::FencedArray<std::byte>> fenced_;
  std::vector<std::unique_ptr<std::byte[]>> owned_;
  // All that is shared; slots of ring i in rings_[i], the rest in small_.
  struct Slots {
    std::span<std::byte> bytes;
    std::byte* first = nullptr;
    uint32_t slot_bytes = 0;
    uint32_t count = 0;
  };
  std::vector<Slots> rings_;
  std::vector<std::span<std::byte>> small_;
  std::array<std::byte*, kBuffers> buffers_{};
  dataplane::QueueView view_;
};

}  // namespace qsplit::fuzz

#endif  // QSPLIT_TESTS_FUZZ_SUPPORT_QUEUE_MEMORY_H_
