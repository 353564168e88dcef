#include "daemon/backend/softnic/softnic.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/backend/common/queue_checks.h"
#include "daemon/backend/common/ring_image.h"
#include "daemon/backend/common/ring_progress.h"

namespace qsplit::softnic {

SoftNic::SoftNic(const SoftNicConfig& config, NicCore::Parts parts, Workers workers)
    : name_(config.name),
      mac_(config.mac),
      workers_(std::move(workers)),
      rss_(config.rx_queues, kRssTableSize, /*inside=*/true),
      table_(std::make_shared<FlowTable>()),
      settings_{.mtu_bytes = config.mtu_bytes},
      mailer_([this] { return State(); }) {
  const size_t count = workers_.size();
  std::vector<NicCore*> cores;
  for (size_t i = 0; i < count; ++i) {
    // The first one has the wire and its like.
    cores_.push_back(std::make_unique<NicCore>(config, std::exchange(parts, NicCore::Parts()),
                                               workers_[i].get(), &mailer_));
    cores.push_back(cores_.back().get());
  }
  // By writer and reader.
  std::vector<std::vector<FrameLane*>> lanes(count, std::vector<FrameLane*>(count, nullptr));
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = 0; j < count; ++j) {
      if (i == j) continue;
      lanes_.push_back(std::make_unique<FrameLane>());
      lanes[i][j] = lanes_.back().get();
    }
  }
  for (size_t i = 0; i < count; ++i) {
    std::vector<FrameLane*> from;
    for (size_t j = 0; j < count; ++j) from.push_back(lanes[j][i]);
    cores_[i]->JoinCores(cores, static_cast<uint32_t>(i), lanes[i], from);
  }
}

SoftNic::~SoftNic() {
  mailer_.SetEvents({});
  for (size_t i = 0; i < cores_.size(); ++i) {
    workers_[i]->RunAlways([this, i] { cores_[i]->Detach(); });
  }
}

absl::Status SoftNic::RunOnAll(const std::function<void(NicCore&)>& command,
                               const std::function<void(NicCore&)>& undo) {
  for (size_t i = 0; i < cores_.size(); ++i) {
    absl::Status status = workers_[i]->Run([&] { command(*cores_[i]); });
    if (status.ok()) continue;
    for (size_t done = 0; done < i; ++done) {
      workers_[done]->RunAlways([&] { undo(*cores_[done]); });
    }
    return status;
  }
  return absl::OkStatus();
}

device::DeviceState SoftNic::State() const {
  const std::lock_guard lock(settings_mutex_);
  device::DeviceState state;
  state.trouble = cores_.front()->LinkTrouble();
  state.link_up = state.trouble.empty();
  state.mtu_bytes = settings_.mtu_bytes;
  state.mac = mac_;
  state.promiscuous = settings_.promiscuous;
  state.all_multicast = settings_.all_multicast;
  state.multicast = settings_.multicast;
  return state;
}

