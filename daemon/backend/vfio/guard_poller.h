// Where a worker finds the guarded queues of one function: it polls them in turn, a bounded burst
// each, so that none starves another, and tells their clients of completions and faults.
//
// The shadow rings, event requests and wakeup descriptors belong to clients, hostile at every
// moment; see daemon/guard/guarded_queue.h for what that cannot do. On the worker's thread.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_GUARD_POLLER_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_GUARD_POLLER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "daemon/backend/common/worker.h"
#include "daemon/device/counter.h"
#include "daemon/device/device.h"
#include "daemon/guard/guarded_queue.h"
#include "daemon/guard/rate_limit.h"
#include "daemon/linux/owned_fd.h"
#include "dataplane/cache_line.h"

namespace qsplit::vfio {

struct GuardedSide;

// A guarded queue, and how its client learns of what happens there. On cache lines of its own: its
// neighbours may be another thread's.
struct alignas(dataplane::kCacheLineBytes) GuardedEnd {
  explicit GuardedEnd(guard::GuardedQueue made) : queue(std::move(made)) {}

  guard::GuardedQueue queue;
  uint32_t number = 0;
  bool transmit = false;
  GuardedSide* lease = nullptr;
  std::byte* event_request = nullptr;  // shared with the client
  linux_sys::OwnedFd bell;
  bool event_pending = false;
  bool fault_told = false;
  device::Counter events;
  device::Counter wakeups;
};

// All queues of one lease.
struct GuardedSide final : backend::Wakeable {
  void Woken() override;

  device::LeaseId id = 0;
  guard::TokenBuckets tx_buckets;
  std::shared_ptr<const linux_sys::OwnedFd> wakeup;  // eventfd; null where nothing needs it
  std::vector<std::unique_ptr<GuardedEnd>> ends;
};

class GuardPoller : public backend::Poller {
 public:
  // on_fault: called on the worker's thread, must not block.
  explicit GuardPoller(std::function<void(const device::Fault&)> on_fault)
      : on_fault_(std::move(on_fault)) {}

  void Add(GuardedSide* side) { sides_.push_back(side); }
  // When it returns, nothing here points to the lease.
  void Remove(GuardedSide* side);

  bool Poll(uint64_t now_ns) override;
  void SignalCompletions() override;
  uint64_t ArmWakeups() override;
  void DisarmWakeups() override;

 private:
  void TellFault(GuardedEnd& end);

  const std::function<void(const device::Fault&)> on_fault_;
  std::vector<GuardedSide*> sides_;
  std::vector<GuardedEnd*> completed_;  // with event_pending
};

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_GUARD_POLLER_H_
