#include "qsplit/device.h"

#include <algorithm>
#include <utility>

#include "client-lib/src/core.h"
#include "client-lib/src/device_info.h"
#include "qsplit/v1/device.grpc.pb.h"

namespace qsplit {

const char* ProtectionModeName(ProtectionMode mode) {
  switch (mode) {
    case ProtectionMode::kAny:
      return "any";
    case ProtectionMode::kDirect:
      return "direct";
    case ProtectionMode::kGuarded:
      return "guarded";
    case ProtectionMode::kKernel:
      return "kernel";
  }
  return "unknown";
}

namespace internal {

DeviceInfo DeviceInfoOf(const v1::Device& device) {
  DeviceInfo info{.name = device.name(),
                  .backend = device.backend(),
                  .link_up = device.link_up(),
                  .link_mbps = device.link_mbps(),
                  .mtu_bytes = device.mtu_bytes(),
                  .mac = {},
                  .numa_node = device.numa_node(),
                  .rx_queues = device.rx_queues(),
                  .tx_queues = device.tx_queues(),
                  .free_rx_queues = device.free_rx_queues(),
                  .free_tx_queues = device.free_tx_queues(),
                  .default_slots = device.default_slots(),
                  .buffer_bytes = device.rx_buffer_bytes() != 0 ? device.rx_buffer_bytes() : 2048,
                  .rule_capacity = device.rule_capacity(),
                  .rules = device.rules(),
                  .layouts = {},
                  .representor = device.representor(),
                  .transmit_needs_grant = device.transmit_needs_grant(),
                  .trouble = device.trouble()};
  std::copy_n(device.mac().begin(), std::min(device.mac().size(), info.mac.size()),
              info.mac.begin());
  for (const v1::LayoutReference& layout : device.layouts()) info.layouts.push_back(layout.name());
  return info;
}

}  // namespace internal

Device::Device(std::shared_ptr<internal::Core> core, DeviceInfo info)
    : core_(std::move(core)), info_(std::move(info)) {}

absl::Status Device::Refresh() {
  v1::GetDeviceRequest request;
  request.set_name(info_.name);
  v1::GetDeviceResponse response;
  if (absl::Status status =
          core_->Call<v1::DeviceService>(&v1::DeviceService::Stub::GetDevice, request, &response);
      !status.ok()) {
    return status;
  }
  info_ = internal::DeviceInfoOf(response.device());
  return absl::OkStatus();
}

}  // namespace qsplit
