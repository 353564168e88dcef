#include "dataplane/rx_ledger.h"

#include <algorithm>
#include <bit>

namespace qsplit::dataplane {

RxLedger::RxLedger(uint32_t descriptors, uint32_t buffers, uint32_t slots, uint32_t buffer_bytes)
    : per_descriptor_(buffers),
      granule_shift_(
          buffer_bytes == 0 ? 0u : 31u - static_cast<uint32_t>(std::countl_zero(buffer_bytes))),
      entries_(descriptors),
      buffers_(size_t{descriptors} * buffers),
      by_slot_(slots, kNone) {
  const uint32_t bits = std::max(1u, static_cast<uint32_t>(std::bit_width(descriptors)));
  buckets_.assign(size_t{1} << bits, kNone);
  bucket_shift_ = 64 - bits;
  // From the back: small ids are used first.
  for (uint32_t id = descriptors; id > 0; --id) free_.push_back(id - 1);
}

bool RxLedger::SlotsFree(uint32_t slot, uint32_t slots) const {
  for (uint32_t i = 0; i < slots; ++i) {
    if (by_slot_[slot] != kNone) return false;
    slot = slot + 1 == by_slot_.size() ? 0 : slot + 1;
  }
  return true;
}

void RxLedger::Add(std::span<const RxBuffer> buffers, uint32_t slot, uint32_t slots) {
  const uint32_t id = free_.back();
  free_.pop_back();
  std::copy(buffers.begin(), buffers.end(), buffers_.begin() + size_t{id} * per_descriptor_);
  Entry& entry = entries_[id];
  entry = {true, slot, slots, kNone, newest_, kNone};
  if (newest_ != kNone) {
    entries_[newest_].next = id;
  } else {
    oldest_ = id;
  }
  newest_ = id;
  for (uint32_t i = 0; i < slots; ++i) {
    by_slot_[slot] = id;
    slot = slot + 1 == by_slot_.size() ? 0 : slot + 1;
  }
  uint32_t& bucket = buckets_[Bucket(buffers.front().address.value >> granule_shift_)];
  entry.chain = bucket;
  bucket = id;
  ++count_;
}

uint32_t RxLedger::BySlot(uint64_t index) const { return by_slot_[index % by_slot_.size()]; }

uint32_t RxLedger::ByTag(uint64_t tag) const {
  if (tag >= entries_.size() || !entries_[tag].outstanding) return kNone;
  return static_cast<uint32_t>(tag);
}

uint32_t RxLedger::ByAddress(uint64_t address, uint64_t* offset) const {
  // A buffer of this size begins in the address's own granule or in one of the two before.
  const uint64_t granule = address >> granule_shift_;
  const uint64_t looks = granule_shift_ == 0 ? 1 : 3;
  for (uint64_t back = 0; back < looks && back <= granule; ++back) {
    uint32_t id = buckets_[Bucket(granule - back)];
    for (; id != kNone; id = entries_[id].chain) {
      const RxBuffer& buffer = buffers_[size_t{id} * per_descriptor_];
      const uint64_t inside = address - buffer.address.value;
      if (inside != 0 && (granule_shift_ == 0 || inside >= buffer.bytes)) continue;
      *offset = inside;
      return id;
    }
  }
  return kNone;
}

void RxLedger::Remove(uint32_t id) {
  Entry& entry = entries_[id];
  if (!entry.outstanding) return;
  entry.outstanding = false;
  (entry.previous != kNone ? entries_[entry.previous].next : oldest_) = entry.next;
  (entry.next != kNone ? entries_[entry.next].previous : newest_) = entry.previous;
  uint32_t slot = entry.slot;
  for (uint32_t i = 0; i < entry.slots; ++i) {
    if (by_slot_[slot] == id) by_slot_[slot] = kNone;
    slot = slot + 1 == by_slot_.size() ? 0 : slot + 1;
  }
  const RxBuffer& buffer = buffers_[size_t{id} * per_descriptor_];
  uint32_t* at = &buckets_[Bucket(buffer.address.value >> granule_shift_)];
  while (*at != id) at = &entries_[*at].chain;
  *at = entry.chain;
  free_.push_back(id);
  --count_;
}

}  // namespace qsplit::dataplane
