// Of convert.h, what speaks of devices.
#include <string>

#include "daemon/lease/convert.h"

namespace qsplit::lease {
namespace {

std::string Bytes(const device::MacAddress& mac) {
  return {reinterpret_cast<const char*>(mac.data()), mac.size()};
}

v1::Offload ToProto(device::Offload offload) {
  switch (offload) {
    case device::Offload::kRss:
      return v1::OFFLOAD_RSS;
    case device::Offload::kNtuple:
      return v1::OFFLOAD_NTUPLE;
    case device::Offload::kRxChecksum:
      return v1::OFFLOAD_RX_CHECKSUM;
    case device::Offload::kTxChecksum:
      return v1::OFFLOAD_TX_CHECKSUM;
    case device::Offload::kRxVlan:
      return v1::OFFLOAD_RX_VLAN;
    case device::Offload::kTxVlan:
      return v1::OFFLOAD_TX_VLAN;
    case device::Offload::kRxScatter:
      return v1::OFFLOAD_RX_SCATTER;
    case device::Offload::kTxGather:
      return v1::OFFLOAD_TX_GATHER;
    case device::Offload::kTso:
      return v1::OFFLOAD_TSO;
    case device::Offload::kRxTimestamp:
      return v1::OFFLOAD_RX_TIMESTAMP;
    case device::Offload::kTxTimestamp:
      return v1::OFFLOAD_TX_TIMESTAMP;
  }
  return v1::OFFLOAD_UNSPECIFIED;
}

v1::PciFunction ToProto(const device::PciFacts& pci) {
  v1::PciFunction to;
  to.set_address(pci.address);
  if (pci.iommu_group) to.set_iommu_group(*pci.iommu_group);
  for (const std::string& member : pci.group_members) to.add_group_members(member);
  to.set_kernel_driver(pci.kernel_driver);
  to.set_mode(pci.mode);
  to.set_physical_function(pci.physical_function);
  to.set_virtual_functions(pci.virtual_functions);
  return to;
}

v1::KernelNetdev ToProto(const device::NetdevFacts& netdev) {
  v1::KernelNetdev to;
  to.set_name(netdev.name);
  to.set_netns(netdev.netns);
  to.set_driver(netdev.driver);
  to.set_xdp_mode(netdev.xdp_mode);
  to.set_xdp_mode_reason(netdev.xdp_mode_reason);
  to.set_zero_copy(netdev.zero_copy);
  to.set_copy_reason(netdev.copy_reason);
  to.set_steering(netdev.steering);
  to.set_steering_reason(netdev.steering_reason);
  for (const std::string& missing : netdev.missing) to.add_missing(missing);
  to.set_transmit_times(netdev.transmit_times);
  return to;
}

}  // namespace

void SetState(const device::DeviceState& state, v1::Device& device) {
  device.set_link_up(state.link_up);
  device.set_link_mbps(state.link_mbps);
  device.set_mtu_bytes(state.mtu_bytes);
  device.set_mac(Bytes(state.mac));
  device.set_promiscuous(state.promiscuous);
  device.set_all_multicast(state.all_multicast);
  device.clear_multicast();
  for (const auto& mac : state.multicast) device.add_multicast(Bytes(mac));
  device.set_trouble(state.trouble);
}

v1::Device ToProto(const device::DeviceInfo& info, const device::DeviceState& state) {
  v1::Device device;
  device.set_name(info.name);
  device.set_backend(info.backend);
  device.set_numa_node(info.numa_node);
  device.set_rx_queues(info.rx_queues);
  device.set_tx_queues(info.tx_queues);
  for (device::Offload offload : info.offloads) device.add_offloads(ToProto(offload));
  device.set_rule_capacity(info.rule_capacity);
  for (const auto& layout : info.layouts) *device.add_layouts() = ToProto(layout);
  for (device::Protection mode : info.protections) device.add_protection_modes(ToProto(mode));
  device.set_wire(info.wire);
  device.set_representor(info.representor);
  device.set_default_slots(info.default_slots);
  device.set_rx_buffer_bytes(info.rx_buffer_bytes);
  if (info.pci) *device.mutable_pci() = ToProto(*info.pci);
  if (info.netdev) *device.mutable_netdev() = ToProto(*info.netdev);
  device.set_transmit_needs_grant(info.transmit_needs_grant);
  device.set_whole_function_only(info.whole_function_only);
  for (device::Protection mode : info.rate_limit_modes) {
    device.add_rate_limit_modes(ToProto(mode));
  }
  SetState(state, device);
  return device;
}

}  // namespace qsplit::lease
