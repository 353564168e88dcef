// Accepts RPC connections, counts them by the uid that the kernel names, and hands them on.
//
// gRPC's own listener knows no uids, sets no limit, and stops for good when descriptors run out;
// this one does not. It keeps a duplicate of each socket, which it never reads, to learn of its
// end. One thread of its own; peers are hostile and are not read here.
#ifndef QSPLIT_DAEMON_INGRESS_RPC_ACCEPTOR_H_
#define QSPLIT_DAEMON_INGRESS_RPC_ACCEPTOR_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/ingress/connection_counts.h"
#include "daemon/linux/owned_fd.h"
#include "daemon/linux/poller.h"
#include "daemon/log/log.h"

namespace qsplit::ingress {

struct RpcAcceptorOptions {
  std::string path;  // of the socket
  uint32_t mode = 0666;
  size_t max_connections = 1024;
  size_t max_connections_per_uid = 64;
};

class RpcAcceptor {
 public:
  // Takes a connected, non-blocking stream socket. Called on the acceptor's thread.
  using Serve = std::function<void(linux_sys::OwnedFd)>;

  static absl::StatusOr<std::unique_ptr<RpcAcceptor>> Start(RpcAcceptorOptions options,
                                                            Serve serve);
  // Stop, and removes the socket.
  ~RpcAcceptor();
  RpcAcceptor(const RpcAcceptor&) = delete;
  RpcAcceptor& operator=(const RpcAcceptor&) = delete;

  // No new connections from here on; those that were handed on stay.
  void Stop();

  // Any thread.
  size_t connections() const { return connection_count_.load(std::memory_order_relaxed); }

 private:
  struct Watched {
    linux_sys::OwnedFd fd;
    uint32_t uid = 0;
  };

  RpcAcceptor(RpcAcceptorOptions options, Serve serve, linux_sys::OwnedFd listener,
              linux_sys::Poller poller);
  void Run();
  void AcceptSome();
  void RestListener();
  // False: out of descriptors or memory.
  bool Take(linux_sys::OwnedFd fd);

  const RpcAcceptorOptions options_;
  const Serve serve_;
  linux_sys::OwnedFd listener_;
  linux_sys::Poller poller_;
  ConnectionCounts counts_;
  std::unordered_map<uint64_t, Watched> watched_;
  uint64_t next_tag_ = 1;  // 0 is the listener
  absl::Time listener_rests_until_ = absl::InfinitePast();
  log::RateLimit log_limit_{20};
  std::atomic<size_t> connection_count_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace qsplit::ingress

#endif  // QSPLIT_DAEMON_INGRESS_RPC_ACCEPTOR_H_
