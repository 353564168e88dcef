#include "daemon/ingress/services.h"
#include "qsplit/v1/steering.grpc.pb.h"

namespace qsplit::ingress {
namespace {

class SteeringService final : public v1::SteeringService::CallbackService {
 public:
  explicit SteeringService(ServiceParts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* AddRule(grpc::CallbackServerContext* context,
                                    const v1::AddRuleRequest* request,
                                    v1::AddRuleResponse* response) override {
    return Unary("AddRule", parts_.broker, context, *request, response,
                 [&](lease::SessionId caller) { return parts_.broker.AddRule(caller, *request); });
  }

  grpc::ServerUnaryReactor* RemoveRule(grpc::CallbackServerContext* context,
                                       const v1::RemoveRuleRequest* request,
                                       v1::RemoveRuleResponse* response) override {
    return Unary(
        "RemoveRule", parts_.broker, context, *request, response,
        [&](lease::SessionId caller) { return parts_.broker.RemoveRule(caller, *request); });
  }

  grpc::ServerUnaryReactor* ListRules(grpc::CallbackServerContext* context,
                                      const v1::ListRulesRequest* request,
                                      v1::ListRulesResponse* response) override {
    return Unary(
        "ListRules", parts_.broker, context, *request, response,
        [&](lease::SessionId caller) { return parts_.broker.ListRules(caller, *request); });
  }

  grpc::ServerUnaryReactor* GetRss(grpc::CallbackServerContext* context,
                                   const v1::GetRssRequest* request,
                                   v1::GetRssResponse* response) override {
    return Unary("GetRss", parts_.broker, context, *request, response,
                 [&](lease::SessionId) { return parts_.broker.GetRss(*request); });
  }

  grpc::ServerUnaryReactor* SetRss(grpc::CallbackServerContext* context,
                                   const v1::SetRssRequest* request,
                                   v1::SetRssResponse* response) override {
    return Unary("SetRss", parts_.broker, context, *request, response,
                 [&](lease::SessionId caller) { return parts_.broker.SetRss(caller, *request); });
  }

 private:
  ServiceParts& parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeSteeringService(ServiceParts& parts) {
  return std::make_unique<SteeringService>(parts);
}

}  // namespace qsplit::ingress
