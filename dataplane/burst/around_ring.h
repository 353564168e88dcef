// Goes on at a ring's first slot with what works on slots one after the other, but no further than
// the ring's last one, as bursts do.
//
//   │      slot ──part──►│  then  │──part──►              │
//   0                slot_count  0                  slot_count
//
// Touches nothing but its arguments. Any thread.
#ifndef QSPLIT_DATAPLANE_BURST_AROUND_RING_H_
#define QSPLIT_DATAPLANE_BURST_AROUND_RING_H_

#include <algorithm>
#include <cstdint>

namespace qsplit::dataplane::burst {

// Works on `most` slots from *slot on; how many it did, and *slot is behind them. work(part, done):
// works on `part` slots from *slot on, none of them beyond the ring's last one, after `done`
// others; how many it did. Where those are fewer, that is all.
template <typename Work>
[[gnu::always_inline]] inline uint32_t AroundRing(uint32_t slot_count, uint32_t most,
                                                  uint32_t* slot, const Work& work) {
  uint32_t done = 0;
  while (done < most) {
    const uint32_t part = std::min(most - done, slot_count - *slot);
    const uint32_t here = work(part, done);
    done += here;
    *slot = *slot + here == slot_count ? 0 : *slot + here;
    if (here < part) break;
  }
  return done;
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_AROUND_RING_H_
