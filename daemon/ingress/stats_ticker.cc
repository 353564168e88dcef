#include "daemon/ingress/stats_ticker.h"

#include <chrono>
#include <utility>

#include "absl/time/clock.h"

namespace qsplit::ingress {

StatsTicker::StatsTicker() : thread_([this] { Run(); }) {}

StatsTicker::~StatsTicker() { Stop(); }

void StatsTicker::Add(absl::Duration interval, Tick tick) {
  {
    std::lock_guard lock(mutex_);
    entries_.push({absl::Now() + interval, interval, std::move(tick)});
  }
  changed_.notify_one();
}

void StatsTicker::Stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void StatsTicker::Run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (entries_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const absl::Time start = absl::Now();
    if (entries_.top().next > start) {
      changed_.wait_for(lock, absl::ToChronoNanoseconds(entries_.top().next - start));
      continue;
    }
    std::vector<Entry> due;
    while (!entries_.empty() && entries_.top().next <= start) {
      due.push_back(entries_.top());
      entries_.pop();
    }
    lock.unlock();
    std::erase_if(due, [](Entry& entry) { return !entry.tick(); });
    const absl::Time end = absl::Now();
    lock.lock();
    for (Entry& entry : due) {
      entry.next = std::max(entry.next + entry.interval, end);
      entries_.push(std::move(entry));
    }
    // The rest that the round has cost; Stop ends it.
    changed_.wait_for(lock, absl::ToChronoNanoseconds(end - start), [this] { return stop_; });
  }
}

}  // namespace qsplit::ingress
