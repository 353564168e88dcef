#include "daemon/ingress/services.h"
#include "qsplit/v1/lease.grpc.pb.h"

namespace qsplit::ingress {
namespace {

class LeaseService final : public v1::LeaseService::CallbackService {
 public:
  explicit LeaseService(ServiceParts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* AcquireLease(grpc::CallbackServerContext* context,
                                         const v1::AcquireLeaseRequest* request,
                                         v1::AcquireLeaseResponse* response) override {
    return LateUnary("AcquireLease", parts_.broker, context, *request, response,
                     [&](lease::SessionId caller, lease::Answer<v1::AcquireLeaseResponse> done) {
                       parts_.broker.AcquireLease(
                           caller, *request,
                           [this, context, caller, done = std::move(done)](auto answer) {
                             if (answer.ok() && context->IsCancelled()) {
                               GiveBack(caller, answer->lease().lease_id());
                             }
                             done(std::move(answer));
                           });
                     });
  }

  grpc::ServerUnaryReactor* GetLease(grpc::CallbackServerContext* context,
                                     const v1::GetLeaseRequest* request,
                                     v1::GetLeaseResponse* response) override {
    return Unary("GetLease", parts_.broker, context, *request, response,
                 [&](lease::SessionId caller) { return parts_.broker.GetLease(caller, *request); });
  }

  grpc::ServerUnaryReactor* ListLeases(grpc::CallbackServerContext* context,
                                       const v1::ListLeasesRequest* request,
                                       v1::ListLeasesResponse* response) override {
    return Unary(
        "ListLeases", parts_.broker, context, *request, response,
        [&](lease::SessionId caller) { return parts_.broker.ListLeases(caller, *request); });
  }

  grpc::ServerUnaryReactor* ReleaseLease(grpc::CallbackServerContext* context,
                                         const v1::ReleaseLeaseRequest* request,
                                         v1::ReleaseLeaseResponse* response) override {
    return LateUnary("ReleaseLease", parts_.broker, context, *request, response,
                     [&](lease::SessionId caller, lease::Answer<v1::ReleaseLeaseResponse> done) {
                       parts_.broker.ReleaseLease(caller, *request, std::move(done));
                     });
  }

  grpc::ServerWriteReactor<v1::WatchLeasesResponse>* WatchLeases(
      grpc::CallbackServerContext* context, const v1::WatchLeasesRequest* request) override {
    auto watch = Watch<v1::WatchLeasesResponse>::Create("WatchLeases", parts_.watches);
    auto* reactor = watch->reactor();
    if (auto caller = CallerOf(parts_.broker, *context); !caller.ok()) {
      watch->Begin(caller.status());
    } else {
      watch->Begin(parts_.broker.WatchLeases(*caller, *request, watch->OnReady()));
    }
    return reactor;
  }

 private:
  // A lease whose client no longer waited for it, and so never hears of it.
  void GiveBack(lease::SessionId caller, lease::LeaseId lease) {
    v1::ReleaseLeaseRequest request;
    request.set_lease_id(lease);
    parts_.broker.ReleaseLease(caller, request, [](const auto&) {});
  }

  ServiceParts& parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeLeaseService(ServiceParts& parts) {
  return std::make_unique<LeaseService>(parts);
}

}  // namespace qsplit::ingress
