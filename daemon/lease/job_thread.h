// A thread that does jobs one after the other, in the order in which they came; one that is posted
// for later lets those in the meantime go first.
//
// Any thread may call Post, PostAfter and WaitIdle; WaitIdle not from a job. Jobs may post more. No
// lock is held while a job runs.
#ifndef QSPLIT_DAEMON_LEASE_JOB_THREAD_H_
#define QSPLIT_DAEMON_LEASE_JOB_THREAD_H_

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace qsplit::lease {

class JobThread {
 public:
  JobThread() : thread_([this] { Run(); }) {}
  // Does what was posted, then ends.
  ~JobThread();
  JobThread(const JobThread&) = delete;
  JobThread& operator=(const JobThread&) = delete;

  void Post(std::function<void()> job);
  void PostAfter(std::chrono::milliseconds pause, std::function<void()> job);
  // Returns when there is no job, waiting or under way.
  void WaitIdle();

 private:
  using Clock = std::chrono::steady_clock;

  void Run();
  // Those whose time has come join the others; all of them when the thread ends.
  void TakeLater();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  std::multimap<Clock::time_point, std::function<void()>> later_;
  bool working_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_JOB_THREAD_H_
