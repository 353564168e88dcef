#include "daemon/backend/common/ring_image.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "daemon/backend/common/ring_plan.h"
#include "dataplane/barriers.h"
#include "dataplane/slot_memory.h"

namespace qsplit::backend {
namespace {

// A number of 1, 2, 4 or 8 bytes in the byte order that the layout gives it, of more (a
// descriptor's copy) the first 8; 0 of nothing.
uint64_t Number(const std::byte* at, uint32_t bytes, v1::ByteOrder order) {
  if (at == nullptr) return 0;
  bytes = std::min<uint32_t>(bytes, sizeof(uint64_t));
  uint64_t value = 0;
  for (uint32_t i = 0; i < bytes; ++i) {
    const uint32_t shift = 8 * (order == v1::BYTE_ORDER_BIG ? bytes - 1 - i : i);
    value |= uint64_t{dataplane::LoadRelaxed<uint8_t>(at + i)} << shift;
  }
  return value;
}

template <typename Places>
std::vector<uint64_t> Doorbells(const google::protobuf::RepeatedPtrField<v1::Doorbell>& doorbells,
                                const Places& places, bool counts) {
  std::vector<uint64_t> values;
  for (int i = 0; i < doorbells.size(); ++i) {
    const std::byte* at = places[static_cast<size_t>(i)];
    if (at == nullptr) return {};
    // A count stands there instead where nobody sees each store: see ring_view.h.
    const bool count = counts && std::ranges::any_of(doorbells[i].terms(), [](const auto& term) {
                         return term.source() == v1::DOORBELL_SOURCE_INCREMENT;
                       });
    values.push_back(count ? Number(at, 4, v1::BYTE_ORDER_LITTLE)
                           : Number(at, doorbells[i].bytes(), doorbells[i].byte_order()));
  }
  return values;
}

}  // namespace

absl::StatusOr<device::RingImage> ReadRing(const v1::Queue& of_layout,
                                           const dataplane::QueueView& view,
                                           const device::RingSelection& wanted) {
  if (wanted.ring >= view.ring_count) {
    return absl::InvalidArgumentError(absl::StrCat("ring ", wanted.ring, "; the queue has ",
                                                   view.ring_count, ", the first is 0"));
  }
  const v1::Ring& ring = of_layout.rings(static_cast<int>(wanted.ring));
  const dataplane::RingView& at = view.rings[wanted.ring];
  device::RingImage image;
  if (at.slot_count == 0 || at.slots == nullptr) return image;
  image.slot_count = at.slot_count;
  const uint32_t first = std::min(wanted.first_slot, at.slot_count);
  const uint32_t slots = std::min(wanted.slots, at.slot_count - first);
  // Whole words, and the last slot's may reach behind its end.
  const uint64_t bytes = uint64_t{slots} * ring.slot_bytes();
  image.slots.resize(bytes + sizeof(uint64_t));
  const dataplane::SlotMemory memory(at.slots, ring.slot_bytes());
  for (uint32_t i = 0; i < slots; ++i) {
    memory.Read(first + i, image.slots.data() + uint64_t{i} * ring.slot_bytes(), ring.slot_bytes());
  }
  image.slots.resize(bytes);
  for (int i = 0; i < ring.cells_size(); ++i) {
    const v1::IndexCell& cell = ring.cells(i);
    image.cells.push_back(
        Number(at.cells[static_cast<size_t>(i)], cell.bytes(), cell.byte_order()));
  }
  image.producer_doorbells =
      Doorbells(ring.producer_doorbells(), at.producer_doorbells, at.counts_for_increments);
  image.consumer_doorbells =
      Doorbells(ring.consumer_doorbells(), at.consumer_doorbells, at.counts_for_increments);
  return image;
}

absl::StatusOr<device::RingImage> ReadRing(const device::QueueRequest& lease,
                                           const std::vector<device::QueueGrant>& queues,
                                           std::byte* memory, const device::RingSelection& wanted) {
  const auto found = std::ranges::find(queues, wanted.queue, &device::QueueGrant::queue);
  const v1::Queue* of_layout =
      lease.layout.FindQueue(wanted.transmit ? v1::DIRECTION_TRANSMIT : v1::DIRECTION_RECEIVE);
  if (found == queues.end() || of_layout == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("queue ", wanted.queue, " is not among the lease's"));
  }
  return ReadRing(*of_layout, ViewOf(*found, *of_layout, lease.features, memory), wanted);
}

device::QueueCheck PostedCheck(bool transmit, uint32_t posted, bool stopped) {
  device::QueueCheck check{.subject = transmit ? "transmit ring" : "receive ring"};
  if (stopped) {
    check.verdict = device::CheckVerdict::kWrong;
    check.finding = "a fault stopped the queue: its holder wrote a descriptor that was refused";
    check.remedy =
        "mend the program (`qsplit monitor` shows what it wrote), then lease the queue again";
    return check;
  }
  check.finding =
      absl::StrCat(posted, posted == 1 ? " slot is" : " slots are", " posted to the device");
  if (!transmit && posted == 0) {
    check.verdict = device::CheckVerdict::kWrong;
    check.remedy =
        "the program has to post receive buffers and ring the doorbell: it may hang, or hold on to "
        "all of its buffers";
  }
  return check;
}

device::QueueCheck DescriptorsCheck(std::string how) {
  device::QueueCheck check{.subject = "descriptors"};
  check.finding = absl::StrCat("qsplitd takes them ", how);
  return check;
}

}  // namespace qsplit::backend
