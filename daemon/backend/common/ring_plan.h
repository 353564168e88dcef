// Where the rings of a lease's queues stand in one piece of memory that device and client map:
// each ring's doorbells and cells first, then all slots.
//
//   | ring 0: doorbells │ cells the client writes │ cells the device writes │ flags | ring 1: … |
//   | … slots of ring 0, with the cells that the layout fixes beside them | slots of ring 1 | …   |
//
// Each of the four groups begins on a cache line of its own, so that neither side's stores slow
// down the other's; slots begin on pages. Nothing is read or written here: numbers only. One
// thread.
#ifndef QSPLIT_DAEMON_BACKEND_COMMON_RING_PLAN_H_
#define QSPLIT_DAEMON_BACKEND_COMMON_RING_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/device/grant.h"
#include "dataplane/ring_view.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::backend {

// A cell for which the layout leaves the place to the grant, and the hardware does not: it stands
// at `offset_bytes` from the first slot of `of_ring`, or from the end of its slots.
struct FixedCell {
  std::string_view ring;
  std::string_view cell;
  std::string_view of_ring;
  int32_t offset_bytes = 0;
  bool behind_slots = false;
};

struct RingPlanOptions {
  // Where the device sees the first byte of the memory.
  uint64_t iova = 0;
  // True: the device's side is a thread that sleeps when nothing happens and is woken, and that
  // asks in a cell whether the client wants an event. False: hardware.
  bool sleeps = true;
  std::span<const FixedCell> fixed_cells;  // must outlive the plan
};

class RingPlan {
 public:
  // choices: one for each of Layout.features; those left out are 0.
  RingPlan(const layout::VerifiedLayout& layout, std::vector<uint32_t> choices,
           RingPlanOptions options)
      : layout_(layout), choices_(std::move(choices)), options_(options) {}

  // Plans one queue. asked_slots: of each ring that the client posts into; 0: default_slots or the
  // nearest that the layout has. Rings in which only the device writes get as many as the rings
  // that they complete have together. INVALID_ARGUMENT: the layout does not have so many.
  // UNIMPLEMENTED: more doorbells or cells than the data plane drives.
  absl::Status AddQueue(const v1::Queue& queue, uint32_t number, uint32_t asked_slots,
                        uint32_t default_slots);
  // Puts the slots behind the cells; returns how many bytes all take. Only once.
  uint64_t Finish();

  // Queue grants whose places are offsets into area 0; those that wake the device name descriptor 1
  // of the grant. Whole after Finish.
  std::vector<device::QueueGrant> rx, tx;
  bool needs_wakeup() const { return needs_wakeup_; }

 private:
  absl::StatusOr<std::vector<uint32_t>> CountSlots(const v1::Queue& queue, uint32_t asked,
                                                   uint32_t fallback) const;
  absl::StatusOr<device::RingGrant> PlaceRing(const v1::Ring& ring, uint32_t slots, bool transmit);
  absl::Status PlaceCells(const v1::Ring& ring, uint64_t slots_at, uint64_t slot_bytes,
                          uint64_t* end, device::RingGrant* out);
  void PlaceFixedCells(const v1::Queue& queue, device::QueueGrant* grant);
  uint64_t TakeCells(uint64_t bytes, uint64_t alignment);

  const layout::VerifiedLayout& layout_;
  std::vector<uint32_t> choices_;
  const RingPlanOptions options_;
  bool needs_wakeup_ = false;
  uint64_t cells_bytes_ = 0;
  uint64_t slots_bytes_ = 0;  // from the first slot of all
};

// The view of one queue of the layout whose places are offsets from `memory`.
dataplane::QueueView ViewOf(const device::QueueGrant& grant, const v1::Queue& queue,
                            std::span<const uint32_t> choices, std::byte* memory);

}  // namespace qsplit::backend

#endif  // QSPLIT_DAEMON_BACKEND_COMMON_RING_PLAN_H_
