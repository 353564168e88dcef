// Memory for the rings, cells and doorbells of a queue, with guard bytes around each ring.
#ifndef QSPLIT_TESTS_UNIT_DATAPLANE_RING_MEMORY_H_
#define QSPLIT_TESTS_UNIT_DATAPLANE_RING_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dataplane/ring_shape.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::dataplane::testing {

class RingMemory {
 public:
  RingMemory(const v1::Queue& queue, uint32_t slots);
  const QueueView& view() const { return view_; }
  QueueView& view() { return view_; }
  std::byte* slots(uint32_t ring) { return rings_[ring].slots; }
  size_t slots_bytes(uint32_t ring) const { return rings_[ring].bytes; }
  std::vector<std::byte*> Cells();  // all cells and doorbells, 8 bytes each
  bool GuardsWhole() const;

 private:
  static constexpr size_t kGuard = 1024;
  struct Memory {
    std::vector<uint64_t> words;
    std::byte* slots = nullptr;
    size_t bytes = 0;
    alignas(64) uint64_t cells[kMaxCells + 2 * kMaxDoorbells] = {};
  };
  std::vector<Memory> rings_;
  QueueView view_;
};

}  // namespace qsplit::dataplane::testing

#endif  // QSPLIT_TESTS_UNIT_DATAPLANE_RING_MEMORY_H_
