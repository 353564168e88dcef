// Closes the sockets of leases that are over, on a thread of its own: the kernel waits for every
// processor before it lets go of a socket, some 10 ms for each.
//
// Any thread.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_SOCKET_CLOSER_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_SOCKET_CLOSER_H_

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "daemon/backend/af_xdp/socket_lease.h"

namespace qsplit::af_xdp {

class SocketCloser {
 public:
  SocketCloser();
  ~SocketCloser();
  SocketCloser(const SocketCloser&) = delete;
  SocketCloser& operator=(const SocketCloser&) = delete;

  // Nothing is received by the sockets any more. They are closed when nobody else in this process
  // has their descriptors, or after a moment.
  void Take(std::unique_ptr<SocketLease> lease);

  // Closes what is left, and takes no more. Twice does no harm.
  void Stop();

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<SocketLease>> leases_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_SOCKET_CLOSER_H_
