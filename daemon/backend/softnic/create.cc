// SoftNic's factories: names, peers, workers.
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/backend/softnic/softnic.h"

namespace qsplit::softnic {
namespace {

const PeerWire* PeerOf(const SoftNicConfig& config) { return std::get_if<PeerWire>(&config.wire); }

// The key of the worker: its name, or the NIC's own, or for peers the first one's of the two.
absl::StatusOr<std::string> WorkerKey(const SoftNicConfig& config,
                                      const std::map<std::string, const SoftNicConfig*>& all) {
  if (PeerOf(config) == nullptr) {
    return config.worker.empty() ? absl::StrCat("own ", config.name)
                                 : absl::StrCat("named ", config.worker);
  }
  const SoftNicConfig& other = *all.at(PeerOf(config)->other);
  if (!config.worker.empty() && !other.worker.empty() && config.worker != other.worker) {
    return absl::InvalidArgumentError(absl::StrCat(
        "devices '", config.name, "' and '", other.name, "' are peers but on workers '",
        config.worker, "' and '", other.worker, "'; give both the same"));
  }
  const std::string& worker = config.worker.empty() ? other.worker : config.worker;
  return worker.empty() ? absl::StrCat("own ", std::min(config.name, other.name))
                        : absl::StrCat("named ", worker);
}

absl::Status CheckPeer(const SoftNicConfig& config,
                       const std::map<std::string, const SoftNicConfig*>& all) {
  const PeerWire* peer = PeerOf(config);
  if (peer == nullptr) return absl::OkStatus();
  const auto other = all.find(peer->other);
  if (other == all.end()) {
    return absl::InvalidArgumentError(absl::StrCat("device '", config.name, "': its wire goes to '",
                                                   peer->other, "', and there is no such device"));
  }
  const PeerWire* back = PeerOf(*other->second);
  if (back == nullptr || back->other != config.name) {
    return absl::InvalidArgumentError(absl::StrCat("device '", config.name, "': its wire goes to '",
                                                   peer->other,
                                                   "', whose wire goes elsewhere; "
                                                   "peers name each other"));
  }
  return absl::OkStatus();
}

std::string WireText(const SoftNicConfig& config) {
  if (const auto* tap = std::get_if<TapWire>(&config.wire); tap != nullptr) {
    return tap->netns.empty() ? absl::StrCat("tap ", tap->name)
                              : absl::StrCat("tap ", tap->name, " in ", tap->netns);
  }
  if (const PeerWire* peer = PeerOf(config); peer != nullptr) {
    return absl::StrCat("peer ", peer->other);
  }
  return "none";
}

device::DeviceInfo InfoOf(const SoftNicConfig& config) {
  using device::Offload;
  device::DeviceInfo info;
  info.name = config.name;
  info.backend = "softnic";
  info.rx_queues = config.rx_queues;
  info.tx_queues = config.tx_queues;
  info.rule_capacity = config.rule_capacity;
  info.rss_table_size = kRssTableSize;
  info.default_slots = config.default_slots;
  info.offloads = {Offload::kRss,        Offload::kNtuple,   Offload::kRxChecksum,
                   Offload::kTxChecksum, Offload::kRxVlan,   Offload::kTxVlan,
                   Offload::kRxScatter,  Offload::kTxGather, Offload::kTso,
                   Offload::kRxTimestamp};
  info.protections = {device::Protection::kDirect};
  info.layouts = config.layouts;
  info.wire = WireText(config);
  info.representor = config.representor;
  return info;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SoftNic>> SoftNic::Create(const SoftNicConfig& config) {
  absl::StatusOr<std::vector<std::unique_ptr<SoftNic>>> nics = CreateAll({config});
  if (!nics.ok()) return nics.status();
  return std::move(nics->front());
}

absl::StatusOr<std::vector<std::unique_ptr<SoftNic>>> SoftNic::CreateAll(
    const std::vector<SoftNicConfig>& configs) {
  std::map<std::string, const SoftNicConfig*> by_name;
  for (const SoftNicConfig& config : configs) {
    if (absl::Status status = CheckConfig(config); !status.ok()) return status;
    if (!by_name.emplace(config.name, &config).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("two devices are called '", config.name, "'; names are unique"));
    }
  }
  std::map<std::string, std::shared_ptr<Worker>> workers;
  std::map<std::string, std::optional<uint32_t>> cpus;
  std::vector<std::string> keys;
  for (const SoftNicConfig& config : configs) {
    if (absl::Status status = CheckPeer(config, by_name); !status.ok()) return status;
    absl::StatusOr<std::string> key = WorkerKey(config, by_name);
    if (!key.ok()) return key.status();
    std::optional<uint32_t>& cpu = cpus[*key];
    if (cpu && config.cpu && *cpu != *config.cpu) {
      return absl::InvalidArgumentError(absl::StrCat("device '", config.name, "': cpu ",
                                                     *config.cpu, ", but its worker is on cpu ",
                                                     *cpu, "; give it one"));
    }
    if (config.cpu) cpu = config.cpu;
    keys.push_back(*std::move(key));
  }
  std::map<std::string, SoftNic*> made;
  std::vector<std::unique_ptr<SoftNic>> nics;
  for (size_t i = 0; i < configs.size(); ++i) {
    std::shared_ptr<Worker>& worker = workers[keys[i]];
    if (worker == nullptr) {
      absl::StatusOr<std::shared_ptr<Worker>> started =
          Worker::Start(configs[i].name, cpus[keys[i]]);
      if (!started.ok()) return started.status();
      worker = *std::move(started);
    }
    absl::StatusOr<std::unique_ptr<SoftNic>> nic = Make(configs[i], worker);
    if (!nic.ok()) return nic.status();
    made[configs[i].name] = nic->get();
    nics.push_back(*std::move(nic));
  }
  for (const SoftNicConfig& config : configs) {
    const PeerWire* peer = PeerOf(config);
    if (peer == nullptr || config.name > peer->other) continue;
    SoftNic* const a = made[config.name];
    SoftNic* const b = made[peer->other];
    a->worker_->RunAlways([a, b] { NicCore::Connect(&a->core_, &b->core_); });
  }
  return nics;
}

absl::StatusOr<std::unique_ptr<SoftNic>> SoftNic::Make(const SoftNicConfig& config,
                                                       std::shared_ptr<Worker> worker) {
  NicCore::Parts parts;
  if (const auto* tap = std::get_if<TapWire>(&config.wire); tap != nullptr) {
    absl::StatusOr<linux_sys::Tap> wire = linux_sys::Tap::Create(
        {.name = tap->name, .netns = tap->netns, .mac = tap->mac, .mtu_bytes = config.mtu_bytes});
    if (!wire.ok()) return wire.status();
    parts.wire = *std::move(wire);
  }
  if (!config.representor.empty()) {
    absl::StatusOr<linux_sys::Tap> representor =
        linux_sys::Tap::Create({.name = config.representor,
                                .netns = config.representor_netns,
                                .mac = config.mac,
                                .mtu_bytes = config.mtu_bytes});
    if (!representor.ok()) return representor.status();
    parts.representor = *std::move(representor);
  }
  std::unique_ptr<SoftNic> nic(new SoftNic(config, std::move(parts), std::move(worker)));
  nic->info_ = InfoOf(config);
  nic->worker_->RunAlways([&nic] {
    nic->core_.SetRss(TableOf(nic->rss_));
    nic->core_.Attach();
  });
  return nic;
}

}  // namespace qsplit::softnic
