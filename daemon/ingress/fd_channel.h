// The session socket: one thread that accepts, reads, answers and notices ends, for all
// connections.
//
// Peers are hostile. A wakeup of a connection reads one packet; a round of the loop takes at most
// 256 wakeups and accepts at most 64 connections, so nobody's noise keeps another waiting for more
// than a few milliseconds. No peer can make the thread wait: sockets do not block, and a peer that
// leaves its replies unread is cut off. When no descriptor is left to accept with, the listener
// rests for 100 ms, while open connections go on.
//
//   limit                              what happens
//   no hello within 5 s                the connection is closed
//   a uid's, or all connections        a new one is closed at once
//   protocol violation                 its descriptors are closed, the connection, the session end
//   a reply that does not fit          the same
//
// The end of a connection is the end of the session, noticed through epoll at once, however many
// connections are open. A process that forked shares its socket with the child: the session lives
// until both are gone.
#ifndef QSPLIT_DAEMON_INGRESS_FD_CHANNEL_H_
#define QSPLIT_DAEMON_INGRESS_FD_CHANNEL_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/ingress/connection_counts.h"
#include "daemon/ingress/session_connection.h"
#include "daemon/ingress/session_handler.h"
#include "daemon/linux/owned_fd.h"
#include "daemon/linux/poller.h"
#include "daemon/log/log.h"

namespace qsplit::ingress {

struct FdChannelOptions {
  std::string path;  // of the socket
  uint32_t mode = 0666;
  size_t max_connections = 4096;
  size_t max_connections_per_uid = 256;
  absl::Duration hello_timeout = absl::Seconds(5);
  std::string version;  // for Welcome
};

class FdChannel {
 public:
  // Listens; the thread starts with it. `handler` outlives the channel.
  static absl::StatusOr<std::unique_ptr<FdChannel>> Start(FdChannelOptions options,
                                                          SessionHandler& handler);
  // Stop, and removes the socket.
  ~FdChannel();
  FdChannel(const FdChannel&) = delete;
  FdChannel& operator=(const FdChannel&) = delete;

  // Closes the listener and every connection, which ends their sessions; returns when the thread
  // has ended. Any thread but the channel's own.
  void Stop();

  // Connections that are open now. Any thread.
  size_t connections() const { return connection_count_.load(std::memory_order_relaxed); }

 private:
  struct Connection {
    Connection(linux_sys::OwnedFd socket, SessionHandler& handler,
               linux_sys::PeerCredentials credentials, const std::string& version)
        : fd(std::move(socket)), protocol(handler, std::move(credentials), version) {}
    // The socket closes last: a peer that sees the end of its connection can rely on the end of
    // the session.
    linux_sys::OwnedFd fd;
    SessionConnection protocol;
  };
  struct Deadline {
    absl::Time time;
    uint64_t tag;
  };

  FdChannel(FdChannelOptions options, SessionHandler& handler, linux_sys::OwnedFd listener,
            linux_sys::Poller poller);

  void Run();
  void AcceptSome();
  void RestListener();
  absl::Duration NextTimeout(absl::Time now) const;
  void CloseSilent(absl::Time now);
  void OnReadable(uint64_t tag, Connection& connection);
  void Close(uint64_t tag, const char* why);

  const FdChannelOptions options_;
  SessionHandler& handler_;
  linux_sys::OwnedFd listener_;
  linux_sys::Poller poller_;
  ConnectionCounts counts_;
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::deque<Deadline> hello_deadlines_;  // oldest first, for all have the same timeout
  uint64_t next_tag_ = 1;                 // 0 is the listener
  absl::Time listener_rests_until_ = absl::InfinitePast();
  log::RateLimit log_limit_{100};
  std::atomic<size_t> connection_count_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace qsplit::ingress

#endif  // QSPLIT_DAEMON_INGRESS_FD_CHANNEL_H_
