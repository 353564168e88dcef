#include "daemon/devices.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/backend/af_xdp/describe.h"
#include "daemon/backend/af_xdp/netdevs.h"
#include "daemon/backend/softnic/driven_layouts.h"
#include "daemon/backend/softnic/softnic.h"
#include "daemon/backend/vfio/functions.h"
#include "daemon/journal/journal.h"
#include "daemon/layout_files.h"
#include "daemon/leftovers.h"
#include "daemon/log/log.h"

namespace qsplit::daemon {
namespace {

// A locally administered address out of the device's name: the same at every start.
device::MacAddress MacOf(const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  device::MacAddress mac{0x02};
  for (size_t i = 1; i < mac.size(); ++i) mac[i] = static_cast<uint8_t>(hash >> (8 * i));
  return mac;
}

// What the software NIC drives of `names`, which must be all; or, without names, of all that are
// loaded.
absl::StatusOr<std::vector<layout::VerifiedLayout>> DrivenLayouts(
    const std::vector<layout::VerifiedLayout>& loaded, const std::vector<std::string>& names,
    uint32_t slots) {
  auto picked = PickLayouts(loaded, names);
  if (!picked.ok()) return picked;
  std::vector<layout::VerifiedLayout> driven;
  for (const layout::VerifiedLayout& layout : *picked) {
    const absl::Status status = softnic::CheckDriven(layout, slots);
    if (status.ok()) {
      driven.push_back(layout);
    } else if (!names.empty() || !absl::IsUnimplemented(status)) {
      return status;
    }
  }
  return driven;
}

absl::StatusOr<softnic::SoftNicConfig> SoftNicOf(
    const config::DeviceSection& section, const std::vector<layout::VerifiedLayout>& layouts) {
  softnic::SoftNicConfig nic;
  nic.name = section.name;
  nic.mac = section.mac.value_or(MacOf(section.name));
  nic.mtu_bytes = section.mtu_bytes;
  nic.rx_queues = section.rx_queues;
  nic.tx_queues = section.tx_queues;
  nic.default_slots = section.slots.value_or(nic.default_slots);
  auto picked = DrivenLayouts(layouts, section.layouts, nic.default_slots);
  if (!picked.ok()) {
    return absl::Status(picked.status().code(),
                        absl::StrCat("device '", section.name, "': ", picked.status().message()));
  }
  nic.layouts = *std::move(picked);
  switch (section.wire.kind) {
    case config::WireKind::kTap:
      nic.wire = softnic::TapWire{.name = section.wire.tap, .netns = section.wire.netns};
      break;
    case config::WireKind::kPeer:
      nic.wire = softnic::PeerWire{section.wire.peer};
      break;
    case config::WireKind::kNone:
      break;
  }
  nic.representor = section.representor;
  nic.representor_netns = section.representor_netns;
  nic.worker = section.worker;
  nic.threads = section.threads;
  nic.cpus = section.cpus;
  nic.queue_threads = section.queue_threads;
  if (section.cpu) nic.cpus = {*section.cpu};
  if (absl::Status checked = softnic::CheckConfig(nic); !checked.ok()) return checked;
  return nic;
}

absl::StatusOr<std::vector<layout::VerifiedLayout>> PickLayoutsOf(
    const config::DeviceSection& section, const std::vector<layout::VerifiedLayout>& layouts) {
  auto picked = PickLayouts(layouts, section.layouts);
  if (picked.ok()) return picked;
  return absl::Status(picked.status().code(),
                      absl::StrCat("device '", section.name, "': ", picked.status().message()));
}

absl::StatusOr<af_xdp::AfXdpConfig> NetdevOf(const config::DeviceSection& section,
                                             const std::vector<layout::VerifiedLayout>& layouts) {
  const config::AfXdpSection& of_file = *section.af_xdp;
  af_xdp::AfXdpConfig netdev;
  netdev.name = section.name;
  netdev.netdev = of_file.netdev;
  netdev.netns = of_file.netns;
  netdev.queues = of_file.queues;
  netdev.channels = of_file.channels;
  netdev.slots = section.slots;
  // Both enumerations have the same words in the same order.
  netdev.steering = static_cast<af_xdp::WhoSteers>(of_file.steering);
  netdev.xdp_mode = static_cast<af_xdp::XdpWish>(of_file.xdp_mode);
  netdev.zero_copy = static_cast<af_xdp::ZeroCopyWish>(of_file.zero_copy);
  netdev.busy_poll_us = of_file.busy_poll_us;
  auto picked = PickLayoutsOf(section, layouts);
  if (!picked.ok()) return picked.status();
  netdev.layouts = *std::move(picked);
  if (absl::Status status = af_xdp::AfXdpDevice::CheckLayouts(netdev); !status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat("device '", section.name, "': ", status.message()));
  }
  return netdev;
}

absl::StatusOr<vfio::FunctionPlan> FunctionOf(const config::Config& config,
                                              const config::DeviceSection& section,
                                              const std::vector<layout::VerifiedLayout>& layouts) {
  const config::VfioSection& of_file = *section.vfio;
  vfio::FunctionPlan plan;
  plan.name = section.name;
  plan.function = of_file.function.empty() ? of_file.netdev : of_file.function;
  plan.vf_of = of_file.vf_of;
  plan.vf = of_file.vf.value_or(0);
  plan.allow_active = of_file.allow_active;
  if (of_file.mode) {
    plan.protection = *of_file.mode == config::VfioMode::kDirect ? device::Protection::kDirect
                                                                 : device::Protection::kGuarded;
  }
  if (!of_file.vf_token.empty()) {
    auto token = linux_sys::ParseVfToken(of_file.vf_token);
    if (!token.ok()) return token.status();
    plan.token = *token;
  }
  plan.vfs.resize(of_file.vfs);
  for (uint32_t vf = 0; vf < of_file.vfs; ++vf) {
    plan.vfs[vf].mac = MacOf(absl::StrCat(section.name, ".vf", vf));
  }
  for (const config::DeviceSection& other : config.devices) {
    if (!other.vfio || other.vfio->vf_of != section.name) continue;
    vfio::VfSetting& vf = plan.vfs[other.vfio->vf.value_or(0)];
    vf.mac = other.mac.value_or(MacOf(other.name));
    vf.vlan = other.vfio->vlan.value_or(0);
  }
  // Its PF says what its address is.
  if (plan.vf_of.empty()) plan.device.driver.mac = section.mac;
  plan.device.driver.mtu_bytes = section.mtu_bytes;
  plan.device.driver.steering = of_file.steering == config::VfioSteering::kPools
                                    ? vfio::Steering::kPools
                                    : vfio::Steering::kRss;
  plan.device.queues = of_file.queues;
  plan.device.slots = section.slots;
  plan.device.cpu = section.cpu;
  auto picked = PickLayoutsOf(section, layouts);
  if (!picked.ok()) return picked.status();
  plan.device.layouts = *std::move(picked);
  return plan;
}

}  // namespace

