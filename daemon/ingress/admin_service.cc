#include "daemon/ingress/services.h"
#include "qsplit/v1/admin.grpc.pb.h"

namespace qsplit::ingress {
namespace {

class AdminService final : public v1::AdminService::CallbackService {
 public:
  explicit AdminService(ServiceParts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* RevokeLease(grpc::CallbackServerContext* context,
                                        const v1::RevokeLeaseRequest* request,
                                        v1::RevokeLeaseResponse* response) override {
    return LateUnary("RevokeLease", parts_.broker, context, *request, response,
                     [&](lease::SessionId caller, lease::Answer<v1::RevokeLeaseResponse> done) {
                       parts_.broker.RevokeLease(caller, *request, std::move(done));
                     });
  }

  grpc::ServerUnaryReactor* InjectFault(grpc::CallbackServerContext* context,
                                        const v1::InjectFaultRequest* request,
                                        v1::InjectFaultResponse* response) override {
    return Unary(
        "InjectFault", parts_.broker, context, *request, response,
        [&](lease::SessionId caller) { return parts_.broker.InjectFault(caller, *request); });
  }

  grpc::ServerUnaryReactor* ReloadPolicy(grpc::CallbackServerContext* context,
                                         const v1::ReloadPolicyRequest* request,
                                         v1::ReloadPolicyResponse* response) override {
    return Unary("ReloadPolicy", parts_.broker, context, *request, response,
                 [this](lease::SessionId caller) { return Reload(caller); });
  }

 private:
  absl::StatusOr<v1::ReloadPolicyResponse> Reload(lease::SessionId caller) {
    if (absl::Status admin = parts_.broker.CheckAdmin(caller, "ReloadPolicy"); !admin.ok()) {
      return admin;
    }
    const auto tenants = parts_.reload_policy();
    if (!tenants.ok()) {
      return policy::InCall("ReloadPolicy",
                            policy::Error(v1::ERROR_REASON_BAD_CONFIGURATION, "", "", "",
                                          std::string(tenants.status().message())));
    }
    v1::ReloadPolicyResponse response;
    response.set_tenants(*tenants);
    return response;
  }

  ServiceParts& parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAdminService(ServiceParts& parts) {
  return std::make_unique<AdminService>(parts);
}

}  // namespace qsplit::ingress
