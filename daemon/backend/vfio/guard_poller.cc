#include "daemon/backend/vfio/guard_poller.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "daemon/linux/eventfd.h"
#include "dataplane/barriers.h"

namespace qsplit::vfio {
namespace {

// Of one queue before the next has its turn.
constexpr uint32_t kBurst = 64;

uint32_t* RequestOf(const GuardedEnd& end) {
  return reinterpret_cast<uint32_t*>(end.event_request);
}

}  // namespace

void GuardedSide::Woken() {
  for (const auto& end : ends) {
    if (end->transmit && end->queue.HasWork()) end->wakeups.Add();
  }
}

void GuardPoller::Remove(GuardedSide* side) {
  std::erase(sides_, side);
  std::erase_if(completed_, [side](const GuardedEnd* end) { return end->lease == side; });
}

bool GuardPoller::Poll(uint64_t now_ns) {
  bool worked = false;
  for (GuardedSide* side : sides_) {
    side->tx_buckets.Refill(now_ns);
    for (const auto& end : side->ends) {
      const guard::GuardedQueue::Moved moved = end->queue.Poll(kBurst);
      worked |= moved.Any();
      if (moved.returned != 0 && !end->event_pending) {
        end->event_pending = true;
        completed_.push_back(end.get());
      }
      if (end->queue.fault() && !end->fault_told) [[unlikely]] {
        TellFault(*end);
      }
    }
  }
  return worked;
}

void GuardPoller::TellFault(GuardedEnd& end) {
  end.fault_told = true;
  const guard::QueueFault& found = *end.queue.fault();
  device::Fault fault;
  fault.lease = end.lease->id;
  fault.kind = found.kind;
  fault.transmit = end.transmit;
  fault.queue = end.number;
  fault.slot = found.slot;
  fault.iova = found.iova;
  fault.length_bytes = found.length_bytes;
  fault.time = absl::Now();
  on_fault_(fault);
  // Whoever waits for a completion learns that none will come.
  __atomic_store_n(RequestOf(end), 0, __ATOMIC_RELAXED);
  (void)linux_sys::RingBell(end.bell.get());
}

void GuardPoller::SignalCompletions() {
  if (completed_.empty()) return;
  // Completions before the look at event_request; the client has the same between its own store
  // there and its last look at the ring.
  dataplane::StoresBeforeLoads();
  for (GuardedEnd* end : completed_) {
    end->event_pending = false;
    if (__atomic_load_n(RequestOf(*end), __ATOMIC_RELAXED) == 0) continue;
    if (__atomic_exchange_n(RequestOf(*end), 0, __ATOMIC_RELAXED) == 0) continue;
    if (linux_sys::RingBell(end->bell.get())) end->events.Add();
  }
  completed_.clear();
}

uint64_t GuardPoller::ArmWakeups() {
  static_assert(guard::GuardedQueue::kNoWork == kNoWork);
  uint64_t work_in_ns = kNoWork;
  for (GuardedSide* side : sides_) {
    // What waits for tokens waits for time, not for a wakeup.
    for (const auto& end : side->ends) {
      end->queue.SetNeedWakeup(true);
      work_in_ns = std::min(work_in_ns, end->queue.WorkInNs());
    }
  }
  return work_in_ns;
}

void GuardPoller::DisarmWakeups() {
  for (GuardedSide* side : sides_) {
    for (const auto& end : side->ends) end->queue.SetNeedWakeup(false);
  }
}

}  // namespace qsplit::vfio
