#include "daemon/backend/vfio/vfio_device.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/backend/common/queue_checks.h"
#include "daemon/backend/vfio/direct_lease.h"
#include "daemon/backend/vfio/guarded_lease.h"
#include "daemon/linux/eventfd.h"

namespace qsplit::vfio {
namespace {

using device::Protection;

// Calls but OpenQueues and CloseQueues return within 50 ms.
constexpr auto kPatience = std::chrono::milliseconds(40);
// How long OpenQueues waits for a function that is being reset after another lease.
constexpr auto kReadyPatience = std::chrono::seconds(3);

}  // namespace

absl::StatusOr<std::unique_ptr<VfioDevice>> VfioDevice::Create(
    VfioConfig config, std::unique_ptr<HostedFunction> function, std::unique_ptr<NicDriver> driver,
    std::shared_ptr<void> ownership) {
  std::unique_ptr<VfioDevice> device(new VfioDevice(std::move(config), std::move(function),
                                                    std::move(driver), std::move(ownership)));
  absl::StatusOr<linux_sys::OwnedFd> wake = linux_sys::CreateEventFd();
  if (!wake.ok()) return wake.status();
  device->wake_ = *std::move(wake);
  {
    const std::lock_guard lock(device->control_);
    if (absl::Status status = device->BringUp(); !status.ok()) return status;
  }
  if (absl::Status status = device->FillInfo(); !status.ok()) return status;
  if (absl::Status status = device->StartGuard(); !status.ok()) return status;
  device->caretaker_ = std::thread([self = device.get()] { self->Care(); });
  return device;
}

VfioDevice::VfioDevice(VfioConfig config, std::unique_ptr<HostedFunction> function,
                       std::unique_ptr<NicDriver> driver, std::shared_ptr<void> ownership)
    : config_(std::move(config)),
      mailer_([this] { return State(); }),
      ownership_(std::move(ownership)),
      function_(std::move(function)),
      driver_(std::move(driver)) {}

VfioDevice::~VfioDevice() {
  mailer_.SetEvents({});
  stop_.store(true, std::memory_order_relaxed);
  if (wake_.valid()) linux_sys::SignalEventFd(wake_.get());
  if (caretaker_.joinable()) caretaker_.join();
  const std::lock_guard lock(control_);
  for (auto& [id, lease] : leases_) (void)lease->Stop(*driver_);
  if (ready_) driver_->Stop();
  leases_.clear();
  if (worker_ != nullptr) worker_->RunAlways([this] { worker_->Remove(guard_.get()); });
  worker_.reset();
  function_->Close();
}

absl::Status VfioDevice::StartGuard() {
  if (config_.protection != Protection::kGuarded) return absl::OkStatus();
  absl::StatusOr<std::shared_ptr<backend::Worker>> worker =
      backend::Worker::Start(config_.name, config_.cpu);
  if (!worker.ok()) return worker.status();
  worker_ = *std::move(worker);
  guard_ = std::make_unique<GuardPoller>(
      [this](const device::Fault& fault) { mailer_.PostFault(fault); });
  worker_->RunAlways([this] {
    worker_->Add(guard_.get());
    // Completions wake a worker that sleeps.
    const std::optional<uint32_t> other = driver_->OtherVector();
    for (uint32_t i = 0; i < vector_events_.size(); ++i) {
      if (other != i) worker_->WatchWakeup(vector_events_[i]->get(), &interrupts_);
    }
  });
  return absl::OkStatus();
}

absl::Status VfioDevice::FillInfo() {
  facts_ = driver_->facts();
  absl::StatusOr<std::vector<OfferedLayout>> offered = OfferedLayouts(facts_, config_.layouts);
  if (!offered.ok()) return offered.status();
  offered_ = *std::move(offered);
  const uint32_t cap = config_.queues.value_or(UINT32_MAX);
  info_.name = config_.name;
  info_.backend = "vfio";
  info_.rx_queues = std::min(facts_.rx_queues, cap);
  info_.tx_queues = std::min(facts_.tx_queues, cap);
  info_.numa_node = config_.numa_node;
  info_.rule_capacity = facts_.rule_capacity;
  info_.rss_table_size = facts_.rss_table_size;
  info_.rss_types = facts_.rss_types;
  info_.default_slots = config_.slots.value_or(facts_.default_slots);
  info_.offloads = facts_.offloads;
  info_.protections = {config_.protection};
  if (config_.protection == Protection::kGuarded) info_.rate_limit_modes = {Protection::kGuarded};
  info_.source_check_trouble =
      config_.protection == Protection::kGuarded
          ? "its guard sees descriptors, not packets"
          : "its client drives the function itself, and nobody sees packets";
  for (const OfferedLayout& layout : offered_) {
    info_.layouts.push_back(layout.layout);
    info_.allowed.push_back(layout.allowed);
  }
  info_.whole_function_only = config_.protection == Protection::kDirect || !facts_.leases_may_share;
  info_.pins_memory = true;
  info_.iova_end = function_->iovas().end();
  info_.pci = config_.pci;
  info_.wire = facts_.family;
  if (!facts_.steering.empty()) absl::StrAppend(&info_.wire, "; rules: ", facts_.steering);
  const std::lock_guard lock(control_);
  rss_ = backend::Rss(info_.rx_queues, info_.rss_table_size, /*inside=*/false);
  return absl::OkStatus();
}

absl::StatusOr<VfioDevice::Lock> VfioDevice::TryLock() const {
  Lock lock(control_, std::defer_lock);
  // By the system's clock: g++ 12's thread sanitizer is blind to a lock that is waited for by the
  // steady one, and takes what the lock guards for races.
  if (!lock.try_lock_until(std::chrono::system_clock::now() + kPatience)) {
    return absl::UnavailableError("the device is busy with another lease; try again");
  }
  return lock;
}

absl::Status VfioDevice::CheckRequest(const device::QueueRequest& request,
                                      const OfferedLayout** layout) const {
  if (request.protection != config_.protection) {
    return absl::UnimplementedError(absl::StrCat(
        "device '", info_.name, "' is set up for ",
        config_.protection == Protection::kDirect ? "direct" : "guarded", " leases only"));
  }
  if (request.source.any()) {
    return absl::UnimplementedError(
        absl::StrCat("source addresses cannot be checked: ", info_.source_check_trouble));
  }
  const auto offered = std::find_if(offered_.begin(), offered_.end(),
                                    [&](const auto& one) { return one.layout == request.layout; });
  if (offered == offered_.end()) {
    return absl::NotFoundError(absl::StrCat("device '", info_.name, "' does not offer the layout ",
                                            request.layout.name()));
  }
  *layout = &*offered;
  absl::Status status = CheckChoices(*offered, request.features);
  status.Update(backend::CheckQueueNumbers(request, info_));
  if (!status.ok()) return status;
  for (const auto& [id, lease] : leases_) {
    if (info_.whole_function_only && id != request.lease) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the function is leased whole to another client",
                       facts_.leases_may_share
                           ? ""
                           : "; this hardware cannot keep leases from holding each other up"));
    }
    const device::QueueRequest& open = lease->request();
    status = backend::CheckApart(request, id, open.rx_queues, open.tx_queues);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<device::Grant> VfioDevice::OpenQueues(const device::QueueRequest& request) {
  Lock lock(control_);
  // The former lease's function is being reset.
  ready_changed_.wait_for(lock, kReadyPatience, [this] { return ready_; });
  if (!ready_) {
    const std::string trouble = State().trouble;
    return absl::UnavailableError(
        absl::StrCat("device '", info_.name,
                     "': ", trouble.empty() ? "the function is being reset; try again" : trouble));
  }
  const OfferedLayout* layout = nullptr;
  if (absl::Status status = CheckRequest(request, &layout); !status.ok()) return status;
  const LeaseParts parts{.function = *function_,
                         .driver = *driver_,
                         .layout = *layout,
                         .default_slots = info_.default_slots,
                         .vector_events = vector_events_,
                         .bursts = &bursts_};
  const bool direct = config_.protection == Protection::kDirect;
  if (direct && config_.on_handed) {
    absl::Status noted = config_.on_handed(request.lease, request.holder_pid);
    if (!noted.ok()) return noted;
  }
  last_holder_pid_ = request.holder_pid;
  absl::StatusOr<std::unique_ptr<OpenLease>> made =
      direct ? DirectLease::Make(parts, request)
             : GuardedLease::Make(parts, request, *worker_, *guard_);
  absl::Status status = made.status();
  if (status.ok()) {
    leases_[request.lease] = *std::move(made);
    // Nobody else is there to take what reaches a function that is leased whole.
    if (direct || request.join_rss) rss_.Return(request.rx_queues);
    status = ApplySteering();
  }
  if (status.ok()) return leases_.at(request.lease)->TakeGrant();
  rss_.Leave(request.rx_queues);
  if (const auto lease = leases_.find(request.lease); lease != leases_.end()) {
    (void)lease->second->Stop(*driver_);
    leases_.erase(lease);
  }
  if (direct && config_.on_free) config_.on_free();
  return status;
}

