#include "dataplane/rx_ledger.h"

#include <algorithm>
#include <bit>

namespace qsplit::dataplane {

RxLedger::RxLedger(const Size& size)
    : most_(size.descriptors),
      ids_(std::max(size.ids, size.descriptors)),
      per_descriptor_(size.buffers),
      slots_(std::max(size.slots, 1u)),
      granule_shift_(size.buffer_bytes == 0
                         ? 0u
                         : 31u - static_cast<uint32_t>(std::countl_zero(size.buffer_bytes))),
      slot_by_slot_(size.slot_by_slot),
      buffers_(size_t{ids_} * size.buffers),
      in_order_(size.slot_by_slot),
      oldest_(size.slot_by_slot ? 0 : kNone),
      entries_(ids_),
      by_slot_(size.slots, kNone) {
  const uint32_t bits = std::max(1u, static_cast<uint32_t>(std::bit_width(ids())));
  buckets_.assign(size_t{1} << bits, kNone);
  bucket_shift_ = 64 - bits;
}

bool RxLedger::SlotsFree(uint32_t slot, uint32_t slots) const {
  for (uint32_t i = 0; i < slots; ++i, slot = After(slot)) {
    if (BySlot(slot) != kNone) return false;
  }
  return true;
}

// The next one after the newest: it came back long ago, as a rule.
uint32_t RxLedger::FindFree() const {
  uint32_t id = count_ == 0 ? 0 : Sum(in_order_ ? Sum(oldest_, count_ - 1) : newest_, 1);
  while (IsOutstanding(id)) id = Sum(id, 1);
  return id;
}

void RxLedger::MakeList() {
  for (Entry& entry : entries_) entry = Entry();
  std::fill(by_slot_.begin(), by_slot_.end(), kNone);
  const uint32_t count = count_;
  uint32_t id = oldest_;
  in_order_ = false;
  count_ = breaks_ = strays_ = removed_in_order_ = 0;
  oldest_ = newest_ = kNone;
  for (uint32_t i = 0; i < count; ++i, id = Sum(id, 1)) AddToList(id, id, 1);
}

void RxLedger::GiveUpList() {
  in_order_ = true;
  chained_ = false;
  if (count_ == 0) oldest_ = 0;
}

void RxLedger::AddToList(uint32_t id, uint32_t slot, uint32_t slots) {
  breaks_ += static_cast<uint32_t>(IsBreak(newest_, id));
  strays_ += static_cast<uint32_t>(slot != id);
  entries_[id] = {true, slot, slots, kNone, newest_, kNone};
  (newest_ != kNone ? entries_[newest_].next : oldest_) = id;
  newest_ = id;
  ++count_;
  if (!by_slot_.empty()) {
    for (uint32_t i = 0; i < slots; ++i, slot = After(slot)) by_slot_[slot] = id;
  }
  if (chained_) Chain(id);
}

void RxLedger::RemoveFromList(uint32_t id) {
  Entry& entry = entries_[id];
  removed_in_order_ = id == oldest_ ? removed_in_order_ + 1 : 0;
  breaks_ -= static_cast<uint32_t>(IsBreak(entry.previous, id)) +
             static_cast<uint32_t>(IsBreak(id, entry.next));
  breaks_ += static_cast<uint32_t>(IsBreak(entry.previous, entry.next));
  strays_ -= static_cast<uint32_t>(entry.slot != id);
  entry.outstanding = false;
  (entry.previous != kNone ? entries_[entry.previous].next : oldest_) = entry.next;
  (entry.next != kNone ? entries_[entry.next].previous : newest_) = entry.previous;
  if (!by_slot_.empty()) {
    uint32_t slot = entry.slot;
    for (uint32_t i = 0; i < entry.slots; ++i, slot = After(slot)) {
      if (by_slot_[slot] == id) by_slot_[slot] = kNone;
    }
  }
  if (chained_) Unchain(id);
  --count_;
  // A whole turn: making a list costs about as much.
  if (slot_by_slot_ && removed_in_order_ >= ids() && breaks_ == 0 && strays_ == 0) GiveUpList();
}

void RxLedger::Chain(uint32_t id) {
  uint32_t& bucket = buckets_[Bucket(First(id).address.value >> granule_shift_)];
  entries_[id].chain = bucket;
  bucket = id;
}

void RxLedger::Unchain(uint32_t id) {
  uint32_t* at = &buckets_[Bucket(First(id).address.value >> granule_shift_)];
  while (*at != id) at = &entries_[*at].chain;
  *at = entries_[id].chain;
}

uint32_t RxLedger::FindAddress(uint64_t address, uint64_t* offset) {
  if (count_ == 0) return kNone;
  if (in_order_) MakeList();
  if (!chained_) {
    chained_ = true;
    removed_in_order_ = 0;
    std::fill(buckets_.begin(), buckets_.end(), kNone);
    for (uint32_t id = oldest_; id != kNone; id = entries_[id].next) Chain(id);
  }
  // A buffer of this size begins in the address's own granule or in one of the two before.
  const uint64_t granule = address >> granule_shift_;
  const uint64_t looks = granule_shift_ == 0 ? 1 : 3;
  for (uint64_t back = 0; back < looks && back <= granule; ++back) {
    uint32_t id = buckets_[Bucket(granule - back)];
    for (; id != kNone; id = entries_[id].chain) {
      if (IsInside(id, address, offset)) return id;
    }
  }
  return kNone;
}

}  // namespace qsplit::dataplane
