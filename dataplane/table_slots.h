// Tables: rings whose slots are used in any order, because descriptors of another ring name them.
//
// The driver keeps a free list of its own and writes slots; the device reads slots by numbers that
// a hostile driver gives it, each word once, into a private copy.
// Never: allocates after Create, locks, makes a system call. One thread at a time for each side.
#ifndef QSPLIT_DATAPLANE_TABLE_SLOTS_H_
#define QSPLIT_DATAPLANE_TABLE_SLOTS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "dataplane/cache_line.h"
#include "dataplane/queue_shape.h"
#include "dataplane/ring_fault.h"
#include "dataplane/ring_forms.h"
#include "dataplane/ring_shape.h"

namespace qsplit::dataplane {

// The field of a form that names a slot of a table.
absl::StatusOr<FieldAccess> TableIndexOf(const QueueScope& scope, uint32_t form);

// The driver's side.
class TableWriter {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // UNIMPLEMENTED: descriptors of several slots. INVALID_ARGUMENT: no table.
  static absl::StatusOr<TableWriter> Create(const RingShape& shape);

  const RingForms& forms() const { return forms_; }
  uint32_t slot_count() const { return static_cast<uint32_t>(free_.size()); }
  uint32_t Room() const { return free_count_; }

  // A free slot; kNone.
  uint32_t Allocate() { return free_count_ == 0 ? kNone : Pop(); }
  // False, and nothing done: no such slot, or it is free already.
  bool Free(uint32_t slot) {
    if (slot >= slot_count() || !taken_[slot]) return false;
    taken_[slot] = 0;
    free_[free_count_++] = slot;
    return true;
  }
  bool IsTaken(uint32_t slot) const { return slot < slot_count() && taken_[slot] != 0; }
  // Writes a slot that was allocated; visible to the device by the handover of what names it.
  void Write(uint32_t slot, uint32_t form, const std::byte* image) const {
    slots_.Write(slot, image, forms_[form].bytes);
  }

 private:
  TableWriter() = default;
  uint32_t Pop() {
    const uint32_t slot = free_[--free_count_];
    taken_[slot] = 1;
    return slot;
  }

  SlotMemory slots_;
  RingForms forms_;
  CacheLineVector<uint32_t> free_;
  uint32_t free_count_ = 0;
  CacheLineVector<uint8_t> taken_;
};

// The device's side.
class TableReader {
 public:
  static absl::StatusOr<TableReader> Create(const RingShape& shape);

  const RingForms& forms() const { return forms_; }
  uint32_t slot_count() const { return slot_count_; }

  // The descriptor in a slot, into a private copy of kMaxDescriptorBytes, and the position of its
  // form. kSlotOutOfRange, kUndefinedForm. The caller bounds how many it follows.
  RingFault Read(uint64_t slot, bool first, std::byte* copy, uint32_t* form) const {
    if (slot >= slot_count_) return RingFault::kSlotOutOfRange;
    slots_.Read(static_cast<uint32_t>(slot), copy, read_bytes_);
    const int match = forms_.Match(copy, first);
    if (match < 0) return RingFault::kUndefinedForm;
    *form = static_cast<uint32_t>(match);
    return RingFault::kNone;
  }

 private:
  TableReader() = default;
  SlotMemory slots_;
  RingForms forms_;
  uint32_t slot_count_ = 0;
  uint32_t read_bytes_ = 0;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_TABLE_SLOTS_H_
