// The connection under Session, for programs that call the daemon by the generated stubs
// (qsplit/v1/*.grpc.pb.h): the gRPC channel, the session's token, and the session socket.
//
// Reading calls need no session: Open() touches no socket, OpenSession() opens the session. Any
// thread may call anything. Unlike the other public headers this one includes gRPC.
#ifndef QSPLIT_RPC_SESSION_H_
#define QSPLIT_RPC_SESSION_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "qsplit/session.h"

namespace qsplit {

class RpcSession {
 public:
  // Does not connect yet. The session ends with the object.
  static std::shared_ptr<RpcSession> Open(const SessionOptions& options = {});
  ~RpcSession();
  RpcSession(const RpcSession&) = delete;
  RpcSession& operator=(const RpcSession&) = delete;

  // Connects to session.sock and says hello, unless that was done already. Errors as
  // Session::Connect; they can be tried again.
  absl::Status OpenSession();
  bool has_session() const;

  // To qsplitd.sock; gRPC connects it at the first call.
  const std::shared_ptr<grpc::Channel>& channel() const;
  // Adds the token, when there is a session, and a deadline: SessionOptions.call_timeout from now.
  void PrepareContext(grpc::ClientContext& context) const;
  // The same with a deadline of its own; absl::InfiniteDuration(): none, for watches.
  void PrepareContext(grpc::ClientContext& context, absl::Duration timeout) const;
  // The same code and message, with the detail that GetErrorDetail reads. Where nobody answers, the
  // message says which socket was tried and what to do.
  absl::Status ToStatus(const grpc::Status& status) const;

  // Sends a file descriptor (not consumed); the handle names it in one RPC. FAILED_PRECONDITION: no
  // session is open.
  absl::StatusOr<uint64_t> PutDescriptor(int fd) const;
  // The descriptors of a lease's grant, in the order of Grant.descriptors; the caller closes them.
  // Once for each lease.
  absl::StatusOr<std::vector<int>> FetchGrant(uint64_t lease_id) const;
  absl::Status Ping() const;

  // 0, "" and -1 without a session.
  uint64_t session_id() const;
  const std::string& daemon_version() const;
  int session_fd() const;
  absl::Duration call_timeout() const;
  // Where the sockets are.
  const std::string& runtime_dir() const;

 private:
  struct Impl;
  explicit RpcSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace qsplit

#endif  // QSPLIT_RPC_SESSION_H_
