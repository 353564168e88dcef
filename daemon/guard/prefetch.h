// For a walk through slots of a ring: hints for the line after the next one, a little behind the
// ring's end too (dataplane/prefetch.h). Any thread.
#ifndef QSPLIT_DAEMON_GUARD_PREFETCH_H_
#define QSPLIT_DAEMON_GUARD_PREFETCH_H_

#include <cstddef>
#include <cstdint>

#include "dataplane/prefetch.h"

namespace qsplit::guard {

using dataplane::PrefetchToRead;
using dataplane::PrefetchToWrite;

// At the first slot of each line, the line after the next one.
inline constexpr size_t kLineBytes = 64;
inline bool BeginsLine(const std::byte* slot, size_t slot_bytes) {
  return reinterpret_cast<uintptr_t>(slot) % kLineBytes < slot_bytes;
}
inline void PrefetchAheadToRead(const std::byte* slot, size_t slot_bytes) {
  if (BeginsLine(slot, slot_bytes)) PrefetchToRead(slot + 2 * kLineBytes);
}
inline void PrefetchAheadToWrite(const std::byte* slot, size_t slot_bytes) {
  if (BeginsLine(slot, slot_bytes)) PrefetchToWrite(slot + 2 * kLineBytes);
}

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_PREFETCH_H_
