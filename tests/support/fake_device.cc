#include "tests/support/fake_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace qsplit::device::testing {

FakeDevice::FakeDevice(DeviceInfo info) : info_(std::move(info)) {
  state_.link_up = true;
  state_.mtu_bytes = 1500;
  state_.mac = {2, 0, 0, 0, 0, 1};
  rss_.indirection.assign(info_.rss_table_size, kNoQueue);
}

absl::Status FakeDevice::Enter(const std::string& method) {
  if (fail_after_ == 0) {
    fail_after_ = -1;
    return absl::UnavailableError(method + ": the fake device is being reset");
  }
  if (fail_after_ > 0) --fail_after_;
  const auto failure = failures_.find(method);
  if (failure == failures_.end()) return absl::OkStatus();
  const absl::Status status = failure->second.status;
  if (--failure->second.times == 0) failures_.erase(failure);
  return status;
}

DeviceState FakeDevice::State() const {
  std::lock_guard lock(mutex_);
  return state_;
}

absl::Status FakeDevice::Set(const DeviceSettings& settings) {
  std::lock_guard lock(mutex_);
  if (absl::Status status = Enter("Set"); !status.ok()) return status;
  if (settings.mtu_bytes && (*settings.mtu_bytes < 68 || *settings.mtu_bytes > 9000)) {
    return absl::InvalidArgumentError(
        fmt::format("MTU {} is not within 68..9000", *settings.mtu_bytes));
  }
  if (settings.mtu_bytes) state_.mtu_bytes = *settings.mtu_bytes;
  if (settings.promiscuous) state_.promiscuous = *settings.promiscuous;
  if (settings.all_multicast) state_.all_multicast = *settings.all_multicast;
  if (settings.multicast) state_.multicast = *settings.multicast;
  calls_.push_back("Set");
  return absl::OkStatus();
}

void FakeDevice::SetEvents(DeviceEvents events) {
  std::lock_guard lock(mutex_);
  events_ = std::move(events);
}

class FakeDevice::SlowCall {
 public:
  explicit SlowCall(FakeDevice& device) : device_(device), lock_(device.mutex_) {
    if (++device_.slow_calls_ > 1) device_.Forbid("queues opened or closed two at a time");
    device_.held_.notify_all();
    device_.held_.wait(lock_, [this] { return !device_.hold_; });
  }
  ~SlowCall() { --device_.slow_calls_; }

 private:
  FakeDevice& device_;
  std::unique_lock<std::mutex> lock_;
};

absl::StatusOr<std::shared_ptr<PinnedMemory>> FakeDevice::PinMemory(const QueueRequest& request) {
  std::unique_lock lock(mutex_);
  if (!info_.pins_ahead) Forbid("memory pinned ahead");
  if (hold_pin_ && !pinning_) {
    pinning_ = true;
    held_.notify_all();
    held_.wait(lock, [this] { return !hold_pin_; });
    pinning_ = false;
  }
  if (absl::Status status = Enter("PinMemory"); !status.ok()) return status;
  calls_.push_back(fmt::format("PinMemory {}", request.lease));
  return std::make_shared<PinnedMemory>();
}

void FakeDevice::HoldPin() {
  const std::lock_guard lock(mutex_);
  hold_pin_ = true;
}

void FakeDevice::WaitPinning() {
  std::unique_lock lock(mutex_);
  held_.wait(lock, [this] { return pinning_; });
}

void FakeDevice::LetPin() {
  const std::lock_guard lock(mutex_);
  hold_pin_ = false;
  held_.notify_all();
}

