#include "tests/unit/dataplane/ring_memory.h"

#include <algorithm>

namespace qsplit::dataplane::testing {

namespace {

constexpr uint64_t kGuardWord = 0xfeedfacecafebeef;

}  // namespace

RingMemory::RingMemory(const v1::Queue& queue, uint32_t slots)
    : rings_(static_cast<size_t>(queue.rings_size())) {
  view_.ring_count = static_cast<uint32_t>(queue.rings_size());
  view_.queue_number = QueueIndex(3);
  for (size_t i = 0; i < rings_.size(); ++i) {
    Memory& memory = rings_[i];
    memory.bytes = size_t{slots} * queue.rings(static_cast<int>(i)).slot_bytes();
    memory.words.assign((memory.bytes + 7) / 8 + 2 * kGuard / 8, kGuardWord);
    memory.slots = reinterpret_cast<std::byte*>(memory.words.data()) + kGuard;
    std::fill_n(memory.slots, memory.bytes, std::byte{0});
    RingView& ring = view_.rings[i];
    ring.slots = memory.slots;
    ring.slot_count = slots;
    ring.slots_iova = Iova(0x100000 * (i + 1));
    ring.counts_for_increments = true;
    for (size_t k = 0; k < kMaxCells; ++k) {
      ring.cells[k] = reinterpret_cast<std::byte*>(&memory.cells[k]);
    }
    for (size_t k = 0; k < kMaxDoorbells; ++k) {
      ring.producer_doorbells[k] = reinterpret_cast<std::byte*>(&memory.cells[kMaxCells + k]);
      ring.consumer_doorbells[k] =
          reinterpret_cast<std::byte*>(&memory.cells[kMaxCells + kMaxDoorbells + k]);
    }
  }
}

std::vector<std::byte*> RingMemory::Cells() {
  std::vector<std::byte*> cells;
  for (Memory& memory : rings_) {
    for (uint64_t& cell : memory.cells) cells.push_back(reinterpret_cast<std::byte*>(&cell));
  }
  return cells;
}

bool RingMemory::GuardsWhole() const {
  const auto is_guard = [](uint64_t word) { return word == kGuardWord; };
  return std::all_of(rings_.begin(), rings_.end(), [&](const Memory& memory) {
    const auto& words = memory.words;
    return std::all_of(words.begin(), words.begin() + kGuard / 8, is_guard) &&
           std::all_of(words.end() - kGuard / 8, words.end(), is_guard);
  });
}

}  // namespace qsplit::dataplane::testing
