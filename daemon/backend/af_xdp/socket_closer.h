// Closes the sockets of leases that are over, on threads of its own: the kernel waits for every
// processor before it lets go of a socket, some 10 ms for each, and of several that are closed at
// the same time as long as of one.
//
// For that nobody else may be the last to close them. A program that ends closes what it has one
// after the other: its sockets are kept here until it has, and are closed then.
//
// Any thread.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_SOCKET_CLOSER_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_SOCKET_CLOSER_H_

#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "daemon/backend/af_xdp/socket_lease.h"

namespace qsplit::af_xdp {

class SocketCloser {
 public:
  SocketCloser();
  ~SocketCloser();
  SocketCloser(const SocketCloser&) = delete;
  SocketCloser& operator=(const SocketCloser&) = delete;

  // Nothing is received by the sockets any more. They are closed when nobody else in this process
  // has their descriptors and their holder is not about to end, or after a moment.
  void Take(std::unique_ptr<SocketLease> lease);

  // Closes what is left; from then on, Take does so itself. Twice does no harm.
  void Stop();

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    std::unique_ptr<SocketLease> lease;
    Clock::time_point until;
  };

  void Run();
  // Begins to close those whose time has come.
  void CloseDue();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Waiting> waiting_;
  bool stop_ = false;
  std::vector<std::future<void>> closing_;  // the thread's own
  std::thread thread_;
};

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_SOCKET_CLOSER_H_
