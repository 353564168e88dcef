// The driver's side of a ring with post forms: writes descriptors into it in order and hands them
// to the device in whichever way the ring has it (a doorbell, a cell, the slots' own bytes).
//
//        Write              Commit             Publish           (device)       Free, or a cell
//   free ─────► being written ─────► committed ────────► device's ─────► finished ──────► free
//                    where bytes decide, Commit hands over: the first slot's last word, release
//
// The driver alone writes slots that are not the device's; it reads from shared memory only the
// cell with the device's progress and doorbell suppression cells, never a slot, so that nothing
// here depends on what the device writes. A link in the last slot is written when it is passed.
// Never: allocates after Create, locks, makes a system call. One thread at a time.
#ifndef QSPLIT_DATAPLANE_POST_WRITER_H_
#define QSPLIT_DATAPLANE_POST_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/doorbell.h"
#include "dataplane/ring_cells.h"
#include "dataplane/ring_cursor.h"
#include "dataplane/ring_forms.h"
#include "dataplane/ring_shape.h"
#include "dataplane/slot_fills.h"

namespace qsplit::dataplane {

class PostWriter {
 public:
  // UNIMPLEMENTED: a handover that cannot be written (a condition that no stores make true), a
  // table, forms without end. INVALID_ARGUMENT: the view does not fit, no slot may be used.
  static absl::StatusOr<PostWriter> Create(const RingShape& shape);

  // The forms that may be posted; what Write takes is a position among them.
  const RingForms& forms() const { return forms_; }
  // Where the next descriptor goes.
  const RingCursor& position() const { return at_; }
  uint32_t slot_count() const { return at_.slot_count(); }
  // The slot of an index that may count on, beyond the last slot.
  uint64_t IndexOf(uint64_t count) const {
    return index_mask_ != 0 ? count & index_mask_ : count % at_.slot_count();
  }
  // The device's address of a slot; meaningful if the view gives the ring's.
  Iova SlotAddress(uint32_t index) const { return iova_ + uint64_t{index} * slots_.slot_bytes(); }

  // The most slots that may be in use, and those in use as far as is known.
  uint32_t Capacity() const { return capacity_; }
  uint32_t InUse() const { return used_; }
  // Slots free now; looks at the device's cell where there is one.
  uint32_t Room() {
    if (by_cell_.valid()) Refresh();
    return capacity_ - used_;
  }
  // Whether so many are free; looks at the cell only if it must.
  bool HasRoom(uint32_t slots) {
    if (slots <= capacity_ - used_) [[likely]] {
      return true;
    }
    if (by_cell_.valid()) Refresh();
    return slots <= capacity_ - used_;
  }
  // Slots that a descriptor of this form with so many bytes (parts included) takes.
  uint32_t SlotsOf(uint32_t form, uint32_t bytes) const { return forms_.SlotsOf(form, bytes); }

  // Writes one descriptor of a packet at position(), which moves behind it, and returns the index
  // of its first slot. image: kMaxDescriptorBytes in private memory, of which `bytes` (at most all
  // of it) count; what the ring says about slots (phase, own bit, sequence, last slot) is put into
  // it here. Needs HasRoom(SlotsOf(form, bytes)).
  uint32_t Write(uint32_t form, std::byte* image, uint32_t bytes) {
    if (plain_) [[likely]] {
      return WritePlain(image, bytes);
    }
    const uint32_t index = at_.index();
    const uint32_t slots = forms_.SlotsOf(form, bytes);
    if (marks_last_slot_) MarkLastSlot(form, image, slots);
    forms_.Sign(form, image, at_);
    const bool hold = bytes_decide_ && !held_;
    forms_.Write(slots_, at_, form, image, bytes, hold);
    if (hold) Hold(form, image);
    if (bell_bytes_ != 0) [[unlikely]] {
      std::memcpy(bell_copy_.bytes, image, bell_bytes_);
    }
    used_ += slots;
    for (uint32_t i = 0; i < slots; ++i) {
      at_.NextSlot();
      if (at_.AtLink()) [[unlikely]] {
        WriteLink();
      }
    }
    at_.NextSequence();
    return index;
  }
  uint32_t Write(uint32_t form, std::byte* image) { return Write(form, image, forms_[form].bytes); }
  // For who writes bursts of descriptors itself, from position() on and not beyond the last slot:
  // whether that can be done at all, if each takes one slot.
  bool TakesBursts() const {
    return !marks_last_slot_ && !at_.has_link() && slots_.word_bytes() == sizeof(uint64_t);
  }
  // The next word that hands over must be kept back, and be given to Wrote.
  bool HoldsNext() const { return bytes_decide_ && !held_; }
  uint32_t HandoverWord(uint32_t form) const { return forms_[form].last_word; }
  // So many slots were written; held: of the first one, whose form it is.
  void Wrote(uint32_t slots, const uint64_t* held, uint32_t form) {
    WroteWord(slots, held, held == nullptr ? 0 : forms_[form].last_word);
  }
  // The same; held: this word of the first one.
  void WroteWord(uint32_t slots, const uint64_t* held, uint32_t word) {
    if (held != nullptr) {
      held_ = true;
      held_slot_ = at_.index();
      held_word_ = word;
      std::memcpy(held_bytes_.bytes + size_t{held_word_} * sizeof *held, held, sizeof *held);
    }
    used_ += slots;
    at_.SkipSlots(slots);
  }
  // The same for descriptors of this form and so many bytes, about which the ring says nothing but
  // its phase.
  bool TakesBursts(uint32_t form, uint32_t bytes) const {
    return TakesBursts() && bell_bytes_ == 0 && bytes <= slots_.slot_bytes() &&
           forms_.SlotsOf(form, bytes) == 1 &&
           (!bytes_decide_ || forms_[form].when.StoresByPhase());
  }
  const SlotMemory& slots() const { return slots_; }
  bool BytesDecide() const { return bytes_decide_; }
  // Bytes of the last descriptor that a doorbell takes a copy of; which they were.
  uint32_t BellBytes() const { return bell_bytes_; }
  void SetBell(const std::byte* bytes) { std::memcpy(bell_copy_.bytes, bytes, bell_bytes_); }
  void SetBell(uint64_t word) { std::memcpy(bell_copy_.bytes, &word, sizeof word); }
  // Writes a descriptor again that Write wrote at this position (as it was before that), with other
  // values in the image that Write left; not after its Commit.
  void Rewrite(const RingCursor& at, uint32_t form, const std::byte* image, uint32_t bytes) {
    const bool hold = held_ && held_slot_ == at.index();
    forms_.Write(slots_, at, form, image, bytes, hold);
    if (hold) CopyHeld(form, image);
    if (bell_bytes_ != 0 && at.count() + forms_.SlotsOf(form, bytes) == at_.count()) {
      std::memcpy(bell_copy_.bytes, image, bell_bytes_);
    }
  }
  // The packet is whole: where bytes decide, what was written since the last Commit is now the
  // device's, all at once. Must stand between the last Write and Publish.
  void Commit() {
    if (!held_) return;
    slots_.WriteWordRelease(held_slot_, held_word_, held_bytes_.bytes);
    held_ = false;
  }
  // Tells the device of all that was committed since the last time. True: it sleeps; wake it.
  // Without anything new it does nothing and returns false.
  bool Publish() {
    if (published_ == at_.count()) return false;
    for (uint32_t i = 0; i < cell_count_; ++i) cells_[i].Store(at_);
    DoorbellState state = DoorbellState::Of(at_, published_);
    state.descriptor = bell_copy_.bytes;
    published_ = at_.count();
    return doorbells_.Ring(state);
  }
  bool HasUnpublished() const { return published_ != at_.count(); }

