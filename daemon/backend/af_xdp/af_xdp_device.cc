#include "daemon/backend/af_xdp/af_xdp_device.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/backend/common/queue_checks.h"
#include "daemon/device/held_queue.h"
#include "daemon/linux/process_identity.h"

namespace qsplit::af_xdp {
namespace {

// Calls but OpenQueues and CloseQueues return within 50 ms.
constexpr auto kPatience = std::chrono::milliseconds(40);
// A client that has just heard that its lease is over lets go of its sockets meanwhile.
constexpr auto kRestorePatience = std::chrono::milliseconds(300);

// Longer than a busy machine takes to free a queue whose socket has been closed.
constexpr absl::Duration kFreeingTime = absl::Seconds(1);

}  // namespace

AfXdpDevice::~AfXdpDevice() {
  mailer_.SetEvents({});
  // Look, on its thread, asks it until then.
  if (watch_ != nullptr) watch_->Stop();
  const std::lock_guard lock(control_);
  // Who is in a map entry keeps its queue.
  program_.reset();
  leases_.clear();
  // The kernel refuses to take channels away whose queues have sockets.
  closer_->Stop();
  nic_.reset();
  if (changes_ == nullptr) return;
  const absl::Status back = changes_->Restore(kRestorePatience);
  if (!back.ok() && on_trouble_) on_trouble_(config_.name, back);
}

absl::StatusOr<AfXdpDevice::Lock> AfXdpDevice::TryLock() const {
  Lock lock(control_, std::defer_lock);
  if (!lock.try_lock_for(kPatience)) {
    return absl::UnavailableError("the device is busy with another lease; try again");
  }
  return lock;
}

absl::Status AfXdpDevice::CheckRequest(const device::QueueRequest& request) const {
  if (request.protection != device::Protection::kKernel) {
    return absl::UnimplementedError(absl::StrCat(
        "device '", info_.name, "' is the kernel's netdev, which has kernel leases only"));
  }
  if (!(request.layout == info_.layouts.front())) {
    return absl::NotFoundError(absl::StrCat("device '", info_.name, "' does not offer the layout ",
                                            request.layout.name()));
  }
  if (request.join_rss || request.limit.any() || request.source.any()) {
    return absl::UnimplementedError(
        "an AF_XDP lease joins no RSS, and neither how fast it sends nor from which address can be "
        "kept");
  }
  absl::Status status = backend::CheckQueueNumbers(request, info_);
  for (const auto& [id, lease] : leases_) {
    // A receive queue and the transmit queue of its number go together.
    const std::vector<uint32_t> queues = lease->queues();
    status.Update(backend::CheckApart(request, id, queues, queues));
  }
  return status;
}

const AfXdpDevice::Holder* AfXdpDevice::FormerHolder(uint32_t queue) const {
  const auto found = holders_.find(queue);
  if (found == holders_.end() || leases_.contains(found->second.lease)) return nullptr;
  const Holder& holder = found->second;
  return linux_sys::ProcessStart(holder.pid) == holder.start_ticks ? &holder : nullptr;
}

absl::Status AfXdpDevice::StillHeld(const absl::Status& why) const {
  const std::optional<uint32_t> queue = device::HeldQueueOf(why);
  const Holder* const holder = queue ? FormerHolder(*queue) : nullptr;
  // Who has let go a moment ago keeps it until the kernel has followed.
  if (holder == nullptr || absl::Now() - holder->until < kFreeingTime) return why;
  return device::OfHeldQueue(
      absl::ResourceExhaustedError(absl::StrCat(
          "an AF_XDP socket has queue ", *queue, " of netdev ", config_.netdev,
          ", and the program that had the queue before still runs: it is free when that program "
          "closes its socket or ends, and `qsplit queue why ",
          config_.name, " ", *queue, "` tells an administrator which it is")),
      *queue);
}

absl::Status AfXdpDevice::LetIn(const SocketLease& lease) {
  const device::LeaseId id = lease.request().lease;
  for (const uint32_t queue : lease.request().rx_queues) {
    absl::Status status = program_->SetQueueOwner(queue, id);
    status.Update(program_->SetSocket(queue, lease.SocketOf(queue)));
    if (!status.ok()) return status;
  }
  return nic_ == nullptr ? absl::OkStatus() : nic_->Leave(lease.request().rx_queues);
}

void AfXdpDevice::ShutOut(const SocketLease& lease) {
  // What fails, fails because the netdev has gone; nothing arrives there.
  for (const uint32_t queue : lease.request().rx_queues) {
    program_->ClearSocket(queue).IgnoreError();
    program_->SetQueueOwner(queue, 0).IgnoreError();
  }
  if (nic_ != nullptr) nic_->Return(lease.request().rx_queues).IgnoreError();
}

struct AfXdpDevice::PinnedSockets : device::PinnedMemory {
  PinnedSockets(std::unique_ptr<SocketLease> made, std::shared_ptr<SocketCloser> closed_by)
      : lease(std::move(made)), closer(std::move(closed_by)) {}
  ~PinnedSockets() override {
    if (lease != nullptr) closer->Take(std::move(lease));
  }
  PinnedSockets(const PinnedSockets&) = delete;
  PinnedSockets& operator=(const PinnedSockets&) = delete;

