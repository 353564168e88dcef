// Contests of transmit queues whose completions stand in rings, or come back by number: through
// their layouts, and by loops written by hand (hand_tx_rings.h). Memory of such a queue.
#ifndef QSPLIT_TESTS_BENCH_DATAPLANE_TX_RINGS_H_
#define QSPLIT_TESTS_BENCH_DATAPLANE_TX_RINGS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tests/bench/dataplane/contest.h"

namespace qsplit::bench {

struct TxRings {
  static constexpr uint32_t kSlots = 256;  // packets that have room
  static constexpr uint32_t kQueue = 3;
  static constexpr uint32_t kMemoryKey = 0x5a;
  static constexpr uint64_t kScratchIova = 0x2000'0000;

  alignas(4096) std::byte slots[kSlots * 64] = {};
  alignas(4096) std::byte done[kSlots * 64] = {};
  alignas(64) std::byte scratch[kSlots * 16] = {};
  // Registers and cells, a line of the cache each.
  alignas(64) std::byte cells[8][64] = {};

  std::byte* Cell(size_t number) { return cells[number]; }
};

// mellanox.mlx5, virtio.packed, linux.af_xdp; or only one of them.
std::vector<std::vector<Result>> TransmitRingContests(std::string_view only, uint32_t rounds);

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_DATAPLANE_TX_RINGS_H_
