// Hints to the processor that a cache line will be needed: lines of rings and packets come from
// another core, which takes as long as a good many descriptors.
//
// What cannot be reached is left alone, so that places behind a ring's end and null do no harm. Any
// thread.
#ifndef QSPLIT_DATAPLANE_PREFETCH_H_
#define QSPLIT_DATAPLANE_PREFETCH_H_

#include <cstddef>

namespace qsplit::dataplane {

inline void PrefetchToRead(const void* at) { __builtin_prefetch(at); }

// With the right to write, so that the store does not ask the other core a second time.
inline void PrefetchToWrite(const std::byte* at) {
#if defined(__x86_64__)
  // For x86-64 without further flags g++ makes a prefetch to read of __builtin_prefetch(at, 1).
  // This one does nothing where a processor does not have it.
  asm volatile("prefetchw %0" : : "m"(*at));
#else
  __builtin_prefetch(at, 1);
#endif
}

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_PREFETCH_H_
