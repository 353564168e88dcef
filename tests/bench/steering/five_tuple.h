// What both sides of the steering benchmark match: IPv4, TCP or UDP, addresses and ports; and rules
// over it, which each side turns into its own form. Plain values, any thread.
#ifndef QSPLIT_TESTS_BENCH_STEERING_FIVE_TUPLE_H_
#define QSPLIT_TESTS_BENCH_STEERING_FIVE_TUPLE_H_

#include <cstdint>

namespace qsplit::bench {

// In the host's byte order.
struct FiveTuple {
  uint8_t protocol = 0;
  uint32_t src_ip = 0;
  uint32_t dst_ip = 0;
  uint16_t src_port = 0;
  uint16_t dst_port = 0;
};

// Masks have ones from the top down. The lowest location that matches wins.
struct TupleRule {
  uint32_t location = 0;
  FiveTuple value;
  FiveTuple mask;
};

inline constexpr uint32_t kNoRule = UINT32_MAX;

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_STEERING_FIVE_TUPLE_H_
