#include "daemon/backend/vfio/direct_lease.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/backend/common/ring_image.h"

namespace qsplit::vfio {
namespace {

constexpr uint64_t kPageBytes = IovaSpace::kPageBytes;
// The grant's descriptors: rings, then the function; areas: rings, then pages of BARs.
constexpr uint32_t kFunctionFd = 1;
constexpr uint32_t kFirstBarArea = 1;

}  // namespace

absl::StatusOr<std::unique_ptr<OpenLease>> DirectLease::Make(const LeaseParts& parts,
                                                             const device::QueueRequest& request) {
  std::unique_ptr<DirectLease> made(new DirectLease(request));
  absl::StatusOr<std::unique_ptr<RealRings>> rings =
      RealRings::Make(parts.function, made->request_, *parts.layout.driven, parts.default_slots);
  if (!rings.ok()) return rings.status();
  made->rings_ = *std::move(rings);
  absl::StatusOr<std::unique_ptr<RegionMaps>> regions =
      RegionMaps::Make(parts.function, request.regions, RegionMaps::Addresses::kAsGiven);
  if (!regions.ok()) return regions.status();
  made->regions_ = *std::move(regions);
  absl::Status status = made->rings_->Start(parts.driver);
  if (!status.ok()) return status;
  status = made->Hand(parts);
  if (!status.ok()) {
    (void)made->Stop(parts.driver);
    return status;
  }
  return made;
}

absl::StatusOr<device::Place> DirectLease::PlaceOf(const RegisterPlace& at,
                                                   const HostedFunction& function) {
  const BarFacts bar = function.bar(at.bar);
  if (at.offset + 8 > bar.bytes) {
    return absl::InternalError(
        absl::StrCat("a doorbell at ", at.offset, " of BAR ", at.bar, ", which cannot be mapped"));
  }
  const uint64_t page = at.offset & ~(kPageBytes - 1);
  const uint64_t of_fd = bar.fd_offset_bytes + page;
  for (uint32_t i = kFirstBarArea; i < grant_.areas.size(); ++i) {
    if (grant_.areas[i].offset_bytes == of_fd) return device::Place{i, at.offset - page};
  }
  grant_.areas.push_back({kFunctionFd, of_fd, kPageBytes, device::AreaAccess::kWrite});
  return device::Place{static_cast<uint32_t>(grant_.areas.size() - 1), at.offset - page};
}

absl::Status DirectLease::PlaceBells(const std::vector<RegisterPlace>& at,
                                     const HostedFunction& function,
                                     std::vector<device::Place>* places) {
  places->clear();
  for (const RegisterPlace& bell : at) {
    absl::StatusOr<device::Place> place = PlaceOf(bell, function);
    if (!place.ok()) return place.status();
    places->push_back(*place);
  }
  return absl::OkStatus();
}

absl::Status DirectLease::Hand(const LeaseParts& parts) {
  grant_.fds.push_back({device::GrantFdKind::kMemory, rings_->memory().memfd});
  grant_.fds.push_back({device::GrantFdKind::kVfioDevice, parts.function.device_fd()});
  grant_.areas.push_back({0, 0, rings_->bytes(), device::AreaAccess::kReadWrite});
  std::vector<std::optional<uint32_t>> event_of_vector(parts.vector_events.size());
  for (RealQueue& queue : rings_->queues()) {
    device::QueueGrant grant = queue.grant;
    grant.doorbell_number = queue.places.doorbell_number;
    for (size_t r = 0; r < grant.rings.size(); ++r) {
      device::RingGrant& ring = grant.rings[r];
      if (ring.slot_count == 0) continue;
      ring.counts_for_increments = false;
      absl::Status status = PlaceBells(queue.places.rings[r].producer_doorbells, parts.function,
                                       &ring.producer_doorbells);
      status.Update(PlaceBells(queue.places.rings[r].consumer_doorbells, parts.function,
                               &ring.consumer_doorbells));
      if (!status.ok()) return status;
    }
    const std::optional<uint32_t> vector = parts.driver.VectorOf(queue.transmit, grant.queue);
    if (vector && *vector < parts.vector_events.size() && parts.vector_events[*vector] != nullptr) {
      std::optional<uint32_t>& event = event_of_vector[*vector];
      if (!event) {
        event = static_cast<uint32_t>(grant_.fds.size());
        grant_.fds.push_back({device::GrantFdKind::kEvent, parts.vector_events[*vector]});
      }
      grant.event_fd = event;
    }
    (queue.transmit ? grant_.tx : grant_.rx).push_back(std::move(grant));
  }
  return absl::OkStatus();
}

std::vector<device::QueueCheck> DirectLease::Examine(uint32_t queue, bool transmit) const {
  if (const std::optional<uint32_t> posted = rings_->Posted(queue, transmit)) {
    return {backend::PostedCheck(transmit, *posted, /*stopped=*/false)};
  }
  return {{transmit ? "transmit ring" : "receive ring", device::CheckVerdict::kGood,
           "its holder alone drives it: how far the device has come is not to be seen from here; "
           "`qsplit queue dump` shows the ring's memory",
           ""}};
}

}  // namespace qsplit::vfio
