// Two words of a slot in one store, for loops written by hand. The device looks at what it writes
// only behind the doorbell, so it need not be a single access.
#ifndef QSPLIT_TESTS_BENCH_DATAPLANE_TWO_WORDS_H_
#define QSPLIT_TESTS_BENCH_DATAPLANE_TWO_WORDS_H_

#include <cstddef>
#include <cstdint>

namespace qsplit::bench {

using TwoWords [[gnu::vector_size(16), gnu::may_alias]] = uint64_t;

// at: aligned to 16 bytes.
inline void StoreBoth(std::byte* at, uint64_t first, uint64_t second) {
  *reinterpret_cast<TwoWords*>(at) = TwoWords{first, second};
}

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_DATAPLANE_TWO_WORDS_H_
