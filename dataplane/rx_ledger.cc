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
      free_(descriptors),
      free_count_(descriptors),
      by_slot_(slots, kNone) {
  const uint32_t bits = std::max(1u, static_cast<uint32_t>(std::bit_width(descriptors)));
  buckets_.assign(size_t{1} << bits, kNone);
  bucket_shift_ = 64 - bits;
  // From the back: small ids are used first.
  for (uint32_t i = 0; i < descriptors; ++i) free_[i] = descriptors - 1 - i;
}

bool RxLedger::SlotsFree(uint32_t slot, uint32_t slots) const {
  for (uint32_t i = 0; i < slots; ++i, slot = After(slot)) {
    if (by_slot_[slot] != kNone) return false;
  }
  return true;
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
  if (!chained_) {
    chained_ = true;
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
