// What a driver remembers of the packets that it gave to the device: their cookies, the slots that
// they hold, and how a completion finds them, by number or by slot.
//
//   free ── Add ──► outstanding, in the order of Add ── Finish ──► finished ── TakeCookies ──► free
//
// Packets that are sent in bursts take less: a run of packets of which only the cookies differ is
// one entry, where packets come back in order; where they come back by number, TxRemembered is all
// there is of each.
//
// Private memory: nothing here is shared; keys come from a device that may say anything. All memory
// is taken at construction. One thread at a time.
#ifndef QSPLIT_DATAPLANE_TX_LEDGER_H_
#define QSPLIT_DATAPLANE_TX_LEDGER_H_

#include <cstdint>
#include <cstring>
#include <span>

#include "dataplane/burst/tx_ring.h"
#include "dataplane/cache_line.h"

namespace qsplit::dataplane {

class TxLedger {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Packet {
    uint32_t cookie = 0;
    uint32_t first = 0;    // index of its first slot; of its first table slot
    uint32_t slots = 0;    // that come back with it; of a run, with each of its packets
    uint32_t run = 0;      // packets of a run; 0: it is none
    uint32_t pending = 1;  // completions that it still needs
    uint32_t owed = 0;     // completions that the device may write for it
    bool reported = true;
    uint64_t number = 0;       // in the order of Add; of a run's first packet
    uint64_t begin_count = 0;  // of its first slot, free-running
    uint64_t last_count = 0;   // of its last descriptor's first slot, free-running
    uint64_t end_count = 0;    // behind its last slot
  };

  TxLedger() = default;
  // For at most `packets` at once, numbered from 0; by_slots: slots that packets may be found by;
  // 0: they are not. What it needs for bursts beside that.
  TxLedger(uint32_t packets, uint32_t by_slots, burst::TxMemory bursts = burst::TxMemory::kNothing);

  bool Full() const { return Free() == 0; }
  // How many more can be added.
  uint32_t Free() const { return capacity_ - count_; }
  uint32_t Count() const { return count_; }  // those whose cookie was not taken
  // Packets ever added, and ever finished.
  uint64_t Added() const { return added_; }
  uint64_t Finished() const { return finished_; }

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
    Link(id);
    Packet& packet = entries_[id].packet;
    packet.number = added_++;
    packet.run = 0;
    return packet;
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
  void FinishElsewhere(uint32_t packets) {
    count_ -= packets;
    finished_ += packets;
  }

  // Runs, in a ledger whose packets are finished in the order of Add: where the cookies of the next
  // one go, and how many have room there, one at least if it is not Full.
  uint32_t* NextCookies() { return &cookies_[cookies_end_ & cookie_mask_]; }
  uint32_t CookieRoom() const { return cookie_mask_ + 1 - (cookies_end_ & cookie_mask_); }
  // Adds a run of so many, whose cookies stand there; as Append, for the caller to fill in.
  Packet& AppendRun(uint32_t packets) {
    const uint32_t id = free_[--free_count_];
    const uint64_t number = added_;
    added_ = number + packets;
    count_ += packets;
    cookies_end_ += packets;
    Link(id);
    Packet& run = entries_[id].packet;
    run.number = number;
    run.run = packets;
    return run;
  }
  // The first packets of a run are sent, not all: they leave it.
  void FinishPart(uint32_t id, uint32_t packets);

  // Packets by number: those of the next ones, from the one before this on downwards, and what is
  // remembered of all. Then so many were added, and remembered.
  const uint32_t* NextIds() const { return free_.data() + free_count_; }
  burst::TxRemembered* Remembered() { return remembered_.data(); }
  size_t RememberedCount() const { return remembered_.size(); }
  void AddRemembered(uint32_t packets) {
    free_count_ -= packets;
    AddElsewhere(packets);
  }
  // Whether one with this number is out, and was added before packet number `published`.
  bool IsRemembered(uint64_t id, uint64_t published) const {
    return id < remembered_.size() && remembered_[id].burst < published;
  }
  // For who takes packets by number itself: where their numbers go, which are free then, one after
  // the other. Then so many were sent, and forgotten.
  uint32_t* NextFree() { return free_.data() + free_count_; }
  void TookRemembered(uint32_t packets) {
    free_count_ += packets;
    FinishElsewhere(packets);
  }
  // It is sent, and its cookie is taken with the others.
  void FinishRememberedLater(uint64_t id);

