// The device's side of a ring with post forms: which descriptors the driver has handed over, in
// order, each as a private copy with the form that it has.
//
//      (driver)            Next               Done, or PublishConsumed
//   free ─────► handed over ───► fetched ───────────────────────────► driver's
//                    ◄─── Rewind
//
// The driver is hostile: slots, doorbells and cells may hold anything and change at any moment.
// Each word is read once; a doorbell or cell that says what the ring cannot hold, or bytes of no
// form, are a RingFault, and the reader goes on reporting it. At most slot_count slots are fetched
// and not done; a link is skipped once for each pass; so nothing here loops without end.
// Never: allocates after Create, locks, makes a system call. One thread at a time.
#ifndef QSPLIT_DATAPLANE_POST_READER_H_
#define QSPLIT_DATAPLANE_POST_READER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "dataplane/burst/slot_reader.h"
#include "dataplane/ring_cells.h"
#include "dataplane/ring_cursor.h"
#include "dataplane/ring_fault.h"
#include "dataplane/ring_forms.h"
#include "dataplane/ring_shape.h"

namespace qsplit::dataplane {

// A descriptor that was fetched; its bytes are in the caller's copy.
struct FetchedDescriptor {
  uint32_t form = 0;   // position among forms()
  uint32_t index = 0;  // of its first slot
  uint64_t count = 0;  // of its first slot, free-running
  uint32_t slots = 1;  // links not counted
  uint32_t bytes = 0;  // with its appended parts
};

class PostReader {
 public:
  // UNIMPLEMENTED: nothing tells a device of software what was posted (an increment without
  // RingView::counts_for_increments, a doorbell without a value), a table.
  static absl::StatusOr<PostReader> Create(const RingShape& shape);

  const RingForms& forms() const { return forms_; }
  // Where the next descriptor stands.
  const RingCursor& position() const { return at_; }
  uint32_t slot_count() const { return at_.slot_count(); }

  // Slots that are certainly handed over and not fetched, links among them; where bytes decide, 1
  // stands for one or more. Looks at shared memory. 0 after a fault.
  uint32_t Available();

  // Fetches the next descriptor into a private copy of kMaxDescriptorBytes. first: it is the first
  // of a packet. kEmpty: nothing there, or slot_count slots are not Done. kDoorbellOutOfRange,
  // kUndefinedForm, kChainTooLong (longer than the ring or than kMaxDescriptorBytes): for good.
  RingFault Next(std::byte* copy, FetchedDescriptor* out, bool first = true);

  // Descriptors of a form of one slot as a plan, but for their numbers. False: they are more than
  // bits of a slot.
  bool Plan(uint32_t form, burst::SlotReadPlan* plan) const;
  // Next for up to `most` descriptors of that form, the first ones of their packets; fewer, down to
  // none: Next takes the next one, or says what is wrong with it. notes: one for each slot.
  uint32_t NextRun(const burst::SlotReader& reader, uint32_t most, uint32_t* notes,
                   PlainBuffer* out);

  // Goes back to a position taken before, if a packet turned out not to be whole yet. Only as far
  // as nothing was Done in between.
  struct Mark {
    RingCursor at;
    uint32_t fetched = 0;
  };
  Mark mark() const { return {at_, fetched_}; }
  void Rewind(const Mark& mark) {
    at_ = mark.at;
    fetched_ = mark.fetched;
  }

  // Slots fetched and not done.
  uint32_t Fetched() const { return fetched_; }
  // So many slots are the driver's again. Does nothing where PublishConsumed says it.
  void Done(uint32_t slots) {
    if (consumed_.valid()) return;
    fetched_ -= slots < fetched_ ? slots : fetched_;
  }
  // Where the ring has a cell that tells the driver how far the device is (and that is not the one
  // of Ring.completed): all that was fetched is the driver's again.
  void PublishConsumed() {
    if (!consumed_.valid()) return;
    consumed_.Store(at_);
    fetched_ = 0;
  }
  bool ReturnsSlotsByCell() const { return consumed_.valid(); }

  // Before sleeping (need), when awake again: see NotificationSwitch.
  void SetNeedWakeup(bool need) const { notification_.Set(need, at_.count()); }

  RingFault fault() const { return fault_; }
  // Faults found by the engine above, so that this side goes on reporting them.
  RingFault Fail(RingFault fault) { return fault_ = fault; }

 private:
  PostReader() = default;
  // Slots (links among them) known to be handed over from the cursor on.
  uint32_t Known() const { return static_cast<uint32_t>(end_ - at_.count()); }
  bool Look();
  // Passes a link if the cursor stands on one. False: it is not handed over, or a fault.
  bool SkipLink();

  SlotMemory slots_;
  bool has_sequence_ = false;
  RingForms forms_;
  RingForms link_;
  bool has_link_toggle_ = false;
  FieldAccess link_toggle_;
  RingCursor at_;
  bool bytes_decide_ = false;
  ProgressReader posted_;
  uint32_t limit_ = 0;  // slots that may be fetched and not done
  uint64_t end_ = 0;    // count up to which slots were handed over
  uint32_t fetched_ = 0;
  ProgressWriter consumed_;
  NotificationSwitch notification_;
  RingFault fault_ = RingFault::kNone;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_POST_READER_H_
