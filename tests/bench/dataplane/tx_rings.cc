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
#include "tests/bench/dataplane/hand_tx_rings.h"

namespace qsplit::bench {
namespace {

using namespace dataplane;  // NOLINT

constexpr uint32_t kBurst = 32;
constexpr uint32_t kBursts = TxRings::kSlots / kBurst - 1;  // that are under way at once
constexpr uint32_t kTurns = 800;

// How a queue of a NIC stands in a TxRings (cells by name, as layouts have them), and what its
// device does: completes so many packets.
class Mlx5 {
 public:
  using Hand = HandMlx5Tx;
  static constexpr const char* kLayout = "mellanox.mlx5";
  static constexpr bool kSums = true;

  static void View(TxRings& rings, QueueView* view) {
    view->ring_count = 2;
    view->rings[0].slots = rings.slots;
    view->rings[0].slot_count = TxRings::kSlots;
    view->rings[0].producer_doorbells = {rings.Cell(0), rings.Cell(1)};
    view->rings[1].slots = rings.done;
    view->rings[1].slot_count = TxRings::kSlots;
    view->rings[1].consumer_doorbells = {rings.Cell(2)};
  }
  // Of the last packet only, which is reported.
  void Complete(TxRings& rings, uint32_t packets) {
    sent_ += packets;
    const uint64_t counter = __builtin_bswap16(static_cast<uint16_t>(sent_ - 1));
    const uint64_t owner = count_ / TxRings::kSlots % 2;
    const uint64_t word = counter << 32 | owner << 56;
    std::memcpy(rings.done + size_t{count_ % TxRings::kSlots} * 64 + 56, &word, sizeof word);
    ++count_;
  }

 private:
  uint32_t sent_ = 0;
  uint32_t count_ = 0;
};

class VirtioPacked {
 public:
  using Hand = HandVirtioTx;
  static constexpr const char* kLayout = "virtio.packed";
  static constexpr bool kSums = true;

  static void View(TxRings& rings, QueueView* view) {
    view->ring_count = 1;
    view->rings[0].slots = rings.slots;
    view->rings[0].slot_count = 2 * TxRings::kSlots;
    view->rings[0].producer_doorbells = {rings.Cell(0)};
    view->rings[0].cells = {rings.Cell(5), rings.Cell(4)};
    view->scratch = rings.scratch;
    view->scratch_iova = Iova(TxRings::kScratchIova);
    view->scratch_bytes = sizeof rings.scratch;
  }
  void Complete(TxRings& rings, uint32_t packets) {
    for (uint32_t i = 0; i < packets; ++i) {
      std::byte* at = rings.slots + size_t{slot_} * 16 + 8;
      uint64_t word;
      std::memcpy(&word, at, sizeof word);
      word = (word & (uint64_t{0xffff} << 32)) | (wrap_ != 0 ? uint64_t{0x8080} << 48 : 0);
      std::memcpy(at, &word, sizeof word);
      slot_ += 2;
      if (slot_ < 2 * TxRings::kSlots) continue;
      slot_ = 0;
      wrap_ ^= 1;
    }
  }

 private:
  uint32_t slot_ = 0;
  uint32_t wrap_ = 1;
};

class AfXdp {
 public:
  using Hand = HandXdpTx;
  static constexpr const char* kLayout = "linux.af_xdp";
  static constexpr bool kSums = false;

  static void View(TxRings& rings, QueueView* view) {
    view->ring_count = 2;
    view->rings[0].slots = rings.slots;
    view->rings[0].slot_count = TxRings::kSlots;
    view->rings[0].cells = {rings.Cell(1), rings.Cell(2), rings.Cell(0)};
    view->rings[1].slots = rings.done;
    view->rings[1].slot_count = TxRings::kSlots;
    view->rings[1].cells = {rings.Cell(4), rings.Cell(3)};
  }
  void Complete(TxRings& rings, uint32_t packets) {
    for (uint32_t i = 0; i < packets; ++i, ++count_) {
      std::memcpy(rings.done + size_t{count_ % TxRings::kSlots} * 8,
                  rings.slots + size_t{count_ % TxRings::kSlots} * 16, 8);
    }
    std::memcpy(rings.Cell(1), &count_, sizeof count_);
    std::memcpy(rings.Cell(3), &count_, sizeof count_);
  }

 private:
  uint32_t count_ = 0;
};

layout::VerifiedLayout Load(const std::string& name) {
  std::ifstream file(std::string(QSPLIT_LAYOUT_DIR) + "/" + name + ".layout", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  return layout::VerifiedLayout::FromBytes(bytes).value();
}

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
    request_.l2_header_bytes = 14;
    request_.l3_header_bytes = 20;
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
      for (uint32_t burst = 0; burst < kBursts; ++burst) {
        driver_.Push(packets_);
        driver_.Publish();
        benchmark::ClobberMemory();
      }
      spent += Clock::now() - begin;
      for (uint32_t burst = 0; burst < kBursts; ++burst) device_.Complete(*rings_, kBurst);
      begin = Clock::now();
      for (uint32_t burst = 0; burst < kBursts; ++burst) {
        packets += driver_.Reclaim(cookies_);
        benchmark::DoNotOptimize(cookies_);
      }
      spent += Clock::now() - begin;
    }
    if (packets != uint64_t{kTurns} * kBursts * kBurst) {
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
std::vector<Result> RingContest(uint32_t rounds) {
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
  for (uint32_t i = 0; i < 3 * kBursts; ++i) {
    const std::vector<std::byte> expected = hand->One();
    for (const auto& other : {compiled, interpreted, engine}) {
      if (other->One() != expected) {
        std::fprintf(stderr, "%s: the loop by hand does something else\n", Nic::kLayout);
        std::exit(1);
      }
    }
  }
  return Contest(std::string("transmit, ") + Nic::kLayout,
                 {{"by hand", [hand] { return (*hand)(); }},
                  {"compiled", [compiled] { return (*compiled)(); }},
                  {"interpreted", [interpreted] { return (*interpreted)(); }},
                  {"engine", [engine] { return (*engine)(); }}},
                 rounds);
}

}  // namespace

std::vector<std::vector<Result>> TransmitRingContests(std::string_view only, uint32_t rounds) {
  std::vector<std::vector<Result>> all;
  const auto add = [&]<typename Nic>(Nic) {
    if (only.empty() || only == Nic::kLayout) all.push_back(RingContest<Nic>(rounds));
  };
  add(Mlx5());
  add(VirtioPacked());
  add(AfXdp());
  return all;
}

}  // namespace qsplit::bench
