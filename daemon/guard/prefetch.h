// Hints to the processor that a cache line will be needed: rings' lines come from another core,
// which takes as long as checking several descriptors.
//
// Places in a ring, and a little behind its end: what cannot be reached is left alone. Any thread.
#ifndef QSPLIT_DAEMON_GUARD_PREFETCH_H_
#define QSPLIT_DAEMON_GUARD_PREFETCH_H_

#include <cstddef>
#include <cstdint>

namespace qsplit::guard {

inline void PrefetchToRead(const std::byte* at) { __builtin_prefetch(at); }
// With the right to write, so that the store does not wait for it.
inline void PrefetchToWrite(const std::byte* at) {
#if defined(__x86_64__)
  // g++ has this instruction in a program for every x86-64 only so; it does nothing on those
  // without it.
  asm volatile("prefetchw %0" : : "m"(*at));
#else
  __builtin_prefetch(at, 1);
#endif
}

// For a walk through slots: at the first one of each line, the line after the next one.
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