  std::unique_ptr<SocketLease> lease;
  const std::shared_ptr<SocketCloser> closer;
};

absl::Status AfXdpDevice::CheckOpen() const {
  if (gone()) return absl::UnavailableError(State().trouble);
  return detached_.load() ? absl::FailedPreconditionError(Detached()) : absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<device::PinnedMemory>> AfXdpDevice::PinMemory(
    const device::QueueRequest& request) {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  {
    const Lock lock(control_);
    if (absl::Status status = CheckRequest(request); !status.ok()) return status;
  }
  SocketOptions sockets = sockets_;
  sockets.mtu_bytes = State().mtu_bytes;
  absl::StatusOr<std::unique_ptr<SocketLease>> lease = SocketLease::Make(request, sockets);
  if (!lease.ok()) return lease.status();
  return std::make_shared<PinnedSockets>(*std::move(lease), closer_);
}

absl::StatusOr<device::Grant> AfXdpDevice::OpenQueues(const device::QueueRequest& request) {
  CheckDetached();
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  std::shared_ptr<device::PinnedMemory> pinned = request.pinned;
  if (pinned == nullptr) {
    absl::StatusOr<std::shared_ptr<device::PinnedMemory>> own = PinMemory(request);
    if (!own.ok()) return own.status();
    pinned = *std::move(own);
  }
  std::unique_ptr<SocketLease>& lease = static_cast<PinnedSockets&>(*pinned).lease;
  {
    const Lock lock(control_);
    if (absl::Status status = CheckRequest(request); !status.ok()) return status;
  }
  // Not with the lock held; nothing else opens or closes queues meanwhile.
  const absl::Status bound = lease->Bind();
  const Lock lock(control_);
  if (absl::IsUnavailable(bound)) return StillHeld(bound);
  if (!bound.ok()) return bound;
  if (absl::Status status = LetIn(*lease); !status.ok()) {
    ShutOut(*lease);
    return status;
  }
  const auto pid = static_cast<uint32_t>(request.holder_pid);
  const uint64_t start = linux_sys::ProcessStart(pid).value_or(0);
  for (const uint32_t queue : lease->queues()) holders_[queue] = {request.lease, pid, start};
  device::Grant grant = lease->TakeGrant();
  leases_[request.lease] = std::move(lease);
  return grant;
}

absl::Status AfXdpDevice::CloseQueues(device::LeaseId id) {
  const Lock lock(control_);
  const auto found = leases_.find(id);
  if (found == leases_.end()) return absl::OkStatus();
  SocketLease& lease = *found->second;
  ShutOut(lease);
  lease.AddCounters(&past_);
  for (const uint32_t queue : lease.queues()) {
    holders_[queue].until = absl::Now();
    kept_->Note(queue, lease.SocketOf(queue)).IgnoreError();
  }
  closer_->Take(std::move(found->second));
  leases_.erase(found);
  return absl::OkStatus();
}

absl::Status AfXdpDevice::Set(const device::DeviceSettings& settings) {
  if (settings.mtu_bytes) {
    return absl::UnimplementedError(absl::StrCat("the MTU of netdev ", config_.netdev,
                                                 " is the kernel's; `ip link set ", config_.netdev,
                                                 " mtu ", *settings.mtu_bytes, "` sets it"));
  }
  absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok()) return lock.status();
  if (!settings_) {
    absl::StatusOr<linux_sys::NetdevSettings> opened =
        linux_sys::NetdevSettings::Open(netns_, config_.netdev);
    if (!opened.ok()) return opened.status();
    settings_.emplace(*std::move(opened));
  }
  absl::Status status;
  if (settings.promiscuous) status.Update(settings_->SetPromiscuous(*settings.promiscuous));
  if (settings.all_multicast) status.Update(settings_->SetAllMulticast(*settings.all_multicast));
  if (settings.multicast) status.Update(settings_->SetMulticast(*settings.multicast));
  Look();
  return status;
}

void AfXdpDevice::SetEvents(device::DeviceEvents events) { mailer_.SetEvents(std::move(events)); }

device::DeviceState AfXdpDevice::State() const {
  const std::lock_guard lock(state_mutex_);
  return state_;
}

absl::Status AfXdpDevice::AddRule(const device::FlowRule& rule) {
  absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok()) return lock.status();
  if (rule.location >= info_.rule_capacity) {
    return absl::ResourceExhaustedError(
        absl::StrCat("rule location ", rule.location, "; the device has ", info_.rule_capacity));
  }
  // What drops, passes or reflects, the program does wherever the packet arrives.
  const bool in_nic = nic_ != nullptr && rule.action.to_queue();
  if (absl::Status status = program_->AddRule(rule); !status.ok() || !in_nic) return status;
  absl::Status status = nic_->AddRule(rule);
  if (!status.ok()) program_->RemoveRule(rule.location).IgnoreError();
  return status;
}