absl::StatusOr<Grant> FakeDevice::OpenQueues(const QueueRequest& request) {
  const SlowCall call(*this);
  if (info_.pins_ahead && request.pinned == nullptr) Forbid("memory that is not pinned");
  if (absl::Status status = Enter("OpenQueues"); !status.ok()) return status;
  if (leases_.contains(request.lease)) Forbid(fmt::format("lease {} opened twice", request.lease));
  if (request.rx_queues.empty() && request.tx_queues.empty()) Forbid("a lease without queues");
  if (request.source.any() && !info_.source_check_trouble.empty()) {
    Forbid("source addresses that it cannot check");
  }
  const v1::Layout& layout = request.layout.message();
  bool chosen = request.features.size() == static_cast<size_t>(layout.features_size());
  for (int i = 0; chosen && i < layout.features_size(); ++i) {
    chosen = request.features[static_cast<size_t>(i)] <
             static_cast<uint32_t>(layout.features(i).choices_size());
  }
  if (!chosen) Forbid("features that are not the layout's");
  for (const auto& [lease, open] : leases_) {
    for (uint32_t queue : request.rx_queues) {
      if (std::count(open.rx_queues.begin(), open.rx_queues.end(), queue) != 0) {
        Forbid(fmt::format("receive queue {} opened while lease {} has it", queue, lease));
      }
    }
    for (uint32_t queue : request.tx_queues) {
      if (std::count(open.tx_queues.begin(), open.tx_queues.end(), queue) != 0) {
        Forbid(fmt::format("transmit queue {} opened while lease {} has it", queue, lease));
      }
    }
  }
  for (const auto& [wanted, total] : {std::pair{&request.rx_queues, info_.rx_queues},
                                      std::pair{&request.tx_queues, info_.tx_queues}}) {
    if (!std::is_sorted(wanted->begin(), wanted->end())) Forbid("queues out of order");
    if (!wanted->empty() && wanted->back() >= total) Forbid("a queue that is not there");
  }
  for (const auto& [location, rule] : rules_) {
    const auto& rx = request.rx_queues;
    if (std::count(rx.begin(), rx.end(), rule.action.queue) != 0) {
      Forbid(fmt::format("queue {} opened while a rule sends to it", rule.action.queue));
    }
  }
  std::vector<std::pair<uint64_t, uint64_t>> spans;
  for (const RegionMapping& region : request.regions) {
    if (!region.memory) Forbid("a region without memory");
    if (region.iova % 4096 != 0 || region.length_bytes == 0) Forbid("a region out of line");
    spans.emplace_back(region.iova, region.iova + region.length_bytes);
  }
  std::sort(spans.begin(), spans.end());
  for (size_t i = 1; i < spans.size(); ++i) {
    if (spans[i].first < spans[i - 1].second) Forbid("regions on top of one another");
  }
  leases_.emplace(request.lease, request);
  calls_.push_back(fmt::format("OpenQueues {}", request.lease));

  Grant grant;
  for (size_t i = 0; i < grant_descriptors_; ++i) {
    grant.fds.push_back({i == 0 ? GrantFdKind::kMemory : GrantFdKind::kEvent,
                         std::make_shared<const linux_sys::OwnedFd>()});
  }
  grant.areas.push_back({0, 0, 1 << 20, AreaAccess::kReadWrite});
  const auto queue_grant = [&](v1::Direction direction, uint32_t queue, uint32_t slots) {
    QueueGrant to;
    to.queue = queue;
    for (const v1::Ring& of_layout : request.layout.FindQueue(direction)->rings()) {
      RingGrant& ring = to.rings.emplace_back();
      if (!layout::Applies(of_layout.features(), request.features)) continue;
      ring.slots = {0, uint64_t{queue} * 4096};
      ring.slot_count = slots;
      ring.producer_doorbells = {{0, 0}};
      ring.iova = 0x1000;
      ring.counts_for_increments = true;
    }
    to.event_fd = 1;
    return to;
  };
  for (uint32_t queue : request.rx_queues) {
    grant.rx.push_back(queue_grant(v1::DIRECTION_RECEIVE, queue, request.rx_slots));
  }
  for (uint32_t queue : request.tx_queues) {
    grant.tx.push_back(queue_grant(v1::DIRECTION_TRANSMIT, queue, request.tx_slots));
  }
  return grant;
}

