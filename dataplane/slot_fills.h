// What a driver fills into slots that are its own, so that what stood there before never looks like
// something new: Ring.fills.
//
// The driver writes slots that are its own, each word with release; bits outside the filled fields
// stay. Never allocates after Compile. Immutable; as thread-safe as its caller.
#ifndef QSPLIT_DATAPLANE_SLOT_FILLS_H_
#define QSPLIT_DATAPLANE_SLOT_FILLS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/ring_cursor.h"
#include "dataplane/ring_forms.h"
#include "dataplane/ring_shape.h"
#include "dataplane/slot_memory.h"

namespace qsplit::dataplane {

class SlotFills {
 public:
  // Of the fills whose field is of one of these forms.
  static absl::StatusOr<SlotFills> Compile(const RingShape& shape, const RingForms& forms);

  bool empty() const { return words_.empty(); }
  // Fills one slot. phase: of the ring at the slot's next use.
  void Fill(const SlotMemory& slots, uint32_t slot, uint32_t phase) const;
  // Fills the whole ring before its first use.
  void FillAll(const SlotMemory& slots, RingCursor at) const;

 private:
  struct Word {
    uint32_t word = 0;
    uint64_t mask = 0;           // in memory order
    uint64_t value[2] = {0, 0};  // by the phase at the next use
  };
  std::vector<Word> words_;
};

// Fills a ring as a driver does before its first use, so that a device that looks before there is a
// driver sees nothing. For whoever makes the queue's memory, before either side is open.
absl::Status StartSlots(const RingShape& shape);

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_SLOT_FILLS_H_
