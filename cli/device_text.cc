#include "cli/device_text.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/words.h"

namespace qsplit::cli {
namespace {

std::string Queues(uint32_t free, uint32_t all) { return absl::StrCat(free, "/", all); }

bool Unusable(const v1::Device& d) {
  return d.rx_queues() == 0 && d.tx_queues() == 0 && !d.trouble().empty();
}

const char* Link(const v1::Device& d) {
  if (Unusable(d)) return "unusable";
  return d.link_up() ? "up" : "down";
}

std::string Wire(const v1::Device& d) {
  return d.wire().empty() && d.has_netdev() ? absl::StrCat("netdev ", d.netdev().name()) : d.wire();
}

std::string Modes(const google::protobuf::RepeatedField<int>& modes) {
  if (modes.empty()) return "none";
  return absl::StrJoin(modes, ", ", [](std::string* out, int mode) {
    *out += Word(static_cast<v1::ProtectionMode>(mode));
  });
}

void AddFunction(const v1::PciFunction& pci, Sheet& sheet) {
  sheet.Line("pci function", pci.address());
  if (!pci.physical_function().empty()) {
    sheet.Line("virtual function of", pci.physical_function());
  }
  if (pci.virtual_functions() > 0) {
    sheet.Line("virtual functions", absl::StrCat(pci.virtual_functions()));
  }
  sheet.Line("iommu group", pci.has_iommu_group() ? absl::StrCat(pci.iommu_group()) : "none");
  for (const std::string& member : pci.group_members()) sheet.Line("also in the group", member);
  sheet.Line("kernel driver", pci.kernel_driver().empty() ? "none" : pci.kernel_driver());
  if (!pci.mode().empty()) sheet.Line("mode", pci.mode());
}

// "native", or "generic: the driver has no XDP".
std::string Because(const std::string& what, const std::string& reason) {
  return reason.empty() ? what : absl::StrCat(what, ": ", reason);
}

void AddNetdev(const v1::KernelNetdev& netdev, Sheet& sheet) {
  sheet.Line("netdev",
             absl::StrCat(netdev.name(), netdev.netns().empty() ? "" : " in ", netdev.netns()));
  sheet.Line("kernel driver", netdev.driver().empty() ? "none" : netdev.driver());
  sheet.Line("xdp", Because(netdev.xdp_mode(), netdev.xdp_mode_reason()));
  sheet.Line("zero copy", Because(netdev.zero_copy() ? "yes" : "no", netdev.copy_reason()));
  sheet.Line("steering", Because(netdev.steering(), netdev.steering_reason()));
  sheet.Line("transmit times", netdev.transmit_times().empty() ? "no" : netdev.transmit_times());
  if (netdev.missing_size() > 0) sheet.Line("missing", absl::StrJoin(netdev.missing(), ", "));
}

}  // namespace

Table DeviceTable(const v1::ListDevicesResponse& response) {
  using enum Table::Align;
  Table table({{"DEVICE"},
               {"BACKEND"},
               {"LINK"},
               {"MAC"},
               {"MTU", kRight},
               {"RX FREE", kRight},
               {"TX FREE", kRight},
               {"RULES", kRight},
               {"WIRE"},
               {"REPRESENTOR"}});
  for (const v1::Device& d : response.devices()) {
    table.Row({d.name(), d.backend(), Link(d), Mac(d.mac()), absl::StrCat(d.mtu_bytes()),
               Queues(d.free_rx_queues(), d.rx_queues()), Queues(d.free_tx_queues(), d.tx_queues()),
               absl::StrCat(d.rules(), "/", d.rule_capacity()), Wire(d),
               d.representor().empty() ? "-" : d.representor()});
  }
  return table;
}

Sheet DeviceSheet(const v1::Device& d) {
  Sheet sheet;
  sheet.Line("device", d.name());
  sheet.Line("back end", d.backend());
  if (Unusable(d)) sheet.Line("cannot be used", d.trouble());
  if (d.has_pci()) AddFunction(d.pci(), sheet);
  if (d.has_netdev()) AddNetdev(d.netdev(), sheet);
  sheet.Line("link", absl::StrCat(d.link_up() ? "up" : "down",
                                  d.link_mbps() > 0 ? absl::StrCat(", ", d.link_mbps(), " Mbit/s")
                                                    : std::string()));
  sheet.Line("wire", Wire(d));
  sheet.Line("representor", d.representor().empty() ? "none" : d.representor());
  sheet.Line("mac", Mac(d.mac()));
  sheet.Line("mtu", absl::StrCat(d.mtu_bytes(), " bytes"));
  sheet.Line("promiscuous", d.promiscuous() ? "on" : "off");
  sheet.Line("all multicast", d.all_multicast() ? "on" : "off");
  for (const std::string& address : d.multicast()) sheet.Line("multicast", Mac(address));
  sheet.Line("numa node", d.numa_node() < 0 ? "none" : absl::StrCat(d.numa_node()));
  sheet.Line("receive queues", absl::StrCat(d.free_rx_queues(), " free of ", d.rx_queues()));
  sheet.Line("transmit queues", absl::StrCat(d.free_tx_queues(), " free of ", d.tx_queues()));
  sheet.Line("slots by default", absl::StrCat(d.default_slots()));
  sheet.Line("rules", absl::StrCat(d.rules(), " of ", d.rule_capacity()));
  sheet.Line("protection", Modes(d.protection_modes()));
  if (d.rate_limit_modes_size() > 0) sheet.Line("rate limits in", Modes(d.rate_limit_modes()));
  if (d.transmit_needs_grant()) sheet.Line("transmission", "where policy grants it by name");
  if (d.whole_function_only()) sheet.Line("leased", "whole, to one lease at a time");
  sheet.Line("offloads", absl::StrJoin(d.offloads(), ", ", [](std::string* out, int offload) {
               *out += Word(static_cast<v1::Offload>(offload));
             }));
  for (const auto& layout : d.layouts()) sheet.Line("layout", Layout(layout));
  if (!d.trouble().empty() && !Unusable(d)) sheet.Line("trouble", d.trouble());
  return sheet;
}

}  // namespace qsplit::cli
