#include "daemon/backend/softnic/softnic.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/backend/common/queue_checks.h"
#include "daemon/backend/common/ring_image.h"

namespace qsplit::softnic {

SoftNic::SoftNic(const SoftNicConfig& config, NicCore::Parts parts, std::shared_ptr<Worker> worker)
    : name_(config.name),
      mac_(config.mac),
      worker_(std::move(worker)),
      rss_(config.rx_queues, kRssTableSize, /*inside=*/true),
      settings_{.mtu_bytes = config.mtu_bytes},
      mailer_([this] { return State(); }),
      core_(config, std::move(parts), worker_.get(), &mailer_) {}

SoftNic::~SoftNic() {
  mailer_.SetEvents({});
  worker_->RunAlways([this] { core_.Detach(); });
}

device::DeviceState SoftNic::State() const {
  const std::lock_guard lock(settings_mutex_);
  device::DeviceState state;
  state.trouble = core_.LinkTrouble();
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
    if (absl::Status status = core_.SetInterfaceMtu(next.mtu_bytes); !status.ok()) {
      (void)core_.SetInterfaceMtu(old_mtu_bytes);
      return status;
    }
  }
  absl::Status status = worker_->Run([this, next] { core_.SetSettings(next); });
  if (!status.ok()) {
    if (next.mtu_bytes != old_mtu_bytes) (void)core_.SetInterfaceMtu(old_mtu_bytes);
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
  absl::StatusOr<NewLease> made = MakeLeaseQueues(request, info_.default_slots, region_maps_);
  if (!made.ok()) return made.status();
  const std::lock_guard lock(mutex_);
  if (absl::Status status = CheckFree(request); !status.ok()) return status;
  std::byte* const rings = made->queues->memory.data();
  backend::Rss rss = rss_;
  if (!request.join_rss) rss.Leave(request.rx_queues);
  absl::Status status =
      worker_->Run([this, &queues = made->queues, table = TableOf(rss)]() mutable {
        core_.OpenLease(std::move(queues), std::move(table));
      });
  if (!status.ok()) return status;
  rss_ = std::move(rss);
  OpenLease open{request, made->grant.rx, made->grant.tx, rings};
  open.request.regions.clear();
  leases_.emplace(request.lease, std::move(open));
  return std::move(made->grant);
}

absl::Status SoftNic::CloseQueues(device::LeaseId lease) {
  // Unmapped when the worker is through with it: on this thread when the lock is free, or, if that
  // takes long, on the reaper's.
  std::unique_ptr<LeaseQueues> closed;
  const std::lock_guard lock(mutex_);
  const auto open = leases_.find(lease);
  if (open == leases_.end()) return absl::OkStatus();
  backend::Rss rss = rss_;
  if (!open->second.request.join_rss) rss.Return(open->second.request.rx_queues);
  absl::Status status = worker_->Run([this, lease, &closed, table = TableOf(rss)]() mutable {
    closed = core_.CloseLease(lease, std::move(table));
  });
  if (!status.ok()) return status;
  rss_ = std::move(rss);
  leases_.erase(open);
  if (closed != nullptr && closed->iommu.mapped_bytes() >= linux_sys::kReapBytes) {
    reaper_.Take(std::shared_ptr<const LeaseQueues>(std::move(closed)));
  }
  return absl::OkStatus();
}

absl::Status SoftNic::InstallRules(const std::map<uint32_t, device::FlowRule>& rules,
                                   const uint32_t* fresh_location) {
  std::vector<device::FlowRule> list;
  list.reserve(rules.size());
  for (const auto& [location, rule] : rules) list.push_back(rule);
  return worker_->Run(
      [this, fresh_location, table = std::make_shared<const FlowTable>(list)]() mutable {
        if (fresh_location != nullptr) {
          core_.stats().rules[*fresh_location].packets.Clear();
          core_.stats().rules[*fresh_location].bytes.Clear();
        }
        core_.SetRules(std::move(table));
      });
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
  if (absl::Status status = InstallRules(rules, &rule.location); !status.ok()) return status;
  rules_ = std::move(rules);
  return absl::OkStatus();
}

absl::Status SoftNic::RemoveRule(uint32_t location) {
  const std::lock_guard lock(mutex_);
  std::map<uint32_t, device::FlowRule> rules = rules_;
  if (rules.erase(location) == 0) {
    return absl::NotFoundError(absl::StrCat("no rule at location ", location));
  }
  if (absl::Status status = InstallRules(rules, nullptr); !status.ok()) return status;
  rules_ = std::move(rules);
  return absl::OkStatus();
}

std::vector<device::RuleCounters> SoftNic::ReadRuleCounters() const {
  const std::lock_guard lock(mutex_);
  std::vector<device::RuleCounters> out;
  for (const auto& [location, rule] : rules_) {
    const RuleStats& stats = core_.stats().rules[location];
    out.push_back({location, stats.packets.Read(), stats.bytes.Read()});
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
  absl::Status status =
      worker_->Run([this, table = TableOf(rss)]() mutable { core_.SetRss(std::move(table)); });
  if (!status.ok()) return status;
  rss_ = std::move(rss);
  return absl::OkStatus();
}

device::DeviceCounters SoftNic::ReadCounters() const { return core_.stats().Read(); }

std::vector<device::QueueCheck> SoftNic::ExamineQueue(uint32_t queue, bool transmit) {
  std::vector<device::QueueCheck> checks;
  const absl::Status status =
      worker_->Run([&] { checks = core_.Examine(queue, transmit, backend::MonotonicNs()); });
  if (!status.ok()) {
    checks.push_back({"device's thread", device::CheckVerdict::kWrong,
                      absl::StrCat("it does not answer: ", status.message()),
                      "give it a CPU of its own (`cpu` in the configuration)"});
  }
  return checks;
}

absl::StatusOr<device::RingImage> SoftNic::ReadRing(const device::RingSelection& wanted) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, lease] : leases_) {
    const auto& queues = wanted.transmit ? lease.request.tx_queues : lease.request.rx_queues;
    if (std::ranges::find(queues, wanted.queue) == queues.end()) continue;
    return backend::ReadRing(lease.request, wanted.transmit ? lease.tx : lease.rx, lease.rings,
                             wanted);
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
  absl::Status status = worker_->Run([&] { result = core_.Inject(injection); });
  return status.ok() ? result : status;
}

}  // namespace qsplit::softnic
