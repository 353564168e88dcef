#include "daemon/backend/vfio/real_rings.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/backend/common/ring_image.h"
#include "daemon/backend/common/ring_plan.h"
#include "daemon/backend/common/ring_progress.h"

namespace qsplit::vfio {
namespace {

// Rings lie below 4 GiB, where no lease has its regions but those of 32-bit layouts, from 1 MiB on.
constexpr uint64_t kRingsFrom = 0x4000'0000;

RingSetup SetupOf(const device::RingGrant& ring, uint64_t iova) {
  RingSetup setup;
  setup.slot_count = ring.slot_count;
  if (ring.slot_count == 0) return setup;
  setup.slots_iova = ring.iova;
  for (const device::Place& cell : ring.cells) setup.cell_iovas.push_back(iova + cell.offset_bytes);
  return setup;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RealRings>> RealRings::Make(HostedFunction& function,
                                                           const device::QueueRequest& request,
                                                           const DrivenLayout& driven,
                                                           uint32_t default_slots) {
  std::unique_ptr<RealRings> made(new RealRings(function, request));
  // Twice: the addresses depend on how many bytes there are.
  uint64_t bytes = 0;
  for (const bool sized : {false, true}) {
    if (sized) {
      absl::StatusOr<uint64_t> iova =
          function.iovas().Take(bytes, IovaSpace::kPageBytes, kRingsFrom);
      if (!iova.ok()) return iova.status();
      made->iova_ = *iova;
    }
    backend::RingPlan plan(
        request.layout, request.features,
        {.iova = made->iova_, .sleeps = false, .fixed_cells = driven.fixed_cells});
    made->queues_.clear();
    for (const bool transmit : {false, true}) {
      const v1::Queue* const queue =
          request.layout.FindQueue(transmit ? v1::DIRECTION_TRANSMIT : v1::DIRECTION_RECEIVE);
      for (const uint32_t number : transmit ? request.tx_queues : request.rx_queues) {
        if (queue == nullptr) {
          return absl::InvalidArgumentError(
              absl::StrCat("layout ", request.layout.name(), " has no such queue as ", number));
        }
        absl::Status status = plan.AddQueue(
            *queue, number, transmit ? request.tx_slots : request.rx_slots, default_slots);
        if (!status.ok()) return status;
        made->queues_.push_back({.transmit = transmit, .of_layout = queue});
      }
    }
    bytes = plan.Finish();
    size_t next = 0;
    for (auto* grants : {&plan.rx, &plan.tx}) {
      for (device::QueueGrant& grant : *grants) made->queues_[next++].grant = std::move(grant);
    }
  }
  absl::StatusOr<backend::RingMemory> memory = backend::MakeRingMemory(bytes);
  if (!memory.ok()) return memory.status();
  made->memory_ = *std::move(memory);
  for (RealQueue& queue : made->queues_) {
    const dataplane::QueueView view = backend::ViewOf(
        queue.grant, *queue.of_layout, request.features, made->memory_.memory.data());
    absl::Status status = backend::StartRings(request.layout, *queue.of_layout, view);
    if (!status.ok()) return status;
    if (queue.transmit) continue;
    absl::StatusOr<uint32_t> buffer = backend::ChooseBufferBytes(
        request.layout, *queue.of_layout, request.features, request.rx_buffer_bytes);
    if (!buffer.ok()) return buffer.status();
    queue.grant.rx_buffer_bytes = *buffer;
  }
  absl::Status status = function.MapDma(made->iova_, made->memory_.memory.data(), bytes, true);
  if (!status.ok()) return status;
  made->mapped_ = true;
  return made;
}

RealRings::~RealRings() {
  if (iova_ == 0) return;
  // Addresses that the kernel would not unmap are never used again.
  if (!mapped_ || function_.UnmapDma(iova_, bytes()).ok()) function_.iovas().Give(iova_);
}

absl::Status RealRings::Start(NicDriver& driver) {
  for (RealQueue& queue : queues_) {
    QueueSetup setup{.transmit = queue.transmit,
                     .queue = queue.grant.queue,
                     .layout = request_.layout,
                     .features = request_.features,
                     .rx_buffer_bytes = queue.grant.rx_buffer_bytes};
    for (const device::RingGrant& ring : queue.grant.rings) {
      setup.rings.push_back(SetupOf(ring, iova_));
    }
    absl::StatusOr<QueuePlaces> places = driver.StartQueue(setup);
    if (!places.ok()) {
      (void)Stop(driver);
      return places.status();
    }
    if (places->rings.size() != queue.grant.rings.size()) {
      (void)Stop(driver);
      return absl::InternalError("the driver names the doorbells of another number of rings");
    }
    queue.places = *std::move(places);
  }
  return absl::OkStatus();
}

absl::Status RealRings::Stop(NicDriver& driver) {
  absl::Status first;
  for (const RealQueue& queue : queues_) {
    first.Update(driver.StopQueue(queue.transmit, queue.grant.queue));
  }
  return first;
}

absl::StatusOr<dataplane::QueueView> RealRings::View(const RealQueue& queue) {
  dataplane::QueueView view =
      backend::ViewOf(queue.grant, *queue.of_layout, request_.features, memory_.memory.data());
  if (queue.places.doorbell_number) {
    view.queue_number = dataplane::QueueIndex(*queue.places.doorbell_number);
  }
  const auto bells = [this](const auto& of_layout, const std::vector<RegisterPlace>& places,
                            auto& to) {
    size_t next = 0;
    for (int i = 0; i < of_layout.size(); ++i) {
      if (of_layout[i].target() == v1::DOORBELL_TARGET_WAKEUP) continue;
      if (next == places.size()) return false;
      const RegisterPlace& place = places[next++];
      std::byte* const bar = function_.bar_memory(place.bar);
      if (bar == nullptr || place.offset + 8 > function_.bar(place.bar).bytes) return false;
      to[static_cast<size_t>(i)] = bar + place.offset;
    }
    return true;
  };
  for (size_t r = 0; r < queue.grant.rings.size(); ++r) {
    if (queue.grant.rings[r].slot_count == 0) continue;
    const v1::Ring& of_layout = queue.of_layout->rings(static_cast<int>(r));
    dataplane::RingView& ring = view.rings[r];
    if (!bells(of_layout.producer_doorbells(), queue.places.rings[r].producer_doorbells,
               ring.producer_doorbells) ||
        !bells(of_layout.consumer_doorbells(), queue.places.rings[r].consumer_doorbells,
               ring.consumer_doorbells)) {
      return absl::InternalError(absl::StrCat("a doorbell of queue ", queue.grant.queue,
                                              " stands in no BAR that can be mapped"));
    }
  }
  return view;
}

const RealQueue* RealRings::Find(uint32_t queue, bool transmit) const {
  const auto found = std::ranges::find_if(queues_, [&](const RealQueue& one) {
    return one.transmit == transmit && one.grant.queue == queue;
  });
  return found == queues_.end() ? nullptr : &*found;
}

dataplane::QueueView RealRings::MemoryOf(const RealQueue& queue) const {
  dataplane::QueueView view =
      backend::ViewOf(queue.grant, *queue.of_layout, request_.features, memory_.memory.data());
  for (dataplane::RingView& ring : view.rings) {  // registers, not memory
    ring.producer_doorbells = {};
    ring.consumer_doorbells = {};
  }
  return view;
}

std::optional<RealRings::Indices> RealRings::ReadIndices(const RealQueue& queue) const {
  for (size_t r = 0; r < queue.places.rings.size(); ++r) {
    const RingPlaces& places = queue.places.rings[r];
    const uint32_t slots = queue.grant.rings[r].slot_count;
    if (!places.device_index || places.producer_doorbells.empty() || slots == 0) continue;
    const auto read = [this](const RegisterPlace& at) {
      const RegisterWindow* const bar = function_.Bar(at.bar);
      return bar == nullptr ? ~uint32_t{0} : bar->Read32(at.offset);
    };
    const Indices indices{slots, read(places.producer_doorbells.front()),
                          read(*places.device_index)};
    // All ones, say, of a function that has gone.
    if (indices.posted_to >= slots || indices.device_at >= slots) return std::nullopt;
    return indices;
  }
  return std::nullopt;
}

std::optional<uint32_t> RealRings::Posted(uint32_t queue, bool transmit) const {
  const RealQueue* const found = Find(queue, transmit);
  const std::optional<Indices> at = found == nullptr ? std::nullopt : ReadIndices(*found);
  if (!at) return std::nullopt;
  return (at->posted_to + at->slots - at->device_at) % at->slots;
}

std::optional<device::QueueProgress> RealRings::Progress(uint32_t queue, bool transmit) const {
  const RealQueue* const found = Find(queue, transmit);
  if (found == nullptr) return std::nullopt;
  std::optional<uint64_t> bell;
  if (const std::optional<Indices> at = ReadIndices(*found)) bell = at->posted_to;
  return backend::ProgressOf(*found->of_layout, MemoryOf(*found), bell);
}

absl::StatusOr<device::RingImage> RealRings::Read(const device::RingSelection& wanted) const {
  if (const RealQueue* const queue = Find(wanted.queue, wanted.transmit)) {
    return backend::ReadRing(*queue->of_layout, MemoryOf(*queue), wanted);
  }
  return absl::FailedPreconditionError(
      absl::StrCat("queue ", wanted.queue, " is not among the lease's"));
}

}  // namespace qsplit::vfio
