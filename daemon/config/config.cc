#include "daemon/config/config.h"

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/config/sections.h"
#include "daemon/linux/user_names.h"

namespace qsplit::config {
namespace {

constexpr size_t kMaxFileBytes = 1 << 20;

// What one section alone cannot see: names that are used twice, or that nobody has.
class CrossCheck {
 public:
  CrossCheck(Config& config, const std::vector<const toml::table*>& devices,
             const std::vector<const toml::table*>& tenants, Diagnostics& diagnostics)
      : config_(config), devices_(devices), tenants_(tenants), diagnostics_(diagnostics) {}

  void Run() {
    for (size_t i = 0; i < config_.devices.size(); ++i) {
      if (!by_name_.emplace(config_.devices[i].name, i).second) {
        Device(i).Error("name", "another device has this name already");
      }
    }
    for (size_t i = 0; i < config_.devices.size(); ++i) CheckDevice(i);
    JoinPeers();
    std::set<std::string> names;
    for (size_t i = 0; i < config_.tenants.size(); ++i) CheckTenant(i, names);
  }

 private:
  TableReader Device(size_t i) { return {*devices_[i], "device", diagnostics_}; }

  std::vector<std::string> DeviceNames() const {
    std::vector<std::string> names;
    for (const auto& device : config_.devices) names.push_back(device.name);
    return names;
  }

  void CheckDevice(size_t i) {
    const DeviceSection& device = config_.devices[i];
    if (device.wire.kind == WireKind::kTap)
      CheckNetdev(i, "wire", device.wire.tap, device.wire.netns);
    if (!device.representor.empty())
      CheckNetdev(i, "representor", device.representor, device.representor_netns);
    if (device.vfio) CheckFunction(i, *device.vfio);
    if (device.af_xdp) CheckNetdev(i, "netdev", device.af_xdp->netdev, device.af_xdp->netns);
  }

  void CheckFunction(size_t i, const VfioSection& vfio) {
    if (!vfio.function.empty()) Claim(i, "function", vfio.function);
    if (!vfio.netdev.empty()) Claim(i, "netdev", vfio.netdev);
    if (vfio.vf_of.empty()) return;
    const auto found = by_name_.find(vfio.vf_of);
    if (found == by_name_.end()) {
      Device(i).Error("vf_of", absl::StrCat("no device '", vfio.vf_of,
                                            "'; devices: ", absl::StrJoin(DeviceNames(), ", ")));
      return;
    }
    const DeviceSection& owner = config_.devices[found->second];
    if (!owner.vfio || !owner.vfio->vf_of.empty() || owner.vfio->vfs == 0) {
      Device(i).Error("vf_of", absl::StrCat("device '", owner.name,
                                            "' has no virtual functions; it needs backend = "
                                            "\"vfio\" and 'vfs'"));
    } else if (vfio.vf && *vfio.vf >= owner.vfio->vfs) {
      Device(i).Error("vf", absl::StrCat("device '", owner.name, "' has virtual functions 0..",
                                         owner.vfio->vfs - 1));
    } else {
      Claim(i, "vf", absl::StrCat(vfio.vf_of, " ", vfio.vf.value_or(0)));
    }
  }

  // A function belongs to one device.
  void Claim(size_t i, std::string_view key, const std::string& function) {
    if (!functions_.insert(absl::StrCat(absl::string_view(key.data(), key.size()), " ", function))
             .second) {
      Device(i).Error(key, "another device is this function already");
    }
  }

  void CheckNetdev(size_t i, std::string_view key, const std::string& name,
                   const std::string& netns) {
    if (!netdevs_.insert(netns + "/" + name).second) {
      Device(i).Error(key, absl::StrCat("netdev '", name, "' is used twice"));
    }
  }

  // A wire has two ends; one of them may leave it to the other to say so.
  void JoinPeers() {
    for (size_t i = 0; i < config_.devices.size(); ++i) {
      const DeviceSection& device = config_.devices[i];
      if (device.wire.kind != WireKind::kPeer) continue;
      const auto found = by_name_.find(device.wire.peer);
      if (found == by_name_.end()) {
        Device(i).Error("wire", absl::StrCat("no device '", device.wire.peer,
                                             "'; devices: ", absl::StrJoin(DeviceNames(), ", ")));
        continue;
      }
      DeviceSection& other = config_.devices[found->second];
      if (found->second == i) {
        Device(i).Error("wire", "a device cannot be its own peer");
      } else if (other.vfio || other.af_xdp) {
        Device(i).Error("wire", absl::StrCat("device '", other.name, "' is no software NIC"));
      } else if (other.wire.kind == WireKind::kNone) {
        other.wire.kind = WireKind::kPeer;
        other.wire.peer = device.name;
      } else if (other.wire.kind != WireKind::kPeer || other.wire.peer != device.name) {
        Device(i).Error("wire", absl::StrCat("device '", other.name, "' has another wire already"));
      }
    }
  }

