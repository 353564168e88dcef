// What every RPC handler does: find the caller, check the request, ask the broker, answer.
//
// Handlers run on gRPC's few threads and never wait for a client.
#ifndef QSPLIT_DAEMON_INGRESS_RPC_CALL_H_
#define QSPLIT_DAEMON_INGRESS_RPC_CALL_H_

#include <grpcpp/grpcpp.h>

#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "daemon/ingress/request_checks.h"
#include "daemon/lease/broker.h"
#include "daemon/policy/error.h"

namespace qsplit::ingress {

// Metadata key of the session token.
inline constexpr char kSessionKey[] = "qsplit-session";
inline constexpr size_t kTokenLength = 64;  // 32 bytes in hexadecimal

// The same code and message, and the ErrorDetail as details (error.proto, RpcStatus). Long messages
// are cut, for a trailer holds no more than 8 KiB.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The session whose token came with the call; kNobody when none came. UNAUTHENTICATED
// (NO_SESSION): two tokens, one of a wrong length, or one that nobody has; (SESSION_ENDED).
absl::StatusOr<lease::SessionId> CallerOf(const lease::Broker& broker,
                                          const grpc::CallbackServerContext& context);

// `ask`: StatusOr<Response>(SessionId caller).
template <typename Request, typename Response, typename Ask>
grpc::ServerUnaryReactor* Unary(std::string_view call, const lease::Broker& broker,
                                grpc::CallbackServerContext* context, const Request& request,
                                Response* response, Ask ask) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  absl::Status status;
  if (auto caller = CallerOf(broker, *context); !caller.ok()) {
    status = policy::InCall(call, caller.status());
  } else if (status = policy::InCall(call, Check(request)); status.ok()) {
    absl::StatusOr<Response> answer = ask(*caller);
    status = answer.status();
    if (answer.ok()) *response = *std::move(answer);
  }
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace qsplit::ingress

#endif  // QSPLIT_DAEMON_INGRESS_RPC_CALL_H_
