#include "dataplane/tx_ledger.h"

#include <bit>

namespace qsplit::dataplane {

TxLedger::TxLedger(uint32_t packets, uint32_t by_slots, uint32_t addresses)
    : entries_(packets), by_slot_(by_slots, kNone), buffers_(addresses) {
  // The lowest numbers are given out first.
  for (uint32_t i = packets; i > 0; --i) free_.push_back(i - 1);
  if (addresses == 0) return;
  for (uint32_t i = 0; i < addresses; ++i) free_buffers_.push_back(i);
  const uint32_t buckets = std::bit_ceil(addresses + 1);
  buckets_.assign(buckets, kNone);
  bucket_shift_ = 64 - static_cast<uint32_t>(std::countr_zero(buckets));
}

uint32_t TxLedger::Add(const Packet& packet) {
  const uint32_t id = free_.back();
  free_.pop_back();
  ++count_;
  Entry& entry = entries_[id];
  entry.packet = packet;
  entry.packet.number = added_++;
  entry.outstanding = true;
  entry.next = kNone;
  entry.previous = newest_;
  (newest_ == kNone ? oldest_ : entries_[newest_].next) = id;
  newest_ = id;
  return id;
}

void TxLedger::SetSlots(uint32_t id, uint32_t first, uint32_t slots) {
  const auto all = static_cast<uint32_t>(by_slot_.size());
  for (uint32_t i = 0; i < slots; ++i) {
    by_slot_[first] = id;
    first = first + 1 == all ? 0 : first + 1;
  }
}

uint32_t TxLedger::BySlot(uint64_t slot) const {
  if (slot >= by_slot_.size()) return kNone;
  const uint32_t id = by_slot_[slot];
  if (id == kNone || !entries_[id].outstanding) return kNone;
  // The slot may be of a packet that had this number before.
  const Packet& packet = entries_[id].packet;
  const uint64_t ahead =
      slot >= packet.first ? slot - packet.first : slot + by_slot_.size() - packet.first;
  return ahead < packet.slots ? id : kNone;
}

void TxLedger::AddAddress(uint32_t id, uint64_t address) {
  if (free_buffers_.empty()) return;
  const uint32_t at = free_buffers_.back();
  free_buffers_.pop_back();
  buffers_[at] = {address, id, kNone};
  uint32_t* link = &buckets_[Bucket(address)];
  while (*link != kNone) link = &buffers_[*link].next;
  *link = at;
}

uint32_t TxLedger::TakeAddress(uint64_t address, uint64_t end) {
  for (uint32_t* link = &buckets_[Bucket(address)]; *link != kNone; link = &buffers_[*link].next) {
    const uint32_t at = *link;
    if (buffers_[at].address != address) continue;
    if (entries_[buffers_[at].id].packet.number >= end) continue;
    *link = buffers_[at].next;
    free_buffers_.push_back(at);
    return buffers_[at].id;
  }
  return kNone;
}

void TxLedger::Finish(uint32_t id) {
  Entry& entry = entries_[id];
  (entry.previous == kNone ? oldest_ : entries_[entry.previous].next) = entry.next;
  (entry.next == kNone ? newest_ : entries_[entry.next].previous) = entry.previous;
  entry.outstanding = false;
  entry.next = kNone;
  (finished_last_ == kNone ? finished_first_ : entries_[finished_last_].next) = id;
  finished_last_ = id;
}

bool TxLedger::TakeCookie(uint32_t* cookie) {
  if (finished_first_ == kNone) return false;
  const uint32_t id = finished_first_;
  *cookie = entries_[id].packet.cookie;
  finished_first_ = entries_[id].next;
  if (finished_first_ == kNone) finished_last_ = kNone;
  free_.push_back(id);
  --count_;
  return true;
}

}  // namespace qsplit::dataplane
