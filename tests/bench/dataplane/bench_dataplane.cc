// What it costs that a layout, and not code, says what a descriptor looks like: the driver's side
// as it is, against a loop written by hand for the same bytes of the layout test.simple. The peer's
// part (consuming what was posted, completing it) is the same few stores in both, so the driver's
// side alone is further apart than the ratio says: --benchmark_filter=Peer shows what to subtract.
//
//   bench_dataplane           all of it, then a table of ratios
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "dataplane/rx_device.h"
#include "dataplane/rx_driver.h"
#include "dataplane/tx_device.h"
#include "dataplane/tx_driver.h"
#include "tests/support/sample_layouts.h"

namespace {

using namespace qsplit;             // NOLINT
using namespace qsplit::dataplane;  // NOLINT

constexpr uint32_t kSlots = 512;
constexpr uint32_t kBurst = 32;

struct Ring {
  alignas(64) uint64_t words[kSlots][2] = {};
  alignas(64) uint32_t doorbell = 0;
  alignas(64) uint32_t need_wakeup = 0;
  QueueView View() {
    RingView view;
    view.slots = reinterpret_cast<std::byte*>(words);
    view.slot_count = kSlots;
    view.producer_doorbells[0] = reinterpret_cast<std::byte*>(&doorbell);
    view.need_wakeup = reinterpret_cast<std::byte*>(&need_wakeup);
    return QueueView::Single(view);
  }
};

// Completes the next slots as a device would, with constant metadata: TCP over IPv4 with hash.
struct RxPeer {
  void Complete(Ring& ring, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      ring.words[at][0] = 0x51ull << 48 | 0xabcd1234u;
      // done, last, l3 checked, l4 checked; length 60
      __atomic_store_n(&ring.words[at][1], 60 | (0b101011ull << 32), __ATOMIC_RELEASE);
      at = at + 1 == kSlots ? 0 : at + 1;
    }
  }
  uint32_t at = 0;
};

void PeerRx(benchmark::State& state) {
  Ring ring;
  RxPeer peer;
  for ([[maybe_unused]] auto _ : state) peer.Complete(ring, kBurst);
  state.SetItemsProcessed(state.iterations() * kBurst);
}

void LayoutRx(benchmark::State& state, RxFields wanted) {
  Ring ring;
  auto driver = *RxDriver::Create(layout::testing::SimpleLayout(), ring.View(), {wanted});
  RxPeer peer;
  RxBuffer buffers[kBurst];
  for (uint32_t i = 0; i < kBurst; ++i) buffers[i] = {Iova(0x10000 + i * 2048), 2048, i};
  RxCompletion out[kBurst];
  uint64_t sum = 0;
  for ([[maybe_unused]] auto _ : state) {
    driver.Post(buffers);
    driver.Publish();
    peer.Complete(ring, kBurst);
    const uint32_t count = driver.Poll(out);
    for (uint32_t i = 0; i < count; ++i) sum += out[i].length + out[i].meta.hash;
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * kBurst);
}