absl::Status VfioDevice::CloseQueues(device::LeaseId id) {
  const Lock lock(control_);
  const auto found = leases_.find(id);
  if (found == leases_.end()) return absl::OkStatus();
  OpenLease& lease = *found->second;
  rss_.Leave(lease.request().rx_queues);
  // What does not confirm that it has stopped meets an address space without the lease's memory.
  ApplySteering().IgnoreError();
  const absl::Status stopped = lease.Stop(*driver_);
  const bool direct = config_.protection == Protection::kDirect;
  if (direct) {
    driver_->Stop();
    ready_ = false;
  }
  leases_.erase(found);
  if (direct) {
    // The memory is out of reach. Closing the function resets it, which takes the kernel 100 ms.
    linux_sys::SignalEventFd(wake_.get());
  } else if (!stopped.ok()) {
    Trouble(absl::StrCat("a queue did not stop (", stopped.message(),
                         "); its memory is unmapped; restart qsplitd to reset the device"));
  }
  return absl::OkStatus();
}

absl::Status VfioDevice::ApplySteering() {
  if (info_.rss_table_size == 0) return absl::OkStatus();
  return driver_->SetRss({rss_.Effective(), rss_.key()});
}

absl::Status VfioDevice::Set(const device::DeviceSettings& settings) {
  absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok()) return lock.status();
  if (!ready_) return absl::UnavailableError("the function is being reset; try again");
  if (absl::Status status = driver_->Set(settings); !status.ok()) return status;
  if (settings.mtu_bytes) settings_.mtu_bytes = settings.mtu_bytes;
  if (settings.promiscuous) settings_.promiscuous = settings.promiscuous;
  if (settings.all_multicast) settings_.all_multicast = settings.all_multicast;
  if (settings.multicast) settings_.multicast = settings.multicast;
  Look();
  return absl::OkStatus();
}

