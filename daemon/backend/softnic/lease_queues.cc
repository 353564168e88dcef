#include "daemon/backend/softnic/lease_queues.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/linux/eventfd.h"
#include "daemon/linux/memfd.h"

namespace qsplit::softnic {
namespace {

using device::Grant;
using device::Place;

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kCellsBytes = 256;
constexpr uint64_t kConsumerDoorbellsAt = 32;
constexpr uint64_t kIndexCellsAt = 64;
constexpr uint64_t kNeedWakeupAt = 128;
constexpr uint64_t kEventRequestAt = 192;
constexpr uint32_t kDefaultBufferBytes = 2048;
// Above every address that lease/ gives to regions.
constexpr uint64_t kRingIova = uint64_t{1} << 56;

uint64_t RoundUp(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

bool SlotsAllowed(const v1::SlotRange& range, uint32_t slots) {
  if (slots < range.min() || slots > range.max()) return false;
  if (range.power_of_two() && !std::has_single_bit(slots)) return false;
  return range.step() == 0 || (slots - range.min()) % range.step() == 0;
}

std::string RangeText(const v1::SlotRange& range) {
  return absl::StrCat(
      range.min(), "..", range.max(),
      range.power_of_two() ? ", powers of two" : absl::StrCat(" in steps of ", range.step()));
}

// What was asked for, or the allowed count next to the default.
absl::StatusOr<uint32_t> ChooseSlots(const v1::Ring& ring, uint32_t asked, uint32_t default_slots) {
  const v1::SlotRange& range = ring.slots();
  if (asked == 0) {
    uint32_t slots = std::clamp(default_slots, range.min(), range.max());
    while (slots > range.min() && !SlotsAllowed(range, slots)) --slots;
    return slots;
  }
  if (!SlotsAllowed(range, asked)) {
    return absl::InvalidArgumentError(absl::StrCat("ring ", ring.name(), ": ", asked,
                                                   " slots; the layout has ", RangeText(range)));
  }
  return asked;
}

// Whether each posted descriptor says how long its buffer is.
bool SaysBufferLength(const layout::VerifiedLayout& layout, const v1::Queue& queue) {
  for (const v1::Ring& ring : queue.rings()) {
    for (const uint32_t form : ring.post_forms()) {
      for (const v1::Field& field : layout.message().forms(static_cast<int>(form)).fields()) {
        if (field.role() == "buffer.length") return true;
      }
    }
  }
  return false;
}

absl::StatusOr<uint32_t> ChooseBufferBytes(const layout::VerifiedLayout& layout,
                                           const v1::Queue& queue, uint32_t asked) {
  if (SaysBufferLength(layout, queue)) return 0;
  const uint32_t bytes = asked == 0 ? kDefaultBufferBytes : asked;
  const v1::BufferRange& range = queue.limits().buffer();
  const bool known = range.max_bytes() != 0;
  if (known &&
      (bytes < range.min_bytes() || bytes > range.max_bytes() ||
       (range.step_bytes() != 0 && (bytes - range.min_bytes()) % range.step_bytes() != 0) ||
       (range.power_of_two() && !std::has_single_bit(bytes)))) {
    return absl::InvalidArgumentError(
        absl::StrCat("receive buffers of ", bytes, " bytes; the layout has ", range.min_bytes(),
                     "..", range.max_bytes(), " in steps of ", range.step_bytes(),
                     range.power_of_two() ? ", powers of two" : ""));
  }
  return bytes;
}

uint32_t MaxBuffers(const v1::Queue& queue, uint32_t slots) {
  if (queue.packet().span() == v1::SPAN_SINGLE) return 1;
  uint32_t most = std::max(slots - queue.rings(0).reserved_slots(), 1u);
  if (const uint32_t limit = queue.limits().max_descriptors_per_packet(); limit != 0) {
    most = std::min(most, limit);
  }
  return most;
}

// Gives out the memfd's bytes, first the cells of all rings, then their slots.
class Plan {
 public:
  // Plans one queue; places are offsets into area 0. `asked_slots` is for all of its rings.
  absl::Status AddQueue(const v1::Queue& queue, uint32_t number, uint32_t asked_slots,
                        uint32_t default_slots) {
    device::QueueGrant grant;
    grant.queue = number;
    const bool transmit = queue.direction() == v1::DIRECTION_TRANSMIT;
    for (const v1::Ring& ring : queue.rings()) {
      if (ring.producer_doorbells_size() > dataplane::kMaxDoorbells ||
          ring.consumer_doorbells_size() > dataplane::kMaxDoorbells ||
          ring.cells_size() > dataplane::kMaxCells) {
        return absl::UnimplementedError(
            absl::StrCat("ring ", ring.name(),
                         " has more doorbells or cells than the software "
                         "NIC drives"));
      }
      const absl::StatusOr<uint32_t> slots = ChooseSlots(ring, asked_slots, default_slots);
      if (!slots.ok()) return slots.status();
      device::RingGrant out;
      out.slot_count = *slots;
      const uint64_t cells = cells_bytes_;
      cells_bytes_ += kCellsBytes;
      for (int i = 0; i < ring.producer_doorbells_size(); ++i) {
        out.producer_doorbells.push_back({0, cells + 8 * static_cast<uint64_t>(i)});
      }
      for (int i = 0; i < ring.consumer_doorbells_size(); ++i) {
        out.consumer_doorbells.push_back(
            {0, cells + kConsumerDoorbellsAt + 8 * static_cast<uint64_t>(i)});
      }
      const uint64_t slot_bytes = uint64_t{*slots} * ring.slot_bytes();
      slots_bytes_ = RoundUp(slots_bytes_, std::max<uint64_t>(kPageBytes, ring.alignment_bytes()));
      out.slots = {0, slots_bytes_};
      uint64_t end = slots_bytes_ + slot_bytes;
      for (int i = 0; i < ring.cells_size(); ++i) {
        const v1::IndexCell& cell = ring.cells(i);
        if (!cell.has_offset_bytes()) {
          out.cells.push_back({0, cells + kIndexCellsAt + 8 * static_cast<uint64_t>(i)});
          continue;
        }
        if (cell.offset_bytes() < 0 || cell.offset_bytes() > int64_t{kPageBytes}) {
          return absl::UnimplementedError(absl::StrCat("cell ", cell.name(), " of ring ",
                                                       ring.name(), " lies too far from it"));
        }
        const uint64_t at = slots_bytes_ + (cell.behind_slots() ? slot_bytes : 0) +
                            static_cast<uint64_t>(cell.offset_bytes());
        out.cells.push_back({kAtSlots, at});
        end = std::max(end, at + cell.bytes());
      }
      slots_bytes_ = RoundUp(end, kPageBytes);
      // A receive ring's device never sleeps on it: packets wake it.
      if (transmit) {
        out.need_wakeup = Place{0, cells + kNeedWakeupAt};
        out.wakeup_fd = 1;
      }
      if (!grant.event_request) grant.event_request = Place{0, cells + kEventRequestAt};
      grant.rings.push_back(std::move(out));
    }
    (transmit ? tx : rx).push_back(std::move(grant));
    return absl::OkStatus();
  }

  // Puts the slots behind the cells; returns the memfd's size.
  uint64_t Finish() {
    const uint64_t base = RoundUp(cells_bytes_, kPageBytes);
    for (auto* direction : {&rx, &tx}) {
      for (device::QueueGrant& queue : *direction) {
        for (device::RingGrant& ring : queue.rings) {
          ring.slots.offset_bytes += base;
          ring.iova = kRingIova + ring.slots.offset_bytes;
          for (Place& cell : ring.cells) {
            if (cell.area == kAtSlots) cell = {0, cell.offset_bytes + base};
          }
        }
      }
    }
    return base + std::max(slots_bytes_, kPageBytes);
  }

  std::vector<device::QueueGrant> rx, tx;

 private:
  static constexpr uint32_t kAtSlots = 1;  // an area that stands for "behind the cells"

  uint64_t cells_bytes_ = 0;
  uint64_t slots_bytes_ = 0;  // from the first slot of all
};

dataplane::QueueView ViewOf(const device::QueueRequest& request, const device::QueueGrant& queue,
                            std::byte* memory) {
  dataplane::QueueView view;
  std::copy_n(request.features.begin(),
              std::min(request.features.size(), view.features.choice.size()),
              view.features.choice.begin());
  view.queue_number = dataplane::QueueIndex(queue.queue);
  view.ring_count = static_cast<uint32_t>(queue.rings.size());
  for (size_t r = 0; r < queue.rings.size(); ++r) {
    const device::RingGrant& ring = queue.rings[r];
    dataplane::RingView& out = view.rings[r];
    out.slots = memory + ring.slots.offset_bytes;
    out.slot_count = ring.slot_count;
    out.slots_iova = dataplane::Iova(ring.iova);
    for (size_t i = 0; i < ring.producer_doorbells.size(); ++i) {
      out.producer_doorbells[i] = memory + ring.producer_doorbells[i].offset_bytes;
    }
    for (size_t i = 0; i < ring.consumer_doorbells.size(); ++i) {
      out.consumer_doorbells[i] = memory + ring.consumer_doorbells[i].offset_bytes;
    }
    for (size_t i = 0; i < ring.cells.size(); ++i) {
      out.cells[i] = memory + ring.cells[i].offset_bytes;
    }
    if (ring.need_wakeup) out.need_wakeup = memory + ring.need_wakeup->offset_bytes;
  }
  return view;
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

}  // namespace

absl::StatusOr<NewLease> MakeLeaseQueues(const device::QueueRequest& request,
                                         uint32_t default_slots) {
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
  absl::StatusOr<Iommu> iommu = Iommu::Create(request.regions);
  if (!iommu.ok()) return iommu.status();
  if (iommu->end() > kRingIova) {
    return absl::InvalidArgumentError("a region's address reaches above 2^56");
  }
  lease.iommu = *std::move(iommu);

  Plan plan;
  uint32_t buffer_bytes = 0;
  for (const uint32_t number : request.rx_queues) {
    absl::StatusOr<uint32_t> bytes =
        ChooseBufferBytes(request.layout, *rx, request.rx_buffer_bytes);
    if (!bytes.ok()) return bytes.status();
    buffer_bytes = *bytes;
    absl::Status status = plan.AddQueue(*rx, number, request.rx_slots, default_slots);
    if (!status.ok()) return status;
  }
  for (const uint32_t number : request.tx_queues) {
    absl::Status status = plan.AddQueue(*tx, number, request.tx_slots, default_slots);
    if (!status.ok()) return status;
  }
  const uint64_t size = plan.Finish();
  absl::StatusOr<linux_sys::OwnedFd> memfd = linux_sys::CreateSealedMemfd("qsplit-rings", size);
  if (!memfd.ok()) return memfd.status();
  absl::StatusOr<linux_sys::Mapping> memory =
      linux_sys::Mapping::Map(memfd->get(), 0, size, linux_sys::Mapping::Access::kReadWrite);
  if (!memory.ok()) return memory.status();
  if (absl::Status status = memory->Populate(absl::Milliseconds(5)); !status.ok()) return status;
  lease.memory = *std::move(memory);

  Grant& grant = made.grant;
  grant.fds.push_back(
      {device::GrantFdKind::kMemory, std::make_shared<linux_sys::OwnedFd>(*std::move(memfd))});
  grant.areas.push_back({0, 0, size, device::AreaAccess::kReadWrite});
  if (!request.tx_queues.empty()) {
    absl::StatusOr<linux_sys::OwnedFd> wakeup = linux_sys::CreateEventFd();
    if (!wakeup.ok()) return wakeup.status();
    lease.wakeup = std::make_shared<linux_sys::OwnedFd>(*std::move(wakeup));
    grant.fds.push_back({device::GrantFdKind::kWakeup, lease.wakeup});
  }
  for (device::QueueGrant& queue : plan.rx) {
    queue.rx_buffer_bytes = buffer_bytes;
    absl::StatusOr<dataplane::RxDevice> side =
        dataplane::RxDevice::Create(request.layout, ViewOf(request, queue, lease.memory.data()),
                                    dataplane::RxDeviceOptions{.buffer_bytes = buffer_bytes});
    if (!side.ok()) return side.status();
    auto made_queue = std::make_unique<RxQueue>(*std::move(side));
    made_queue->max_buffers = MaxBuffers(*rx, queue.rings[0].slot_count);
    if (absl::Status s = Attach(made_queue.get(), &queue, &lease, false, &grant); !s.ok()) return s;
    lease.rx.push_back(std::move(made_queue));
  }
  for (device::QueueGrant& queue : plan.tx) {
    absl::StatusOr<dataplane::TxDevice> side = dataplane::TxDevice::Create(
        request.layout, ViewOf(request, queue, lease.memory.data()), dataplane::TxDeviceOptions{});
    if (!side.ok()) return side.status();
    auto made_queue = std::make_unique<TxQueue>(*std::move(side));
    if (absl::Status s = Attach(made_queue.get(), &queue, &lease, true, &grant); !s.ok()) return s;
    lease.tx.push_back(std::move(made_queue));
  }
  grant.rx = std::move(plan.rx);
  grant.tx = std::move(plan.tx);
  return made;
}

}  // namespace qsplit::softnic
