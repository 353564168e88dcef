// The device's side of a ring with complete forms: writes completions at its position, in its own
// ring or over the descriptors of one that the driver posts into, so that the driver sees each one
// whole or not at all.
//
//          Write                         Publish
//   room ─────────► written, and there ─────────► there, where a cell says how far
//                   where bytes decide
//
// The driver is hostile: what it says about how far it has read is checked against what was
// written. Slots that it has not read are never written over, as far as it says.
// Never: allocates after Create, locks, makes a system call. One thread at a time.
#ifndef QSPLIT_DATAPLANE_COMPLETION_WRITER_H_
#define QSPLIT_DATAPLANE_COMPLETION_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/status/statusor.h"
#include "dataplane/burst/slot_writer.h"
#include "dataplane/ring_cells.h"
#include "dataplane/ring_cursor.h"
#include "dataplane/ring_fault.h"
#include "dataplane/ring_forms.h"
#include "dataplane/ring_shape.h"

namespace qsplit::dataplane {

class CompletionWriter {
 public:
  // UNIMPLEMENTED: a condition that no stores make true, a progress that a device of software
  // cannot tell or follow.
  static absl::StatusOr<CompletionWriter> Create(const RingShape& shape);

  const RingForms& forms() const { return forms_; }
  // Where the next completion goes.
  const RingCursor& position() const { return at_; }
  uint32_t slot_count() const { return at_.slot_count(); }

  // Whether so many slots may be written. Where the driver says how far it has read, it is asked if
  // needed; a value that makes no sense is a fault, and there is no more room. Where it does not,
  // always true: the engine completes no more than was posted.
  bool HasRoom(uint32_t slots) {
    if (!read_.valid()) return true;
    return slots <= capacity_ - unread_ || LookForRoom(slots);
  }
  RingFault fault() const { return fault_; }

  // Writes a completion at position(), which moves on by `advance` slots (0: those that its bytes
  // take; a completion in place moves on by those of the descriptor, one in order of completion by
  // those of all descriptors that it completes). image: kMaxDescriptorBytes in private memory; the
  // done condition is put into it here. Needs HasRoom(slots). Returns the index of its first slot.
  uint32_t Write(uint32_t form, std::byte* image, uint32_t bytes, uint32_t advance = 0) {
    const uint32_t index = at_.index();
    forms_.Sign(form, image, at_);
    forms_.Write(slots_, at_, form, image, bytes, false);
    Advance(advance != 0 ? advance : forms_.SlotsOf(form, bytes));
    return index;
  }
  uint32_t Write(uint32_t form, std::byte* image) { return Write(form, image, forms_[form].bytes); }
  // Writes bytes into the slot `ahead` slots behind position() as they are (small entries of a
  // compressed block), before the title that makes them count. bytes: at most a slot.
  void WriteRaw(uint32_t ahead, const std::byte* image, uint32_t bytes) const {
    slots_.Write((ahead == 0 ? at_ : at_.Ahead(ahead)).index(), image, bytes);
  }
  // Completions of a form of one slot as a plan, but for their numbers. False: they are more than
  // words of a slot.
  bool Plan(uint32_t form, burst::SlotWritePlan* plan) const;
  // Write for so many of them, at most up to the array's end; fewer, down to none: the next one is
  // not of the common case. elements: the plan's. Needs HasRoom(count).
  uint32_t WriteRun(const burst::SlotWriter& writer, uint32_t count, const void* elements,
                    const burst::SlotImage& image) {
    const uint32_t written =
        writer.Write(slots_.data(), nullptr, at_.index(), count, elements, image);
    at_.SkipSlots(written);
    unread_ += written;
    return written;
  }
  // Moves on over slots that get no completion (in place: descriptors without a report).
  void Skip(uint32_t slots) { Advance(slots); }

  // Where a cell says how far the device is: says so. Release. Once for each burst.
  void Publish() {
    if (progress_.valid()) progress_.Store(at_);
  }

  // Whether the driver asked for an event for what was written since the last call, by this ring's
  // cells.
  bool EventIsDue() {
    const bool due = event_.IsDue(event_seen_, at_.count());
    event_seen_ = at_.count();
    return due;
  }

 private:
  CompletionWriter() = default;
  void Advance(uint32_t slots) {
    at_.AdvanceDescriptorSlots(slots);
    at_.NextSequence();
    unread_ += slots;
  }
  bool LookForRoom(uint32_t slots);

  SlotMemory slots_;
  bool has_sequence_ = false;
  RingForms forms_;
  RingCursor at_;
  ProgressWriter progress_;
  ProgressReader read_;  // how far the driver is
  RingCursor read_at_;
  uint32_t capacity_ = 0;
  uint32_t unread_ = 0;
  EventRequest event_;
  uint64_t event_seen_ = 0;
  RingFault fault_ = RingFault::kNone;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_COMPLETION_WRITER_H_
