#include "daemon/backend/common/ring_plan.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace qsplit::backend {
namespace {

using device::Place;
using device::RingGrant;

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kCacheLineBytes = 64;
// An area that stands for "behind the cells" until Finish knows where that is.
constexpr uint32_t kAtSlots = 1;
constexpr uint32_t kWakeupFd = 1;

uint64_t RoundUp(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

bool Allowed(const v1::SlotRange& range, uint64_t slots) {
  return slots >= range.min() && slots <= range.max() &&
         (!range.power_of_two() || std::has_single_bit(slots)) &&
         (slots - range.min()) % std::max(range.step(), 1u) == 0;
}

std::string RangeText(const v1::SlotRange& range) {
  return absl::StrCat(
      range.min(), "..", range.max(),
      range.power_of_two() ? ", powers of two" : absl::StrCat(" in steps of ", range.step()));
}

// The allowed count next to what is wished for, from below where there is one.
uint32_t NextTo(const v1::SlotRange& range, uint32_t wish) {
  uint32_t slots = std::clamp(wish, range.min(), range.max());
  while (slots > range.min() && !Allowed(range, slots)) --slots;
  while (slots < range.max() && !Allowed(range, slots)) ++slots;
  return slots;
}

// The fewest that are allowed and enough.
std::optional<uint32_t> AtLeast(const v1::SlotRange& range, uint64_t enough) {
  uint64_t slots = std::max<uint64_t>(enough, range.min());
  if (range.power_of_two()) {
    for (slots = std::bit_ceil(slots); slots <= range.max(); slots *= 2) {
      if (Allowed(range, slots)) return static_cast<uint32_t>(slots);
    }
    return std::nullopt;
  }
  slots = range.min() + RoundUp(slots - range.min(), std::max(range.step(), 1u));
  if (!Allowed(range, slots)) return std::nullopt;
  return static_cast<uint32_t>(slots);
}

// Whether a store of the ring says how many rather than how far.
bool CountsIncrements(const v1::Ring& ring) {
  const auto increments = [](const auto& doorbells) {
    return std::any_of(doorbells.begin(), doorbells.end(), [](const v1::Doorbell& bell) {
      return std::any_of(bell.terms().begin(), bell.terms().end(), [](const auto& term) {
        return term.source() == v1::DOORBELL_SOURCE_INCREMENT;
      });
    });
  };
  return increments(ring.producer_doorbells()) || increments(ring.consumer_doorbells()) ||
         std::any_of(ring.cells().begin(), ring.cells().end(), [](const v1::IndexCell& cell) {
           return cell.meaning() == v1::CELL_MEANING_PENDING_COUNT;
         });
}

bool AnyWakeup(const v1::Ring& ring) {
  const auto is_wakeup = [](const v1::Doorbell& bell) {
    return bell.target() == v1::DOORBELL_TARGET_WAKEUP;
  };
  return std::any_of(ring.producer_doorbells().begin(), ring.producer_doorbells().end(),
                     is_wakeup) ||
         std::any_of(ring.consumer_doorbells().begin(), ring.consumer_doorbells().end(), is_wakeup);
}

}  // namespace

absl::StatusOr<std::vector<uint32_t>> RingPlan::CountSlots(const v1::Queue& queue, uint32_t asked,
                                                           uint32_t fallback) const {
  std::vector<uint32_t> slots(static_cast<size_t>(queue.rings_size()), 0);
  for (int r = 0; r < queue.rings_size(); ++r) {
    const v1::Ring& ring = queue.rings(r);
    if (!layout::Applies(ring.features(), choices_) || ring.post_forms().empty()) continue;
    slots[static_cast<size_t>(r)] = asked != 0 ? asked : NextTo(ring.slots(), fallback);
    if (!Allowed(ring.slots(), slots[static_cast<size_t>(r)])) {
      return absl::InvalidArgumentError(absl::StrCat(
          "ring ", ring.name(), ": ", asked, " slots; the layout has ", RangeText(ring.slots())));
    }
  }
  for (int r = 0; r < queue.rings_size(); ++r) {
    const v1::Ring& ring = queue.rings(r);
    if (!layout::Applies(ring.features(), choices_) || !ring.post_forms().empty()) continue;
    std::set<uint32_t> completed;
    for (const v1::CompletionRule& rule : ring.completes()) completed.insert(rule.ring());
    uint64_t enough = 0;
    for (const uint32_t other : completed) enough += slots[other];
    const std::optional<uint32_t> count = AtLeast(ring.slots(), enough);
    if (!count.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "ring ", ring.name(), ": ", enough, " slots for the completions of all rings; the ",
          "layout has ", RangeText(ring.slots()), "; ask for fewer"));
    }
    slots[static_cast<size_t>(r)] = *count;
  }
  return slots;
}

