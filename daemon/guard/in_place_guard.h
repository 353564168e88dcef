// What both directions of a queue that is completed in place have in common: where they are in the
// two rings, and how a slot goes out of one into the other.
//
//   slots of both rings     │ with the device │ free
//                        consume_         forward_
//
// See guarded_queue.h for what guards promise. One thread at a time.
#ifndef QSPLIT_DAEMON_GUARD_IN_PLACE_GUARD_H_
#define QSPLIT_DAEMON_GUARD_IN_PLACE_GUARD_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "daemon/guard/burst_check.h"
#include "daemon/guard/descriptor_mask.h"
#include "daemon/guard/in_place_rings.h"
#include "daemon/guard/queue_guard.h"
#include "daemon/guard/region_map.h"
#include "daemon/guard/word_field.h"

namespace qsplit::guard {

// kWords: 8-byte words of a slot.
template <size_t kWords>
class InPlaceGuard : public QueueGuard {
 public:
  void SetNeedWakeup(bool need) override { rings_.notification.Set(need, forward_count_); }
  std::string How() const override { return plain_.How(); }
  // What plain descriptors are checked by.
  const BurstCheck<kWords>& plain() const { return plain_; }

 protected:
  using Words = std::array<uint64_t, kWords>;
  using Burst = DescriptorBurst<kWords>;

  InPlaceGuard(InPlaceRings rings, RegionMap regions)
      : rings_(std::move(rings)),
        regions_(std::move(regions)),
        shadow_(rings_.shadow.view.slots),
        real_(rings_.real.view.slots) {}

  static Words WordsOf(const DescriptorMask& mask) {
    Words words;
    for (size_t i = 0; i < kWords; ++i) words[i] = mask.words[i];
    return words;
  }
  // Posted and not yet forwarded. False: the doorbell says what cannot be.
  bool ReadPosted(uint32_t* ahead) const {
    return rings_.ReadPosted(forward_, forward_count_, in_use_, ahead);
  }
  // The next slots that the client has posted, at most `most` of them: each word once, and which of
  // them are plain.
  void LoadPosted(uint32_t most, Burst* burst) const {
    const uint32_t count = std::min({most, Burst::kMost, rings_.shadow.slot_count - forward_});
    plain_.Read(shadow_.Slot(forward_), count, burst);
    if (plain_.there() && count >= kFewest) {
      plain_.Check(burst);
    } else {
      burst->plain = 0;
    }
  }
  // Plain descriptors from number `at` of a burst on.
  static uint32_t PlainFrom(const Burst& burst, uint32_t at) {
    return static_cast<uint32_t>(std::countr_one(burst.plain >> at));
  }
  // Slots go to the device, and are adjacent.
  void Advance(uint32_t slots) {
    forward_ += slots;
    if (forward_ == rings_.shadow.slot_count) forward_ = 0;
    forward_count_ += slots;
    in_use_ += slots;
  }
  bool IsDone(uint32_t slot) const {
    return rings_.done.Holds(real_.LoadAcquire(slot, rings_.done.word));
  }
  // What of a completion the client may see. False: the slot is not completed.
  bool LoadDone(uint32_t slot, const Words& kept, uint64_t* words) const {
    const uint32_t done_word = rings_.done.word;
    // Acquire: pairs with the device's store of that word; the rest is its as well.
    const uint64_t done = real_.LoadAcquire(slot, done_word);
    if (!rings_.done.Holds(done)) return false;
    for (size_t i = 0; i < kWords; ++i) {
      words[i] = (i == done_word ? done : real_.Load(slot, i)) & kept[i];
    }
    return true;
  }

  const InPlaceRings rings_;
  RegionMap regions_;
  const WordSlots<kWords> shadow_;
  const WordSlots<kWords> real_;
  BurstCheck<kWords> plain_;

  uint32_t forward_ = 0;        // next slot to forward
  uint64_t forward_count_ = 0;  // free-running
  uint32_t consume_ = 0;        // oldest slot in use
  uint32_t in_use_ = 0;         // slots from consume_ to forward_

 private:
  // Fewer are sooner checked one by one.
  static constexpr uint32_t kFewest = 4;

  bool HasPosted() override {
    uint32_t ahead = 0;
    // What cannot be is work too: Forward finds it out.
    return !ReadPosted(&ahead) || ahead != 0;
  }
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_IN_PLACE_GUARD_H_
