#include "daemon/backend/af_xdp/socket_closer.h"

#include <chrono>
#include <utility>

namespace qsplit::af_xdp {
namespace {

// Whoever closes a descriptor last waits for the kernel; it is to be this thread.
constexpr auto kPatience = std::chrono::milliseconds(50);
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
    leases_.push_back(std::move(lease));
  }
  changed_.notify_all();
}

void SocketCloser::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || !leases_.empty(); });
    if (leases_.empty()) return;
    std::unique_ptr<SocketLease> lease = std::move(leases_.front());
    leases_.pop_front();
    const bool stop = stop_;
    lock.unlock();
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!stop && lease->Shared() && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(kPause);
    }
    lease.reset();
    lock.lock();
  }
}

}  // namespace qsplit::af_xdp
