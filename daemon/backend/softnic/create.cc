// SoftNic's factories: names, peers, workers.
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
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

// The threads of one worker, as the devices on it want them.
struct WorkerThreads {
  uint32_t count = 0;
  std::vector<uint32_t> cpus;  // empty: not pinned
  std::string said_by;         // the device that said so first
};

absl::Status AddTo(WorkerThreads* threads, const SoftNicConfig& config) {
  if (threads->count == 0) {
    *threads = {config.threads, config.cpus, config.name};
    return absl::OkStatus();
  }
  if (threads->count != config.threads) {
    return absl::InvalidArgumentError(absl::StrCat(
        "device '", config.name, "': ", config.threads, " threads, but device '", threads->said_by,
        "', with which it shares them, has ", threads->count, "; give both the same"));
  }
  if (threads->cpus.empty()) threads->cpus = config.cpus;
  if (!config.cpus.empty() && config.cpus != threads->cpus) {
    return absl::InvalidArgumentError(absl::StrCat(
        "device '", config.name, "': cpu ", absl::StrJoin(config.cpus, ", "),
        ", but its worker is on cpu ", absl::StrJoin(threads->cpus, ", "), "; give it one"));
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
  info.rss_types = kHashedTypes;
  info.default_slots = config.default_slots;
  info.offloads = {Offload::kRss,         Offload::kNtuple,     Offload::kRxChecksum,
                   Offload::kTxChecksum,  Offload::kRxVlan,     Offload::kTxVlan,
                   Offload::kRxScatter,   Offload::kTxGather,   Offload::kTso,
                   Offload::kRxTimestamp, Offload::kTxTimestamp};
  info.protections = {device::Protection::kDirect};
  info.layouts = config.layouts;
  info.queue_threads = QueueThreads(config);
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
  std::map<std::string, SoftNic::Workers> workers;
  std::map<std::string, WorkerThreads> threads;
  std::vector<std::string> keys;
  for (const SoftNicConfig& config : configs) {
    if (absl::Status status = CheckPeer(config, by_name); !status.ok()) return status;
    absl::StatusOr<std::string> key = WorkerKey(config, by_name);
    if (!key.ok()) return key.status();
    if (absl::Status status = AddTo(&threads[*key], config); !status.ok()) return status;
    keys.push_back(*std::move(key));
  }
  std::map<std::string, SoftNic*> made;
  std::vector<std::unique_ptr<SoftNic>> nics;
  for (size_t i = 0; i < configs.size(); ++i) {
    SoftNic::Workers& of_key = workers[keys[i]];
    const WorkerThreads& wanted = threads[keys[i]];
    while (of_key.size() < wanted.count) {
      const size_t thread = of_key.size();
      std::optional<uint32_t> cpu;
      if (!wanted.cpus.empty()) cpu = wanted.cpus[thread];
      // Names of threads are short: the number goes in front.
      const std::string name =
          wanted.count == 1 ? configs[i].name : absl::StrCat(thread, "-", configs[i].name);
      absl::StatusOr<std::shared_ptr<Worker>> started = Worker::Start(name, cpu);
      if (!started.ok()) return started.status();
      of_key.push_back(*std::move(started));
    }
    absl::StatusOr<std::unique_ptr<SoftNic>> nic = Make(configs[i], of_key, keys[i]);
    if (!nic.ok()) return nic.status();
    made[configs[i].name] = nic->get();
    nics.push_back(*std::move(nic));
  }
  for (const SoftNicConfig& config : configs) {
    const PeerWire* peer = PeerOf(config);
    if (peer == nullptr || config.name > peer->other) continue;
    SoftNic* const a = made[config.name];
    SoftNic* const b = made[peer->other];
    for (size_t core = 0; core < a->cores_.size(); ++core) {
      a->workers_[core]->RunAlways(
          [&] { NicCore::Connect(a->cores_[core].get(), b->cores_[core].get()); });
    }
  }
  return nics;
}

absl::StatusOr<std::unique_ptr<SoftNic>> SoftNic::Make(const SoftNicConfig& config, Workers workers,
                                                       const std::string& worker) {
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
  std::unique_ptr<SoftNic> nic(new SoftNic(config, std::move(parts), std::move(workers)));
  nic->info_ = InfoOf(config);
  nic->info_.worker = worker;
  for (size_t core = 0; core < nic->cores_.size(); ++core) {
    nic->workers_[core]->RunAlways([&] {
      nic->cores_[core]->SetRss(TableOf(nic->rss_));
      nic->cores_[core]->Attach();
    });
  }
  return nic;
}

}  // namespace qsplit::softnic
