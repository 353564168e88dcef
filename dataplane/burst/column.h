// Interpreters work on so many descriptors together: one step of a plan over all of them, then the
// next step.
//
// Plain loops. Any thread.
#ifndef QSPLIT_DATAPLANE_BURST_COLUMN_H_
#define QSPLIT_DATAPLANE_BURST_COLUMN_H_

#include <cstdint>

namespace qsplit::dataplane::burst {

// At most.
inline constexpr uint32_t kColumn = 32;

// Calls step(0), step(kStep) … for so many.
template <uint32_t kStep = 1, typename Step>
inline void ForColumn(uint32_t count, Step step) {
#pragma GCC unroll 4
  for (uint32_t i = 0; i < count; i += kStep) step(i);
}
// The same until step(i) is false; how many were true.
template <typename Step>
inline uint32_t CountColumn(uint32_t count, Step step) {
#pragma GCC unroll 4
  for (uint32_t i = 0; i < count; ++i) {
    if (!step(i)) return i;
  }
  return count;
}

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_COLUMN_H_
