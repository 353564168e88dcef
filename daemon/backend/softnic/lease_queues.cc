#include "daemon/backend/softnic/lease_queues.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/backend/common/ring_memory.h"
#include "daemon/backend/common/ring_plan.h"
#include "daemon/linux/eventfd.h"
#include "dataplane/queue_shape.h"
#include "dataplane/rx_post.h"

namespace qsplit::softnic {
namespace {

using backend::ChooseBufferBytes;
using backend::RingPlan;
using backend::StartRings;
using backend::ViewOf;
using device::Grant;

// Above every address that lease/ gives to regions: where the device sees slots.
constexpr uint64_t kRingIova = uint64_t{1} << 56;

// The most buffers of a packet, as far as the ring's device side does not know it better.
uint32_t MaxBuffers(const v1::Queue& queue, const device::QueueGrant& grant) {
  uint32_t descriptors = 0;
  for (size_t r = 0; r < grant.rings.size(); ++r) {
    const v1::Ring& ring = queue.rings(static_cast<int>(r));
    if (ring.post_forms().empty()) continue;
    descriptors +=
        grant.rings[r].slot_count - std::min(grant.rings[r].slot_count, ring.reserved_slots());
  }
  if (queue.packet().span() == v1::SPAN_SINGLE) return dataplane::kMaxBuffersPerDescriptor;
  if (const uint32_t limit = queue.limits().max_descriptors_per_packet(); limit != 0) {
    descriptors = std::min(descriptors, limit);
  }
  return std::max(descriptors, 1u) * std::max(queue.packet().buffers_per_descriptor(), 1u);
}

// The parts that both directions have: the bell and its place in the grant.
absl::Status Attach(LeasedQueue* queue, device::QueueGrant* grant, LeaseQueues* lease,
                    bool transmit, Grant* out) {
  absl::StatusOr<linux_sys::Bell> bell = linux_sys::Bell::Create();
  if (!bell.ok()) return bell.status();
  queue->number = grant->queue;
  queue->transmit = transmit;
  queue->lease = lease;
  queue->event_request = lease->memory.data() + grant->event_request->offset_bytes;
  queue->bell = std::move(bell->ringer);
  grant->event_fd = static_cast<uint32_t>(out->fds.size());
  out->fds.push_back({device::GrantFdKind::kEvent,
                      std::make_shared<linux_sys::OwnedFd>(std::move(bell->listener))});
  return absl::OkStatus();
}

// The memory of all rings, and the descriptor that wakes the device.
absl::Status MapRings(uint64_t bytes, bool wakeup, LeaseQueues* lease, Grant* grant) {
  absl::StatusOr<backend::RingMemory> made = backend::MakeRingMemory(bytes);
  if (!made.ok()) return made.status();
  lease->memory = std::move(made->memory);
  grant->fds.push_back({device::GrantFdKind::kMemory, std::move(made->memfd)});
  grant->areas.push_back({0, 0, bytes, device::AreaAccess::kReadWrite});
  if (!wakeup) return absl::OkStatus();
  absl::StatusOr<linux_sys::OwnedFd> bell = linux_sys::CreateEventFd();
  if (!bell.ok()) return bell.status();
  lease->wakeup = std::make_shared<linux_sys::OwnedFd>(*std::move(bell));
  grant->fds.push_back({device::GrantFdKind::kWakeup, lease->wakeup});
  return absl::OkStatus();
}

absl::Status OpenRx(const device::QueueRequest& request, const v1::Queue& of_layout,
                    device::QueueGrant* queue, dataplane::BurstCache* bursts, LeaseQueues* lease,
                    Grant* grant) {
  const dataplane::QueueView view =
      ViewOf(*queue, of_layout, request.features, lease->memory.data());
  if (absl::Status s = StartRings(request.layout, of_layout, view); !s.ok()) return s;
  auto dma = std::make_unique<IommuMemory>(&lease->iommu);
  absl::StatusOr<dataplane::RxDevice> side = dataplane::RxDevice::Create(
      request.layout, view,
      {.buffer_bytes = queue->rx_buffer_bytes, .memory = dma->View(), .bursts = bursts});
  if (!side.ok()) return side.status();
  auto made = std::make_unique<RxQueue>(*std::move(side));
  made->dma = std::move(dma);
  made->max_buffers = MaxBuffers(of_layout, *queue);
  if (absl::Status s = Attach(made.get(), queue, lease, false, grant); !s.ok()) return s;
  lease->rx.push_back(std::move(made));
  return absl::OkStatus();
}

absl::Status OpenTx(const device::QueueRequest& request, const v1::Queue& of_layout,
                    device::QueueGrant* queue, dataplane::BurstCache* bursts, LeaseQueues* lease,
                    Grant* grant) {
  const dataplane::QueueView view =
      ViewOf(*queue, of_layout, request.features, lease->memory.data());
  if (absl::Status s = StartRings(request.layout, of_layout, view); !s.ok()) return s;
  auto dma = std::make_unique<IommuMemory>(&lease->iommu);
  absl::StatusOr<dataplane::TxDevice> side =
      dataplane::TxDevice::Create(request.layout, view, {.memory = dma->View(), .bursts = bursts});
  if (!side.ok()) return side.status();
  auto made = std::make_unique<TxQueue>(*std::move(side));
  made->dma = std::move(dma);
  if (absl::Status s = Attach(made.get(), queue, lease, true, grant); !s.ok()) return s;
  lease->tx.push_back(std::move(made));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NewLease> MakeLeaseQueues(const device::QueueRequest& request,
                                         uint32_t default_slots, RegionMaps& maps,
                                         dataplane::BurstCache* bursts) {
  const v1::Queue* const rx = request.layout.FindQueue(v1::DIRECTION_RECEIVE);
  const v1::Queue* const tx = request.layout.FindQueue(v1::DIRECTION_TRANSMIT);
  if ((!request.rx_queues.empty() && rx == nullptr) ||
      (!request.tx_queues.empty() && tx == nullptr)) {
    return absl::InvalidArgumentError(absl::StrCat("layout ", request.layout.name(), " has no ",
                                                   rx == nullptr ? "receive" : "transmit",
                                                   " queue"));
  }
  NewLease made;
  made.queues = std::make_unique<LeaseQueues>();
  LeaseQueues& lease = *made.queues;
  lease.id = request.lease;
  lease.source = SourceCheck(request.source);
  absl::StatusOr<Iommu> iommu = Iommu::Create(request.regions, maps);
  if (!iommu.ok()) return iommu.status();
  if (iommu->end() > kRingIova) {
    return absl::InvalidArgumentError("a region's address reaches above 2^56");
  }
  lease.iommu = *std::move(iommu);

  RingPlan plan(request.layout, request.features, {.iova = kRingIova});
  uint32_t buffer_bytes = 0;
  for (const uint32_t number : request.rx_queues) {
    absl::StatusOr<uint32_t> bytes =
        ChooseBufferBytes(request.layout, *rx, request.features, request.rx_buffer_bytes);
    if (!bytes.ok()) return bytes.status();
    buffer_bytes = *bytes;
    absl::Status status = plan.AddQueue(*rx, number, request.rx_slots, default_slots);
    if (!status.ok()) return status;
  }
  for (const uint32_t number : request.tx_queues) {
    absl::Status status = plan.AddQueue(*tx, number, request.tx_slots, default_slots);
    if (!status.ok()) return status;
  }
  Grant& grant = made.grant;
  if (absl::Status status = MapRings(plan.Finish(), plan.needs_wakeup(), &lease, &grant);
      !status.ok()) {
    return status;
  }
  for (device::QueueGrant& queue : plan.rx) {
    queue.rx_buffer_bytes = buffer_bytes;
    absl::Status status = OpenRx(request, *rx, &queue, bursts, &lease, &grant);
    if (!status.ok()) return status;
  }
  for (device::QueueGrant& queue : plan.tx) {
    absl::Status status = OpenTx(request, *tx, &queue, bursts, &lease, &grant);
    if (!status.ok()) return status;
  }
  grant.rx = std::move(plan.rx);
  grant.tx = std::move(plan.tx);
  return made;
}

}  // namespace qsplit::softnic
