// What it costs to read and write descriptors through a layout: compiled, interpreted, and by the
// engine that knows every case, against loops written by hand for the one NIC (hand_*.h), and those
// of its emitted header (header_*.h). Bursts of 32, the ring in the cache; the device's part is
// done beforehand and not counted.
//
//   bench_access [ROUNDS]          rounds of each, 15 if not said, 7 at least; prints medians and
//                                  ratios
//   bench_access --only LAYOUT     of this one only
//   bench_access --skew BYTES      what it takes from the heap begins so many bytes farther on
//
// bench_access_16, _32 and _48 are the same program with its code so many bytes farther on.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/bench/dataplane/contest.h"
#include "tests/bench/dataplane/hand_simd_rx.h"
#include "tests/bench/dataplane/header_rx.h"
#include "tests/bench/dataplane/rx_contest.h"
#include "tests/bench/dataplane/rx_peers.h"
#include "tests/bench/dataplane/tx_rings.h"

int main(int argc, char** argv) {
  using namespace qsplit::bench;  // NOLINT
  struct {
    const char* layout;
    std::vector<Result> (*run)(const std::string& layout, uint32_t rounds);
  } const contests[] = {
      {"intel.ixgbe.advanced", ReceiveContest<HandIxgbeRx, HeaderIxgbeRx, IxgbePeer>},
      {"intel.ice.flex", ReceiveContest<HandIceRx, HeaderIceRx, IcePeer>},
      {"mellanox.mlx5", ReceiveContest<HandMlx5Rx, HeaderMlx5Rx, Mlx5Peer>},
      {"virtio.packed", ReceiveContest<HandVirtioRx, HeaderVirtioRx, VirtioPeer>},
      {"intel.ixgbe.advanced", SimdContest<HandIxgbeRx, HandIxgbeSimdRx, IxgbePeer>},
      {"intel.ixgbe.advanced", LineRateContest<IxgbePeer>},
      {"intel.ice.flex", LineRateContest<IcePeer>},
      {"mellanox.mlx5", LineRateContest<Mlx5Peer>},
  };
  std::string_view only;
  std::vector<std::byte> skew;
  uint32_t rounds = 15;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--only" && i + 1 < argc) {
      only = argv[++i];
    } else if (std::string_view(argv[i]) == "--skew" && i + 1 < argc) {
      skew.resize(std::strtoul(argv[++i], nullptr, 10));
    } else {
      rounds = static_cast<uint32_t>(std::max(std::strtol(argv[i], nullptr, 10), 7L));
    }
  }
  benchmark::DoNotOptimize(skew.data());
  std::vector<std::vector<Result>> all;
  for (const auto& contest : contests) {
    if (only.empty() || only == contest.layout) all.push_back(contest.run(contest.layout, rounds));
  }
  for (auto& results : TransmitContests(only, rounds)) all.push_back(std::move(results));
  for (const auto& results : all) Print(results);
  return 0;
}
