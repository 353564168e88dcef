// What all handles of one session share. Any thread.
#ifndef QSPLIT_CLIENT_LIB_SRC_CORE_H_
#define QSPLIT_CLIENT_LIB_SRC_CORE_H_

#include <grpcpp/client_context.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client-lib/src/layout_cache.h"
#include "client-lib/src/lease_watcher.h"
#include "dataplane/burst_cache.h"
#include "qsplit/error.h"
#include "qsplit/rpc_session.h"

namespace qsplit::internal {

class Core {
 public:
  explicit Core(std::shared_ptr<RpcSession> session) : rpc(std::move(session)), watcher(*rpc) {}

  // Calls a method of a service: Call<v1::DeviceService>(&…::Stub::GetDevice, request, &response).
  // While the daemon says that a device is not ready, which changes nothing, it tries again, within
  // the session's call timeout; where that is over, what the daemon has said last is the error.
  template <typename Service, typename Request, typename Response>
  absl::Status Call(grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&,
                                                          Response*),
                    const Request& request, Response* response) const {
    const std::unique_ptr<typename Service::Stub> stub = Service::NewStub(rpc->channel());
    const absl::Time deadline = absl::Now() + rpc->call_timeout();
    absl::Status said;
    for (absl::Duration pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
      grpc::ClientContext context;
      rpc->PrepareContext(context, deadline - absl::Now());
      absl::Status status = rpc->ToStatus((stub.get()->*method)(&context, request, response));
      if (absl::IsDeadlineExceeded(status) && !said.ok()) return said;
      if (!absl::IsUnavailable(status) || !IsNotReady(status) || absl::Now() + pause > deadline) {
        return status;
      }
      said = std::move(status);
      absl::SleepFor(pause);
    }
  }

  const std::shared_ptr<RpcSession> rpc;
  LayoutCache layouts;
  dataplane::BurstCache bursts;
  LeaseWatcher watcher;  // last: its thread uses the session

 private:
  static constexpr absl::Duration kFirstPause = absl::Milliseconds(10);
  static constexpr absl::Duration kLongestPause = absl::Milliseconds(200);
  static bool IsNotReady(const absl::Status& status) {
    const std::optional<ErrorDetail> detail = GetErrorDetail(status);
    return detail.has_value() && detail->reason == "ERROR_REASON_NOT_READY";
  }
};

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_CORE_H_
