#include "daemon/guard/guarded_queue.h"

#include <utility>

#include "daemon/guard/in_place_rx_guard.h"
#include "daemon/guard/in_place_tx_guard.h"
#include "daemon/guard/queue_guard.h"

namespace qsplit::guard {
namespace {

absl::StatusOr<std::unique_ptr<QueueGuard>> MakeGuard(QueueParts parts) {
  return parts.direction == v1::DIRECTION_RECEIVE ? InPlaceRxGuard::Create(std::move(parts))
                                                  : InPlaceTxGuard::Create(std::move(parts));
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
bool GuardedQueue::HasWork() { return guard_->HasWork(); }

}  // namespace qsplit::guard