absl::Status FakeDevice::CloseQueues(LeaseId lease) {
  const SlowCall call(*this);
  if (absl::Status status = Enter("CloseQueues"); !status.ok()) return status;
  const auto open = leases_.find(lease);
  if (open == leases_.end()) return absl::OkStatus();
  for (const auto& [location, rule] : rules_) {
    const auto& rx = open->second.rx_queues;
    if (std::count(rx.begin(), rx.end(), rule.action.queue) != 0) {
      Forbid(fmt::format("lease {} closed while the rule at {} sends to it", lease, location));
    }
  }
  leases_.erase(open);
  calls_.push_back(fmt::format("CloseQueues {}", lease));
  return absl::OkStatus();
}

bool FakeDevice::Kept(uint32_t queue) const {
  const std::lock_guard lock(mutex_);
  return kept_.contains(queue);
}

void FakeDevice::Keep(uint32_t queue, bool kept) {
  const std::lock_guard lock(mutex_);
  if (kept) {
    kept_.insert(queue);
  } else {
    kept_.erase(queue);
  }
}

absl::Status FakeDevice::AddRule(const FlowRule& rule) {
  std::lock_guard lock(mutex_);
  if (absl::Status status = Enter("AddRule"); !status.ok()) return status;
  if (rules_.contains(rule.location)) Forbid(fmt::format("rule {} put twice", rule.location));
  if (rule.location >= info_.rule_capacity) Forbid(fmt::format("rule at {}", rule.location));
  rules_[rule.location] = rule;
  calls_.push_back(fmt::format("AddRule {}", rule.location));
  return absl::OkStatus();
}

absl::Status FakeDevice::RemoveRule(uint32_t location) {
  std::lock_guard lock(mutex_);
  if (absl::Status status = Enter("RemoveRule"); !status.ok()) return status;
  if (rules_.erase(location) == 0) Forbid(fmt::format("no rule to remove at {}", location));
  calls_.push_back(fmt::format("RemoveRule {}", location));
  return absl::OkStatus();
}

std::vector<RuleCounters> FakeDevice::ReadRuleCounters() const {
  std::lock_guard lock(mutex_);
  std::vector<RuleCounters> counters;
  for (const auto& [location, rule] : rules_) counters.push_back({location, 10 + location, 600});
  return counters;
}

absl::StatusOr<RssConfig> FakeDevice::GetRss() const {
  std::lock_guard lock(mutex_);
  if (info_.rss_table_size == 0) return absl::UnimplementedError("the fake device has no RSS");
  return rss_;
}

absl::Status FakeDevice::SetRss(const RssConfig& config) {
  std::lock_guard lock(mutex_);
  if (absl::Status status = Enter("SetRss"); !status.ok()) return status;
  if (!config.indirection.empty() && config.indirection.size() != info_.rss_table_size) {
    Forbid("an RSS table of another size");
  }
  rss_ = config;
  if (rss_.indirection.empty()) rss_.indirection.assign(info_.rss_table_size, kNoQueue);
  calls_.push_back("SetRss");
  return absl::OkStatus();
}

DeviceCounters FakeDevice::ReadCounters() const {
  if (on_count_) on_count_();
  DeviceCounters counters;
  const uint64_t packets = traffic_;
  for (uint32_t i = 0; i < info_.rx_queues; ++i) counters.rx.push_back({.packets = packets + i});
  for (uint32_t i = 0; i < info_.tx_queues; ++i) counters.tx.push_back({.packets = packets + i});
  counters.wire_rx_packets = 7;
  counters.more = {{"frames_faked", packets}};
  return counters;
}

void FakeDevice::SetChecks(std::vector<QueueCheck> checks) {
  std::lock_guard lock(mutex_);
  checks_ = std::move(checks);
}

std::vector<QueueCheck> FakeDevice::ExamineQueue(uint32_t, bool) {
  std::lock_guard lock(mutex_);
  return checks_;
}