  // It is sent.
  void Finish(uint32_t id) {
    Unlink(entries_[id]);
    finished_ += PacketsOf(id);
    LinkFinished(id);
  }
  // Cookies of finished ones, in the order of Finish, as many as are there and have room; how many.
  uint32_t TakeCookies(std::span<uint32_t> cookies) {
    if (finished_first_ == kNone) return 0;
    const uint32_t run = entries_[finished_first_].packet.run;
    if (run == 0 || run != cookies.size() ||
        run > cookie_mask_ + 1 - (cookies_begin_ & cookie_mask_))
      return TakeAny(cookies);
    // All of one run.
    std::memcpy(cookies.data(), &cookies_[cookies_begin_ & cookie_mask_], cookies.size_bytes());
    cookies_begin_ += run;
    count_ -= run - 1;  // GiveBack takes off the last one
    const uint32_t id = finished_first_;
    entries_[id].packet.run = 0;
    finished_first_ = entries_[id].next;
    if (finished_first_ == kNone) finished_last_ = kNone;
    GiveBack(id);
    return run;
  }
  // Finish and TakeCookies at once, of the oldest, which is this run, where that can be done: no
  // other one is finished, and its cookies stand in a row.
  bool CanFinishRunNow(const Packet& run) const {
    return finished_first_ == kNone &&
           run.run <= cookie_mask_ + 1 - (cookies_begin_ & cookie_mask_);
  }
  uint32_t FinishRunNow(uint32_t id, uint32_t* cookies) {
    const uint32_t run = entries_[id].packet.run;
    std::memcpy(cookies, &cookies_[cookies_begin_ & cookie_mask_], size_t{run} * sizeof *cookies);
    cookies_begin_ += run;
    Unlink(entries_[id]);
    finished_ += run;
    count_ -= run - 1;  // GiveBack takes off the last one
    GiveBack(id);
    return run;
  }
  // Finish and TakeCookies at once, if no other is finished; of no run.
  uint32_t FinishNow(uint32_t id) {
    Unlink(entries_[id]);
    ++finished_;
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
  uint32_t PacketsOf(uint32_t id) const {
    const uint32_t run = entries_[id].packet.run;
    return run == 0 ? 1 : run;
  }
  void Link(uint32_t id) {
    const uint32_t before = newest_;
    newest_ = id;
    (before == kNone ? oldest_ : entries_[before].next) = id;
    Entry& entry = entries_[id];
    entry.outstanding = true;
    entry.next = kNone;
    entry.previous = before;
  }
  void LinkFinished(uint32_t id) {
    entries_[id].next = kNone;
    (finished_last_ == kNone ? finished_first_ : entries_[finished_last_].next) = id;
    finished_last_ = id;
  }
  uint32_t TakeAny(std::span<uint32_t> cookies);
  void Unlink(Entry& entry) {
    (entry.previous == kNone ? oldest_ : entries_[entry.previous].next) = entry.next;
    (entry.next == kNone ? newest_ : entries_[entry.next].previous) = entry.previous;
    entry.outstanding = false;
  }
  void GiveBack(uint32_t id) {
    free_[free_count_++] = id;
    --count_;
  }
  CacheLineVector<Entry> entries_;
  CacheLineVector<uint32_t> free_;  // a stack
  uint32_t free_count_ = 0;
  uint32_t capacity_ = 0;
  uint32_t count_ = 0;
  uint64_t added_ = 0;
  uint64_t finished_ = 0;
  uint32_t oldest_ = kNone;
  uint32_t newest_ = kNone;
  uint32_t finished_first_ = kNone;
  uint32_t finished_last_ = kNone;
  CacheLineVector<uint32_t> by_slot_;
  // Of runs, in order; numbers run freely.
  CacheLineVector<uint32_t> cookies_;
  uint32_t cookie_mask_ = 0;
  uint32_t cookies_begin_ = 0;
  uint32_t cookies_end_ = 0;
  CacheLineVector<burst::TxRemembered> remembered_;  // by number
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_TX_LEDGER_H_