uint64_t RingPlan::TakeCells(uint64_t bytes, uint64_t alignment) {
  const uint64_t at = RoundUp(cells_bytes_, alignment);
  cells_bytes_ = at + bytes;
  return at;
}

absl::Status RingPlan::PlaceCells(const v1::Ring& ring, uint64_t slots_at, uint64_t slot_bytes,
                                  uint64_t* end, RingGrant* out) {
  out->cells.resize(static_cast<size_t>(ring.cells_size()));
  for (const bool device_writes : {false, true}) {
    cells_bytes_ = RoundUp(cells_bytes_, kCacheLineBytes);
    for (int i = 0; i < ring.cells_size(); ++i) {
      const v1::IndexCell& cell = ring.cells(i);
      if (cell.device_writes() != device_writes) continue;
      Place& place = out->cells[static_cast<size_t>(i)];
      if (!cell.has_offset_bytes()) {
        place = {0, TakeCells(8, 8)};
        continue;
      }
      const int64_t offset = cell.offset_bytes();
      if (offset > int64_t{kPageBytes} ||
          offset < (cell.behind_slots() ? 0 : -int64_t{kPageBytes})) {
        return absl::UnimplementedError(
            absl::StrCat("cell ", cell.name(), " of ring ", ring.name(), " lies too far from it"));
      }
      const uint64_t from = slots_at + (cell.behind_slots() ? slot_bytes : 0);
      place = {kAtSlots, from + static_cast<uint64_t>(offset)};
      *end = std::max(*end, place.offset_bytes + cell.bytes());
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<RingGrant> RingPlan::PlaceRing(const v1::Ring& ring, uint32_t slots, bool transmit) {
  if (ring.producer_doorbells_size() > dataplane::kMaxDoorbells ||
      ring.consumer_doorbells_size() > dataplane::kMaxDoorbells ||
      ring.cells_size() > dataplane::kMaxCells) {
    return absl::UnimplementedError(absl::StrCat(
        "ring ", ring.name(), " has more doorbells or cells than the data plane drives"));
  }
  RingGrant out;
  out.slot_count = slots;
  out.counts_for_increments = CountsIncrements(ring);
  cells_bytes_ = RoundUp(cells_bytes_, kCacheLineBytes);
  const auto place_bells = [this](const auto& bells, std::vector<Place>& to) {
    for (const v1::Doorbell& bell : bells) {
      if (bell.target() == v1::DOORBELL_TARGET_WAKEUP) continue;
      to.push_back({0, TakeCells(std::max(bell.bytes(), 8u), 8)});
    }
  };
  place_bells(ring.producer_doorbells(), out.producer_doorbells);
  place_bells(ring.consumer_doorbells(), out.consumer_doorbells);

  // Room in front of the slots for the cells that stand there.
  uint64_t lead = 0;
  for (const FixedCell& cell : options_.fixed_cells) {
    if (cell.of_ring == ring.name() && cell.offset_bytes < 0) {
      lead = std::max(lead, static_cast<uint64_t>(-cell.offset_bytes));
    }
  }
  for (const v1::IndexCell& cell : ring.cells()) {
    if (cell.has_offset_bytes() && !cell.behind_slots() && cell.offset_bytes() < 0) {
      lead = std::max(lead, static_cast<uint64_t>(-cell.offset_bytes()));
    }
  }
  const uint64_t slots_at =
      RoundUp(slots_bytes_ + lead, std::max<uint64_t>(kPageBytes, ring.alignment_bytes()));
  const uint64_t slot_bytes = uint64_t{slots} * ring.slot_bytes();
  out.slots = {0, slots_at};
  uint64_t end = slots_at + slot_bytes;
  if (absl::Status status = PlaceCells(ring, slots_at, slot_bytes, &end, &out); !status.ok()) {
    return status;
  }
  for (const FixedCell& cell : options_.fixed_cells) {
    if (cell.of_ring != ring.name() || !cell.behind_slots) continue;
    end = std::max(end, slots_at + slot_bytes + static_cast<uint64_t>(cell.offset_bytes) + 8);
  }
  slots_bytes_ = RoundUp(end, kPageBytes);
  // A receive ring's device never sleeps on it: packets wake it.
  if (options_.sleeps && transmit && !ring.post_forms().empty()) {
    out.need_wakeup = Place{0, TakeCells(4, kCacheLineBytes)};
  }
  if (out.need_wakeup || AnyWakeup(ring)) {
    out.wakeup_fd = kWakeupFd;
    needs_wakeup_ = true;
  }
  return out;
}

void RingPlan::PlaceFixedCells(const v1::Queue& queue, device::QueueGrant* grant) {
  const auto index_of = [&queue](std::string_view ring) {
    int r = 0;
    while (r < queue.rings_size() && queue.rings(r).name() != ring) ++r;
    return r;
  };
  for (const FixedCell& fixed : options_.fixed_cells) {
    const int r = index_of(fixed.ring);
    const int of = index_of(fixed.of_ring);
    if (r == queue.rings_size() || of == queue.rings_size()) continue;  // the other direction's
    const RingGrant& there = grant->rings[static_cast<size_t>(of)];
    RingGrant& ring = grant->rings[static_cast<size_t>(r)];
    if (there.slot_count == 0 || ring.slot_count == 0) continue;
    for (int c = 0; c < queue.rings(r).cells_size(); ++c) {
      if (queue.rings(r).cells(c).name() != fixed.cell) continue;
      uint64_t from = there.slots.offset_bytes;
      if (fixed.behind_slots) from += uint64_t{there.slot_count} * queue.rings(of).slot_bytes();
      ring.cells[static_cast<size_t>(c)] = {
          kAtSlots, static_cast<uint64_t>(static_cast<int64_t>(from) + fixed.offset_bytes)};
    }
  }
}

absl::Status RingPlan::AddQueue(const v1::Queue& queue, uint32_t number, uint32_t asked_slots,
                                uint32_t default_slots) {
  const absl::StatusOr<std::vector<uint32_t>> slots = CountSlots(queue, asked_slots, default_slots);
  if (!slots.ok()) return slots.status();
  device::QueueGrant grant;
  grant.queue = number;
  const bool transmit = queue.direction() == v1::DIRECTION_TRANSMIT;
  for (int r = 0; r < queue.rings_size(); ++r) {
    if (!layout::Applies(queue.rings(r).features(), choices_)) {
      grant.rings.emplace_back();  // holds the place of a ring that does not exist
      continue;
    }
    absl::StatusOr<RingGrant> ring =
        PlaceRing(queue.rings(r), (*slots)[static_cast<size_t>(r)], transmit);
    if (!ring.ok()) return ring.status();
    grant.rings.push_back(*std::move(ring));
  }
  PlaceFixedCells(queue, &grant);
  if (options_.sleeps) grant.event_request = Place{0, TakeCells(4, kCacheLineBytes)};
  (transmit ? tx : rx).push_back(std::move(grant));
  return absl::OkStatus();
}

uint64_t RingPlan::Finish() {
  const uint64_t base = RoundUp(cells_bytes_, kPageBytes);
  for (auto* direction : {&rx, &tx}) {
    for (device::QueueGrant& queue : *direction) {
      for (RingGrant& ring : queue.rings) {
        if (ring.slot_count == 0) continue;
        ring.slots.offset_bytes += base;
        ring.iova = options_.iova + ring.slots.offset_bytes;
        for (Place& cell : ring.cells) {
          if (cell.area == kAtSlots) cell = {0, cell.offset_bytes + base};
        }
      }
    }
  }
  return base + std::max(slots_bytes_, kPageBytes);
}

dataplane::QueueView ViewOf(const device::QueueGrant& grant, const v1::Queue& queue,
                            std::span<const uint32_t> choices, std::byte* memory) {
  dataplane::QueueView view;
  view.queue_number = dataplane::QueueIndex(grant.queue);
  view.ring_count = static_cast<uint32_t>(grant.rings.size());
  for (size_t i = 0; i < choices.size(); ++i) {
    view.features.choice[i] = static_cast<uint8_t>(choices[i]);
  }
  const auto bells = [memory](const auto& of_layout, const std::vector<Place>& places, auto& to) {
    size_t next = 0;
    for (int i = 0; i < of_layout.size(); ++i) {
      if (of_layout[i].target() == v1::DOORBELL_TARGET_WAKEUP) continue;
      to[static_cast<size_t>(i)] = memory + places[next++].offset_bytes;
    }
  };
  for (size_t r = 0; r < grant.rings.size(); ++r) {
    const RingGrant& ring = grant.rings[r];
    if (ring.slot_count == 0) continue;
    const v1::Ring& of_layout = queue.rings(static_cast<int>(r));
    dataplane::RingView& out = view.rings[r];
    out.slots = memory + ring.slots.offset_bytes;
    out.slot_count = ring.slot_count;
    out.slots_iova = dataplane::Iova(ring.iova);
    out.counts_for_increments = ring.counts_for_increments;
    bells(of_layout.producer_doorbells(), ring.producer_doorbells, out.producer_doorbells);
    bells(of_layout.consumer_doorbells(), ring.consumer_doorbells, out.consumer_doorbells);
    for (size_t i = 0; i < ring.cells.size(); ++i) {
      out.cells[i] = memory + ring.cells[i].offset_bytes;
    }
    if (ring.need_wakeup) out.need_wakeup = memory + ring.need_wakeup->offset_bytes;
  }
  return view;
}

}  // namespace qsplit::backend
