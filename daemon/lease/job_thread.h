// A thread that does jobs one after the other, in the order in which they came; one that is posted
// for later lets those in the meantime go first. Jobs for which nobody is to wait are done aside:
// those of one owner one after the other, on a thread that is there as long as they are.
//
// Any thread may call Post, PostAfter, PostAside and WaitIdle; WaitIdle not from a job. Jobs may
// post more. No lock is held while a job runs.
#ifndef QSPLIT_DAEMON_LEASE_JOB_THREAD_H_
#define QSPLIT_DAEMON_LEASE_JOB_THREAD_H_

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

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
  void PostAside(const std::string& owner, std::function<void()> job);
  // Returns when there is no job, waiting or under way.
  void WaitIdle();

 private:
  using Clock = std::chrono::steady_clock;

  // An owner's jobs, and who does them.
  struct Aside {
    std::deque<std::function<void()>> jobs;
    std::thread thread;
  };

  void Run();
  void RunAside(const std::string& owner);
  // Those whose time has come join the others; all of them when the thread ends.
  void TakeLater();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  std::multimap<Clock::time_point, std::function<void()>> later_;
  std::map<std::string, Aside> asides_;
  std::vector<std::thread> done_;  // of asides that are no more
  bool working_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_JOB_THREAD_H_