void VfioDevice::SetEvents(device::DeviceEvents events) { mailer_.SetEvents(std::move(events)); }

device::DeviceState VfioDevice::State() const {
  const std::lock_guard lock(state_mutex_);
  return state_;
}

absl::Status VfioDevice::AddRule(const device::FlowRule& rule) {
  absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok()) return lock.status();
  if (!ready_) return absl::UnavailableError("the function is being reset; try again");
  if (rule.action.passes() || rule.action.reflects()) {
    return absl::UnimplementedError(absl::StrCat(
        info_.name, " cannot ",
        rule.action.passes() ? "pass packets to the kernel" : "send packets back to the wire",
        " by a rule; its rules drop, or name a queue"));
  }
  if (rule.action.to_queue() && rule.action.queue >= info_.rx_queues) {
    return absl::InvalidArgumentError(absl::StrCat("a rule for receive queue ", rule.action.queue,
                                                   "; the device has ", info_.rx_queues));
  }
  if (rule.location >= info_.rule_capacity) {
    return absl::ResourceExhaustedError(
        absl::StrCat("rule location ", rule.location, "; the device has ", info_.rule_capacity));
  }
  if (rules_.contains(rule.location)) {
    return absl::AlreadyExistsError(absl::StrCat("rule location ", rule.location, " is taken"));
  }
  if (absl::Status status = driver_->AddRule(rule); !status.ok()) return status;
  rules_[rule.location] = rule;
  return absl::OkStatus();
}

