#include "daemon/guard/guarded_queue.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "daemon/guard/in_place_rx_guard.h"
#include "daemon/guard/in_place_tx_guard.h"
#include "daemon/guard/phase_guard.h"
#include "daemon/guard/queue_guard.h"
#include "daemon/guard/table_guard.h"
#include "dataplane/ring_shape.h"

namespace qsplit::guard {
namespace {

// Slot i of one ring stands for slot i of the other.
absl::Status CheckSameSlots(const dataplane::QueueShape& shadow, const dataplane::QueueView& real) {
  for (const dataplane::RingShape& ring : shadow.rings) {
    const uint32_t behind = real.rings[ring.ring_index].slot_count;
    if (behind == ring.slot_count) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        ring.Where(), ": ", ring.slot_count, " slots in front of a guard, ", behind, " behind it"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<QueueGuard>> MakeGuard(QueueParts parts) {
  if (parts.direction != v1::DIRECTION_RECEIVE && parts.direction != v1::DIRECTION_TRANSMIT) {
    return absl::UnimplementedError("a guard checks queues of packets, not of commands");
  }
  absl::StatusOr<dataplane::QueueShape> shape =
      dataplane::ShapeQueue(parts.layout, parts.shadow, parts.direction);
  if (!shape.ok()) return shape.status();
  if (absl::Status status = CheckSameSlots(*shape, parts.real); !status.ok()) return status;
  if (TableGuard::Fits(*shape)) return TableGuard::Create(std::move(parts));
  if (PhaseGuard::Fits(*shape)) return PhaseGuard::Create(std::move(parts));
  absl::StatusOr<InPlaceRings> rings = InPlaceRings::Compile(parts);
  if (!rings.ok()) return rings.status();
  const bool receive = parts.direction == v1::DIRECTION_RECEIVE;
  switch (rings->shadow.ring->slot_bytes()) {
    case 16:
      return receive ? InPlaceRxGuard<2>::Create(std::move(parts), *std::move(rings))
                     : InPlaceTxGuard<2>::Create(std::move(parts), *std::move(rings));
    case 32:
      return receive ? InPlaceRxGuard<4>::Create(std::move(parts), *std::move(rings))
                     : InPlaceTxGuard<4>::Create(std::move(parts), *std::move(rings));
    default:
      return absl::UnimplementedError(absl::StrCat(rings->shadow.ring_shape.Where(), ": slots of ",
                                                   rings->shadow.ring->slot_bytes(),
                                                   " bytes; a guard takes 16 or 32"));
  }
}

}  // namespace

absl::StatusOr<GuardedQueue> GuardedQueue::Create(const layout::VerifiedLayout& layout,
                                                  v1::Direction direction,
                                                  const dataplane::QueueView& shadow,
                                                  const dataplane::QueueView& real,
                                                  std::span<const GuardedRegion> regions,
                                                  const GuardOptions& options) {
  absl::StatusOr<RegionMap> map = RegionMap::Create(regions);
  if (!map.ok()) return map.status();
  dataplane::QueueView behind = real;
  behind.features = shadow.features;
  behind.layout_queue = shadow.layout_queue;
  absl::StatusOr<std::unique_ptr<QueueGuard>> guard =
      MakeGuard({layout, direction, shadow, behind, *std::move(map), options});
  if (!guard.ok()) return guard.status();
  return GuardedQueue(*std::move(guard));
}

std::string GuardedQueue::How() const { return guard_->How(); }

GuardedQueue::GuardedQueue(std::unique_ptr<QueueGuard> guard) : guard_(std::move(guard)) {}
GuardedQueue::GuardedQueue(GuardedQueue&&) noexcept = default;
GuardedQueue& GuardedQueue::operator=(GuardedQueue&&) noexcept = default;
GuardedQueue::~GuardedQueue() = default;

void GuardedQueue::SetRateLimit(TokenBuckets* buckets) { guard_->SetRateLimit(buckets); }

GuardedQueue::Moved GuardedQueue::Poll(uint32_t budget) {
  Moved moved;
  moved.returned = guard_->Return(budget);
  if (!guard_->stopped()) moved.forwarded = guard_->Forward(budget);
  return moved;
}

const std::optional<QueueFault>& GuardedQueue::fault() const { return guard_->fault(); }
const GuardCounters& GuardedQueue::counters() const { return guard_->counters(); }
void GuardedQueue::SetNeedWakeup(bool need) { guard_->SetNeedWakeup(need); }
uint64_t GuardedQueue::WorkInNs() { return guard_->WorkInNs(); }

}  // namespace qsplit::guard
