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

// For calls that a device may take long for. `ask`: void(SessionId caller, Answer<Response> done);
// `done` may come later and on another thread.
template <typename Request, typename Response, typename Ask>
grpc::ServerUnaryReactor* LateUnary(std::string_view call, const lease::Broker& broker,
                                    grpc::CallbackServerContext* context, const Request& request,
                                    Response* response, Ask ask) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto caller = CallerOf(broker, *context);
  absl::Status status =
      policy::InCall(call, caller.ok() ? Check(request) : absl::Status(caller.status()));
  if (!status.ok()) {
    reactor->Finish(ToGrpcStatus(status));
    return reactor;
  }
  // Until Finish, gRPC keeps request, response and reactor.
  ask(*caller, [reactor, response](absl::StatusOr<Response> answer) {
    if (answer.ok()) *response = *std::move(answer);
    reactor->Finish(ToGrpcStatus(answer.status()));
  });
  return reactor;
}

// `ask`: StatusOr<Response>(SessionId caller).
template <typename Request, typename Response, typename Ask>
grpc::ServerUnaryReactor* Unary(std::string_view call, const lease::Broker& broker,
                                grpc::CallbackServerContext* context, const Request& request,
                                Response* response, Ask ask) {
  return LateUnary(
      call, broker, context, request, response,
      [&](lease::SessionId caller, const lease::Answer<Response>& done) { done(ask(caller)); });
}

}  // namespace qsplit::ingress

#endif  // QSPLIT_DAEMON_INGRESS_RPC_CALL_H_
