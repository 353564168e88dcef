// A position in a ring: the slot, the free-running count of slots, the phase and the sequence
// number that are due there. Each side has one for the slots that it writes and one for those that
// it reads.
//
//   slot      0   1   2  …  n-1 | 0   1  …        n-1 carries no descriptor where the ring links
//   count     0   1   2  …  n-1 | n  n+1 …        always slot modulo n; a link counts as a slot
//   phase     p   p   p  …   p  | !p …            where it flips each pass
//
// A plain value: touches no memory of a peer. Never allocates. As thread-safe as its owner.
#ifndef QSPLIT_DATAPLANE_RING_CURSOR_H_
#define QSPLIT_DATAPLANE_RING_CURSOR_H_

#include <cstdint>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::dataplane {

class RingCursor {
 public:
  RingCursor() = default;
  // At the first slot of an unused ring. link_toggles: the link form has the role phase.toggle.
  RingCursor(const v1::Ring& ring, uint32_t slot_count, bool link_toggles)
      : slot_count_(slot_count),
        link_slot_(ring.wrap().has_link_form() ? slot_count - 1 : UINT32_MAX),
        phase_(ring.phase().initial() & 1),
        pass_flips_(ring.has_phase() && ring.phase().flip() == v1::PHASE_FLIP_EACH_PASS),
        link_flips_(ring.has_phase() && ring.phase().flip() == v1::PHASE_FLIP_BY_LINK),
        link_toggles_(link_toggles),
        sequence_(ring.sequence().initial()),
        sequence_first_(ring.sequence().first()),
        sequence_last_(ring.sequence().last()) {}

  uint32_t index() const { return index_; }
  uint64_t count() const { return count_; }
  uint32_t phase() const { return phase_; }
  uint64_t sequence() const { return sequence_; }
  uint32_t slot_count() const { return slot_count_; }

  // Whether it stands on the slot of the link. Only NextSlot leaves it there.
  bool AtLink() const { return index_ == link_slot_; }
  bool has_link() const { return link_slot_ != UINT32_MAX; }
  bool link_toggles() const { return link_toggles_; }
  // Whether the phase is another in each turn of the array.
  bool FlipsEachPass() const { return pass_flips_ && !has_link(); }

  // To the next slot of the array.
  void NextSlot() {
    ++count_;
    if (++index_ == slot_count_) [[unlikely]] {
      index_ = 0;
      phase_ ^= static_cast<uint32_t>(pass_flips_);
    }
  }
  // The same for several slots, at most slot_count; a link among them is a slot like any other.
  void SkipSlots(uint32_t slots) {
    count_ += slots;
    index_ += slots;
    if (index_ < slot_count_) return;
    index_ -= slot_count_;
    phase_ ^= static_cast<uint32_t>(pass_flips_);
  }
  // Over the link, whose phase.toggle is as given.
  void PassLink(bool toggle) {
    NextSlot();
    phase_ ^= static_cast<uint32_t>(link_flips_ && toggle);
  }
  // To the next slot that can carry a descriptor, over a link as the driver writes it.
  void NextDescriptorSlot() {
    NextSlot();
    if (AtLink()) [[unlikely]] {
      PassLink(link_toggles_);
    }
  }
  void AdvanceDescriptorSlots(uint32_t slots) {
    for (uint32_t i = 0; i < slots; ++i) NextDescriptorSlot();
  }
  // The phase that will be due here after one turn of the ring.
  uint32_t PhaseNextTurn() const {
    return phase_ ^ static_cast<uint32_t>(pass_flips_ || (link_flips_ && link_toggles_));
  }
  // To the next number, once for each descriptor.
  void NextSequence() { sequence_ = sequence_ == sequence_last_ ? sequence_first_ : sequence_ + 1; }
  // The slot that is `slots` descriptor slots further; sequence unchanged.
  RingCursor Ahead(uint32_t slots) const {
    RingCursor ahead = *this;
    ahead.AdvanceDescriptorSlots(slots);
    return ahead;
  }
  // How many of the slots with counts from `first` up to but not with `end` carry descriptors.
  uint32_t DescriptorSlots(uint64_t first, uint64_t end) const {
    const uint64_t all = end - first;
    if (!has_link()) [[likely]] {
      return static_cast<uint32_t>(all);
    }
    return static_cast<uint32_t>(all - (end / slot_count_ - first / slot_count_));
  }

 private:
  uint32_t index_ = 0;
  uint32_t slot_count_ = 1;
  uint64_t count_ = 0;
  uint32_t link_slot_ = UINT32_MAX;
  uint32_t phase_ = 0;
  bool pass_flips_ = false;
  bool link_flips_ = false;
  bool link_toggles_ = false;
  uint64_t sequence_ = 0;
  uint64_t sequence_first_ = 0;
  uint64_t sequence_last_ = 0;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RING_CURSOR_H_
