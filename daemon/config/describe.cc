#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "daemon/config/config.h"

namespace qsplit::config {
namespace {

std::string WireText(const Wire& wire) {
  switch (wire.kind) {
    case WireKind::kTap:
      return absl::StrCat("tap ", wire.tap,
                          wire.netns.empty() ? "" : absl::StrCat(" in netns ", wire.netns));
    case WireKind::kPeer:
      return absl::StrCat("peer ", wire.peer);
    case WireKind::kNone:
      break;
  }
  return "none";
}

std::string SoftnicText(const DeviceSection& device) {
  return absl::StrFormat("%d rx and %d tx queues, mtu %d, wire %s, representor %s",
                         device.rx_queues, device.tx_queues, device.mtu_bytes,
                         WireText(device.wire),
                         device.representor.empty() ? "none" : device.representor);
}

std::string VfioText(const VfioSection& vfio, uint32_t mtu_bytes) {
  const std::string which =
      !vfio.function.empty() ? "function " + vfio.function
      : !vfio.netdev.empty()
          ? "the function of netdev " + vfio.netdev
          : absl::StrCat("virtual function ", vfio.vf.value_or(0), " of ", vfio.vf_of);
  const char* mode = !vfio.mode ? "guarded, or direct if it is a virtual function"
                     : *vfio.mode == VfioMode::kDirect ? "direct"
                                                       : "guarded";
  return absl::StrCat(
      which, ", ", mode, ", ", vfio.queues ? absl::StrCat("at most ", *vfio.queues) : "all",
      " queues, steering by ", vfio.steering == VfioSteering::kPools ? "pools" : "rss",
      vfio.vfs > 0 ? absl::StrCat(", ", vfio.vfs, " virtual functions") : "",
      vfio.vf_token.empty() ? "" : ", with a VF token",
      vfio.allow_active ? ", even if it is in use" : "", ", mtu ", mtu_bytes);
}

std::string AfXdpText(const AfXdpSection& af_xdp) {
  static constexpr const char* kSteering[] = {"the NIC, or else the XDP program", "the NIC",
                                              "the XDP program"};
  static constexpr const char* kMode[] = {"native, or else generic", "native", "generic"};
  static constexpr const char* kCopy[] = {"where the NIC steers", "never",
                                          "wherever it can be had"};
  return absl::StrCat(
      "netdev ", af_xdp.netdev, af_xdp.netns.empty() ? "" : " in netns " + af_xdp.netns, ", ",
      af_xdp.queues ? absl::StrCat("the first ", *af_xdp.queues) : "all", " queues",
      af_xdp.channels ? absl::StrCat(" of ", *af_xdp.channels, " channels") : "", ", steering by ",
      kSteering[static_cast<size_t>(af_xdp.steering)], ", XDP mode ",
      kMode[static_cast<size_t>(af_xdp.xdp_mode)], ", zero copy ",
      kCopy[static_cast<size_t>(af_xdp.zero_copy)],
      af_xdp.busy_poll_us == 0 ? ""
                               : absl::StrCat(", busy polling for ", af_xdp.busy_poll_us, " us"));
}

std::string BackendText(const DeviceSection& device) {
  if (device.vfio) return VfioText(*device.vfio, device.mtu_bytes);
  if (device.af_xdp) return AfXdpText(*device.af_xdp);
  return SoftnicText(device);
}

std::string WhoText(const TenantSection& tenant) {
  if (tenant.everybody) return "everybody";
  std::vector<std::string> parts;
  if (!tenant.uids.empty()) parts.push_back("uid " + absl::StrJoin(tenant.uids, ","));
  if (!tenant.gids.empty()) parts.push_back("gid " + absl::StrJoin(tenant.gids, ","));
  return absl::StrJoin(parts, ", ");
}

std::string QuotaText(const Quotas& quotas) {
  std::vector<std::string> parts;
  const auto add = [&parts](std::string_view name, const auto& value) {
    if (value) parts.push_back(absl::StrCat(name.data(), " ", *value));
  };
  add("sessions", quotas.sessions);
  add("leases", quotas.leases);
  add("rx_queues", quotas.rx_queues);
  add("tx_queues", quotas.tx_queues);
  add("regions", quotas.regions);
  add("region_bytes", quotas.region_bytes);
  add("rules", quotas.rules);
  add("tx_packets_per_second", quotas.tx_packets_per_second);
  add("tx_bytes_per_second", quotas.tx_bytes_per_second);
  add("burst_packets", quotas.burst_packets);
  add("burst_bytes", quotas.burst_bytes);
  return parts.empty() ? "no quotas" : absl::StrJoin(parts, ", ");
}

// "; sends on eth1; source addresses checked where possible".
std::string TransmissionText(const TenantSection& tenant) {
  std::string text;
  switch (tenant.may_transmit) {
    case MayTransmit::kOrdinary:
      break;
    case MayTransmit::kEverywhere:
      text = "; sends on every device";
      break;
    case MayTransmit::kNowhere:
      text = "; sends on none";
      break;
    case MayTransmit::kNamed:
      text = absl::StrCat("; sends on ", tenant.transmit_devices.empty()
                                             ? "none"
                                             : absl::StrJoin(tenant.transmit_devices, ", "));
  }
  const size_t sources = tenant.source_macs.size() + tenant.source_ips.size();
  if (sources == 0) return text;
  return absl::StrCat(text, "; ", sources, " source addresses, ",
                      tenant.source_required ? "checked" : "checked where possible");
}

}  // namespace

std::string Describe(const Config& config) {
  std::ostringstream out;
  const DaemonSection& daemon = config.daemon;
  out << "configuration  " << (config.file.empty() ? "built in" : config.file) << "\n";
  out << absl::StrFormat(
      "socket         %s/session.sock, mode %04o; at most %d sessions, %d of one uid\n",
      daemon.runtime_dir, daemon.session_socket_mode, config.limits.sessions,
      config.limits.sessions_per_uid);
  out << absl::StrFormat(
      "socket         %s/qsplitd.sock, mode %04o; at most %d connections, %d of one uid\n",
      daemon.runtime_dir, daemon.rpc_socket_mode, config.limits.rpc_connections,
      config.limits.rpc_connections_per_uid);
  for (const DeviceSection& device : config.devices) {
    out << absl::StrFormat("device         %s: %s, %s, layouts %s\n", device.name, device.backend,
                           BackendText(device),
                           device.layouts.empty() ? "all" : absl::StrJoin(device.layouts, ", "));
  }
  for (const TenantSection& tenant : config.tenants) {
    out << absl::StrFormat("tenant         %s: %s%s; devices %s; steer %s; %s%s%s\n", tenant.name,
                           WhoText(tenant), tenant.admin ? ", admin" : "",
                           tenant.all_devices ? "any" : absl::StrJoin(tenant.devices, ", "),
                           tenant.steer_any ? "any" : absl::StrCat(tenant.steer.size(), " scopes"),
                           QuotaText(tenant.quotas), tenant.may_join_rss ? "; may join RSS" : "",
                           TransmissionText(tenant));
  }
  return out.str();
}

}  // namespace qsplit::config
