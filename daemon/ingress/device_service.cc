#include "daemon/ingress/services.h"
#include "qsplit/v1/device.grpc.pb.h"

namespace qsplit::ingress {
namespace {

class DeviceService final : public v1::DeviceService::CallbackService {
 public:
  explicit DeviceService(ServiceParts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* ListDevices(grpc::CallbackServerContext* context,
                                        const v1::ListDevicesRequest* request,
                                        v1::ListDevicesResponse* response) override {
    return Unary("ListDevices", parts_.broker, context, *request, response,
                 [this](lease::SessionId) -> absl::StatusOr<v1::ListDevicesResponse> {
                   return parts_.broker.ListDevices();
                 });
  }

  grpc::ServerUnaryReactor* GetDevice(grpc::CallbackServerContext* context,
                                      const v1::GetDeviceRequest* request,
                                      v1::GetDeviceResponse* response) override {
    return Unary("GetDevice", parts_.broker, context, *request, response,
                 [&](lease::SessionId) { return parts_.broker.GetDevice(*request); });
  }

  grpc::ServerUnaryReactor* SetDevice(grpc::CallbackServerContext* context,
                                      const v1::SetDeviceRequest* request,
                                      v1::SetDeviceResponse* response) override {
    return Unary(
        "SetDevice", parts_.broker, context, *request, response,
        [&](lease::SessionId caller) { return parts_.broker.SetDevice(caller, *request); });
  }

  grpc::ServerWriteReactor<v1::WatchDevicesResponse>* WatchDevices(
      grpc::CallbackServerContext* context, const v1::WatchDevicesRequest* request) override {
    auto watch = Watch<v1::WatchDevicesResponse>::Create("WatchDevices", parts_.watches);
    auto* reactor = watch->reactor();
    if (auto caller = CallerOf(parts_.broker, *context); !caller.ok()) {
      watch->Begin(caller.status());
    } else if (absl::Status checked = Check(*request); !checked.ok()) {
      watch->Begin(checked);
    } else {
      watch->Begin(parts_.broker.WatchDevices(*request, watch->OnReady()));
    }
    return reactor;
  }

 private:
  ServiceParts& parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeDeviceService(ServiceParts& parts) {
  return std::make_unique<DeviceService>(parts);
}

}  // namespace qsplit::ingress