// The same by hand, decoding all of the metadata.
void HandRx(benchmark::State& state, bool all) {
  Ring ring;
  RxPeer peer;
  std::vector<uint32_t> cookies(kSlots), sizes(kSlots);
  uint32_t produce = 0, consume = 0;
  RxCompletion out[kBurst];
  uint64_t sum = 0;
  for ([[maybe_unused]] auto _ : state) {
    for (uint32_t i = 0; i < kBurst; ++i) {
      __atomic_store_n(&ring.words[produce][0], 0x10000 + i * 2048, __ATOMIC_RELAXED);
      __atomic_store_n(&ring.words[produce][1], uint64_t{2048}, __ATOMIC_RELAXED);
      cookies[produce] = i;
      sizes[produce] = 2048;
      produce = produce + 1 == kSlots ? 0 : produce + 1;
    }
    __atomic_store_n(&ring.doorbell, produce, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    benchmark::DoNotOptimize(__atomic_load_n(&ring.need_wakeup, __ATOMIC_RELAXED));
    peer.Complete(ring, kBurst);
    uint32_t count = 0;
    while (count < kBurst) {
      const uint64_t w1 = __atomic_load_n(&ring.words[consume][1], __ATOMIC_ACQUIRE);
      if ((w1 >> 32 & 1) == 0) break;
      const uint64_t w0 = __atomic_load_n(&ring.words[consume][0], __ATOMIC_RELAXED);
      RxCompletion& c = out[count++];
      c.cookie = cookies[consume];
      c.length = std::min<uint32_t>(w1 & 0xffff, sizes[consume]);
      c.offset = 0;
      c.first = true;
      c.last = (w1 >> 33 & 1) != 0;
      c.meta = RxMetadata();
      if (all) {
        RxMetadata& m = c.meta;
        m.present = RxField::kHashType | RxField::kL3Checksum | RxField::kL4Checksum |
                    RxField::kL3Kind | RxField::kL4Kind | RxField::kError | RxField::kMark;
        static constexpr HashType kTypes[16] = {
            HashType::kNone,  HashType::kTcp4,  HashType::kIp4,   HashType::kTcp6,
            HashType::kOther, HashType::kIp6,   HashType::kOther, HashType::kUdp4,
            HashType::kUdp6,  HashType::kOther, HashType::kOther, HashType::kOther,
            HashType::kOther, HashType::kOther, HashType::kOther, HashType::kOther};
        m.hash_type = kTypes[w0 >> 48 & 15];
        if ((w0 >> 48 & 15) != 0) {
          m.hash = static_cast<uint32_t>(w0);
          m.present |= RxField::kHash;
        }
        if ((w1 >> 34 & 1) != 0) {
          m.vlan_tci = static_cast<uint16_t>(w0 >> 32);
          m.present |= RxField::kVlanTci;
        }
        m.l3 = (w0 >> 52 & 1) ? L3Kind::kIp4 : (w0 >> 53 & 1) ? L3Kind::kIp6 : L3Kind::kOther;
        m.l4 = (w0 >> 54 & 1) ? L4Kind::kTcp : (w0 >> 55 & 1) ? L4Kind::kUdp : L4Kind::kOther;
        m.l3_checksum = (w1 >> 35 & 1) == 0   ? ChecksumState::kUnknown
                        : (w1 >> 36 & 1) != 0 ? ChecksumState::kBad
                                              : ChecksumState::kGood;
        m.l4_checksum = (w1 >> 37 & 1) == 0   ? ChecksumState::kUnknown
                        : (w1 >> 38 & 1) != 0 ? ChecksumState::kBad
                                              : ChecksumState::kGood;
        m.error = (w1 >> 39 & 1) != 0;
        m.mark = static_cast<uint32_t>(w1 >> 16 & 0xffff);
      }
      consume = consume + 1 == kSlots ? 0 : consume + 1;
    }
    for (uint32_t i = 0; i < count; ++i) sum += out[i].length + out[i].meta.hash;
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * kBurst);
}

// Completes what was reported; `every` slots apart.
struct TxPeer {
  void Complete(Ring& ring, uint32_t count) {
    at = (at + count) % kSlots;
    __atomic_store_n(&ring.words[(at + kSlots - 1) % kSlots][1], 1ull << 32, __ATOMIC_RELEASE);
  }
  uint32_t at = 0;
};

void LayoutTx(benchmark::State& state) {
  Ring ring;
  auto driver = *TxDriver::Create(layout::testing::SimpleLayout(), ring.View(), {kBurst});
  TxPeer peer;
  uint32_t cookies[kBurst];
  uint64_t sum = 0;
  for ([[maybe_unused]] auto _ : state) {
    for (uint32_t i = 0; i < kBurst; ++i) driver.Push(Iova(0x10000 + i * 2048), 60, i);
    driver.Publish();
    peer.Complete(ring, kBurst);
    const uint32_t count = driver.Reclaim(cookies);
    for (uint32_t i = 0; i < count; ++i) sum += cookies[i];
    benchmark::DoNotOptimize(sum);
  }
  if (driver.Outstanding() != 0) state.SkipWithError("packets did not come back");
  state.SetItemsProcessed(state.iterations() * kBurst);
}

void HandTx(benchmark::State& state) {
  Ring ring;
  TxPeer peer;
  std::vector<uint32_t> slots(kSlots);
  uint32_t produce = 0, consume = 0;
  uint32_t cookies[kBurst];
  uint64_t sum = 0;
  for ([[maybe_unused]] auto _ : state) {
    for (uint32_t i = 0; i < kBurst; ++i) {
      // length, last, crc, total length, kind; report on the last of the burst
      const uint64_t flags = 0b1010u | 60u << 8 | 1u << 30 | (i + 1 == kBurst ? 0b100u : 0);
      __atomic_store_n(&ring.words[produce][0], 0x10000 + i * 2048, __ATOMIC_RELAXED);
      __atomic_store_n(&ring.words[produce][1], 60 | flags << 32, __ATOMIC_RELAXED);
      slots[produce] = i;
      produce = produce + 1 == kSlots ? 0 : produce + 1;
    }
    __atomic_store_n(&ring.doorbell, produce, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    benchmark::DoNotOptimize(__atomic_load_n(&ring.need_wakeup, __ATOMIC_RELAXED));
    peer.Complete(ring, kBurst);
    const uint32_t last = (consume + kBurst - 1) % kSlots;
    uint32_t count = 0;
    if ((__atomic_load_n(&ring.words[last][1], __ATOMIC_ACQUIRE) >> 32 & 1) != 0) {
      for (; count < kBurst; ++count) {
        cookies[count] = slots[consume];
        consume = consume + 1 == kSlots ? 0 : consume + 1;
      }
    }
    for (uint32_t i = 0; i < count; ++i) sum += cookies[i];
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * kBurst);
}

// Remembers nanoseconds for each packet and prints the ratios at the end.
class Ratios : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      if (run.error_occurred) continue;
      double& best = ns_[run.benchmark_name()];
      const double ns = run.GetAdjustedCPUTime() / kBurst;
      if (best == 0 || ns < best) best = ns;
    }
  }
  void Print() const {
    std::printf("\n%-28s %10s %10s %8s\n", "driver's side", "layout", "by hand", "ratio");
    for (const char* what : {"RxAllMetadata", "RxNoMetadata", "TxNoRequest"}) {
      const auto layout = ns_.find(std::string("Layout/") + what);
      const auto hand = ns_.find(std::string("Hand/") + what);
      if (layout == ns_.end() || hand == ns_.end()) continue;
      std::printf("%-28s %7.2f ns %7.2f ns %7.2fx\n", what, layout->second, hand->second,
                  layout->second / hand->second);
    }
  }

 private:
  std::map<std::string, double> ns_;
};

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  benchmark::RegisterBenchmark("Peer/Rx", PeerRx);
  benchmark::RegisterBenchmark("Hand/RxAllMetadata", HandRx, true);
  benchmark::RegisterBenchmark("Layout/RxAllMetadata", LayoutRx, RxFields::All());
  benchmark::RegisterBenchmark("Hand/RxNoMetadata", HandRx, false);
  benchmark::RegisterBenchmark("Layout/RxNoMetadata", LayoutRx, RxFields::None());
  benchmark::RegisterBenchmark("Hand/TxNoRequest", HandTx);
  benchmark::RegisterBenchmark("Layout/TxNoRequest", LayoutTx);
  Ratios ratios;
  benchmark::RunSpecifiedBenchmarks(&ratios);
  ratios.Print();
  return 0;
}
