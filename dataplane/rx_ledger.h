// What the driver remembers of the descriptors that it posted into one ring of buffers: which
// buffers they hold, and how a completion finds them, in order, by slot, by tag or by address.
//
// As long as descriptors come back in the order in which they were posted, those outstanding are a
// run of ids, and nothing is kept of each but its buffers. The first one that comes back out of
// order makes a list of them; it is given up when they are a run again and a whole turn came back
// in order.
//
//   in order   ids  ─ free ─ oldest, +1, +2, … count of them ─ free ─      (modulo all ids)
//   listed     oldest ⇄ … ⇄ newest
//
// Private memory: nothing here is shared, keys come from a device that may say anything. All memory
// is taken at Create. One thread at a time.
#ifndef QSPLIT_DATAPLANE_RX_LEDGER_H_
#define QSPLIT_DATAPLANE_RX_LEDGER_H_

#include <cstdint>
#include <span>

#include "dataplane/cache_line.h"
#include "dataplane/rx_driver.h"

namespace qsplit::dataplane {

class RxLedger {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Size {
    uint32_t descriptors = 0;  // at once, at most
    uint32_t ids = 0;          // at least as many
    uint32_t buffers = 1;      // of each descriptor
    // Of the ring, where completions name them; else 0.
    uint32_t slots = 0;
    // The size of a buffer where addresses are looked up by any byte inside; else 0.
    uint32_t buffer_bytes = 0;
    // Each descriptor takes the slot after the one before, modulo `ids`.
    bool slot_by_slot = false;
  };

  RxLedger() = default;
  explicit RxLedger(const Size& size);

  bool Full() const { return count_ == most_; }
  uint32_t Free() const { return most_ - count_; }
  uint32_t Count() const { return count_; }
  // True when no outstanding descriptor begins in one of these slots.
  bool SlotsFree(uint32_t slot, uint32_t slots) const;

  // The id of the next descriptor, which begins in `slot`; it is also its tag. The slot's own
  // number where that is free, always less than Size::ids. Not when Full.
  uint32_t NextId(uint32_t slot) const {
    return slot < ids() && !IsOutstanding(slot) ? slot : FindFree();
  }
  // Takes NextId, with its buffers.
  void Add(std::span<const RxBuffer> buffers, uint32_t slot, uint32_t slots) {
    const uint32_t id = NextId(slot);
    RxBuffer* to = buffers_.data() + size_t{id} * per_descriptor_;
    for (const RxBuffer& buffer : buffers) *to++ = buffer;
    if (in_order_) [[likely]] {
      if (count_ == 0) oldest_ = id;
      if (id == slot && id == Sum(oldest_, count_)) [[likely]] {
        ++count_;
        return;
      }
      MakeList();
    }
    AddToList(id, slot, slots);
  }
  // Buffers with the bytes that the device may use of them.
  std::span<const RxBuffer> Buffers(uint32_t id) const {
    return {buffers_.data() + size_t{id} * per_descriptor_, per_descriptor_};
  }
  uint32_t Slots(uint32_t id) const { return in_order_ ? 1 : entries_[id].slots; }
  uint32_t Slot(uint32_t id) const { return in_order_ ? id : entries_[id].slot; }

  // Outstanding ones; kNone if there is none such.
  uint32_t Oldest() const { return count_ == 0 ? kNone : oldest_; }
  uint32_t Next(uint32_t id) const {
    if (!in_order_) return entries_[id].next;
    return Ahead(id) + 1 < count_ ? Sum(id, 1) : kNone;
  }
  uint32_t BySlot(uint64_t index) const {
    // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): one slot at least
    const auto slot = static_cast<uint32_t>(index < slots_ ? index : index % slots_);
    if (!in_order_) return by_slot_[slot];
    return slot < ids() && Ahead(slot) < count_ ? slot : kNone;
  }
  uint32_t ByTag(uint64_t tag) const {
    return tag < ids() && IsOutstanding(static_cast<uint32_t>(tag)) ? static_cast<uint32_t>(tag)
                                                                    : kNone;
  }
  // The one with a buffer that the address stands in; *offset: how far behind its first byte. Next
  // to free while it is the oldest.
  uint32_t ByAddress(uint64_t address, uint64_t* offset) {
    if (count_ != 0 && !chained_ && IsInside(oldest_, address, offset)) [[likely]] {
      return oldest_;
    }
    return FindAddress(address, offset);
  }

