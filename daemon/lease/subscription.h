// A reader's end of a stream of events: at most 256 wait; a reader that falls behind is cut off and
// starts again. Publishing never blocks and never waits for a reader.
//
// Thread-safe: the publisher and the reader use it at the same time. Next and Close may be called
// inside of on_ready.
#ifndef QSPLIT_DAEMON_LEASE_SUBSCRIPTION_H_
#define QSPLIT_DAEMON_LEASE_SUBSCRIPTION_H_

#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/status.h"

namespace qsplit::lease {

inline constexpr size_t kMaxWaitingEvents = 256;

template <typename Event>
class Subscription {
 public:
  // Called after events came or the stream ended, with no lock held, on whatever thread published
  // (a device's too: it must not block). It may be called once more after Close has returned, on
  // another thread: what it captures must be shared or weak.
  using OnReady = std::function<void()>;

  explicit Subscription(OnReady on_ready) : on_ready_(std::move(on_ready)) {}

  // The oldest event that waits; nullopt: none now, and none ever when status() is not OK.
  std::optional<Event> Next() {
    std::lock_guard lock(mutex_);
    if (events_.empty()) return std::nullopt;
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

  // OK while events may come. ABORTED: fell behind. UNAUTHENTICATED: its session ended.
  // PERMISSION_DENIED: policy changed. UNAVAILABLE: the daemon stops. CANCELLED: Close.
  absl::Status status() const {
    std::lock_guard lock(mutex_);
    return status_;
  }

  // The reader wants no more.
  void Close() { End(absl::CancelledError("closed by its reader"), true); }

  // The publisher's side. Push is false when the stream is over (fell behind, closed).
  bool Push(Event event) {
    std::lock_guard lock(mutex_);
    if (!status_.ok()) return false;
    if (events_.size() >= allowed_) {
      events_.clear();
      status_ =
          absl::AbortedError("the reader fell more than 256 events behind; start the watch again");
      return false;
    }
    events_.push_back(std::move(event));
    return true;
  }
  // What was there when the watch began: does not count as falling behind.
  void Preload(Event event) {
    std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    ++allowed_;
  }
  // No more events; those that wait can still be read unless dropped.
  void End(absl::Status status, bool drop) {
    std::lock_guard lock(mutex_);
    if (drop) events_.clear();
    if (status_.ok()) status_ = std::move(status);
  }
  void Notify() const {
    if (on_ready_) on_ready_();
  }

 private:
  const OnReady on_ready_;
  mutable std::mutex mutex_;
  std::deque<Event> events_;
  size_t allowed_ = kMaxWaitingEvents;
  absl::Status status_;
};

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_SUBSCRIPTION_H_
