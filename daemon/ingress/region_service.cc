#include <memory>
#include <utility>

#include "daemon/ingress/services.h"
#include "daemon/linux/memfd_facts.h"
#include "qsplit/v1/region.grpc.pb.h"

namespace qsplit::ingress {
namespace {

region::OfferedMemory Offer(linux_sys::OwnedFd fd, const linux_sys::MemfdFacts& facts) {
  region::OfferedMemory memory;
  memory.fd = std::make_shared<const linux_sys::OwnedFd>(std::move(fd));
  memory.is_memfd = facts.is_memfd;
  memory.kind = facts.kind;
  memory.seal_shrink = facts.seal_shrink;
  memory.write_sealed = facts.seal_write;
  memory.writable = facts.writable;
  memory.size_bytes = facts.size_bytes;
  memory.page_bytes = facts.page_bytes;
  memory.device = facts.device;
  memory.inode = facts.inode;
  return memory;
}

class RegionService final : public v1::RegionService::CallbackService {
 public:
  explicit RegionService(ServiceParts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* RegisterRegion(grpc::CallbackServerContext* context,
                                           const v1::RegisterRegionRequest* request,
                                           v1::RegisterRegionResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    auto answer = Register(*context, *request);
    if (answer.ok()) *response = *std::move(answer);
    reactor->Finish(ToGrpcStatus(policy::InCall("RegisterRegion", answer.status())));
    return reactor;
  }

  grpc::ServerUnaryReactor* UnregisterRegion(grpc::CallbackServerContext* context,
                                             const v1::UnregisterRegionRequest* request,
                                             v1::UnregisterRegionResponse* response) override {
    return Unary(
        "UnregisterRegion", parts_.broker, context, *request, response,
        [&](lease::SessionId caller) { return parts_.broker.UnregisterRegion(caller, *request); });
  }

  grpc::ServerUnaryReactor* ListRegions(grpc::CallbackServerContext* context,
                                        const v1::ListRegionsRequest* request,
                                        v1::ListRegionsResponse* response) override {
    return Unary(
        "ListRegions", parts_.broker, context, *request, response,
        [&](lease::SessionId caller) { return parts_.broker.ListRegions(caller, *request); });
  }

 private:
  absl::StatusOr<v1::RegisterRegionResponse> Register(grpc::CallbackServerContext& context,
                                                      const v1::RegisterRegionRequest& request) {
    const auto caller = CallerOf(parts_.broker, context);
    if (!caller.ok()) return caller.status();
    // Before anything else is checked: the handle is used up, whatever the answer.
    auto fd = parts_.broker.TakeDescriptor(*caller, request.descriptor_handle());
    if (absl::Status checked = Check(request); !checked.ok()) return checked;
    if (!fd.ok()) return fd.status();
    const auto facts = linux_sys::InspectMemfd(fd->get());
    if (!facts.ok()) return facts.status();
    return parts_.broker.RegisterRegion(*caller, request, Offer(*std::move(fd), *facts));
  }

  ServiceParts& parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeRegionService(ServiceParts& parts) {
  return std::make_unique<RegionService>(parts);
}

}  // namespace qsplit::ingress
