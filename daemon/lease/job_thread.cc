#include "daemon/lease/job_thread.h"

#include <utility>

namespace qsplit::lease {

JobThread::~JobThread() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void JobThread::Post(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_all();
}

void JobThread::PostAfter(std::chrono::milliseconds pause, std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    later_.emplace(Clock::now() + pause, std::move(job));
  }
  changed_.notify_all();
}

void JobThread::WaitIdle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return jobs_.empty() && later_.empty() && !working_; });
}

void JobThread::TakeLater() {
  const auto end = ending_ ? later_.end() : later_.upper_bound(Clock::now());
  for (auto job = later_.begin(); job != end; job = later_.erase(job)) {
    jobs_.push_back(std::move(job->second));
  }
}

void JobThread::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    TakeLater();
    if (jobs_.empty()) {
      if (ending_) return;
      if (later_.empty()) {
        changed_.wait(lock);
      } else {
        changed_.wait_until(lock, later_.begin()->first);
      }
      continue;
    }
    std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    working_ = true;
    lock.unlock();
    job();
    job = nullptr;  // what it holds goes without the lock
    lock.lock();
    working_ = false;
    changed_.notify_all();
  }
}

}  // namespace qsplit::lease
