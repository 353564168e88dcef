#include "dataplane/tx_ledger.h"

#include <algorithm>
#include <bit>

namespace qsplit::dataplane {

TxLedger::TxLedger(uint32_t packets, uint32_t by_slots, burst::TxMemory bursts)
    : entries_(packets),
      free_(packets),
      free_count_(packets),
      capacity_(packets),
      by_slot_(by_slots, kNone) {
  if (bursts == burst::TxMemory::kOrder) cookies_.resize(std::bit_ceil(packets));
  cookie_mask_ = static_cast<uint32_t>(cookies_.size()) - 1;
  if (bursts == burst::TxMemory::kId) remembered_.resize(packets);
  // The lowest numbers are given out first.
  for (uint32_t i = 0; i < packets; ++i) free_[i] = packets - 1 - i;
}

void TxLedger::FinishPart(uint32_t id, uint32_t packets) {
  // A run has one entry for several packets, so that there is one free.
  const uint32_t part = free_[--free_count_];
  entries_[part].packet.run = packets;
  entries_[part].outstanding = false;
  LinkFinished(part);
  finished_ += packets;
  Packet& rest = entries_[id].packet;
  rest.run -= packets;
  rest.number += packets;
}

void TxLedger::FinishRememberedLater(uint64_t id) {
  remembered_[id].burst = burst::TxRemembered::kNever;
  Packet& packet = entries_[id].packet;
  packet.cookie = remembered_[id].cookie;
  packet.run = 0;
  ++finished_;
  LinkFinished(static_cast<uint32_t>(id));
}

uint32_t TxLedger::TakeAny(std::span<uint32_t> cookies) {
  size_t taken = 0;
  while (finished_first_ != kNone && taken < cookies.size()) {
    const uint32_t id = finished_first_;
    Entry& entry = entries_[id];
    if (entry.packet.run == 0) {
      cookies[taken++] = entry.packet.cookie;
    } else {
      const auto n = static_cast<uint32_t>(
          std::min<size_t>({entry.packet.run, cookies.size() - taken,
                            cookies_.size() - (cookies_begin_ & cookie_mask_)}));
      std::copy_n(&cookies_[cookies_begin_ & cookie_mask_], n, &cookies[taken]);
      taken += n;
      cookies_begin_ += n;
      entry.packet.run -= n;
      count_ -= n;
      if (entry.packet.run != 0) continue;
      ++count_;  // GiveBack takes off the last one
    }
    finished_first_ = entry.next;
    if (finished_first_ == kNone) finished_last_ = kNone;
    GiveBack(id);
  }
  return static_cast<uint32_t>(taken);
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

}  // namespace qsplit::dataplane
