#include "client-lib/src/lease_state.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace qsplit::internal {
namespace {

void Signal(int fd) {
  const uint64_t one = 1;
  // Only a full counter can refuse, and that is readable already.
  [[maybe_unused]] const ssize_t n = ::write(fd, &one, sizeof one);
}

}  // namespace

LeaseState::LeaseState(uint64_t lease_id)
    : lease_id_(lease_id),
      event_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      stop_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

absl::Status LeaseState::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

void LeaseState::StopLocked(absl::Status why) {
  if (!status_.ok()) return;  // the first reason stays
  status_ = std::move(why);
  ok_.store(false, std::memory_order_relaxed);
  Signal(stop_fd_.get());
}

void LeaseState::Happen(const LeaseEvent& event) {
  std::function<void(const LeaseEvent&)> handler;
  {
    std::lock_guard lock(mutex_);
    const std::string text = absl::StrCat("lease ", lease_id_, ": ", event.text);
    switch (event.kind) {
      case LeaseEvent::Kind::kFault:
        StopLocked(absl::AbortedError(absl::StrCat(text, "; release the lease, acquire another")));
        break;
      case LeaseEvent::Kind::kRevoked:
        StopLocked(absl::AbortedError(absl::StrCat(text, "; acquire another")));
        break;
      case LeaseEvent::Kind::kReleased:
        if (released_) return;  // the program itself did that
        StopLocked(absl::AbortedError(text));
        break;
      case LeaseEvent::Kind::kDaemonGone:
        StopLocked(absl::UnavailableError(absl::StrCat(text, "; connect again")));
        break;
    }
    handler = handler_;
    if (handler == nullptr) {
      if (events_.size() == kMaxEvents) events_.pop_front();
      events_.push_back(event);
      Signal(event_fd_.get());
    }
  }
  if (handler != nullptr) handler(event);
}

bool LeaseState::MarkReleased() {
  std::lock_guard lock(mutex_);
  if (std::exchange(released_, true)) return false;
  StopLocked(absl::FailedPreconditionError(absl::StrCat("lease ", lease_id_, " was released")));
  return true;
}

std::optional<LeaseEvent> LeaseState::Next() {
  std::lock_guard lock(mutex_);
  if (events_.empty()) return std::nullopt;
  LeaseEvent event = std::move(events_.front());
  events_.pop_front();
  if (events_.empty()) {
    uint64_t count;
    [[maybe_unused]] const ssize_t n = ::read(event_fd_.get(), &count, sizeof count);
  }
  return event;
}

void LeaseState::SetHandler(std::function<void(const LeaseEvent&)> handler) {
  std::lock_guard lock(mutex_);
  handler_ = std::move(handler);
}

}  // namespace qsplit::internal
