#include "daemon/backend/common/ring_progress.h"

#include <algorithm>
#include <span>

#include "daemon/backend/common/ring_image.h"
#include "daemon/backend/common/ring_plan.h"

namespace qsplit::backend {
namespace {

using device::RingImage;

// FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv: compared with itself alone.
class Digest {
 public:
  void Add(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes)
      value_ = (value_ ^ std::to_integer<uint64_t>(byte)) * 0x100000001b3;
  }
  void Add(uint64_t number) { Add(std::as_bytes(std::span(&number, 1))); }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325;
};

bool SaysHowFar(const v1::Doorbell& doorbell) {
  if (doorbell.has_suppressed_by_cell() || doorbell.features_size() > 0) return false;
  return std::ranges::any_of(doorbell.terms(), [](const v1::DoorbellTerm& term) {
    switch (term.source()) {
      case v1::DOORBELL_SOURCE_PRODUCER_INDEX:
      case v1::DOORBELL_SOURCE_PRODUCER_COUNT:
      case v1::DOORBELL_SOURCE_INCREMENT:
      case v1::DOORBELL_SOURCE_CONSUMER_INDEX:
      case v1::DOORBELL_SOURCE_CONSUMER_COUNT:
      case v1::DOORBELL_SOURCE_ADDRESS:
        return true;
      default:
        return false;
    }
  });
}

bool SaysHowFar(const v1::IndexCell& cell) {
  if (cell.features_size() > 0) return false;
  return cell.meaning() == v1::CELL_MEANING_PRODUCER_INDEX ||
         cell.meaning() == v1::CELL_MEANING_PRODUCER_COUNT ||
         cell.meaning() == v1::CELL_MEANING_CONSUMER_INDEX ||
         cell.meaning() == v1::CELL_MEANING_CONSUMER_COUNT;
}

// What the driver writes beside the slots; whether that says by itself how far it is.
bool AddMarks(const v1::Ring& ring, const RingImage& image, Digest* digest) {
  bool says = false;
  for (int i = 0; i < ring.cells_size(); ++i) {
    if (ring.cells(i).device_writes() || ring.cells(i).is_register()) continue;
    digest->Add(image.cells[static_cast<size_t>(i)]);
    says = says || SaysHowFar(ring.cells(i));
  }
  const auto add = [&](const auto& of_layout, const std::vector<uint64_t>& values) {
    for (size_t i = 0; i < values.size(); ++i) {
      digest->Add(values[i]);
      says = says || SaysHowFar(of_layout[static_cast<int>(i)]);
    }
  };
  add(ring.producer_doorbells(), image.producer_doorbells);
  add(ring.consumer_doorbells(), image.consumer_doorbells);
  return says;
}

void AddSlots(const v1::Queue& of_layout, const dataplane::QueueView& view, uint32_t ring,
              Digest* digest) {
  constexpr uint32_t kAtOnce = 1024;
  for (uint32_t first = 0; first < view.rings[ring].slot_count; first += kAtOnce) {
    const auto image =
        ReadRing(of_layout, view, {.ring = ring, .first_slot = first, .slots = kAtOnce});
    if (image.ok()) digest->Add(image->slots);
  }
}

}  // namespace

device::QueueProgress ProgressOf(const v1::Queue& of_layout, const dataplane::QueueView& view,
                                 std::optional<uint64_t> bells) {
  Digest digest;
  if (bells) digest.Add(*bells);
  for (uint32_t r = 0; r < view.ring_count; ++r) {
    const v1::Ring& ring = of_layout.rings(static_cast<int>(r));
    const auto image = ReadRing(of_layout, view, {.ring = r});
    if (!image.ok() || image->slot_count == 0) continue;
    const bool says = AddMarks(ring, *image, &digest) || bells.has_value();
    if (!says && ring.post_forms_size() > 0) AddSlots(of_layout, view, r, &digest);
  }
  return {.position = digest.value()};
}

std::optional<device::QueueProgress> ProgressOf(const device::QueueRequest& lease,
                                                const std::vector<device::QueueGrant>& queues,
                                                std::byte* memory, bool transmit, uint32_t queue) {
  const auto found = std::ranges::find(queues, queue, &device::QueueGrant::queue);
  const v1::Queue* of_layout =
      lease.layout.FindQueue(transmit ? v1::DIRECTION_TRANSMIT : v1::DIRECTION_RECEIVE);
  if (found == queues.end() || of_layout == nullptr) return std::nullopt;
  return ProgressOf(*of_layout, ViewOf(*found, *of_layout, lease.features, memory));
}

}  // namespace qsplit::backend
