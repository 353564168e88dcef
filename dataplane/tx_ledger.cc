#include "dataplane/tx_ledger.h"

namespace qsplit::dataplane {

TxLedger::TxLedger(uint32_t packets, uint32_t by_slots)
    : entries_(packets), free_(packets), free_count_(packets), by_slot_(by_slots, kNone) {
  // The lowest numbers are given out first.
  for (uint32_t i = 0; i < packets; ++i) free_[i] = packets - 1 - i;
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