absl::Status SoftNic::Set(const device::DeviceSettings& settings) {
  if (settings.mtu_bytes &&
      (*settings.mtu_bytes < kMinMtuBytes || *settings.mtu_bytes > kMaxMtuBytes)) {
    return absl::InvalidArgumentError(absl::StrCat("MTU of ", *settings.mtu_bytes, " bytes; give ",
                                                   kMinMtuBytes, " to ", kMaxMtuBytes));
  }
  if (settings.multicast) {
    for (const device::MacAddress& mac : *settings.multicast) {
      if ((mac[0] & 1) == 0) {
        return absl::InvalidArgumentError("the multicast list holds a unicast address");
      }
    }
  }
  const std::lock_guard lock(mutex_);
  NicSettings next = settings_;  // only written with mutex_ held
  if (settings.mtu_bytes) next.mtu_bytes = *settings.mtu_bytes;
  if (settings.promiscuous) next.promiscuous = *settings.promiscuous;
  if (settings.all_multicast) next.all_multicast = *settings.all_multicast;
  if (settings.multicast) {
    next.multicast = *settings.multicast;
    std::sort(next.multicast.begin(), next.multicast.end());
  }
  const uint32_t old_mtu_bytes = settings_.mtu_bytes;
  if (next.mtu_bytes != old_mtu_bytes) {
    if (absl::Status status = cores_.front()->SetInterfaceMtu(next.mtu_bytes); !status.ok()) {
      (void)cores_.front()->SetInterfaceMtu(old_mtu_bytes);
      return status;
    }
  }
  absl::Status status = RunOnAll([&](NicCore& core) { core.SetSettings(next); },
                                 [this](NicCore& core) { core.SetSettings(settings_); });
  if (!status.ok()) {
    if (next.mtu_bytes != old_mtu_bytes) (void)cores_.front()->SetInterfaceMtu(old_mtu_bytes);
    return status;
  }
  {
    const std::lock_guard settings_lock(settings_mutex_);
    settings_ = std::move(next);
  }
  mailer_.PostStateChange();
  return absl::OkStatus();
}

void SoftNic::SetEvents(device::DeviceEvents events) { mailer_.SetEvents(std::move(events)); }

std::shared_ptr<const RssTable> SoftNic::TableOf(const backend::Rss& rss) {
  auto table = std::make_shared<RssTable>(rss.key());
  std::ranges::copy(rss.Effective(), table->queue.begin());
  return table;
}

absl::Status SoftNic::CheckRequest(const device::QueueRequest& request) const {
  if (request.protection != device::Protection::kDirect) {
    return absl::UnimplementedError(
        "the software NIC has an IOMMU of its own and serves direct leases only");
  }
  if (std::find(info_.layouts.begin(), info_.layouts.end(), request.layout) ==
      info_.layouts.end()) {
    return absl::NotFoundError(
        absl::StrCat("device '", name_, "' does not offer the layout ", request.layout.name()));
  }
  return backend::CheckQueueNumbers(request, info_);
}

