#include "daemon/guard/guardable.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/guard/guarded_queue.h"
#include "daemon/guard/queue_guard.h"
#include "dataplane/ring_cells.h"

namespace qsplit::guard {
namespace {

using dataplane::kMaxCells;
using dataplane::kMaxDoorbells;
using dataplane::QueueView;
using dataplane::RingView;

constexpr uint32_t kTriedSlots = 64;

// The fewest slots from kTriedSlots up; else the most that there may be.
uint32_t SlotsOf(const v1::SlotRange& range) {
  const uint32_t step = std::max(range.step(), 1u);
  uint32_t best = 0;
  for (uint64_t count = std::max(range.min(), 1u); count <= range.max(); count += step) {
    if (range.power_of_two() && (count & (count - 1)) != 0) continue;
    best = static_cast<uint32_t>(count);
    if (count >= kTriedSlots) break;
  }
  return best;
}

// Rings of one queue in memory of their own.
class TriedRings {
 public:
  TriedRings(const v1::Queue& queue, uint32_t number, const dataplane::FeatureChoices& features) {
    view_.ring_count = std::min(static_cast<uint32_t>(queue.rings_size()),
                                static_cast<uint32_t>(dataplane::kMaxRings));
    view_.layout_queue = number;
    view_.features = features;
    for (uint32_t i = 0; i < view_.ring_count; ++i) {
      AddRing(queue.rings(static_cast<int>(i)), &view_.rings[i]);
    }
  }
  const QueueView& view() const { return view_; }

 private:
  void AddRing(const v1::Ring& ring, RingView* view) {
    view->slot_count = SlotsOf(ring.slots());
    view->counts_for_increments = true;
    const auto slot_bytes = int64_t{view->slot_count} * ring.slot_bytes();
    // Cells may stand in front of the slots and behind them.
    int64_t front = 0;
    int64_t end = slot_bytes;
    const auto place_of = [&](const v1::IndexCell& cell) {
      return cell.offset_bytes() + (cell.behind_slots() ? slot_bytes : 0);
    };
    for (const v1::IndexCell& cell : ring.cells()) {
      if (!cell.has_offset_bytes()) continue;
      front = std::max(front, -place_of(cell));
      end = std::max(end, place_of(cell) + cell.bytes());
    }
    front = (front + 7) / 8 * 8;
    view->slots = Allocate(static_cast<size_t>(front + end)) + front;
    for (size_t k = 0; k < kMaxDoorbells; ++k) {
      view->producer_doorbells[k] = Allocate(dataplane::kMaxDescriptorBytes);
      view->consumer_doorbells[k] = Allocate(sizeof(uint64_t));
    }
    for (int k = 0; k < std::min(ring.cells_size(), kMaxCells); ++k) {
      const v1::IndexCell& cell = ring.cells(k);
      view->cells[static_cast<size_t>(k)] =
          cell.has_offset_bytes() ? view->slots + place_of(cell) : Allocate(sizeof(uint64_t));
    }
    StartCells(ring, *view);
  }
  std::byte* Allocate(size_t bytes) {
    owned_.push_back(std::make_unique<uint64_t[]>(bytes / sizeof(uint64_t) + 1));
    return reinterpret_cast<std::byte*>(owned_.back().get());
  }

  QueueView view_;
  std::vector<std::unique_ptr<uint64_t[]>> owned_;
};

}  // namespace

absl::Status CheckGuardable(const layout::VerifiedLayout& layout,
                            const dataplane::FeatureChoices& features) {
  bool any = false;
  for (int i = 0; i < layout.message().queues_size(); ++i) {
    const v1::Queue& queue = layout.message().queues(i);
    if (queue.direction() == v1::DIRECTION_COMMAND) continue;
    any = true;
    const TriedRings shadow(queue, static_cast<uint32_t>(i), features);
    const TriedRings real(queue, static_cast<uint32_t>(i), features);
    GuardOptions options;
    options.rx_buffer_bytes = std::max(queue.limits().buffer().min_bytes(), 1u);
    absl::StatusOr<GuardedQueue> guard =
        GuardedQueue::Create(layout, queue.direction(), shadow.view(), real.view(), {}, options);
    if (!guard.ok()) {
      return absl::Status(guard.status().code(),
                          absl::StrCat("queue ", queue.name(), ": ", guard.status().message()));
    }
  }
  if (any) return absl::OkStatus();
  return absl::UnimplementedError(
      absl::StrCat("layout ", layout.name(), ": no queue of packets for a guard"));
}

}  // namespace qsplit::guard