  void CheckTenant(size_t i, std::set<std::string>& names) {
    TableReader reader(*tenants_[i], "tenant", diagnostics_);
    const TenantSection& tenant = config_.tenants[i];
    if (!names.insert(tenant.name).second) {
      reader.Error("name", "another tenant has this name already");
    }
    CheckNamed(reader, "devices", tenant.devices);
    CheckNamed(reader, "may_transmit", tenant.transmit_devices);
  }

  void CheckNamed(TableReader& tenant, std::string_view key,
                  const std::vector<std::string>& devices) {
    for (const std::string& device : devices) {
      if (by_name_.contains(device)) continue;
      tenant.Error(key, absl::StrCat("no device '", device,
                                     "'; devices: ", absl::StrJoin(DeviceNames(), ", ")));
    }
  }

  Config& config_;
  const std::vector<const toml::table*>& devices_;
  const std::vector<const toml::table*>& tenants_;
  Diagnostics& diagnostics_;
  std::map<std::string, size_t> by_name_;
  std::set<std::string> netdevs_;
  std::set<std::string> functions_;
};

TenantSection OwnTenant(uint32_t uid) {
  TenantSection tenant;
  tenant.name = "operator";
  tenant.uids = {uid};
  tenant.admin = true;
  tenant.may_join_rss = true;
  tenant.steer_any = true;
  return tenant;
}

std::vector<DeviceSection> PeerDevices() {
  std::vector<DeviceSection> devices(2);
  devices[0].name = "nic0";
  devices[1].name = "nic1";
  for (size_t i = 0; i < 2; ++i) {
    devices[i].wire.kind = WireKind::kPeer;
    devices[i].wire.peer = devices[1 - i].name;
  }
  return devices;
}

}  // namespace

NameResolver NameResolver::System() {
  return {.user = linux_sys::FindUser, .group = linux_sys::FindGroup};
}

absl::StatusOr<Config> ParseConfig(std::string_view text, const std::string& file,
                                   const NameResolver& names, uint32_t daemon_uid) {
  toml::table root;
  try {
    root = toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(absl::StrCat(file, ":", error.source().begin.line, ":",
                                                   error.source().begin.column, ": ",
                                                   std::string(error.description())));
  }
  Config config;
  config.file = file;
  Diagnostics diagnostics(file);
  TableReader reader(root, "", diagnostics);
  if (const auto* table = reader.Table("daemon")) ReadDaemon(*table, diagnostics, config.daemon);
  if (const auto* table = reader.Table("limits")) ReadLimits(*table, diagnostics, config.limits);
  const auto devices = reader.Tables("device");
  for (const toml::table* table : devices) {
    ReadDevice(*table, diagnostics, config.devices.emplace_back());
  }
  const auto tenants = reader.Tables("tenant");
  for (const toml::table* table : tenants) {
    ReadTenant(*table, names, diagnostics, config.tenants.emplace_back());
  }
  reader.Finish();
  const bool default_devices = !reader.Has("device");
  if (default_devices) config.devices = PeerDevices();
  static const toml::table kNoTable;
  const std::vector<const toml::table*> no_tables(config.devices.size(), &kNoTable);
  CrossCheck(config, default_devices ? no_tables : devices, tenants, diagnostics).Run();
  if (!diagnostics.ok()) return diagnostics.ToStatus();
  if (!reader.Has("tenant")) config.tenants = {OwnTenant(daemon_uid)};
  return config;
}

absl::StatusOr<Config> LoadConfig(const std::string& file, const NameResolver& names,
                                  uint32_t daemon_uid) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return absl::NotFoundError(absl::StrCat(file, ": cannot be opened for reading"));
  std::string text(kMaxFileBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (in.bad()) return absl::InvalidArgumentError(absl::StrCat(file, ": cannot be read"));
  if (text.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": longer than 1 MiB"));
  }
  return ParseConfig(text, file, names, daemon_uid);
}

Config DefaultConfig(uint32_t daemon_uid) {
  Config config;
  config.devices = PeerDevices();
  config.tenants = {OwnTenant(daemon_uid)};
  return config;
}

}  // namespace qsplit::config
