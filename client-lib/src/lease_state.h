// What the threads of a program and the watcher share about one lease: whether it lives, and what
// happened to it. Thread-safe.
#ifndef QSPLIT_CLIENT_LIB_SRC_LEASE_STATE_H_
#define QSPLIT_CLIENT_LIB_SRC_LEASE_STATE_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "absl/status/status.h"
#include "client-lib/src/owned_fd.h"
#include "qsplit/lease.h"

namespace qsplit::internal {

class LeaseState {
 public:
  explicit LeaseState(uint64_t lease_id);

  bool ok() const { return ok_.load(std::memory_order_relaxed); }
  absl::Status status() const;

  // Of the watcher.
  void Happen(const LeaseEvent& event);
  // Of Release. False: somebody released it before.
  bool MarkReleased();

  std::optional<LeaseEvent> Next();
  void SetHandler(std::function<void(const LeaseEvent&)> handler);
  // Readable while there are events.
  int event_fd() const { return event_fd_.get(); }
  // Readable for ever once the lease is not ok.
  int stop_fd() const { return stop_fd_.get(); }

 private:
  void StopLocked(absl::Status why);

  static constexpr size_t kMaxEvents = 256;
  const uint64_t lease_id_;
  OwnedFd event_fd_;
  OwnedFd stop_fd_;
  std::atomic<bool> ok_ = true;
  mutable std::mutex mutex_;  // guards all below
  absl::Status status_;
  bool released_ = false;
  std::deque<LeaseEvent> events_;
  std::function<void(const LeaseEvent&)> handler_;
};

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_LEASE_STATE_H_
