#include "dataplane/tx_ledger.h"

#include <bit>

namespace qsplit::dataplane {

TxLedger::TxLedger(uint32_t packets, uint32_t by_slots, uint32_t addresses)
    : entries_(packets), free_(packets), free_count_(packets), by_slot_(by_slots, kNone) {
  // The lowest numbers are given out first.
  for (uint32_t i = 0; i < packets; ++i) free_[i] = packets - 1 - i;
  // Twice as many: then half of it at least is gaps when ranks must be closed.
  const uint32_t places = std::bit_ceil(addresses) * 2;
  buffers_.resize(places);
  buffer_mask_ = places - 1;
  hints_.assign(places, 0);
  bucket_shift_ = 64 - static_cast<uint32_t>(std::countr_zero(places));
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

uint32_t TxLedger::FindBuffer(uint64_t address) {
  if (!has_hints_) {
    has_hints_ = true;
    RenewHints();
  }
  const uint32_t hint = hints_[Bucket(address)];
  if (IsAt(hint, address) && hint - buffers_begin_ < published_ - buffers_begin_) return hint;
  uint32_t number = buffers_begin_;
  while (number != buffers_end_ && !IsAt(number, address)) ++number;
  return number;
}

void TxLedger::CloseRanks() {
  uint32_t to = buffers_begin_;
  uint32_t published = to;
  for (uint32_t from = buffers_begin_; from != buffers_end_; ++from) {
    const Buffer buffer = buffers_[from & buffer_mask_];
    if (buffer.id == kNone) continue;
    buffers_[to++ & buffer_mask_] = buffer;
    if (from - buffers_begin_ < published_ - buffers_begin_) published = to;
  }
  buffers_end_ = to;
  published_ = published;
  if (has_hints_) RenewHints();
}

void TxLedger::RenewHints() {
  // The oldest with an address last.
  for (uint32_t number = buffers_end_; number-- != buffers_begin_;) {
    hints_[Bucket(buffers_[number & buffer_mask_].address)] = number;
  }
}

}  // namespace qsplit::dataplane
