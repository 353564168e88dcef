// What a driver remembers of the packets that it gave to the device: their cookies, the slots that
// they hold, and how a completion finds them, by number or by slot.
//
//   free ── Add ──► outstanding, in the order of Add ── Finish ──► finished ── TakeCookie ──► free
//
// Private memory: nothing here is shared; keys come from a device that may say anything. All memory
// is taken at construction. One thread at a time.
#ifndef QSPLIT_DATAPLANE_TX_LEDGER_H_
#define QSPLIT_DATAPLANE_TX_LEDGER_H_

#include <cstdint>
#include <vector>

namespace qsplit::dataplane {

class TxLedger {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Packet {
    uint32_t cookie = 0;
    uint32_t first = 0;    // index of its first slot; of its first table slot
    uint32_t slots = 0;    // that come back with it
    uint32_t pending = 1;  // completions that it still needs
    uint32_t owed = 0;     // completions that the device may write for it
    bool reported = true;
    uint64_t number = 0;      // in the order of Add
    uint64_t last_count = 0;  // of its last descriptor's first slot, free-running
    uint64_t end_count = 0;   // behind its last slot
  };

  TxLedger() = default;
  // For at most `packets` at once, numbered from 0; by_slots: slots that packets may be found by;
  // 0: they are not.
  TxLedger(uint32_t packets, uint32_t by_slots);

  bool Full() const { return Free() == 0; }
  // How many more can be added.
  uint32_t Free() const { return static_cast<uint32_t>(entries_.size()) - count_; }
  uint32_t Count() const { return count_; }  // those whose cookie was not taken
  // Packets ever added.
  uint64_t Added() const { return added_; }

  // The number that the next packet gets, which is also its tag. Not when Full.
  uint32_t NextId() const { return free_[free_count_ - 1]; }
  uint32_t Add(const Packet& packet) {
    const uint32_t id = NextId();
    const uint64_t number = added_;
    Append() = packet;
    entries_[id].packet.number = number;
    return id;
  }
  // The same for the caller to fill in, all but `number`; holds what a packet before it left there.
  Packet& Append() {
    const uint32_t id = free_[--free_count_];
    ++count_;
    Entry& entry = entries_[id];
    entry.packet.number = added_++;
    entry.outstanding = true;
    entry.next = kNone;
    entry.previous = newest_;
    (newest_ == kNone ? oldest_ : entries_[newest_].next) = id;
    newest_ = id;
    return entry.packet;
  }
  Packet& operator[](uint32_t id) { return entries_[id].packet; }

  // Outstanding ones; kNone.
  uint32_t Oldest() const { return oldest_; }
  uint32_t Next(uint32_t id) const { return entries_[id].next; }
  uint32_t ById(uint64_t id) const {
    return id < entries_.size() && entries_[id].outstanding ? static_cast<uint32_t>(id) : kNone;
  }
  // The one that holds this slot, or begins there.
  void SetSlots(uint32_t id, uint32_t first, uint32_t slots);
  uint32_t BySlot(uint64_t slot) const;
  // Counts packets of which nothing is kept here, as they come and go.
  void AddElsewhere(uint32_t packets) {
    count_ += packets;
    added_ += packets;
  }
  void FinishElsewhere(uint32_t packets) { count_ -= packets; }

  // It is sent.
  void Finish(uint32_t id) {
    Unlink(entries_[id]);
    entries_[id].next = kNone;
    (finished_last_ == kNone ? finished_first_ : entries_[finished_last_].next) = id;
    finished_last_ = id;
  }
  // Cookies of finished ones, in the order of Finish. False: none is left.
  bool TakeCookie(uint32_t* cookie) {
    if (finished_first_ == kNone) return false;
    const uint32_t id = finished_first_;
    *cookie = entries_[id].packet.cookie;
    finished_first_ = entries_[id].next;
    if (finished_first_ == kNone) finished_last_ = kNone;
    GiveBack(id);
    return true;
  }
  // Finish and TakeCookie at once, if no other is finished.
  uint32_t FinishNow(uint32_t id) {
    Unlink(entries_[id]);
    GiveBack(id);
    return entries_[id].packet.cookie;
  }

 private:
  struct Entry {
    Packet packet;
    bool outstanding = false;
    uint32_t next = kNone;
    uint32_t previous = kNone;
  };
  void Unlink(Entry& entry) {
    (entry.previous == kNone ? oldest_ : entries_[entry.previous].next) = entry.next;
    (entry.next == kNone ? newest_ : entries_[entry.next].previous) = entry.previous;
    entry.outstanding = false;
  }
  void GiveBack(uint32_t id) {
    free_[free_count_++] = id;
    --count_;
  }
  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;  // a stack
  uint32_t free_count_ = 0;
  uint32_t count_ = 0;
  uint64_t added_ = 0;
  uint32_t oldest_ = kNone;
  uint32_t newest_ = kNone;
  uint32_t finished_first_ = kNone;
  uint32_t finished_last_ = kNone;
  std::vector<uint32_t> by_slot_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_TX_LEDGER_H_
