// Memory for all rings of a queue with their doorbells and cells, with guard bytes around each
// ring, and a region for buffers: what a grant would give, in one process.
#ifndef QSPLIT_TESTS_UNIT_DATAPLANE_QUEUE_MEMORY_H_
#define QSPLIT_TESTS_UNIT_DATAPLANE_QUEUE_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/device_memory.h"
#include "dataplane/ring_view.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::dataplane::testing {

class QueueMemory {
 public:
  // Queue number `queue` of Layout.queues. Rings of descriptors have the fewest slots that the
  // layout allows from wanted_slots up, rings of blocks a few.
  QueueMemory(const layout::VerifiedLayout& layout, uint32_t queue, const FeatureChoices& choices,
              uint32_t wanted_slots);
  QueueMemory(const QueueMemory&) = delete;
  QueueMemory& operator=(const QueueMemory&) = delete;

  const QueueView& view() const { return view_; }
  // A name of the ring whose guard bytes were written over; empty: none.
  std::string BrokenGuard() const;
  // Whether all these bytes belong to the slots or cells of one ring.
  bool Holds(const std::byte* at, size_t bytes);
  // Everything that a peer may write: slots, cells and doorbells, one span for each.
  std::vector<std::span<std::byte>> Shared();

 private:
  struct RingMemory {
    std::string name;
    std::vector<uint64_t> words;
    size_t inner_begin = 0;  // in words, what belongs to the ring
    size_t inner_end = 0;
    alignas(64) uint64_t doorbells[2 * kMaxDoorbells] = {};
    alignas(64) uint64_t cells[kMaxCells] = {};
  };
  QueueView view_;
  std::vector<RingMemory> rings_;
};

// Buffers at iovas from kIova on: some layouts have 32 bits for them, some count pages.
class Region {
 public:
  static constexpr uint64_t kIova = 0x3400'0000;

  explicit Region(size_t bytes) : bytes_(bytes) {}
  std::byte* At(Iova iova) { return bytes_.data() + (iova.value - kIova); }
  bool Holds(Iova iova, uint64_t bytes) const {
    return iova.value >= kIova && bytes <= bytes_.size() &&
           iova.value - kIova <= bytes_.size() - bytes;
  }
  std::vector<std::byte>& bytes() { return bytes_; }
  // Reads and writes within the region only.
  DeviceMemory memory();

 private:
  std::vector<std::byte> bytes_;
};

// Calls `run` for every choice of the layout's features: all combinations where there are at most
// `limit`, else the defaults and each other choice alone.
void ForEachChoice(const v1::Layout& layout, uint32_t limit,
                   const std::function<void(const FeatureChoices&, const std::string&)>& run);

}  // namespace qsplit::dataplane::testing

#endif  // QSPLIT_TESTS_UNIT_DATAPLANE_QUEUE_MEMORY_H_
