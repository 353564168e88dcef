#include "daemon/backend/softnic/nic_core.h"

#include <time.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/backend/common/ring_image.h"
#include "daemon/backend/common/worker.h"
#include "daemon/linux/eventfd.h"
#include "dataplane/barriers.h"

namespace qsplit::softnic {
namespace {

using device::FaultKind;
using device::InjectedFault;

constexpr uint32_t kTapBurst = 32;
constexpr uint32_t kTapEveryRounds = 8;  // while there is other work
constexpr uint64_t kLinkCheckNs = 100'000'000;
constexpr size_t kTapFrameBytes = 65536 + 64;
constexpr size_t kMaxPieces = 4096;

}  // namespace

NicCore::NicCore(const SoftNicConfig& config, Parts parts, Worker* worker,
                 backend::EventMailer* mailer)
    : mac_(config.mac),
      worker_(worker),
      mailer_(mailer),
      wire_(std::move(parts.wire)),
      representor_(std::move(parts.representor)),
      core_of_(QueueThreads(config)),
      stats_(config.rx_queues, config.tx_queues, config.rule_capacity),
      rules_(std::make_shared<FlowTable>()),
      rx_(config.rx_queues, nullptr),
      tx_(config.tx_queues, nullptr),
      tap_buffer_(kTapFrameBytes) {
  settings_.mtu_bytes = config.mtu_bytes;
  pieces_.reserve(kMaxPieces);
  active_tx_.reserve(config.tx_queues);
  touched_.reserve(config.rx_queues);
  completed_.reserve(config.rx_queues + config.tx_queues);
}

void NicCore::Attach() {
  worker_->Add(this);
  if (wire_) worker_->WatchReadable(wire_->fd());
  if (representor_) worker_->WatchReadable(representor_->fd());
  if (is_first()) LookAtLink();
}

void NicCore::Detach() {
  if (wire_) worker_->Unwatch(wire_->fd());
  if (representor_) worker_->Unwatch(representor_->fd());
  for (const auto& share : leases_) {
    if (share->lease->wakeup) worker_->Unwatch(share->lease->wakeup->get());
  }
  if (peer_ != nullptr) {
    peer_->peer_ = nullptr;
    if (is_first()) peer_->LookAtLink();
    peer_ = nullptr;
  }
  worker_->Remove(this);
}

void NicCore::Connect(NicCore* a, NicCore* b) {
  a->peer_ = b;
  b->peer_ = a;
  if (!a->is_first()) return;
  a->LookAtLink();
  b->LookAtLink();
}

void NicCore::LookAtLink() {
  link_checked_ns_ = now_ns_;
  Link link = Link::kUp;
  if (now_ns_ < link_down_until_ns_) {
    link = Link::kInjected;
  } else if (wire_) {
    if (!wire_->IsUp()) link = Link::kTapDown;
  } else if (peer_ == nullptr) {
    link = Link::kNoWire;
  } else if (peer_->now_ns_ < peer_->link_down_until_ns_) {
    link = Link::kPeerInjected;
  }
  const Link before = link_.exchange(link, std::memory_order_relaxed);
  if (before == link) return;
  const bool up = link == Link::kUp;
  if (representor_) (void)representor_->SetCarrier(up);
  mailer_->PostStateChange();
}

std::string NicCore::LinkTrouble() const {
  switch (link_.load(std::memory_order_relaxed)) {
    case Link::kUp:
      return "";
    case Link::kNotLookedAt:
      return "the link was not looked at yet";
    case Link::kNoWire:
      return "nothing is at the other end of the wire";
    case Link::kTapDown:
      return absl::StrCat("the wire's interface ", wire_->name(), " is down");
    case Link::kInjected:
      return "an injected fault took the link down";
    case Link::kPeerInjected:
      return "an injected fault at the peer took the link down";
  }
  return "";
}

bool NicCore::PollTaps() {
  bool worked = false;
  for (uint32_t i = 0; wire_ && i < kTapBurst; ++i) {
    const size_t bytes = wire_->Receive(tap_buffer_);
    if (bytes == 0) break;
    worked = true;
    ReceiveFromWire(std::span(tap_buffer_.data(), bytes));
  }
  for (uint32_t i = 0; representor_ && i < kTapBurst; ++i) {
    const size_t bytes = representor_->Receive(tap_buffer_);
    if (bytes == 0) break;
    worked = true;
    stats_.representor_tx_packets.Add();
    SendToWire(std::span(tap_buffer_.data(), bytes));
  }
  return worked;
}

bool NicCore::Poll(uint64_t now_ns) {
  now_ns_ = now_ns;
  // A link that an injected fault took down comes back at its time, else at the next look.
  const bool was_due = link_down_until_ns_ != 0 && now_ns >= link_down_until_ns_;
  if (was_due) link_down_until_ns_ = 0;
  if (is_first() && (was_due || now_ns - link_checked_ns_ >= kLinkCheckNs)) LookAtLink();
  bool worked = false;
  for (TxQueue* queue : active_tx_) worked |= PollTx(*queue);
  worked |= PollLanes();
  // Reading a tap is a system call: seldom while the rings keep us busy.
  if (!worked || ++rounds_ % kTapEveryRounds == 0) worked |= PollTaps();
  return worked;
}

void NicCore::NoteCompletions(LeasedQueue& queue, uint64_t count) {
  queue.stats->completions.Add(count);
  if (queue.event_pending) return;
  queue.event_pending = true;
  completed_.push_back(&queue);
}

void NicCore::SignalCompletions() {
  PublishLanes();
  if (completed_.empty()) return;
  for (LeasedQueue* queue : completed_) {
    if (!queue->transmit) static_cast<RxQueue*>(queue)->ring.Publish();
  }
  // Completions before the look at event_request; the client has the same between its own store
  // there and its last look at the ring.
  dataplane::StoresBeforeLoads();
  for (LeasedQueue* queue : completed_) {
    queue->event_pending = false;
    auto* const request = reinterpret_cast<uint32_t*>(queue->event_request);
    if (__atomic_load_n(request, __ATOMIC_RELAXED) == 0) continue;
    if (__atomic_exchange_n(request, 0, __ATOMIC_RELAXED) == 0) continue;
    if (linux_sys::RingBell(queue->bell.get())) queue->stats->events.Add();
  }
  completed_.clear();
}

uint64_t NicCore::ArmWakeups() {
  bool work = false;
  for (TxQueue* queue : active_tx_) {
    if (queue->stopped) continue;
    queue->ring.SetNeedWakeup(true);
    if (queue->stalled_until_ns != 0) continue;
    const uint32_t slots = queue->ring.PeekAvailable();
    work |= slots != 0 && slots != queue->incomplete_slots;
  }
  for (FrameLane* lane : from_) work |= lane != nullptr && !lane->Sleep();
  return work ? 0 : kNoWork;
}

void NicCore::DisarmWakeups() {
  for (TxQueue* queue : active_tx_) queue->ring.SetNeedWakeup(false);
  for (FrameLane* lane : from_) {
    if (lane != nullptr) lane->Awake();
  }
}

void LeaseShare::Woken() {
  for (TxQueue* queue : tx) {
    if (!queue->stopped && queue->ring.PeekAvailable() != 0) queue->stats->wakeups.Add();
  }
}

void NicCore::OpenLease(LeaseQueues* lease, std::shared_ptr<const RssTable> rss) {
  auto share = std::make_unique<LeaseShare>();
  share->lease = lease;
  for (const auto& queue : lease->rx) {
    if (CoreOf(queue->number) != index_) continue;
    queue->stats = &stats_.rx[queue->number];
    rx_[queue->number] = queue.get();
  }
  for (const auto& queue : lease->tx) {
    if (core_of_[queue->number] != index_) continue;
    queue->stats = &stats_.tx[queue->number];
    tx_[queue->number] = queue.get();
    active_tx_.push_back(queue.get());
    share->tx.push_back(queue.get());
  }
  if (lease->wakeup) worker_->WatchWakeup(lease->wakeup->get(), share.get());
  leases_.push_back(std::move(share));
  SetRss(std::move(rss));
}

void NicCore::CloseLease(const LeaseQueues* lease, std::shared_ptr<const RssTable> rss) {
  if (lease->wakeup) worker_->Unwatch(lease->wakeup->get());
  std::erase_if(leases_, [&](const auto& share) { return share->lease == lease; });
  for (const auto& queue : lease->rx) rx_[queue->number] = nullptr;
  for (const auto& queue : lease->tx) tx_[queue->number] = nullptr;
  std::erase_if(active_tx_, [&](TxQueue* queue) { return queue->lease == lease; });
  std::erase_if(completed_, [&](LeasedQueue* queue) { return queue->lease == lease; });
  SetRss(std::move(rss));
}

void NicCore::Stop(LeasedQueue& queue, FaultKind kind, uint32_t slot, uint64_t iova,
                   uint64_t bytes) {
  queue.stopped = true;
  queue.stats->faults.Add();
  device::Fault fault;
  fault.lease = queue.lease->id;
  fault.kind = kind;
  fault.transmit = queue.transmit;
  fault.queue = queue.number;
  fault.slot = slot;
  fault.iova = iova;
  fault.length_bytes = bytes;
  fault.time = absl::Now();
  mailer_->PostFault(fault);
  // Whoever waits for a completion learns that none will come.
  __atomic_store_n(reinterpret_cast<uint32_t*>(queue.event_request), 0, __ATOMIC_RELAXED);
  (void)linux_sys::RingBell(queue.bell.get());
}

void NicCore::StopForIommu(LeasedQueue& queue, Iommu::Verdict verdict, uint32_t slot, uint64_t iova,
                           uint64_t bytes) {
  Stop(queue, verdict == Iommu::Verdict::kReadOnly ? FaultKind::kReadOnly : FaultKind::kUnmapped,
       slot, iova, bytes);
}

void NicCore::StopForRingFault(LeasedQueue& queue, dataplane::RingFault fault) {
  FaultKind kind = FaultKind::kBadDescriptor;
  if (fault == dataplane::RingFault::kDoorbellOutOfRange) kind = FaultKind::kBadIndex;
  if (fault == dataplane::RingFault::kChainTooLong) kind = FaultKind::kEndlessChain;
  Stop(queue, kind, 0, 0, 0);
}

std::vector<device::QueueCheck> NicCore::Examine(uint32_t queue, bool transmit, uint64_t now_ns) {
  const auto checks = [&](auto* leased) {
    std::vector<device::QueueCheck> out;
    if (leased == nullptr) return out;
    if (leased->stalled_until_ns > now_ns) {
      out.push_back({"injected fault", device::CheckVerdict::kWrong,
                     "an operator stalled the queue", "wait, or restart qsplitd"});
    }
    out.push_back(backend::PostedCheck(transmit, leased->stopped ? 0 : leased->ring.PeekAvailable(),
                                       leased->stopped));
    out.push_back(backend::DescriptorsCheck(leased->ring.Access().Text()));
    return out;
  };
  if (transmit) return checks(queue < tx_.size() ? tx_[queue] : nullptr);
  return checks(queue < rx_.size() ? rx_[queue] : nullptr);
}

absl::Status NicCore::Inject(const device::Injection& injection) {
  const auto nanoseconds = static_cast<uint64_t>(absl::ToInt64Nanoseconds(injection.duration));
  const uint64_t until = MonotonicNs() + nanoseconds;
  if (injection.fault == InjectedFault::kLinkDown) {
    link_down_until_ns_ = until;
    now_ns_ = MonotonicNs();
    LookAtLink();
    if (peer_ != nullptr) peer_->LookAtLink();
    return absl::OkStatus();
  }
  LeasedQueue* queue = nullptr;
  if (injection.transmit) {
    queue = injection.queue < tx_.size() ? tx_[injection.queue] : nullptr;
  } else {
    queue = injection.queue < rx_.size() ? rx_[injection.queue] : nullptr;
  }
  if (queue == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat(injection.transmit ? "transmit" : "receive", " queue ", injection.queue,
                     " is not leased: a fault needs a queue that somebody uses"));
  }
  const uint32_t count = std::max(injection.count, 1u);
  if (injection.fault == InjectedFault::kStallQueue) queue->stalled_until_ns = until;
  if (injection.fault == InjectedFault::kLoseCompletion) queue->lose_completions = count;
  if (injection.fault == InjectedFault::kWrongLength) queue->wrong_lengths = count;
  return absl::OkStatus();
}

absl::Status NicCore::SetInterfaceMtu(uint32_t mtu_bytes) {
  for (auto* tap : {&wire_, &representor_}) {
    if (!tap->has_value()) continue;
    if (absl::Status status = (*tap)->SetMtu(mtu_bytes); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace qsplit::softnic
