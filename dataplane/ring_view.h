// Where a queue's rings stand in this process's memory: pointers only, made from a grant (driver's
// side) or from the device's own allocation (device's side). Nothing here reads or writes them.
//
// Everything that a view points to is shared with a peer and may change at any moment. The memory
// must outlive every driver or device made from the view.
#ifndef QSPLIT_DATAPLANE_RING_VIEW_H_
#define QSPLIT_DATAPLANE_RING_VIEW_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/types.h"

namespace qsplit::dataplane {

inline constexpr int kMaxRings = 8;
inline constexpr int kMaxDoorbells = 4;  // of a ring, for each side
inline constexpr int kMaxCells = 8;

// One ring.
struct RingView {
  // First slot; slot_count * Ring.slot_bytes bytes, aligned as the layout asks and to 8 bytes.
  std::byte* slots = nullptr;
  uint32_t slot_count = 0;
  // The device's address of the first slot; only for doorbells that carry an address.
  Iova slots_iova;
  // The register or memory cell of each of Ring.producer_doorbells and consumer_doorbells, in the
  // layout's order, aligned to its width; null where the doorbell is no store (wakeup).
  std::array<std::byte*, kMaxDoorbells> producer_doorbells{};
  std::array<std::byte*, kMaxDoorbells> consumer_doorbells{};
  // Each of Ring.cells in the layout's order, aligned to its width.
  std::array<std::byte*, kMaxCells> cells{};
  // True where memory stands for registers, as in a device made of software: nobody sees each store
  // to it. Then a doorbell that the layout gives an increment holds the free-running count of slots
  // instead, as a little-endian u32 at its place and without the doorbell's other terms; and so
  // does a cell with a pending count.
  bool counts_for_increments = false;
  // A u32 that the device's side makes non-zero before it sleeps, native byte order: after a
  // doorbell the driver must then also wake it by a system call. Null: the device never sleeps.
  // It belongs to qsplit (grant and softnic), not to a layout.
  std::byte* need_wakeup = nullptr;
};

// Which choice a queue was set up with for each of Layout.features; default: the first of each.
struct FeatureChoices {
  std::array<uint8_t, 32> choice{};
};

// All rings of a queue, in the order of Queue.rings.
struct QueueView {
  std::array<RingView, kMaxRings> rings{};
  uint32_t ring_count = 0;
  // The device's number of the queue, for doorbells that carry it.
  QueueIndex queue_number;
  // Index into Layout.queues; kFirstOfDirection: the first one of the direction asked for.
  static constexpr uint32_t kFirstOfDirection = UINT32_MAX;
  uint32_t layout_queue = kFirstOfDirection;
  FeatureChoices features;
  // Memory of the driver's that the device can read, for what a transmit queue has to say beside
  // its rings: prefixes of packets, indirect tables. Null where the layout needs none.
  std::byte* scratch = nullptr;
  Iova scratch_iova;
  uint32_t scratch_bytes = 0;
  // What descriptors with the role buffer.key say: under which key the device knows the lease's
  // memory.
  uint32_t memory_key = 0;

  // A queue with one ring.
  static QueueView Single(const RingView& ring) {
    QueueView view;
    view.rings[0] = ring;
    view.ring_count = 1;
    return view;
  }
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RING_VIEW_H_
