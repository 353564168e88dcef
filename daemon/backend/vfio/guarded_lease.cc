#include "daemon/backend/vfio/guarded_lease.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/backend/common/ring_image.h"
#include "daemon/backend/common/ring_plan.h"
#include "daemon/backend/common/ring_progress.h"
#include "daemon/linux/eventfd.h"

namespace qsplit::vfio {
namespace {

// What a frame has around the packet that the MTU counts: addresses, type, two VLAN tags.
constexpr uint32_t kFrameBytes = 14 + 2 * 4;
// What an IP header can say, and so the most that is cut into segments.
constexpr uint32_t kMaxIpBytes = 65535;

}  // namespace

absl::StatusOr<std::unique_ptr<OpenLease>> GuardedLease::Make(const LeaseParts& parts,
                                                              const device::QueueRequest& request,
                                                              backend::Worker& worker,
                                                              GuardPoller& poller) {
  std::unique_ptr<GuardedLease> made(new GuardedLease(request, worker, poller));
  absl::StatusOr<std::unique_ptr<RealRings>> rings =
      RealRings::Make(parts.function, made->request_, *parts.layout.driven, parts.default_slots);
  if (!rings.ok()) return rings.status();
  made->rings_ = *std::move(rings);
  absl::StatusOr<std::unique_ptr<RegionMaps>> regions =
      RegionMaps::Make(parts.function, request.regions, RegionMaps::Addresses::kTranslated);
  if (!regions.ok()) return regions.status();
  made->regions_ = *std::move(regions);
  if (absl::Status status = made->MakeShadow(parts); !status.ok()) return status;
  // The doorbells' places are known when the queues run; the guard does not touch them before.
  if (absl::Status status = made->rings_->Start(parts.driver); !status.ok()) return status;
  absl::Status status = made->MakeEnds(parts);
  if (status.ok()) {
    status = worker.Run([lease = made.get()] {
      if (lease->side_.wakeup != nullptr) {
        lease->worker_.WatchWakeup(lease->side_.wakeup->get(), &lease->side_);
      }
      lease->poller_.Add(&lease->side_);
    });
    made->polled_ = status.ok();
  }
  if (!status.ok()) {
    (void)made->Stop(parts.driver);
    return status;
  }
  return made;
}

GuardedLease::~GuardedLease() { LeaveWorker(); }

void GuardedLease::LeaveWorker() {
  if (!polled_) return;
  polled_ = false;
  worker_.RunAlways([this] {
    if (side_.wakeup != nullptr) worker_.Unwatch(side_.wakeup->get());
    poller_.Remove(&side_);
  });
}

absl::Status GuardedLease::Stop(NicDriver& driver) {
  LeaveWorker();
  return rings_->Stop(driver);
}

absl::Status GuardedLease::MakeShadow(const LeaseParts& parts) {
  backend::RingPlan plan(request_.layout, request_.features,
                         {.fixed_cells = parts.layout.driven->fixed_cells});
  for (const RealQueue& queue : rings_->queues()) {
    absl::Status status =
        plan.AddQueue(*queue.of_layout, queue.grant.queue,
                      queue.transmit ? request_.tx_slots : request_.rx_slots, parts.default_slots);
    if (!status.ok()) return status;
  }
  const uint64_t bytes = plan.Finish();
  absl::StatusOr<backend::RingMemory> memory = backend::MakeRingMemory(bytes);
  if (!memory.ok()) return memory.status();
  shadow_ = *std::move(memory);
  grant_.fds.push_back({device::GrantFdKind::kMemory, shadow_.memfd});
  grant_.areas.push_back({0, 0, bytes, device::AreaAccess::kReadWrite});
  if (plan.needs_wakeup()) {
    absl::StatusOr<linux_sys::OwnedFd> bell = linux_sys::CreateEventFd();
    if (!bell.ok()) return bell.status();
    side_.wakeup = std::make_shared<linux_sys::OwnedFd>(*std::move(bell));
    grant_.fds.push_back({device::GrantFdKind::kWakeup, side_.wakeup});
  }
  shadow_rx_ = grant_.rx = std::move(plan.rx);
  shadow_tx_ = grant_.tx = std::move(plan.tx);
  side_.id = request_.lease;
  side_.tx_buckets = guard::TokenBuckets(request_.limit);
  return absl::OkStatus();
}

absl::Status GuardedLease::MakeEnds(const LeaseParts& parts) {
  size_t next_rx = 0, next_tx = 0;
  for (const RealQueue& real : rings_->queues()) {
    device::QueueGrant& grant = real.transmit ? grant_.tx[next_tx++] : grant_.rx[next_rx++];
    if (absl::Status status = MakeEnd(parts, real, &grant); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status GuardedLease::MakeEnd(const LeaseParts& parts, const RealQueue& real,
                                   device::QueueGrant* grant) {
  const dataplane::QueueView shadow =
      backend::ViewOf(*grant, *real.of_layout, request_.features, shadow_.memory.data());
  absl::Status status = backend::StartRings(request_.layout, *real.of_layout, shadow);
  if (!status.ok()) return status;
  absl::StatusOr<dataplane::QueueView> view = rings_->View(real);
  if (!view.ok()) return view.status();
  std::vector<guard::GuardedRegion> regions;
  for (const MappedRegion& region : regions_->regions()) {
    regions.push_back({region.iova, region.bytes, region.device_iova, region.device_writable});
  }
  guard::GuardOptions options;
  options.bursts = parts.bursts;
  options.rx_buffer_bytes = real.grant.rx_buffer_bytes;
  options.max_packet_bytes = parts.driver.facts().max_mtu_bytes + kFrameBytes;
  options.max_segmented_bytes = kMaxIpBytes + kFrameBytes;
  absl::StatusOr<guard::GuardedQueue> queue = guard::GuardedQueue::Create(
      request_.layout, real.transmit ? v1::DIRECTION_TRANSMIT : v1::DIRECTION_RECEIVE, shadow,
      *view, regions, options);
  if (!queue.ok()) return queue.status();
  absl::StatusOr<linux_sys::Bell> bell = linux_sys::Bell::Create();
  if (!bell.ok()) return bell.status();
  auto end = std::make_unique<GuardedEnd>(*std::move(queue));
  if (real.transmit) end->queue.SetRateLimit(&side_.tx_buckets);
  end->number = real.grant.queue;
  end->transmit = real.transmit;
  end->lease = &side_;
  end->event_request = shadow_.memory.data() + grant->event_request->offset_bytes;
  end->bell = std::move(bell->ringer);
  grant->rx_buffer_bytes = real.grant.rx_buffer_bytes;
  grant->event_fd = static_cast<uint32_t>(grant_.fds.size());
  grant_.fds.push_back({device::GrantFdKind::kEvent,
                        std::make_shared<linux_sys::OwnedFd>(std::move(bell->listener))});
  side_.ends.push_back(std::move(end));
  return absl::OkStatus();
}

void GuardedLease::AddCounters(device::DeviceCounters* counters) const {
  for (const auto& end : side_.ends) {
    auto& queues = end->transmit ? counters->tx : counters->rx;
    if (end->number >= queues.size()) continue;
    device::QueueCounters& to = queues[end->number];
    const guard::GuardCounters& from = end->queue.counters();
    to.packets += from.packets.Read();
    to.bytes += from.bytes.Read();
    to.completions += from.completions.Read();
    to.descriptors += from.descriptors.Read();
    to.faults += from.faults.Read();
    to.events += end->events.Read();
    to.wakeups += end->wakeups.Read();
  }
}

std::vector<device::QueueCheck> GuardedLease::Examine(uint32_t queue, bool transmit) const {
  for (const auto& end : side_.ends) {
    if (end->number != queue || end->transmit != transmit) continue;
    const guard::GuardCounters& counters = end->queue.counters();
    const uint64_t returned = counters.completions.Read();
    const uint64_t forwarded = counters.descriptors.Read();
    const auto posted = static_cast<uint32_t>(forwarded > returned ? forwarded - returned : 0);
    std::vector<device::QueueCheck> checks = {
        backend::PostedCheck(transmit, posted, counters.faults.Read() != 0),
        backend::DescriptorsCheck(end->queue.How())};
    if (const uint64_t waits = counters.limited.Read(); waits != 0) {
      checks.push_back({"rate limit", device::CheckVerdict::kNote,
                        absl::StrCat("it made the queue wait ", waits, " times"),
                        "policy gives the holder's tenant a larger rate, if that is too little"});
    }
    return checks;
  }
  return {};
}

std::optional<device::QueueProgress> GuardedLease::Progress(uint32_t queue, bool transmit) const {
  return backend::ProgressOf(request_, transmit ? shadow_tx_ : shadow_rx_, shadow_.memory.data(),
                             transmit, queue);
}

absl::StatusOr<device::RingImage> GuardedLease::ReadRing(
    const device::RingSelection& wanted) const {
  return backend::ReadRing(request_, wanted.transmit ? shadow_tx_ : shadow_rx_,
                           shadow_.memory.data(), wanted);
}

}  // namespace qsplit::vfio