  // Slots come back by the device's consumer cell; Free and FreeUpTo then do nothing.
  bool SlotsReturnByCell() const { return by_cell_.valid(); }
  // So many slots came back, whichever they were (the device fetches in order).
  void Free(uint32_t slots) {
    if (by_cell_.valid()) return;
    TakeBack(slots < used_ ? slots : used_);
  }
  // All slots before the one with this count came back. False, and nothing done: it was never
  // written, or is not ahead of the last time.
  bool FreeUpTo(uint64_t count);

 private:
  PostWriter() = default;
  uint32_t WritePlain(const std::byte* image, uint32_t bytes) {
    const uint32_t index = at_.index();
    slots_.Write(index, image, bytes);
    ++used_;
    at_.NextSlot();
    return index;
  }
  absl::Status CompileHandover(const RingShape& shape);
  absl::Status CompileLink(const RingShape& shape);
  absl::Status CompileLastSlot(const RingShape& shape);
  [[gnu::hot]] void Refresh();
  // The oldest slots in use are free.
  void TakeBack(uint32_t slots) {
    used_ -= slots;
    if (!fills_.empty()) [[unlikely]] {
      FillOldest(slots);
    }
  }
  void FillOldest(uint32_t slots);
  void WriteLink();
  void MarkLastSlot(uint32_t form, std::byte* image, uint32_t slots) const;
  void Hold(uint32_t form, const std::byte* image) {
    held_ = true;
    held_slot_ = at_.index();
    held_word_ = forms_[form].last_word;
    CopyHeld(form, image);
  }
  void CopyHeld(uint32_t form, const std::byte* image) {
    const uint32_t offset = forms_[form].last_word * slots_.word_bytes();
    std::memcpy(held_bytes_.bytes + offset, image + offset, slots_.word_bytes());
  }

  SlotMemory slots_;
  RingForms forms_;
  RingCursor at_;
  uint32_t index_mask_ = 0;  // where slots are a power of two
  Iova iova_;
  uint32_t capacity_ = 0;
  uint32_t used_ = 0;
  uint64_t published_ = 0;
  // A descriptor is a slot, and nothing about the ring stands in it.
  bool plain_ = false;
  bool bytes_decide_ = false;
  bool marks_last_slot_ = false;
  // The word that hands over the packet being written.
  bool held_ = false;
  uint32_t held_slot_ = 0;
  uint32_t held_word_ = 0;
  DescriptorBytes held_bytes_;

  Doorbells doorbells_;
  uint32_t bell_bytes_ = 0;
  DescriptorBytes bell_copy_;
  std::array<ProgressWriter, 2> cells_;  // how far the driver is
  uint32_t cell_count_ = 0;
  ProgressReader by_cell_;  // how far the device is
  RingCursor freed_;
  uint64_t freed_up_to_ = 0;

  SlotFills fills_;
  RingCursor fill_at_;
  RingForms link_;  // empty, or the link form alone
  DescriptorBytes link_image_;
  std::vector<std::optional<FieldAccess>> last_slot_;  // of each form
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_POST_WRITER_H_
