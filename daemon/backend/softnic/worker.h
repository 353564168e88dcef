// The thread that is one or more software NICs.
//
//   control threads --Run(closure)--> [ commands ]          (a lock, but not on the packet path)
//                                          v
//     loop:  commands, a burst of each NIC, events  -->  nothing for 50 us  -->  sleep in epoll
//
// Before it sleeps it says so in every ring (need_wakeup), looks once more, and then waits for a
// tap, a client's wakeup, a command, or 10 ms. Only this thread touches what NicCore has.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_WORKER_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_WORKER_H_

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

namespace qsplit::softnic {

class NicCore;
struct LeaseQueues;

class Worker {
 public:
  // Starts the thread. INVALID_ARGUMENT: no such cpu.
  static absl::StatusOr<std::shared_ptr<Worker>> Start(const std::string& name,
                                                       std::optional<uint32_t> cpu);
  // Ends the thread; all NICs have been removed.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Runs `command` on the worker's thread between two bursts and waits for it. UNAVAILABLE: it did
  // not come to it within 45 ms; the command will not run. Not from the worker's own thread.
  absl::Status Run(std::function<void()> command);
  // The same, however long it takes.
  void RunAlways(std::function<void()> command);

  // The rest: on the worker's thread, inside of commands and NICs.
  void Add(NicCore* nic);
  void Remove(NicCore* nic);
  // Wakes the worker when `fd` has something to read. `lease`: whose wakeup it is; then the fd is
  // never read, each write wakes. Remove it before it is closed.
  void WatchReadable(int fd);
  void WatchWakeup(int fd, LeaseQueues* lease);
  void Unwatch(int fd);

 private:
  struct Command;

  Worker(linux_sys::OwnedFd epoll, linux_sys::OwnedFd bell);
  absl::Status RunUntil(std::function<void()> command, absl::Time deadline);
  void Loop();
  void RunCommands();
  void Sleep();

  const linux_sys::OwnedFd epoll_;
  const linux_sys::OwnedFd bell_;  // an eventfd for commands
  std::vector<NicCore*> nics_;     // worker's thread
  std::mutex mutex_;
  std::vector<std::shared_ptr<Command>> commands_;
  std::atomic<bool> has_commands_{false};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_WORKER_H_
