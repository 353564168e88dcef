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
  for (std::thread& thread : done_) thread.join();
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

void JobThread::PostAside(const std::string& owner, std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  Aside& aside = asides_[owner];
  aside.jobs.push_back(std::move(job));
  if (!aside.thread.joinable()) aside.thread = std::thread([this, owner] { RunAside(owner); });
}

void JobThread::WaitIdle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock,
                [this] { return jobs_.empty() && later_.empty() && asides_.empty() && !working_; });
}

void JobThread::RunAside(const std::string& owner) {
  std::unique_lock lock(mutex_);
  Aside& aside = asides_.at(owner);
  while (!aside.jobs.empty()) {
    std::function<void()> job = std::move(aside.jobs.front());
    aside.jobs.pop_front();
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
  }
  done_.push_back(std::move(aside.thread));
  asides_.erase(owner);
  changed_.notify_all();
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
    for (std::thread& thread : std::exchange(done_, {})) thread.join();
    if (jobs_.empty()) {
      if (ending_ && asides_.empty()) return;
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
