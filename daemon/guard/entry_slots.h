// The slots of a ring whose entries are short, at most 8 bytes: one number each, which is put
// together out of as few words as the slots' place allows.
//
// Shared with the other side: each word is read or written once. As thread-safe as its owner.
#ifndef QSPLIT_DAEMON_GUARD_ENTRY_SLOTS_H_
#define QSPLIT_DAEMON_GUARD_ENTRY_SLOTS_H_

#include <cstddef>
#include <cstdint>

#include "dataplane/ring_cells.h"
#include "dataplane/ring_shape.h"

namespace qsplit::guard {

class EntrySlots {
 public:
  EntrySlots() = default;
  // Of slots of at most 8 bytes.
  explicit EntrySlots(const dataplane::RingShape& ring)
      : first_(ring.view.slots),
        bytes_(ring.slots.slot_bytes()),
        word_bytes_(ring.slots.word_bytes()) {}

  uint64_t Load(uint32_t slot) const {
    const std::byte* const at = first_ + size_t{slot} * bytes_;
    uint64_t entry = dataplane::LoadCell(at, word_bytes_, false);
    for (uint32_t i = word_bytes_; i < bytes_; i += word_bytes_) {
      entry |= dataplane::LoadCell(at + i, word_bytes_, false) << (8 * i);
    }
    return entry;
  }
  void Store(uint32_t slot, uint64_t entry) const {
    std::byte* const at = first_ + size_t{slot} * bytes_;
    for (uint32_t i = 0; i < bytes_; i += word_bytes_) {
      dataplane::StoreCell(at + i, word_bytes_, false, entry >> (8 * i));
    }
  }

 private:
  std::byte* first_ = nullptr;
  uint32_t bytes_ = 0;
  uint32_t word_bytes_ = 8;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_ENTRY_SLOTS_H_