absl::Status VfioDevice::RemoveRule(uint32_t location) {
  absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok()) return lock.status();
  if (rules_.erase(location) == 0) {
    return absl::NotFoundError(absl::StrCat("no rule at location ", location));
  }
  // A function that was reset has no rules; those in the table are put back when it is ready.
  return ready_ ? driver_->RemoveRule(location) : absl::OkStatus();
}

// The hardware counts for queues, not for rules.
std::vector<device::RuleCounters> VfioDevice::ReadRuleCounters() const { return {}; }

absl::StatusOr<device::RssConfig> VfioDevice::GetRss() const {
  if (info_.rss_table_size == 0) {
    return absl::UnimplementedError(absl::StrCat("a ", facts_.family, " has no RSS table"));
  }
  absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok()) return lock.status();
  return device::RssConfig{rss_.Effective(), rss_.key()};
}

absl::Status VfioDevice::SetRss(const device::RssConfig& config) {
  if (info_.rss_table_size == 0) {
    return absl::UnimplementedError(absl::StrCat("a ", facts_.family, " has no RSS table"));
  }
  absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok()) return lock.status();
  if (!ready_) return absl::UnavailableError("the function is being reset; try again");
  const backend::Rss before = rss_;
  absl::Status status = rss_.Set(config);
  if (status.ok()) status = ApplySteering();
  if (!status.ok()) rss_ = before;
  return status;
}

device::DeviceCounters VfioDevice::ReadCounters() const {
  const absl::StatusOr<Lock> lock = TryLock();
  device::DeviceCounters now;
  now.rx.resize(info_.rx_queues);
  now.tx.resize(info_.tx_queues);
  if (lock.ok() && ready_) {
    driver_->ReadCounters(&now);
    now.rx.resize(info_.rx_queues);
    now.tx.resize(info_.tx_queues);
    if (config_.protection == Protection::kGuarded) {
      // The guard counts the packets of queues; some hardware does as well.
      for (auto* queues : {&now.rx, &now.tx}) {
        for (device::QueueCounters& queue : *queues) queue.packets = queue.bytes = 0;
      }
    }
    for (const auto& [id, lease] : leases_) lease->AddCounters(&now);
    const std::lock_guard state_lock(state_mutex_);
    counters_ = std::move(now);
  }
  const std::lock_guard state_lock(state_mutex_);
  return counters_;
}

const OpenLease* VfioDevice::HolderOf(uint32_t queue, bool transmit) const {
  for (const auto& [id, lease] : leases_) {
    const auto& queues = transmit ? lease->request().tx_queues : lease->request().rx_queues;
    if (std::ranges::find(queues, queue) != queues.end()) return lease.get();
  }
  return nullptr;
}

std::vector<device::QueueCheck> VfioDevice::ExamineQueue(uint32_t queue, bool transmit) {
  const absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok() || !ready_) {
    return {
        {"function", device::CheckVerdict::kWrong, "it is being reset", "try again in a while"}};
  }
  const OpenLease* const lease = HolderOf(queue, transmit);
  return lease == nullptr ? std::vector<device::QueueCheck>() : lease->Examine(queue, transmit);
}

std::optional<device::QueueProgress> VfioDevice::ReadProgress(uint32_t queue, bool transmit) const {
  const absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok() || !ready_) return std::nullopt;
  const OpenLease* const lease = HolderOf(queue, transmit);
  return lease == nullptr ? std::nullopt : lease->Progress(queue, transmit);
}

absl::StatusOr<device::RingImage> VfioDevice::ReadRing(const device::RingSelection& wanted) const {
  const absl::StatusOr<Lock> lock = TryLock();
  if (!lock.ok()) return lock.status();
  const OpenLease* const lease = HolderOf(wanted.queue, wanted.transmit);
  if (lease == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("nobody leases queue ", wanted.queue, ", so it has no rings"));
  }
  return lease->ReadRing(wanted);
}

absl::Status VfioDevice::Inject(const device::Injection&) {
  return absl::UnimplementedError("faults are injected into software NICs only");
}

}  // namespace qsplit::vfio
