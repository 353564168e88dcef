// What the session socket asks of the daemon.
//
// The fd channel's thread calls these, one at a time; none may wait for a client. Implemented by
// BrokerSessions; tests and the fuzzer have their own.
#ifndef QSPLIT_DAEMON_INGRESS_SESSION_HANDLER_H_
#define QSPLIT_DAEMON_INGRESS_SESSION_HANDLER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/linux/owned_fd.h"
#include "daemon/linux/unix_seqpacket.h"

namespace qsplit::ingress {

class SessionHandler {
 public:
  struct Opened {
    uint64_t session = 0;
    std::string token;  // secret
  };
  using SharedFds = std::vector<std::shared_ptr<const linux_sys::OwnedFd>>;

  virtual ~SessionHandler() = default;

  // `program` is what the client calls itself: printable ASCII, at most 64 bytes.
  virtual absl::StatusOr<Opened> Open(const linux_sys::PeerCredentials& peer,
                                      std::string_view program) = 0;
  virtual absl::StatusOr<uint64_t> PutDescriptor(uint64_t session, linux_sys::OwnedFd fd) = 0;
  virtual absl::StatusOr<SharedFds> FetchGrant(uint64_t session, uint64_t lease) = 0;
  // Rolls back all that the session had.
  virtual void End(uint64_t session) = 0;
};

}  // namespace qsplit::ingress

#endif  // QSPLIT_DAEMON_INGRESS_SESSION_HANDLER_H_
