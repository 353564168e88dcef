#include "daemon/backend/af_xdp/socket_closer.h"

#include <algorithm>
#include <utility>

namespace qsplit::af_xdp {
namespace {

// For the end of a program that has begun, on a machine that is busy with others.
constexpr auto kPatience = std::chrono::milliseconds(500);
constexpr auto kPause = std::chrono::milliseconds(1);

}  // namespace

SocketCloser::SocketCloser() : thread_([this] { Run(); }) {}

SocketCloser::~SocketCloser() { Stop(); }

void SocketCloser::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void SocketCloser::Take(std::unique_ptr<SocketLease> lease) {
  {
    const std::lock_guard lock(mutex_);
    if (stop_) return;  // closes it here
    waiting_.push_back({.lease = std::move(lease), .until = Clock::now() + kPatience});
  }
  changed_.notify_all();
}

void SocketCloser::CloseDue() {
  const auto due = std::partition(waiting_.begin(), waiting_.end(), [this](const Waiting& one) {
    return !stop_ && Clock::now() < one.until && (one.lease->Shared() || one.lease->HolderEnds());
  });
  for (auto one = due; one != waiting_.end(); ++one) {
    closing_.push_back(std::async(std::launch::async,
                                  [lease = std::move(one->lease)]() mutable { lease.reset(); }));
  }
  waiting_.erase(due, waiting_.end());
}

void SocketCloser::Run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (waiting_.empty()) {
      changed_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
    } else {
      changed_.wait_for(lock, kPause);
    }
    CloseDue();
    std::erase_if(closing_, [](const std::future<void>& one) {
      return one.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    });
  }
  CloseDue();
  closing_.clear();  // waits for each
}

}  // namespace qsplit::af_xdp
