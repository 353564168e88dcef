#include "daemon/ingress/services.h"
#include "qsplit/v1/layout_service.grpc.pb.h"

namespace qsplit::ingress {
namespace {

class LayoutService final : public v1::LayoutService::CallbackService {
 public:
  explicit LayoutService(ServiceParts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* ListLayouts(grpc::CallbackServerContext* context,
                                        const v1::ListLayoutsRequest* request,
                                        v1::ListLayoutsResponse* response) override {
    return Unary("ListLayouts", parts_.broker, context, *request, response,
                 [this](lease::SessionId) -> absl::StatusOr<v1::ListLayoutsResponse> {
                   return parts_.broker.ListLayouts();
                 });
  }

  grpc::ServerUnaryReactor* GetLayout(grpc::CallbackServerContext* context,
                                      const v1::GetLayoutRequest* request,
                                      v1::GetLayoutResponse* response) override {
    return Unary("GetLayout", parts_.broker, context, *request, response,
                 [&](lease::SessionId) { return parts_.broker.GetLayout(*request); });
  }

 private:
  ServiceParts& parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeLayoutService(ServiceParts& parts) {
  return std::make_unique<LayoutService>(parts);
}

}  // namespace qsplit::ingress