void FakeDevice::SetProgress(std::optional<QueueProgress> progress) {
  std::lock_guard lock(mutex_);
  progress_ = progress;
}

std::optional<QueueProgress> FakeDevice::ReadProgress(uint32_t, bool) const {
  std::lock_guard lock(mutex_);
  return progress_;
}

// Slot i of a ring of 16 is filled with i.
absl::StatusOr<RingImage> FakeDevice::ReadRing(const RingSelection& wanted) const {
  std::lock_guard lock(mutex_);
  for (const auto& [id, request] : leases_) {
    const auto& queues = wanted.transmit ? request.tx_queues : request.rx_queues;
    if (std::find(queues.begin(), queues.end(), wanted.queue) == queues.end()) continue;
    const v1::Queue* queue =
        request.layout.FindQueue(wanted.transmit ? v1::DIRECTION_TRANSMIT : v1::DIRECTION_RECEIVE);
    if (static_cast<int>(wanted.ring) >= queue->rings_size()) {
      return absl::InvalidArgumentError("no such ring");
    }
    RingImage image{.slot_count = 16};
    for (uint32_t slot = wanted.first_slot; slot < 16 && slot - wanted.first_slot < wanted.slots;
         ++slot) {
      image.slots.insert(image.slots.end(),
                         queue->rings(static_cast<int>(wanted.ring)).slot_bytes(), std::byte(slot));
    }
    return image;
  }
  return absl::FailedPreconditionError("nobody leases it");
}

absl::Status FakeDevice::Inject(const Injection& injection) {
  std::lock_guard lock(mutex_);
  if (absl::Status status = Enter("Inject"); !status.ok()) return status;
  calls_.push_back(fmt::format("Inject {}", static_cast<int>(injection.fault)));
  return absl::OkStatus();
}

void FakeDevice::Fail(const std::string& method, absl::Status status, int times) {
  std::lock_guard lock(mutex_);
  failures_[method] = {std::move(status), times};
}

void FakeDevice::FailAfter(int calls) {
  std::lock_guard lock(mutex_);
  fail_after_ = calls;
}

void FakeDevice::Hold() {
  std::lock_guard lock(mutex_);
  hold_ = true;
}

void FakeDevice::WaitHeld() {
  std::unique_lock lock(mutex_);
  held_.wait(lock, [this] { return slow_calls_ > 0; });
}

void FakeDevice::LetGo() {
  std::lock_guard lock(mutex_);
  hold_ = false;
  held_.notify_all();
}

void FakeDevice::SetGrantDescriptors(size_t count) {
  std::lock_guard lock(mutex_);
  grant_descriptors_ = count;
}

void FakeDevice::RaiseFault(const Fault& fault) {
  std::function<void(const Fault&)> tell;
  {
    std::lock_guard lock(mutex_);
    tell = events_.fault;
  }
  if (tell) tell(fault);
}

void FakeDevice::ChangeState(const DeviceState& state) {
  std::function<void(const DeviceState&)> tell;
  {
    std::lock_guard lock(mutex_);
    state_ = state;
    tell = events_.state;
  }
  if (tell) tell(state);
}

std::vector<std::string> FakeDevice::calls() const {
  std::lock_guard lock(mutex_);
  return calls_;
}

void FakeDevice::ClearCalls() {
  std::lock_guard lock(mutex_);
  calls_.clear();
}

std::vector<std::string> FakeDevice::violations() const {
  std::lock_guard lock(mutex_);
  return violations_;
}

void FakeDevice::ForgetViolations() {
  std::lock_guard lock(mutex_);
  violations_.clear();
}

size_t FakeDevice::open_leases() const {
  std::lock_guard lock(mutex_);
  return leases_.size();
}

size_t FakeDevice::rules() const {
  std::lock_guard lock(mutex_);
  return rules_.size();
}

QueueRequest FakeDevice::request(LeaseId lease) const {
  std::lock_guard lock(mutex_);
  return leases_.at(lease);
}

}  // namespace qsplit::device::testing
