// What the ring layer needs to know of a queue and its rings before it can serve them: which rings
// and forms exist with the queue's choices, and where they stand. Made once at open.
//
// Reads no shared memory. Pointers into the layout: QueueShape keeps it, a RingShape alone must not
// outlive it. Immutable; any thread.
#ifndef QSPLIT_DATAPLANE_RING_SHAPE_H_
#define QSPLIT_DATAPLANE_RING_SHAPE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/ring_cursor.h"
#include "dataplane/ring_view.h"
#include "dataplane/slot_memory.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::dataplane {

// One ring.
struct RingShape {
  const v1::Layout* layout = nullptr;
  const v1::Queue* queue = nullptr;
  const v1::Ring* ring = nullptr;
  uint32_t ring_index = 0;  // in Queue.rings
  // One for each of Layout.features.
  std::vector<uint32_t> choices;
  RingView view;
  QueueIndex queue_number;
  SlotMemory slots;
  uint32_t slot_count = 0;
  // Indices into Layout.forms, those that exist, in the ring's order; context forms are among them.
  std::vector<uint32_t> post_forms;
  std::vector<uint32_t> complete_forms;
  // True if the ring's link form has the role phase.toggle.
  bool link_toggles = false;

  const v1::Form& Form(uint32_t index) const { return layout->forms(static_cast<int>(index)); }
  // At the first slot, as both sides begin.
  RingCursor Begin() const { return RingCursor(*ring, slot_count, link_toggles); }
  // Completions stand in slots that the driver posted, in the descriptors' own or in order of
  // completion.
  bool CompletesInOwnSlots() const { return !post_forms.empty() && !complete_forms.empty(); }
  // Whether one of Ring.cells (by number) exists with the queue's choices.
  bool HasCell(uint32_t cell) const;
  // "layout L, queue Q, ring R", for messages.
  std::string Where() const;
};

// A queue.
struct QueueShape {
  static constexpr uint32_t kNoRing = UINT32_MAX;

  // Keeps what the pointers point to.
  std::optional<layout::VerifiedLayout> verified;
  const v1::Layout* layout = nullptr;
  const v1::Queue* queue = nullptr;
  QueueView view;
  std::vector<uint32_t> choices;
  // The rings that exist, in the layout's order.
  std::vector<RingShape> rings;

  // Position in `rings` of number `ring_index` of Queue.rings; kNoRing.
  uint32_t Position(uint32_t ring_index) const;
  const RingShape* Find(uint32_t ring_index) const {
    const uint32_t position = Position(ring_index);
    return position == kNoRing ? nullptr : &rings[position];
  }
};

// Checks the view of one ring: slot count, alignment (to the layout's and to 2 bytes at least where
// slots are of even size). INVALID_ARGUMENT: it does not fit.
absl::StatusOr<RingShape> ShapeRing(const v1::Layout& layout, const v1::Queue& queue,
                                    uint32_t ring_index, const QueueView& view);

// All rings of the queue. NOT_FOUND: the layout has no queue of that direction. INVALID_ARGUMENT:
// the view does not fit.
absl::StatusOr<QueueShape> ShapeQueue(const layout::VerifiedLayout& layout, const QueueView& view,
                                      v1::Direction direction);
// The same for a layout that the caller keeps alive.
absl::StatusOr<QueueShape> ShapeQueue(const v1::Layout& layout, const v1::Queue& queue,
                                      const QueueView& view);

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RING_SHAPE_H_