struct DevicePlan::Parts {
  std::vector<std::string> names;  // in the order of the configuration
  std::vector<softnic::SoftNicConfig> nics;
  std::vector<vfio::FunctionPlan> functions;  // PFs before VFs
  std::vector<af_xdp::AfXdpConfig> netdevs;
};

DevicePlan::DevicePlan(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
DevicePlan::DevicePlan(DevicePlan&&) noexcept = default;
DevicePlan& DevicePlan::operator=(DevicePlan&&) noexcept = default;
DevicePlan::~DevicePlan() = default;
size_t DevicePlan::size() const { return parts_->names.size(); }

absl::StatusOr<DevicePlan> DevicePlan::Make(const config::Config& config,
                                            const std::vector<layout::VerifiedLayout>& layouts) {
  auto parts = std::make_unique<Parts>();
  std::vector<vfio::FunctionPlan> vfs;
  for (const config::DeviceSection& section : config.devices) {
    parts->names.push_back(section.name);
    if (section.vfio) {
      auto function = FunctionOf(config, section, layouts);
      if (!function.ok()) return function.status();
      (function->vf_of.empty() ? parts->functions : vfs).push_back(*std::move(function));
      continue;
    }
    if (section.af_xdp) {
      auto netdev = NetdevOf(section, layouts);
      if (!netdev.ok()) return netdev.status();
      parts->netdevs.push_back(*std::move(netdev));
      continue;
    }
    auto nic = SoftNicOf(section, layouts);
    if (!nic.ok()) return nic.status();
    parts->nics.push_back(*std::move(nic));
  }
  for (vfio::FunctionPlan& vf : vfs) parts->functions.push_back(std::move(vf));
  return DevicePlan(std::move(parts));
}

DevicePlan::Report DevicePlan::CompareNetdevs() const {
  Report report;
  for (const af_xdp::AfXdpConfig& config : parts_->netdevs) {
    const auto fail = [&](const absl::Status& status) {
      report.errors.emplace_back(
          status.code(), absl::StrCat("device '", config.name, "', netdev ", config.netdev, ": ",
                                      status.message()));
    };
    const absl::StatusOr<af_xdp::NetdevReport> netdev = af_xdp::ReportNetdev(config);
    if (!netdev.ok()) {
      fail(netdev.status());
      continue;
    }
    report.lines.push_back(absl::StrCat("netdev         ", config.netdev, ": ", netdev->text));
    for (const std::string& warning : netdev->warnings) {
      report.lines.push_back(absl::StrCat("warning        device '", config.name, "': ", warning));
    }
    for (const absl::Status& error : netdev->errors) fail(error);
  }
  return report;
}

struct Devices::Parts {
  std::unique_ptr<journal::Journal> journal;
  std::vector<std::shared_ptr<device::Device>> devices;
  std::unique_ptr<vfio::Functions> functions;
  std::unique_ptr<af_xdp::Netdevs> netdevs;
};

Devices::Devices(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Devices::~Devices() = default;

absl::StatusOr<std::unique_ptr<Devices>> Devices::Open(DevicePlan plan,
                                                       const std::string& runtime_dir) {
  auto parts = std::make_unique<Parts>();
  auto journal = journal::Journal::Open(runtime_dir + "/journal");
  if (!journal.ok()) return journal.status();
  parts->journal = *std::move(journal);
  // Functions know better which of theirs are taken again at once.
  const Leftovers leftovers = UndoLeftovers(*parts->journal, /*functions=*/false);
  for (const std::string& text : leftovers.undone)
    log::Warning("leftover_undone", {{"what", text}});
  for (const absl::Status& status : leftovers.why) log::Error("leftover", {{"error", status}});
  std::map<std::string, std::shared_ptr<device::Device>> by_name;
  auto nics = softnic::SoftNic::CreateAll(plan.parts_->nics);
  if (!nics.ok()) return nics.status();
  for (auto& nic : *nics) {
    const std::string name = nic->info().name;
    by_name[name] = std::move(nic);
  }
  const auto on_trouble = [](const std::string& device, const absl::Status& status) {
    log::Error("device_trouble", {{"device", device}, {"error", status}});
  };
  parts->functions = std::make_unique<vfio::Functions>(std::move(plan.parts_->functions),
                                                       *parts->journal, on_trouble);
  for (auto& device : parts->functions->Start()) by_name[device->info().name] = std::move(device);
  parts->netdevs = std::make_unique<af_xdp::Netdevs>(std::move(plan.parts_->netdevs),
                                                     *parts->journal, on_trouble);
  for (auto& device : parts->netdevs->Start()) by_name[device->info().name] = std::move(device);
  for (const std::string& name : plan.parts_->names) {
    parts->devices.push_back(std::move(by_name[name]));
  }
  return std::unique_ptr<Devices>(new Devices(std::move(parts)));
}

std::vector<std::shared_ptr<device::Device>> Devices::Take() { return std::move(parts_->devices); }

void Devices::Watch(std::function<absl::Status(std::shared_ptr<device::Device>)> found,
                    std::function<void(const std::string&)> lost) {
  parts_->functions->Watch(found);
  parts_->netdevs->Watch(std::move(found), std::move(lost));
}

void Devices::StopWatching() {
  parts_->functions.reset();
  parts_->netdevs.reset();
}

}  // namespace qsplit::daemon
