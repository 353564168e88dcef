// What it costs to read and write descriptors through a layout: compiled, interpreted, and by the
// engine that knows every case, against loops written by hand for the one NIC (hand_rx.h). Bursts
// of 32, the ring in the cache; the device's part is done beforehand and not counted.
//
//   bench_access [ROUNDS]          rounds of each, 15 if not said, 7 at least; prints medians and
//                                  ratios
//   bench_access --rows            the same as rows of scripts/bench
//   bench_access --only LAYOUT     of this one only
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#include "dataplane/rx_driver.h"
#include "dataplane/tx_driver.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "tests/bench/dataplane/contest.h"
#include "tests/bench/dataplane/hand_tx.h"
#include "tests/bench/dataplane/rx_contest.h"
#include "tests/bench/dataplane/rx_peers.h"
#include "tests/bench/dataplane/tx_rings.h"

namespace qsplit::bench {
namespace {

using namespace dataplane;  // NOLINT

// A ring of descriptors of 16 bytes with a tail register.
struct Ring {
  alignas(128) std::byte slots[kSlots * 16] = {};
  alignas(64) uint64_t tail = 0;

  QueueView View() {
    RingView view;
    view.slots = slots;
    view.slot_count = kSlots;
    view.producer_doorbells[0] = reinterpret_cast<std::byte*>(&tail);
    return QueueView::Single(view);
  }
};

// UDP over IPv4, both checksums.
TxRequest ChecksumRequest() {
  TxRequest request;
  request.wants = TxFeature::kL3Checksum | TxFeature::kL4Checksum;
  request.l3 = L3Kind::kIp4;
  request.l4 = L4Kind::kUdp;
  request.l2_header_bytes = 14;
  request.l3_header_bytes = 20;
  return request;
}

// The layout's side as the loops by hand have it.
class LayoutTx {
 public:
  explicit LayoutTx(TxDriver driver) : driver_(std::move(driver)), request_(ChecksumRequest()) {}
  uint32_t Push(std::span<const TxPacket> packets, uint32_t, uint32_t) {
    PushResult why;
    return driver_.PushBurst(packets, request_, &why);
  }
  void Publish() { driver_.Publish(); }
  uint32_t Reclaim(std::span<uint32_t> cookies) { return driver_.Reclaim(cookies); }

 private:
  TxDriver driver_;
  TxRequest request_;
};

// A transmit queue with its peer, which completes the last descriptor of each burst.
template <typename Driver, typename Nic>
class TxRun {
 public:
  explicit TxRun(const std::function<Driver(Ring&)>& make) : driver_(make(ring_)) {
    for (uint32_t i = 0; i < kBurst; ++i) {
      packets_[i] = {Iova(0x3400'0000 + i * 4096ull), 60 + i, i};
    }
    if (Nic::kContext) ++at_;  // in front of the first one
  }

  double operator()() {
    using Clock = std::chrono::steady_clock;
    Clock::duration spent{};
    uint64_t packets = 0;
    for (uint32_t turn = 0; turn < kTurns; ++turn) {
      Clock::time_point begin = Clock::now();
      for (uint32_t burst = 0; burst < kBursts; ++burst) {
        driver_.Push(packets_, 14, 20);
        driver_.Publish();
        benchmark::ClobberMemory();
      }
      spent += Clock::now() - begin;
      for (uint32_t burst = 0; burst < kBursts; ++burst) {
        at_ = (at_ + kBurst) % kSlots;
        const uint64_t done = Nic::Done(15) ? 15 : uint64_t{1} << 32;
        std::memcpy(Last() + 8, &done, 8);
      }
      begin = Clock::now();
      for (uint32_t burst = 0; burst < kBursts; ++burst) {
        packets += driver_.Reclaim(cookies_);
        benchmark::DoNotOptimize(cookies_);
      }
      spent += Clock::now() - begin;
    }
    if (packets + kBurst < uint64_t{kTurns} * kPackets) {
      std::fprintf(stderr, "packets got lost: %llu\n", static_cast<unsigned long long>(packets));
      std::exit(1);
    }
    return std::chrono::duration<double, std::nano>(spent).count() / static_cast<double>(packets);
  }
  // Pushes one burst; its descriptors.
  std::vector<std::byte> One() {
    driver_.Push(packets_, 14, 20);
    at_ = (at_ + kBurst) % kSlots;
    return {ring_.slots, ring_.slots + sizeof ring_.slots};
  }

 private:
  std::byte* Last() { return ring_.slots + size_t{(at_ + kSlots - 1) % kSlots} * 16; }

  Ring ring_;
  uint32_t at_ = 0;  // behind the last one that was completed
  TxPacket packets_[kBurst];
  uint32_t cookies_[kBurst];
  Driver driver_;
};

template <typename Nic>
std::vector<Result> TransmitContest(const std::string& layout_name, uint32_t rounds) {
  const layout::VerifiedLayout layout = Load(layout_name);
  const auto by_hand = [] {
    return std::make_shared<TxRun<HandTx<Nic>, Nic>>([](Ring& ring) {
      return HandTx<Nic>(ring.slots, kSlots, reinterpret_cast<std::byte*>(&ring.tail));
    });
  };
  const auto through = [&](AccessMode mode) {
    return std::make_shared<TxRun<LayoutTx, Nic>>([&](Ring& ring) {
      return LayoutTx(TxDriver::Create(layout, ring.View(), {kBurst, mode}).value());
    });
  };
  // They write the same, or there is nothing to compare.
  const std::vector<std::byte> expected = by_hand()->One();
  for (const AccessMode mode :
       {AccessMode::kCompiled, AccessMode::kInterpreted, AccessMode::kEngine}) {
    if (through(mode)->One() != expected) {
      std::fprintf(stderr, "%s: the loop by hand writes something else\n", layout_name.c_str());
      std::exit(1);
    }
  }
  const auto hand = by_hand();
  const auto compiled = through(AccessMode::kCompiled);
  const auto interpreted = through(AccessMode::kInterpreted);
  const auto engine = through(AccessMode::kEngine);
  return Contest("transmit, " + layout_name,
                 {{"by hand", [hand] { return (*hand)(); }},
                  {"compiled", [compiled] { return (*compiled)(); }},
                  {"interpreted", [interpreted] { return (*interpreted)(); }},
                  {"engine", [engine] { return (*engine)(); }}},
                 rounds);
}

}  // namespace
}  // namespace qsplit::bench

int main(int argc, char** argv) {
  using namespace qsplit::bench;  // NOLINT
  struct {
    const char* layout;
    std::vector<Result> (*run)(const std::string& layout, uint32_t rounds);
  } const contests[] = {
      {"intel.ixgbe.advanced", ReceiveContest<HandIxgbeRx, IxgbePeer>},
      {"intel.ice.flex", ReceiveContest<HandIceRx, IcePeer>},
      {"mellanox.mlx5", ReceiveContest<HandMlx5Rx, Mlx5Peer>},
      {"virtio.packed", ReceiveContest<HandVirtioRx, VirtioPeer>},
      {"intel.ixgbe.advanced", TransmitContest<IxgbeTx>},
      {"intel.ice.flex", TransmitContest<IceTx>},
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
  for (auto& results : TransmitRingContests(only, rounds)) all.push_back(std::move(results));
  for (const auto& results : all) {
    if (!rows) Print(results);
    for (const char* contender : {"compiled", "interpreted", "received and posted"}) {
      if (rows) PrintRow(results, contender);
    }
  }
  return 0;
}
