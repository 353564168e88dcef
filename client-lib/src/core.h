// What all handles of one session share. Any thread.
#ifndef QSPLIT_CLIENT_LIB_SRC_CORE_H_
#define QSPLIT_CLIENT_LIB_SRC_CORE_H_

#include <grpcpp/client_context.h>

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "client-lib/src/lease_watcher.h"
#include "qsplit/rpc_session.h"

namespace qsplit::internal {

class Core {
 public:
  explicit Core(std::shared_ptr<RpcSession> session) : rpc(std::move(session)), watcher(*rpc) {}

  // Calls a method of a service: Call<v1::DeviceService>(&…::Stub::GetDevice, request, &response).
  template <typename Service, typename Request, typename Response>
  absl::Status Call(grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&,
                                                          Response*),
                    const Request& request, Response* response) const {
    const std::unique_ptr<typename Service::Stub> stub = Service::NewStub(rpc->channel());
    grpc::ClientContext context;
    rpc->PrepareContext(context);
    return rpc->ToStatus((stub.get()->*method)(&context, request, response));
  }

  const std::shared_ptr<RpcSession> rpc;
  LeaseWatcher watcher;  // last: its thread uses the session
};

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_CORE_H_
