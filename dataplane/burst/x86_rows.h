// What code for rows has in common: which processors run it, and words side by side in a register.
// For x86-64 alone.
//
// Plain functions; any thread.
#ifndef QSPLIT_DATAPLANE_BURST_X86_ROWS_H_
#define QSPLIT_DATAPLANE_BURST_X86_ROWS_H_

#include <cpuid.h>
#include <immintrin.h>

// Of functions beside those that any processor runs. What they read and write of rings is the
// device's at the same time: no race for a sanitizer to find.
#define QSPLIT_ROWS [[gnu::target("avx2,bmi2"), gnu::no_sanitize("thread")]]
#define QSPLIT_ROWS_INLINE \
  [[gnu::target("avx2,bmi2"), gnu::always_inline, gnu::no_sanitize("thread")]] inline

namespace qsplit::dataplane::burst::x86 {

// Whether the processor has VAES: CPUID leaf 7, ECX bit 9 (SDM volume 2A, CPUID), which
// clang 14 does not know by name.
inline bool HasVaes() {
  unsigned int a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (c >> 9 & 1) != 0;
}

// Those with sse4a and without vaes extract bits one after the other: see x86_emitter.cc.
inline bool HasRows() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi2") != 0 &&
         (__builtin_cpu_supports("sse4a") == 0 || HasVaes());
}

template <typename T>
QSPLIT_ROWS_INLINE __m128i Half(const T& from) {
  static_assert(sizeof from == 16);
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(&from));
}

}  // namespace qsplit::dataplane::burst::x86

#endif  // QSPLIT_DATAPLANE_BURST_X86_ROWS_H_