absl::Status AfXdpDevice::RemoveRule(uint32_t location) {
  absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok()) return lock.status();
  if (nic_ != nullptr) {
    absl::Status removed = nic_->RemoveRule(location);
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  }
  return program_->RemoveRule(location);
}

std::vector<device::RuleCounters> AfXdpDevice::ReadRuleCounters() const {
  absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok()) return {};
  return program_->ReadRuleCounters();
}

absl::StatusOr<device::RssConfig> AfXdpDevice::GetRss() const {
  return absl::UnimplementedError(absl::StrCat("the RSS table of netdev ", config_.netdev,
                                               " is the kernel's; `ethtool -x` shows it"));
}

absl::Status AfXdpDevice::SetRss(const device::RssConfig&) {
  return absl::UnimplementedError(absl::StrCat("the RSS table of netdev ", config_.netdev,
                                               " is the kernel's; `ethtool -X` sets it"));
}

device::DeviceCounters AfXdpDevice::ReadCounters() const {
  const absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok()) {
    const std::lock_guard state_lock(state_mutex_);
    return counters_;
  }
  device::DeviceCounters now = past_;
  for (const auto& [id, lease] : leases_) lease->AddCounters(&now);
  const SteeringReasons reasons = program_->ReadReasons();
  for (uint32_t queue = 0; queue < now.rx.size(); ++queue) {
    const SteeringCount count = reasons.queues[queue];
    uint64_t& packets = now.rx[queue].packets;
    packets += count.packets;
    now.rx[queue].bytes = count.bytes;
    // Read one after the other, of which what is lost may be the newer.
    const uint64_t before = counters_.rx[queue].packets;
    if (static_cast<int64_t>(packets - before) < 0) packets = before;
  }
  now.drops_rule = reasons.dropped_by_rule.packets;
  now.drops_malformed = reasons.dropped_malformed.packets;
  now.more = {{"xdp_passed_no_rule", reasons.passed_no_rule.packets},
              {"xdp_passed_by_rule", reasons.passed_by_rule.packets},
              {"xdp_passed_wrong_queue", reasons.passed_wrong_queue.packets},
              {"xdp_passed_no_socket", reasons.passed_no_socket.packets},
              {"xdp_passed_in_change", reasons.passed_in_change.packets},
              {"xdp_redirected", reasons.redirected.packets},
              {"xdp_sent_back", reasons.sent_back.packets}};
  if (const auto link = watch_->link().GetCounters(); link.ok()) {
    now.wire_rx_packets = link->rx_packets;
    now.wire_rx_bytes = link->rx_bytes;
    now.wire_tx_packets = link->tx_packets;
    now.wire_tx_bytes = link->tx_bytes;
    now.drops_wire = link->tx_dropped;
    now.more.push_back({"netdev_rx_dropped", link->rx_dropped});
    now.more.push_back({"netdev_rx_missed", link->rx_missed});
    now.more.push_back({"netdev_rx_fifo", link->rx_fifo});
  }
  const std::lock_guard state_lock(state_mutex_);
  counters_ = now;
  return now;
}

void AfXdpDevice::FollowRings() {
  const absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok()) return;  // the next look is soon enough
  device::DeviceCounters unused = past_;
  for (const auto& [id, lease] : leases_) lease->AddCounters(&unused);
}

absl::Status AfXdpDevice::Inject(const device::Injection&) {
  return absl::UnimplementedError("faults are injected into software NICs only");
}

}  // namespace qsplit::af_xdp
