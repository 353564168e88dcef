// What the driver remembers of the descriptors that it posted into one ring of buffers: which
// buffers they hold, and how a completion finds them, in order, by slot, by tag or by address.
//
// Private memory: nothing here is shared, keys come from a device that may say anything. All memory
// is taken at Create. One thread at a time.
#ifndef QSPLIT_DATAPLANE_RX_LEDGER_H_
#define QSPLIT_DATAPLANE_RX_LEDGER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/rx_driver.h"

namespace qsplit::dataplane {

class RxLedger {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  RxLedger() = default;
  // For at most `descriptors` at once, of `buffers` buffers each; slots: of the ring, where
  // completions name them; else 0. buffer_bytes: the size of a buffer where addresses are looked up
  // by any byte inside; else 0.
  RxLedger(uint32_t descriptors, uint32_t buffers, uint32_t slots, uint32_t buffer_bytes);

  bool Full() const { return free_count_ == 0; }
  uint32_t Free() const { return free_count_; }
  uint32_t Count() const { return count_; }
  // True when no outstanding descriptor begins in one of these slots.
  bool SlotsFree(uint32_t slot, uint32_t slots) const;

  // The id of the next descriptor, which is also its tag; less than `descriptors`. Not when Full.
  uint32_t NextId() const { return free_[free_count_ - 1]; }
  // Takes it, with its buffers, beginning in `slot`.
  void Add(std::span<const RxBuffer> buffers, uint32_t slot, uint32_t slots) {
    RxBuffer* to = buffers_.data() + size_t{NextId()} * per_descriptor_;
    for (const RxBuffer& buffer : buffers) *to++ = buffer;
    const uint32_t id = free_[--free_count_];
    entries_[id] = {true, slot, slots, kNone, newest_, kNone};
    (newest_ != kNone ? entries_[newest_].next : oldest_) = id;
    newest_ = id;
    ++count_;
    if (!by_slot_.empty()) {
      for (uint32_t i = 0; i < slots; ++i, slot = After(slot)) by_slot_[slot] = id;
    }
    if (chained_) [[unlikely]] {
      Chain(id);
    }
  }
  // Buffers with the bytes that the device may use of them.
  std::span<const RxBuffer> Buffers(uint32_t id) const {
    return {buffers_.data() + size_t{id} * per_descriptor_, per_descriptor_};
  }
  uint32_t Slots(uint32_t id) const { return entries_[id].slots; }
  uint32_t Slot(uint32_t id) const { return entries_[id].slot; }

  // Outstanding ones; kNone if there is none such.
  uint32_t Oldest() const { return oldest_; }
  uint32_t Next(uint32_t id) const { return entries_[id].next; }
  uint32_t BySlot(uint64_t index) const {
    return by_slot_[index < by_slot_.size() ? index : index % by_slot_.size()];
  }
  uint32_t ByTag(uint64_t tag) const {
    return tag < entries_.size() && entries_[tag].outstanding ? static_cast<uint32_t>(tag) : kNone;
  }
  // The one with a buffer that the address stands in; *offset: how far behind its first byte. Next
  // to free while it is the oldest.
  uint32_t ByAddress(uint64_t address, uint64_t* offset) {
    if (oldest_ != kNone && !chained_ && IsInside(oldest_, address, offset)) [[likely]] {
      return oldest_;
    }
    return FindAddress(address, offset);
  }

  // It came back.
  void Remove(uint32_t id) {
    Entry& entry = entries_[id];
    if (!entry.outstanding) return;
    entry.outstanding = false;
    (entry.previous != kNone ? entries_[entry.previous].next : oldest_) = entry.next;
    (entry.next != kNone ? entries_[entry.next].previous : newest_) = entry.previous;
    if (!by_slot_.empty()) {
      uint32_t slot = entry.slot;
      for (uint32_t i = 0; i < entry.slots; ++i, slot = After(slot)) {
        if (by_slot_[slot] == id) by_slot_[slot] = kNone;
      }
    }
    if (chained_) [[unlikely]] {
      Unchain(id);
    }
    free_[free_count_++] = id;
    --count_;
  }

 private:
  struct Entry {
    bool outstanding = false;
    uint32_t slot = 0;
    uint32_t slots = 1;
    uint32_t next = kNone;  // in the order of posting
    uint32_t previous = kNone;
    uint32_t chain = kNone;  // with addresses of the same bucket
  };
  size_t Bucket(uint64_t granule) const { return (granule * 0x9e3779b97f4a7c15u) >> bucket_shift_; }
  uint32_t After(uint32_t slot) const { return slot + 1 == by_slot_.size() ? 0 : slot + 1; }
  const RxBuffer& First(uint32_t id) const { return buffers_[size_t{id} * per_descriptor_]; }
  bool IsInside(uint32_t id, uint64_t address, uint64_t* offset) const {
    const RxBuffer& buffer = First(id);
    *offset = address - buffer.address.value;
    return *offset == 0 || (granule_shift_ != 0 && *offset < buffer.bytes);
  }
  uint32_t FindAddress(uint64_t address, uint64_t* offset);
  void Chain(uint32_t id);
  void Unchain(uint32_t id);

  uint32_t per_descriptor_ = 1;
  uint32_t granule_shift_ = 0;
  uint32_t bucket_shift_ = 63;
  uint32_t count_ = 0;
  uint32_t oldest_ = kNone;
  uint32_t newest_ = kNone;
  std::vector<Entry> entries_;
  std::vector<RxBuffer> buffers_;
  std::vector<uint32_t> free_;  // a stack
  uint32_t free_count_ = 0;
  std::vector<uint32_t> by_slot_;  // the descriptor that holds it; empty: nobody asks
  // By the granule of the first buffer's address, from when one came back out of order.
  bool chained_ = false;
  std::vector<uint32_t> buckets_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RX_LEDGER_H_
