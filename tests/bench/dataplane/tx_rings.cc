#include "tests/bench/dataplane/tx_rings.h"

#include <benchmark/benchmark.h>

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
#include <utility>

#include "dataplane/tx_driver.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "tests/bench/dataplane/rx_contest.h"
#include "tests/bench/dataplane/tx_peers.h"

namespace qsplit::bench {
namespace {

using namespace dataplane;  // NOLINT

constexpr uint32_t kTurns = 800;

// The layout's side as the loops by hand have it. UDP over IPv4, both checksums where there are.
template <typename Nic>
class LayoutTx {
 public:
  LayoutTx(const layout::VerifiedLayout& layout, TxRings& rings, AccessMode mode) {
    QueueView view;
    view.queue_number = QueueIndex(TxRings::kQueue);
    view.memory_key = TxRings::kMemoryKey;
    view.layout_queue = QueueView::kFirstOfDirection;
    Nic::View(rings, &view);
    driver_ = std::make_unique<TxDriver>(TxDriver::Create(layout, view, {kBurst, mode}).value());
    if (driver_->Access().mode != mode) {
      std::fprintf(stderr, "%s: %s\n", Nic::kLayout,
                   driver_->Access().why_not_compiled.ToString().c_str());
      std::exit(1);
    }
    if (!Nic::kSums) return;
    request_.wants = driver_->Features() & (TxFeature::kL3Checksum | TxFeature::kL4Checksum);
    request_.l3 = L3Kind::kIp4;
    request_.l4 = L4Kind::kUdp;
    request_.l2_header_bytes = kHeaders[0];
    request_.l3_header_bytes = kHeaders[1];
  }
  uint32_t Push(std::span<const TxPacket> packets) {
    PushResult why;
    return driver_->PushBurst(packets, request_, &why);
  }
  void Publish() { driver_->Publish(); }
  uint32_t Reclaim(std::span<uint32_t> cookies) { return driver_->Reclaim(cookies); }

 private:
  std::unique_ptr<TxDriver> driver_;
  TxRequest request_;
};

// A queue with its device.
template <typename Driver, typename Nic>
class Run {
 public:
  static constexpr uint32_t kUnderWay = Nic::kPackets / kBurst - 1;  // bursts at once

  explicit Run(const std::function<Driver(TxRings&)>& make)
      : rings_(std::make_unique<TxRings>()), driver_(make(*rings_)) {
    for (uint32_t i = 0; i < kBurst; ++i) {
      packets_[i] = {Iova(0x3400'0000 + i * 4096ull), 60 + i, i};
    }
  }

  double operator()() {
    using Clock = std::chrono::steady_clock;
    Clock::duration spent{};
    uint64_t packets = 0;
    for (uint32_t turn = 0; turn < kTurns; ++turn) {
      Clock::time_point begin = Clock::now();
      for (uint32_t burst = 0; burst < kUnderWay; ++burst) {
        driver_.Push(packets_);
        driver_.Publish();
        benchmark::ClobberMemory();
      }
      spent += Clock::now() - begin;
      for (uint32_t burst = 0; burst < kUnderWay; ++burst) device_.Complete(*rings_, kBurst);
      begin = Clock::now();
      for (uint32_t burst = 0; burst < kUnderWay; ++burst) {
        packets += driver_.Reclaim(cookies_);
        benchmark::DoNotOptimize(cookies_);
      }
      spent += Clock::now() - begin;
    }
    if (packets != uint64_t{kTurns} * kUnderWay * kBurst) {
      std::fprintf(stderr, "%s: packets got lost: %llu\n", Nic::kLayout,
                   static_cast<unsigned long long>(packets));
      std::exit(1);
    }
    return std::chrono::duration<double, std::nano>(spent).count() / static_cast<double>(packets);
  }
  // A burst goes out and comes back: what is in shared memory then, and its cookies.
  std::vector<std::byte> One() {
    driver_.Push(packets_);
    driver_.Publish();
    const std::vector<std::byte> posted(rings_->slots, rings_->slots + sizeof rings_->slots);
    device_.Complete(*rings_, kBurst);
    std::vector<std::byte> all = posted;
    const uint32_t count = driver_.Reclaim(cookies_);
    const auto add = [&](const auto& memory, size_t bytes) {
      const auto* from = reinterpret_cast<const std::byte*>(&memory);
      all.insert(all.end(), from, from + bytes);
    };
    add(rings_->scratch, sizeof rings_->scratch);
    add(rings_->cells, sizeof rings_->cells);
    add(cookies_, count * sizeof(uint32_t));
    return all;
  }

 private:
  std::unique_ptr<TxRings> rings_;
  Nic device_;
  TxPacket packets_[kBurst];
  uint32_t cookies_[kBurst];
  Driver driver_;
};

template <typename Nic>
std::vector<Result> TransmitContest(uint32_t rounds) {
  const layout::VerifiedLayout layout = Load(Nic::kLayout);
  using Hand = Run<typename Nic::Hand, Nic>;
  using Through = Run<LayoutTx<Nic>, Nic>;
  const auto hand =
      std::make_shared<Hand>([](TxRings& rings) { return typename Nic::Hand(rings); });
  const auto through = [&](AccessMode mode) {
    return std::make_shared<Through>(
        [&](TxRings& rings) { return LayoutTx<Nic>(layout, rings, mode); });
  };
  const auto compiled = through(AccessMode::kCompiled);
  const auto interpreted = through(AccessMode::kInterpreted);
  const auto engine = through(AccessMode::kEngine);
  // They all write and say the same, or there is nothing to compare.
  for (uint32_t i = 0; i < 3 * Hand::kUnderWay; ++i) {
    const std::vector<std::byte> expected = hand->One();
    for (const auto& other : {compiled, interpreted, engine}) {
      if (other->One() != expected) {
        std::fprintf(stderr, "%s: the loop by hand does something else\n", Nic::kLayout);
        std::exit(1);
      }
    }
  }
  std::vector<Contender> contenders = {{"by hand", [hand] { return (*hand)(); }},
                                       {"compiled", [compiled] { return (*compiled)(); }},
                                       {"interpreted", [interpreted] { return (*interpreted)(); }},
                                       {"engine", [engine] { return (*engine)(); }}};
  if constexpr (requires { typename Nic::Header; }) {
    using Header = Run<typename Nic::Header, Nic>;
    const auto header =
        std::make_shared<Header>([](TxRings& rings) { return typename Nic::Header(rings); });
    const auto again =
        std::make_shared<Hand>([](TxRings& rings) { return typename Nic::Hand(rings); });
    for (uint32_t i = 0; i < 3 * Hand::kUnderWay; ++i) {
      if (header->One() == again->One()) continue;
      std::fprintf(stderr, "%s: the emitted header does something else\n", Nic::kLayout);
      std::exit(1);
    }
    contenders.push_back({"emitted header", [header] { return (*header)(); }});
  }
  return Contest(std::string("transmit, ") + Nic::kLayout, contenders, rounds);
}

}  // namespace

std::vector<std::vector<Result>> TransmitContests(std::string_view only, uint32_t rounds) {
  std::vector<std::vector<Result>> all;
  const auto add = [&]<typename Nic>(Nic) {
    if (only.empty() || only == Nic::kLayout) all.push_back(TransmitContest<Nic>(rounds));
  };
  add(InPlace<IxgbeTx, HeaderIxgbe>());
  add(InPlace<IceTx, HeaderIce>());
  add(Mlx5());
  add(VirtioPacked());
  add(AfXdp());
  return all;
}

}  // namespace qsplit::bench
