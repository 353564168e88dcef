// What it costs to read and write descriptors through a layout: compiled, interpreted, and by the
// engine that knows every case, against loops written by hand for the one NIC (hand_*.h), and those
// of its emitted header (header_*.h). Bursts of 32, the ring in the cache; the device's part is
// done beforehand and not counted.
//
//   bench_access [ROUNDS]          rounds of each, 15 if not said, 7 at least; prints medians and
//                                  ratios
//   bench_access --rows            the same as rows of scripts/bench
//   bench_access --only LAYOUT     of this one only
#include <algorithm>
#include <cstdint>
#include <cstdio>
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
  bool rows = false;
  std::string_view only;
  uint32_t rounds = 15;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--rows") {
      rows = true;
    } else if (std::string_view(argv[i]) == "--only" && i + 1 < argc) {
      only = argv[++i];
    } else {
      rounds = static_cast<uint32_t>(std::max(std::strtol(argv[i], nullptr, 10), 7L));
    }
  }
  std::vector<std::vector<Result>> all;
  for (const auto& contest : contests) {
    if (only.empty() || only == contest.layout) all.push_back(contest.run(contest.layout, rounds));
  }
  for (auto& results : TransmitContests(only, rounds)) all.push_back(std::move(results));
  for (const auto& results : all) {
    if (!rows) Print(results);
    for (const char* contender :
         {"compiled", "interpreted", "emitted header", "received and posted"}) {
      if (rows) PrintRow(results, contender);
    }
  }
  return 0;
}
