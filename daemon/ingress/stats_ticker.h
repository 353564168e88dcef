// The clock of all statistics watches: one thread that calls each of them at its interval.
//
// A watch that is not ready for more is left out until its next turn. The thread rests at least as
// long as each round took, so that no number of watches takes more than half of a core. Any thread
// may call Add.
#ifndef QSPLIT_DAEMON_INGRESS_STATS_TICKER_H_
#define QSPLIT_DAEMON_INGRESS_STATS_TICKER_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <queue>
#include <thread>
#include <vector>

#include "absl/time/time.h"

namespace qsplit::ingress {

class StatsTicker {
 public:
  // Called on the ticker's thread; false: no more. Must not wait.
  using Tick = std::function<bool()>;

  StatsTicker();
  ~StatsTicker();
  StatsTicker(const StatsTicker&) = delete;
  StatsTicker& operator=(const StatsTicker&) = delete;

  // The first tick comes after one interval.
  void Add(absl::Duration interval, Tick tick);
  // No tick runs or comes after it returns. Not from a tick.
  void Stop();

 private:
  struct Entry {
    absl::Time next;
    absl::Duration interval;
    Tick tick;
    bool operator>(const Entry& other) const { return next > other.next; }
  };

  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> entries_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace qsplit::ingress

#endif  // QSPLIT_DAEMON_INGRESS_STATS_TICKER_H_
