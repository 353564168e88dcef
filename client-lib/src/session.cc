#include "qsplit/session.h"

#include <utility>

#include "client-lib/src/core.h"
#include "client-lib/src/device_info.h"
#include "qsplit/rpc_flow_rule.h"
#include "qsplit/v1/device.grpc.pb.h"
#include "qsplit/v1/steering.grpc.pb.h"

namespace qsplit {

Session::Session(std::shared_ptr<internal::Core> core) : core_(std::move(core)) {}

absl::StatusOr<Session> Session::Connect(const SessionOptions& options) {
  std::shared_ptr<RpcSession> rpc = RpcSession::Open(options);
  if (absl::Status status = rpc->OpenSession(); !status.ok()) return status;
  return Session(std::make_shared<internal::Core>(std::move(rpc)));
}

absl::StatusOr<std::vector<DeviceInfo>> Session::ListDevices() const {
  v1::ListDevicesResponse response;
  if (absl::Status status = core_->Call<v1::DeviceService>(&v1::DeviceService::Stub::ListDevices,
                                                           v1::ListDevicesRequest(), &response);
      !status.ok()) {
    return status;
  }
  std::vector<DeviceInfo> devices;
  for (const v1::Device& device : response.devices()) {
    devices.push_back(internal::DeviceInfoOf(device));
  }
  return devices;
}

absl::StatusOr<Device> Session::OpenDevice(std::string_view name) const {
  DeviceInfo info;
  info.name = std::string(name);
  Device device(core_, std::move(info));
  if (absl::Status status = device.Refresh(); !status.ok()) return status;
  return device;
}

absl::StatusOr<uint32_t> Session::AddRule(std::string_view device, const FlowRule& rule) const {
  v1::AddRuleRequest request;
  request.set_device(std::string(device));
  FillRequest(rule, /*of_lease=*/false, &request);
  v1::AddRuleResponse response;
  if (absl::Status status =
          core_->Call<v1::SteeringService>(&v1::SteeringService::Stub::AddRule, request, &response);
      !status.ok()) {
    return status;
  }
  return response.rule().location();
}

absl::StatusOr<uint32_t> Session::AddRule(std::string_view device, std::string_view words) const {
  absl::StatusOr<FlowRule> rule = ParseRule(words);
  if (!rule.ok()) return rule.status();
  return AddRule(device, *rule);
}

absl::Status Session::RemoveRule(std::string_view device, uint32_t location) const {
  v1::RemoveRuleRequest request;
  request.set_device(std::string(device));
  request.set_location(location);
  v1::RemoveRuleResponse response;
  return core_->Call<v1::SteeringService>(&v1::SteeringService::Stub::RemoveRule, request,
                                          &response);
}

uint64_t Session::id() const { return core_->rpc->session_id(); }
const std::string& Session::daemon_version() const { return core_->rpc->daemon_version(); }
int Session::session_fd() const { return core_->rpc->session_fd(); }
absl::Status Session::Ping() const { return core_->rpc->Ping(); }
const std::shared_ptr<RpcSession>& Session::rpc() const { return core_->rpc; }

absl::StatusOr<std::shared_ptr<Region>> Session::RegisterRegion(
    const RegionOptions& options) const {
  return internal::RegisterRegion(core_, options);
}

}  // namespace qsplit
