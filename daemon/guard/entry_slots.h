// The slots of a ring whose entries are short, at most 8 bytes: one number each, which is put
// together out of as few words as the slots' place allows.
//
// Shared with the other side: each word is read or written once. As thread-safe as its owner.
#ifndef QSPLIT_DAEMON_GUARD_ENTRY_SLOTS_H_
#define QSPLIT_DAEMON_GUARD_ENTRY_SLOTS_H_

#include <cstddef>
#include <cstdint>

#include "daemon/guard/prefetch.h"
#include "dataplane/barriers.h"
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
        word_bytes_(ring.slots.word_bytes()),
        words_(WordsFor(bytes_, word_bytes_)) {}

  uint64_t Load(uint32_t slot) const {
    const std::byte* const at = At(slot);
    switch (words_) {
      case Words::k16:
        return dataplane::LoadRelaxed<uint16_t>(at);
      case Words::k32And32:
        return dataplane::LoadRelaxed<uint32_t>(at) |
               uint64_t{dataplane::LoadRelaxed<uint32_t>(at + 4)} << 32;
      case Words::k64:
        return dataplane::LoadRelaxed<uint64_t>(at);
      case Words::kOther:
        break;
    }
    return LoadOther(at);
  }
  void Store(uint32_t slot, uint64_t entry) const {
    std::byte* const at = At(slot);
    switch (words_) {
      case Words::k16:
        dataplane::StoreRelaxed<uint16_t>(at, static_cast<uint16_t>(entry));
        return;
      case Words::k32And32:
        dataplane::StoreRelaxed<uint32_t>(at, static_cast<uint32_t>(entry));
        dataplane::StoreRelaxed<uint32_t>(at + 4, static_cast<uint32_t>(entry >> 32));
        return;
      case Words::k64:
        dataplane::StoreRelaxed<uint64_t>(at, entry);
        return;
      case Words::kOther:
        break;
    }
    StoreOther(at, entry);
  }
  // On the way to the slots behind this one: their lines are asked for.
  void WalkToRead(uint32_t slot) const { PrefetchAheadToRead(At(slot), bytes_); }
  void WalkToWrite(uint32_t slot) const { PrefetchAheadToWrite(At(slot), bytes_); }

 private:
  std::byte* At(uint32_t slot) const { return first_ + size_t{slot} * bytes_; }

  // What there is mostly, and anything else.
  enum class Words : uint8_t { k16, k32And32, k64, kOther };
  static Words WordsFor(uint32_t bytes, uint32_t word_bytes) {
    if (bytes == 2 && word_bytes == 2) return Words::k16;
    if (bytes == 8 && word_bytes == 4) return Words::k32And32;
    return bytes == 8 && word_bytes == 8 ? Words::k64 : Words::kOther;
  }
  [[gnu::noinline]] uint64_t LoadOther(const std::byte* at) const {
    uint64_t entry = 0;
    for (uint32_t i = 0; i < bytes_; i += word_bytes_) {
      entry |= dataplane::LoadCell(at + i, word_bytes_, false) << (8 * i);
    }
    return entry;
  }
  [[gnu::noinline]] void StoreOther(std::byte* at, uint64_t entry) const {
    for (uint32_t i = 0; i < bytes_; i += word_bytes_) {
      dataplane::StoreCell(at + i, word_bytes_, false, entry >> (8 * i));
    }
  }

  std::byte* first_ = nullptr;
  uint32_t bytes_ = 0;
  uint32_t word_bytes_ = 8;
  Words words_ = Words::kOther;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_ENTRY_SLOTS_H_
