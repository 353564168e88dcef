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

std::string VfioText(const DeviceSection& device) {
  const VfioSection& vfio = device.vfio;
  std::string text = absl::StrCat(device.name, ": vfio, ");
  if (!vfio.function.empty()) absl::StrAppend(&text, "function ", vfio.function);
  if (!vfio.netdev.empty()) absl::StrAppend(&text, "netdev ", vfio.netdev);
  if (!vfio.vf_of.empty()) absl::StrAppend(&text, "VF ", vfio.vf, " of ", vfio.vf_of);
  absl::StrAppend(&text, ", mode ",
                  !vfio.mode                        ? "by its kind"
                  : *vfio.mode == VfioMode::kDirect ? "direct"
                                                    : "guarded",
                  ", steering ", vfio.pools ? "pools" : "rss", ", mtu ", device.mtu_bytes);
  if (vfio.queues) absl::StrAppend(&text, ", at most ", *vfio.queues, " queues");
  if (vfio.vfs != 0) absl::StrAppend(&text, ", ", vfio.vfs, " VFs");
  if (vfio.allow_active) absl::StrAppend(&text, ", even if the host uses it");
  return absl::StrCat(text, ", layouts ",
                      device.layouts.empty() ? "all" : absl::StrJoin(device.layouts, ", "));
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
  return parts.empty() ? "no quotas" : absl::StrJoin(parts, ", ");
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
    if (device.backend == "vfio") {
      out << "device         " << VfioText(device) << "\n";
      continue;
    }
    out << absl::StrFormat(
        "device         %s: %s, %d rx and %d tx queues, mtu %d, wire %s, representor %s, layouts "
        "%s\n",
        device.name, device.backend, device.rx_queues, device.tx_queues, device.mtu_bytes,
        WireText(device.wire), device.representor.empty() ? "none" : device.representor,
        device.layouts.empty() ? "all" : absl::StrJoin(device.layouts, ", "));
  }
  for (const TenantSection& tenant : config.tenants) {
    out << absl::StrFormat("tenant         %s: %s%s; devices %s; steer %s; %s%s\n", tenant.name,
                           WhoText(tenant), tenant.admin ? ", admin" : "",
                           tenant.all_devices ? "any" : absl::StrJoin(tenant.devices, ", "),
                           tenant.steer_any ? "any" : absl::StrCat(tenant.steer.size(), " scopes"),
                           QuotaText(tenant.quotas), tenant.may_join_rss ? "; may join RSS" : "");
  }
  return out.str();
}

}  // namespace qsplit::config
