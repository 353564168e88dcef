// The client's end of session.sock: one request, one reply, file descriptors both ways.
//
// What arrives comes from the daemon, and is checked for shape all the same. One thread at a time.
#ifndef QSPLIT_CLIENT_LIB_SRC_SESSION_SOCKET_H_
#define QSPLIT_CLIENT_LIB_SRC_SESSION_SOCKET_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client-lib/src/owned_fd.h"
#include "qsplit/v1/session.pb.h"

namespace qsplit::internal {

class SessionSocket {
 public:
  // UNAVAILABLE: nobody listens at `path`. PERMISSION_DENIED: we may not connect.
  static absl::StatusOr<SessionSocket> Connect(const std::string& path, absl::Duration timeout);

  // Sends a request, with send_fd (-1: none), and reads the reply. A reply with a code becomes that
  // error. `received`: where descriptors go; null: a reply with descriptors is an error. After an
  // error of transport (UNAVAILABLE, INTERNAL, DEADLINE_EXCEEDED) the connection means nothing.
  absl::StatusOr<v1::SessionReply> Call(const v1::SessionRequest& request, int send_fd,
                                        std::vector<OwnedFd>* received);

  int fd() const { return fd_.get(); }

 private:
  explicit SessionSocket(OwnedFd fd) : fd_(std::move(fd)) {}
  OwnedFd fd_;
};

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_SESSION_SOCKET_H_
