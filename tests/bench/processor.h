// Where a benchmark's thread runs.
#ifndef QSPLIT_TESTS_BENCH_PROCESSOR_H_
#define QSPLIT_TESTS_BENCH_PROCESSOR_H_

#include <sched.h>

#include <cstdint>

namespace qsplit::bench {

// The calling thread, from now on. Where there is no such processor, it stays where it may be.
inline void RunOn(uint32_t cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  (void)sched_setaffinity(0, sizeof cpus, &cpus);
}

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_PROCESSOR_H_
