// A thread that moves packets for one or more pollers: software NICs, guards.
//
//   control threads --Run(closure)--> [ commands ]          (a lock, but not on the packet path)
//                                          v
//     loop:  commands, a burst of each poller, events  -->  nothing for a while -->  sleep in epoll
//
// The while is up to 400 us, by what looking was good for lately (patience.h).
// Before it sleeps it says so in every ring (need_wakeup), looks once more, and then waits for a
// tap, an interrupt, a client's wakeup, a command, the time when a poller has work again, or 10 ms.
// Only this thread touches what pollers have.
#ifndef QSPLIT_DAEMON_BACKEND_COMMON_WORKER_H_
#define QSPLIT_DAEMON_BACKEND_COMMON_WORKER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::backend {

uint64_t MonotonicNs();
inline void CpuRelax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// What a worker has work from. All on the worker's thread; one indirect call for each burst.
class Poller {
 public:
  virtual ~Poller() = default;

  // One burst over everything. True: something happened.
  virtual bool Poll(uint64_t now_ns) = 0;
  // Rings the bells of clients that asked for an event and got a completion.
  virtual void SignalCompletions() = 0;
  // Before sleep: tells clients to wake us. In how many ns there is work that nobody will wake us
  // for; 0: there is some after all, kNoWork: none is known.
  static constexpr uint64_t kNoWork = UINT64_MAX;
  virtual uint64_t ArmWakeups() = 0;
  virtual void DisarmWakeups() = 0;
};

// What is told that its descriptor woke the worker.
class Wakeable {
 public:
  virtual void Woken() = 0;

 protected:
  ~Wakeable() = default;
};

class Worker {
 public:
  // Starts the thread. INVALID_ARGUMENT: no such cpu.
  static absl::StatusOr<std::shared_ptr<Worker>> Start(const std::string& name,
                                                       std::optional<uint32_t> cpu);
  // Ends the thread; all pollers have been removed.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Runs `command` on the worker's thread between two bursts and waits for it. UNAVAILABLE: it did
  // not come to it within 45 ms; the command will not run. Not from the worker's own thread.
  absl::Status Run(std::function<void()> command);
  // The same, however long it takes.
  void RunAlways(std::function<void()> command);

  // Ends its sleep, or its next one. Any thread.
  void Wake();

  // The rest: on the worker's thread, inside of commands and pollers.
  void Add(Poller* poller);
  void Remove(Poller* poller);
  // Wakes the worker when `fd` has something to read. With `whom`, who is told: the fd is never
  // read, each write wakes. Remove it before it is closed.
  void WatchReadable(int fd);
  void WatchWakeup(int fd, Wakeable* whom);
  void Unwatch(int fd);

 private:
  struct Command;

  Worker(linux_sys::OwnedFd epoll, linux_sys::OwnedFd bell);
  absl::Status RunUntil(std::function<void()> command, absl::Time deadline);
  void Loop();
  void RunCommands();
  // True: something woke it.
  bool Sleep();

  const linux_sys::OwnedFd epoll_;
  const linux_sys::OwnedFd bell_;  // an eventfd for commands
  std::vector<Poller*> pollers_;   // worker's thread
  std::mutex mutex_;
  std::vector<std::shared_ptr<Command>> commands_;
  std::atomic<bool> has_commands_{false};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace qsplit::backend

#endif  // QSPLIT_DAEMON_BACKEND_COMMON_WORKER_H_
