#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "daemon/ingress/services.h"
#include "daemon/linux/mapping.h"
#include "daemon/linux/memfd_facts.h"
#include "daemon/policy/error.h"
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

// Has the kernel find memory for the region, here and not when a lease is acquired: this thread
// holds no lock. What takes longer than the budget is found when the device first touches it.
absl::Status Provide(int fd, const v1::RegisterRegionRequest& request) {
  using linux_sys::Mapping;
  const auto mapping =
      Mapping::Map(fd, request.offset_bytes(), request.length_bytes(),
                   request.read_only() ? Mapping::Access::kRead : Mapping::Access::kReadWrite);
  absl::Status status = mapping.status();
  if (status.ok()) status = mapping->Populate(absl::Milliseconds(20));
  if (status.ok()) return status;
  return policy::Error(v1::ERROR_REASON_QUOTA, "length_bytes",
                       absl::StrFormat("0x%x", request.length_bytes()), "",
                       absl::StrCat("the kernel has no memory for it: ", status.message(),
                                    "; register less, or free some"));
}

class RegionService final : public v1::RegionService::CallbackService {
 public:
  explicit RegionService(ServiceParts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* RegisterRegion(grpc::CallbackServerContext* context,
                                           const v1::RegisterRegionRequest* request,
                                           v1::RegisterRegionResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    auto answer = Register(*context, *request);
    const absl::Status status = answer.status();
    if (status.ok()) *response = *std::move(answer);
    reactor->Finish(ToGrpcStatus(status));
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
    constexpr std::string_view kCall = "RegisterRegion";  // the broker's errors say it already
    const auto caller = CallerOf(parts_.broker, context);
    if (!caller.ok()) return policy::InCall(kCall, caller.status());
    // Before anything else is checked: the handle is used up, whatever the answer.
    auto fd = parts_.broker.TakeDescriptor(*caller, request.descriptor_handle());
    if (absl::Status checked = Check(request); !checked.ok()) {
      return policy::InCall(kCall, checked);
    }
    if (!fd.ok()) return fd.status();
    const auto facts = linux_sys::InspectMemfd(fd->get());
    if (!facts.ok()) return policy::InCall(kCall, facts.status());
    const region::OfferedMemory memory = Offer(*std::move(fd), *facts);
    auto registered = parts_.broker.RegisterRegion(*caller, request, memory);
    if (!registered.ok()) return registered;
    if (absl::Status provided = Provide(memory.fd->get(), request); !provided.ok()) {
      v1::UnregisterRegionRequest undo;
      undo.set_region_id(registered->region().region_id());
      parts_.broker.UnregisterRegion(*caller, undo).IgnoreError();
      return policy::InCall(kCall, provided);
    }
    return registered;
  }

  ServiceParts& parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeRegionService(ServiceParts& parts) {
  return std::make_unique<RegionService>(parts);
}

}  // namespace qsplit::ingress
