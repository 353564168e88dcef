#include <memory>

#include "daemon/ingress/services.h"
#include "qsplit/v1/queue.grpc.pb.h"

namespace qsplit::ingress {
namespace {

class QueueService final : public v1::QueueService::CallbackService {
 public:
  explicit QueueService(ServiceParts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* ExplainQueue(grpc::CallbackServerContext* context,
                                         const v1::ExplainQueueRequest* request,
                                         v1::ExplainQueueResponse* response) override {
    return Unary(
        "ExplainQueue", parts_.broker, context, *request, response,
        [&](lease::SessionId caller) { return parts_.broker.ExplainQueue(caller, *request); });
  }

  grpc::ServerUnaryReactor* ReadQueue(grpc::CallbackServerContext* context,
                                      const v1::ReadQueueRequest* request,
                                      v1::ReadQueueResponse* response) override {
    return Unary(
        "ReadQueue", parts_.broker, context, *request, response,
        [&](lease::SessionId caller) { return parts_.broker.ReadQueue(caller, *request); });
  }

 private:
  ServiceParts& parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeQueueService(ServiceParts& parts) {
  return std::make_unique<QueueService>(parts);
}

}  // namespace qsplit::ingress