  // It came back.
  void Remove(uint32_t id) {
    if (in_order_ && id == oldest_ && count_ != 0) [[likely]] {
      RemoveInOrder(1);
      return;
    }
    if (!IsOutstanding(id)) return;
    if (in_order_) MakeList();
    RemoveFromList(id);
  }

  // For bursts. Whether those outstanding are a run, each with the number of its slot; then Oldest
  // and those behind it may be looked at and removed as one, and added where the run ends.
  bool in_order() const { return in_order_; }
  bool finds_inside() const { return granule_shift_ != 0; }
  uint32_t ids() const { return ids_; }
  // By id; of one buffer each.
  RxBuffer* buffers() { return buffers_.data(); }
  void AddInOrder(uint32_t slot, uint32_t count) {
    if (count_ == 0) oldest_ = slot;
    count_ += count;
  }
  void RemoveInOrder(uint32_t count) {
    oldest_ = Sum(oldest_, count);
    count_ -= count;
  }

 private:
  // What is listed of a descriptor.
  struct Entry {
    bool outstanding = false;
    uint32_t slot = 0;
    uint32_t slots = 1;
    uint32_t next = kNone;  // in the order of posting
    uint32_t previous = kNone;
    uint32_t chain = kNone;  // with addresses of the same bucket
  };
  // id + n, n at most ids().
  uint32_t Sum(uint32_t id, uint32_t n) const {
    const uint32_t sum = id + n;
    return sum >= ids() ? sum - ids() : sum;
  }
  // How far behind the oldest.
  uint32_t Ahead(uint32_t id) const { return id >= oldest_ ? id - oldest_ : id + ids() - oldest_; }
  bool IsOutstanding(uint32_t id) const {
    return in_order_ ? Ahead(id) < count_ : entries_[id].outstanding;
  }
  uint32_t After(uint32_t slot) const { return slot + 1 == slots_ ? 0 : slot + 1; }
  // Whether one is not the next id after the other; false if there is no such pair.
  bool IsBreak(uint32_t id, uint32_t next) const {
    return id != kNone && next != kNone && next != Sum(id, 1);
  }
  uint32_t FindFree() const;
  void MakeList();
  void GiveUpList();
  void AddToList(uint32_t id, uint32_t slot, uint32_t slots);
  void RemoveFromList(uint32_t id);

  size_t Bucket(uint64_t granule) const { return (granule * 0x9e3779b97f4a7c15u) >> bucket_shift_; }
  const RxBuffer& First(uint32_t id) const { return buffers_[size_t{id} * per_descriptor_]; }
  bool IsInside(uint32_t id, uint64_t address, uint64_t* offset) const {
    const RxBuffer& buffer = First(id);
    *offset = address - buffer.address.value;
    return *offset == 0 || (granule_shift_ != 0 && *offset < buffer.bytes);
  }
  uint32_t FindAddress(uint64_t address, uint64_t* offset);
  void Chain(uint32_t id);
  void Unchain(uint32_t id);

  uint32_t most_ = 0;
  uint32_t ids_ = 0;
  uint32_t per_descriptor_ = 1;
  uint32_t slots_ = 1;  // where nobody asks, one
  uint32_t granule_shift_ = 0;
  uint32_t bucket_shift_ = 63;
  bool slot_by_slot_ = false;
  CacheLineVector<RxBuffer> buffers_;

  bool in_order_ = false;
  uint32_t count_ = 0;
  uint32_t oldest_ = 0;

  // While there is a list.
  CacheLineVector<Entry> entries_;
  uint32_t newest_ = kNone;
  uint32_t breaks_ = 0;                // neighbours of which IsBreak
  uint32_t strays_ = 0;                // in a slot of another number
  uint32_t removed_in_order_ = 0;      // since the last one that was not
  CacheLineVector<uint32_t> by_slot_;  // the descriptor that holds it; empty: nobody asks
  // By the granule of the first buffer's address, from when one was asked for that is not the
  // oldest.
  bool chained_ = false;
  CacheLineVector<uint32_t> buckets_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RX_LEDGER_H_
