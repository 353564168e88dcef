// Which registers searches of steering rules use. All find the same.
//
// Plain values; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_SEARCH_REGISTERS_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_SEARCH_REGISTERS_H_

#include <cstdint>

namespace qsplit::softnic {

enum class SearchRegisters : uint8_t {
  kWidest,  // SIMD, where the processor has it
  kUpTo256,
  kPlain,
};

// Those of them that this processor has: what to use.
inline SearchRegisters RegistersHere(SearchRegisters most) {
#if defined(__x86_64__)
  if (most == SearchRegisters::kPlain || __builtin_cpu_supports("avx2") == 0 ||
      __builtin_cpu_supports("bmi") == 0) {
    return SearchRegisters::kPlain;
  }
  // Processors that have this too do not slow down where registers of 512 bits are used.
  if (most == SearchRegisters::kWidest && __builtin_cpu_supports("avx512vbmi2") != 0 &&
      __builtin_cpu_supports("avx512vbmi") != 0) {
    return SearchRegisters::kWidest;
  }
  return SearchRegisters::kUpTo256;
#else
  (void)most;
  return SearchRegisters::kPlain;
#endif
}

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_SEARCH_REGISTERS_H_