absl::Status SoftNic::CheckFree(const device::QueueRequest& request) const {
  for (const auto& [id, lease] : leases_) {
    absl::Status status =
        backend::CheckApart(request, id, lease.request.rx_queues, lease.request.tx_queues);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<device::Grant> SoftNic::OpenQueues(const device::QueueRequest& request) {
  if (absl::Status status = CheckRequest(request); !status.ok()) return status;
  {
    const std::lock_guard lock(mutex_);
    if (absl::Status status = CheckFree(request); !status.ok()) return status;
  }
  // Maps memory: not with the lock held.
  absl::StatusOr<NewLease> made =
      MakeLeaseQueues(request, info_.default_slots, region_maps_, &bursts_);
  if (!made.ok()) return made.status();
  const std::lock_guard lock(mutex_);
  if (absl::Status status = CheckFree(request); !status.ok()) return status;
  backend::Rss rss = rss_;
  if (!request.join_rss) rss.Leave(request.rx_queues);
  LeaseQueues* const queues = made->queues.get();
  absl::Status status =
      RunOnAll([queues, table = TableOf(rss)](NicCore& core) { core.OpenLease(queues, table); },
               [queues, table = TableOf(rss_)](NicCore& core) { core.CloseLease(queues, table); });
  if (!status.ok()) return status;
  rss_ = std::move(rss);
  OpenLease open{request, made->grant.rx, made->grant.tx, std::move(made->queues)};
  open.request.regions.clear();
  leases_.insert_or_assign(request.lease, std::move(open));
  return std::move(made->grant);
}

absl::Status SoftNic::CloseQueues(device::LeaseId lease) {
  // Unmapped when the workers are through with it: on this thread when the lock is free, or, if
  // that takes long, on the reaper's.
  std::unique_ptr<LeaseQueues> closed;
  const std::lock_guard lock(mutex_);
  const auto open = leases_.find(lease);
  if (open == leases_.end()) return absl::OkStatus();
  backend::Rss rss = rss_;
  if (!open->second.request.join_rss) rss.Return(open->second.request.rx_queues);
  LeaseQueues* const queues = open->second.queues.get();
  absl::Status status =
      RunOnAll([queues, table = TableOf(rss)](NicCore& core) { core.CloseLease(queues, table); },
               [queues, table = TableOf(rss_)](NicCore& core) { core.OpenLease(queues, table); });
  if (!status.ok()) return status;
  rss_ = std::move(rss);
  closed = std::move(open->second.queues);
  leases_.erase(open);
  if (closed->iommu.mapped_bytes() >= linux_sys::kReapBytes) {
    reaper_.Take(std::shared_ptr<const LeaseQueues>(std::move(closed)));
  }
  return absl::OkStatus();
}

absl::Status SoftNic::InstallRules(std::map<uint32_t, device::FlowRule> rules,
                                   const uint32_t* fresh_location) {
  std::vector<device::FlowRule> list;
  list.reserve(rules.size());
  for (const auto& [location, rule] : rules) list.push_back(rule);
  const auto table = std::make_shared<const FlowTable>(list);
  absl::Status status = RunOnAll(
      [&](NicCore& core) {
        if (fresh_location != nullptr) {
          core.stats().rules[*fresh_location].packets.Clear();
          core.stats().rules[*fresh_location].bytes.Clear();
        }
        core.SetRules(table);
      },
      [this](NicCore& core) { core.SetRules(table_); });
  if (!status.ok()) return status;
  rules_ = std::move(rules);
  table_ = table;
  return absl::OkStatus();
}

absl::Status SoftNic::AddRule(const device::FlowRule& rule) {
  if (rule.location >= info_.rule_capacity) {
    return absl::ResourceExhaustedError(
        absl::StrCat("rule location ", rule.location, "; the device has ", info_.rule_capacity));
  }
  if (rule.action.to_queue() && rule.action.queue >= info_.rx_queues) {
    return absl::InvalidArgumentError(absl::StrCat("a rule for receive queue ", rule.action.queue,
                                                   "; the device has ", info_.rx_queues));
  }
  const std::lock_guard lock(mutex_);
  std::map<uint32_t, device::FlowRule> rules = rules_;
  if (!rules.emplace(rule.location, rule).second) {
    return absl::AlreadyExistsError(absl::StrCat("rule location ", rule.location, " is taken"));
  }
  return InstallRules(std::move(rules), &rule.location);
}

absl::Status SoftNic::RemoveRule(uint32_t location) {
  const std::lock_guard lock(mutex_);
  std::map<uint32_t, device::FlowRule> rules = rules_;
  if (rules.erase(location) == 0) {
    return absl::NotFoundError(absl::StrCat("no rule at location ", location));
  }
  return InstallRules(std::move(rules), nullptr);
}

std::vector<device::RuleCounters> SoftNic::ReadRuleCounters() const {
  const std::lock_guard lock(mutex_);
  std::vector<device::RuleCounters> out;
  for (const auto& [location, rule] : rules_) {
    device::RuleCounters& counters = out.emplace_back();
    counters.location = location;
    for (const auto& core : cores_) {
      counters.packets += core->stats().rules[location].packets.Read();
      counters.bytes += core->stats().rules[location].bytes.Read();
    }
  }
  return out;
}

absl::StatusOr<device::RssConfig> SoftNic::GetRss() const {
  const std::lock_guard lock(mutex_);
  const backend::Rss::Table table = rss_.Effective();
  return device::RssConfig{{table.begin(), table.end()}, rss_.key()};
}

absl::Status SoftNic::SetRss(const device::RssConfig& config) {
  const std::lock_guard lock(mutex_);
  backend::Rss rss = rss_;
  if (absl::Status status = rss.Set(config); !status.ok()) return status;
  absl::Status status = RunOnAll([table = TableOf(rss)](NicCore& core) { core.SetRss(table); },
                                 [table = TableOf(rss_)](NicCore& core) { core.SetRss(table); });
  if (!status.ok()) return status;
  rss_ = std::move(rss);
  return absl::OkStatus();
}

device::DeviceCounters SoftNic::ReadCounters() const {
  device::DeviceCounters out;
  for (uint32_t q = 0; q < info_.rx_queues; ++q) {
    out.rx.push_back(CoreOf(q).stats().rx[q].Read());
  }
  for (uint32_t q = 0; q < info_.tx_queues; ++q) {
    out.tx.push_back(CoreOf(q).stats().tx[q].Read());
  }
  for (const auto& core : cores_) core->stats().AddTo(&out);
  return out;
}

std::vector<device::QueueCheck> SoftNic::ExamineQueue(uint32_t queue, bool transmit) {
  std::vector<device::QueueCheck> checks;
  const absl::Status status = WorkerOf(queue).Run(
      [&] { checks = CoreOf(queue).Examine(queue, transmit, backend::MonotonicNs()); });
  if (!status.ok()) {
    checks.push_back({"device's thread", device::CheckVerdict::kWrong,
                      absl::StrCat("it does not answer: ", status.message()),
                      "give it a CPU of its own (`cpu` in the configuration)"});
  }
  return checks;
}

const SoftNic::OpenLease* SoftNic::HolderOf(uint32_t queue, bool transmit) const {
  for (const auto& [id, lease] : leases_) {
    const auto& queues = transmit ? lease.request.tx_queues : lease.request.rx_queues;
    if (std::ranges::find(queues, queue) != queues.end()) return &lease;
  }
  return nullptr;
}

std::optional<device::QueueProgress> SoftNic::ReadProgress(uint32_t queue, bool transmit) const {
  const std::lock_guard lock(mutex_);
  const OpenLease* const lease = HolderOf(queue, transmit);
  if (lease == nullptr) return std::nullopt;
  return backend::ProgressOf(lease->request, transmit ? lease->tx : lease->rx,
                             lease->queues->memory.data(), transmit, queue);
}

absl::StatusOr<device::RingImage> SoftNic::ReadRing(const device::RingSelection& wanted) const {
  const std::lock_guard lock(mutex_);
  if (const OpenLease* const lease = HolderOf(wanted.queue, wanted.transmit)) {
    return backend::ReadRing(lease->request, wanted.transmit ? lease->tx : lease->rx,
                             lease->queues->memory.data(), wanted);
  }
  return absl::FailedPreconditionError(
      absl::StrCat("nobody leases queue ", wanted.queue, ", so it has no rings"));
}

absl::Status SoftNic::Inject(const device::Injection& injection) {
  using device::InjectedFault;
  if (injection.fault == InjectedFault::kRepeatCompletion) {
    return absl::UnimplementedError("the software NIC cannot repeat completions");
  }
  if (injection.fault == InjectedFault::kDelayCompletion) {
    return absl::UnimplementedError("the software NIC cannot delay completions");
  }
  if (injection.fault == InjectedFault::kWrongLength && injection.transmit) {
    return absl::InvalidArgumentError("a transmit completion has no length; name a receive queue");
  }
  if (injection.duration < absl::ZeroDuration() || injection.duration > absl::Hours(1)) {
    return absl::InvalidArgumentError("a fault lasts at most an hour");
  }
  absl::Status result;
  const std::lock_guard lock(mutex_);
  // The link is the first core's.
  const uint32_t queue = injection.fault == InjectedFault::kLinkDown ? 0 : injection.queue;
  absl::Status status = WorkerOf(queue).Run([&] { result = CoreOf(queue).Inject(injection); });
  return status.ok() ? result : status;
}

}  // namespace qsplit::softnic
