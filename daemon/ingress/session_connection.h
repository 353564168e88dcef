// One connection of the session socket, as a state machine without a socket: a packet goes in, an
// answer comes out.
//
//     new --hello--> open --any other request--> open        (one reply for each request)
//      |               |
//      +---------------+--violation--> over   (nothing is answered; the caller closes the socket)
//
// A violation is a packet that does not parse, that was cut off, that carries descriptors where
// none belong or not exactly the one that does, a hello that is not the first message, or anything
// but a hello as the first. A request that is well-formed and refused gets a reply with a code,
// and the connection stays; but one whose hello is refused is over after the reply.
//
// Descriptors that came with a packet are closed before Handle returns, unless the handler took
// them. The session ends when the object goes. One thread.
#ifndef QSPLIT_DAEMON_INGRESS_SESSION_CONNECTION_H_
#define QSPLIT_DAEMON_INGRESS_SESSION_CONNECTION_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "daemon/ingress/session_handler.h"
#include "daemon/linux/owned_fd.h"
#include "daemon/linux/unix_seqpacket.h"
#include "qsplit/v1/session.pb.h"

namespace qsplit::ingress {

// Longest message of the session socket, either way, in bytes.
inline constexpr size_t kMaxSessionMessage = 4096;
inline constexpr uint32_t kSessionProtocol = 1;

class SessionConnection {
 public:
  struct Answer {
    std::string reply;                // serialized SessionReply; empty: nothing to send
    SessionHandler::SharedFds fds;    // to send with it
    bool close = false;               // after the reply, if there is one
    const char* violation = nullptr;  // why, when the peer broke the protocol
  };

  // Keeps `handler`. `version` is what Welcome says.
  SessionConnection(SessionHandler& handler, linux_sys::PeerCredentials peer, std::string version)
      : handler_(handler), peer_(std::move(peer)), version_(std::move(version)) {}
  ~SessionConnection();
  SessionConnection(const SessionConnection&) = delete;
  SessionConnection& operator=(const SessionConnection&) = delete;

  // One packet as it was received. `cut` says that bytes or descriptors of it were lost.
  Answer Handle(std::span<const uint8_t> bytes, std::vector<linux_sys::OwnedFd> fds, bool cut);

  bool is_open() const { return session_ != 0; }
  uint64_t session() const { return session_; }
  const linux_sys::PeerCredentials& peer() const { return peer_; }

 private:
  Answer OnHello(const v1::Hello& hello);
  Answer OnPut(linux_sys::OwnedFd fd);
  Answer OnFetchGrant(const v1::FetchGrant& request);

  SessionHandler& handler_;
  const linux_sys::PeerCredentials peer_;
  const std::string version_;
  uint64_t session_ = 0;
};

}  // namespace qsplit::ingress

#endif  // QSPLIT_DAEMON_INGRESS_SESSION_CONNECTION_H_
