// The driver's side of a ring with complete forms: the next completion, as a private copy with the
// form that it has; then the slot goes back to the device.
//
//   (device)            Read               Take                  Publish
//   ───────► completed ─────► private copy ────► driver's, filled ──────► device's
//
// The device writes the slots; each word is read once, the done word first, with acquire. The
// driver writes fill values into slots that it has taken, and its consumer cells and doorbells.
// Where completions stand in slots that the driver posted, an unused slot may read as completed:
// only ask while something is outstanding.
// Never: allocates after Create, locks, makes a system call. One thread at a time.
#ifndef QSPLIT_DATAPLANE_COMPLETION_READER_H_
#define QSPLIT_DATAPLANE_COMPLETION_READER_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "dataplane/doorbell.h"
#include "dataplane/ring_cells.h"
#include "dataplane/ring_cursor.h"
#include "dataplane/ring_fault.h"
#include "dataplane/ring_forms.h"
#include "dataplane/ring_shape.h"
#include "dataplane/slot_fills.h"

namespace qsplit::dataplane {

// A completion that was read; its bytes are in the caller's copy.
struct ReadCompletion {
  uint32_t form = 0;   // position among forms()
  uint32_t index = 0;  // of its first slot
  uint64_t count = 0;  // of its first slot, free-running
  uint32_t slots = 1;  // that its bytes take
  uint32_t bytes = 0;
};

class CompletionReader {
 public:
  // Fills the ring's slots with its fill values. UNIMPLEMENTED: completions that nothing tells of.
  static absl::StatusOr<CompletionReader> Create(const RingShape& shape);

  const RingForms& forms() const { return forms_; }
  const RingCursor& position() const { return at_; }
  uint32_t slot_count() const { return at_.slot_count(); }

  // Copies the completion at position(), without taking it. kEmpty: none there. kUndefinedForm: the
  // slot is completed, with bytes of no form: Take(1) to go on without it. kDoorbellOutOfRange: a
  // cell says what the ring cannot hold; nothing is taken from it until it makes sense again.
  // first: the first of a packet.
  RingFault Read(std::byte* copy, ReadCompletion* out, bool first = true) {
    if (by_cell_.valid()) {
      if (end_ == at_.count() && !Look()) return look_;
    } else if (!forms_.BytesDecide()) {
      return RingFault::kEmpty;
    }
    const int form = forms_.Read(slots_, at_, first, copy);
    if (form < 0) [[unlikely]] {
      return form == RingForms::kNotYet ? RingFault::kEmpty : RingFault::kUndefinedForm;
    }
    out->form = static_cast<uint32_t>(form);
    out->index = at_.index();
    out->count = at_.count();
    out->bytes = forms_.ReadRest(slots_, at_, out->form, copy);
    out->slots = forms_.SlotsOf(out->form, out->bytes);
    if (out->bytes == 0) [[unlikely]] {
      return RingFault::kUndefinedForm;
    }
    if (by_cell_.valid() && out->slots > Known()) [[unlikely]] {
      return RingFault::kEmpty;  // not all of it
    }
    return RingFault::kNone;
  }
  // For who reads bursts of completions itself: whether a cell says how many there are, and how
  // many it says. None of them is read beyond that.
  bool CellDecides() const { return by_cell_.valid(); }
  uint32_t Ready() { return Known() != 0 || Look() ? Known() : 0; }
  // Moves on over so many completions, each of `slots` slots of the ring, as Take does.
  void Skip(uint32_t completions, uint32_t slots) {
    if (MustFill(slots) || at_.has_link()) [[unlikely]] {
      return TakeEach(completions, slots);
    }
    at_.SkipSlots(completions * slots);
  }
  // For bursts that read slots by themselves: whether they may (words of 8 bytes, no link, slots
  // that need not be filled when they are taken); where slots stand; and how many there may be up
  // to the array's end.
  bool TakesBursts() const { return slots_.word_bytes() == 8 && !at_.has_link() && !MustFill(1); }
  const SlotMemory& slots() const { return slots_; }
  uint32_t ReadyInBurst() {
    const uint32_t room = at_.slot_count() - at_.index();
    return by_cell_.valid() ? std::min(Ready(), room) : room;
  }
  // Copies bytes of the slot `ahead` slots further as they are (small entries of a compressed
  // block), after Read saw the title. bytes: at most a slot.
  void ReadRaw(uint32_t ahead, std::byte* copy, uint32_t bytes) const {
    slots_.Read((ahead == 0 ? at_ : at_.Ahead(ahead)).index(), copy, bytes);
  }

  // Moves on by so many slots, which are the driver's now: those of the completion, or (in place,
  // in order of completion) those of the descriptors that it completes. Fills them.
  void Take(uint32_t slots) {
    for (uint32_t i = 0; i < slots; ++i) {
      if (MustFill(slots)) [[unlikely]] {
        fills_.Fill(slots_, at_.index(), at_.PhaseNextTurn());
      }
      at_.NextDescriptorSlot();
    }
    at_.NextSequence();
    if (by_cell_.valid() && static_cast<int64_t>(end_ - at_.count()) < 0) end_ = at_.count();
  }

  // Tells the device of all that was taken since the last time: cells, then doorbells. Once for
  // each burst. True: wake it. Without anything new it does nothing.
  bool Publish() {
    if (published_ == at_.count()) return false;
    if (cell_count_ == 0 && doorbells_.empty()) {
      published_ = at_.count();
      return false;
    }
    return PublishTaken();
  }

  // Ask the device for an event at the next completion, or for none, by this ring's cells.
  void WantEvent(bool event) const { event_.Want(event, at_.count()); }

 private:
  CompletionReader() = default;
  void TakeEach(uint32_t completions, uint32_t slots);
  // Whether a completion of so many slots must be filled when it is taken.
  bool MustFill(uint32_t slots) const { return !fills_.empty() && !(fills_once_ && slots == 1); }
  uint32_t Known() const { return static_cast<uint32_t>(end_ - at_.count()); }
  [[gnu::hot]] bool Look();
  [[gnu::hot]] bool PublishTaken();
  // before: count at the last doorbell.
  [[gnu::hot, gnu::noinline]] bool RingDoorbells(uint64_t before) const;

  SlotMemory slots_;
  RingForms forms_;
  RingCursor at_;
  ProgressReader by_cell_;
  uint64_t end_ = 0;  // count up to which the cell said that slots are completed
  RingFault look_ = RingFault::kEmpty;
  uint64_t published_ = 0;
  SlotFills fills_;
  bool fills_once_ = false;  // what was read once does not look new when its slot comes again
  std::array<ProgressWriter, 2> cells_;
  uint32_t cell_count_ = 0;
  Doorbells doorbells_;
  EventRequest event_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_COMPLETION_READER_H_
