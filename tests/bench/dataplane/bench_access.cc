// What it costs to read and write descriptors through a layout: compiled, interpreted, and by the
// engine that knows every case, against loops written by hand for the one NIC (hand_rx.h). Bursts
// of 32, the ring in the cache; the device's part is done beforehand and not counted.
//
//   bench_access [ROUNDS]      rounds of each, 15 if not said, 7 at least; prints medians and
//   ratios bench_access --rows        the same as rows of scripts/bench
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
#include "tests/bench/dataplane/hand_rx.h"
#include "tests/bench/dataplane/hand_tx.h"
#include "tests/bench/dataplane/tx_rings.h"

namespace qsplit::bench {
namespace {

using namespace dataplane;  // NOLINT

constexpr uint32_t kSlots = 512;
constexpr uint32_t kBurst = 32;
constexpr uint32_t kBursts = kSlots / kBurst - 1;  // that are under way at once
constexpr uint32_t kPackets = kBurst * kBursts;
constexpr uint32_t kBufferBytes = 2048;
constexpr uint32_t kTurns = 400;
constexpr RxFields kWanted =
    RxField::kHash | RxField::kVlanTci | RxField::kL3Checksum | RxField::kL4Checksum;

layout::VerifiedLayout Load(const std::string& name) {
  std::ifstream file(std::string(QSPLIT_LAYOUT_DIR) + "/" + name + ".layout", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  return layout::VerifiedLayout::FromBytes(bytes).value();
}

struct Ring {
  alignas(128) std::byte slots[kSlots * 32] = {};
  alignas(64) uint64_t tail = 0;

  QueueView View() {
    RingView view;
    view.slots = slots;
    view.slot_count = kSlots;
    view.producer_doorbells[0] = reinterpret_cast<std::byte*>(&tail);
    return QueueView::Single(view);
  }
};

// Writes what a device would, for so many slots from the next one on. Packets differ in what they
// are: TCP and UDP over IPv4 and IPv6, one in four with a tag, one in 64 with a bad checksum.
struct IxgbePeer {
  static constexpr uint32_t kSlotBytes = 16;
  static void Write(std::byte* slot, uint32_t number) {
    static constexpr uint64_t kTypes[] = {1, 7, 3, 8};
    const uint64_t tag = number % 4 == 0 ? 1 : 0;
    const uint64_t bad = number % 64 == 9 ? 1 : 0;
    const uint64_t info = kTypes[number % 4] | 0x110 | uint64_t{number} * 2654435761u << 32;
    const uint64_t status =
        3 | tag << 3 | 0x60 | bad << 30 | uint64_t{60} << 32 | (tag * number % 4096) << 48;
    std::memcpy(slot, &info, 8);
    std::memcpy(slot + 8, &status, 8);
  }
};
struct IcePeer {
  static constexpr uint32_t kSlotBytes = 32;
  static void Write(std::byte* slot, uint32_t number) {
    const uint64_t tag = number % 4 == 0 ? 1 : 0;
    const uint64_t bad = number % 64 == 9 ? 1 : 0;
    const uint64_t words[] = {2 | uint64_t{26} << 16 | uint64_t{60} << 32,
                              3 | 8 | bad << 5 | 1u << 12 | tag << 13 |
                                  (tag * number % 4096) << 16 |
                                  uint64_t{number} * 2654435761u << 32,
                              0, 0};
    std::memcpy(slot, words, sizeof words);
  }
};

template <typename Peer>
void Complete(Ring* ring, uint32_t* at, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    Peer::Write(ring->slots + size_t{*at} * Peer::kSlotBytes, *at);
    *at = *at + 1 == kSlots ? 0 : *at + 1;
  }
}

// A receive queue with its peer: `Driver` has Post, Publish and Poll.
template <typename Driver, typename Peer>
class RxRun {
 public:
  explicit RxRun(const std::function<Driver(Ring&)>& make) : driver_(make(ring_)) {
    for (uint32_t i = 0; i < kBurst; ++i) {
      buffers_[i] = {Iova(0x3400'0000 + i * 4096ull), kBufferBytes, i, nullptr};
    }
    for (uint32_t i = 0; i < kBursts; ++i) driver_.Post(buffers_);
    driver_.Publish();
  }

  // One burst, to look at.
  std::span<const RxCompletion> One() {
    Complete<Peer>(&ring_, &at_, kBurst);
    const uint32_t count = driver_.Poll(out_);
    driver_.Post(buffers_);
    driver_.Publish();
    return std::span(out_).first(count);
  }
  double operator()() {
    using Clock = std::chrono::steady_clock;
    Clock::duration spent{};
    uint64_t packets = 0;
    for (uint32_t turn = 0; turn < kTurns; ++turn) {
      Complete<Peer>(&ring_, &at_, kPackets);
      const Clock::time_point begin = Clock::now();
      for (uint32_t burst = 0; burst < kBursts; ++burst) {
        packets += driver_.Poll(out_);
        benchmark::DoNotOptimize(out_);
        driver_.Post(buffers_);
        driver_.Publish();
        benchmark::ClobberMemory();
      }
      spent += Clock::now() - begin;
    }
    if (packets != uint64_t{kTurns} * kPackets) {
      std::fprintf(stderr, "packets got lost: %llu\n", static_cast<unsigned long long>(packets));
      std::exit(1);
    }
    return std::chrono::duration<double, std::nano>(spent).count() / static_cast<double>(packets);
  }

 private:
  Ring ring_;
  uint32_t at_ = 0;
  RxBuffer buffers_[kBurst];
  alignas(64) RxCompletion out_[kBurst];
  Driver driver_;
};

bool Same(const RxCompletion& a, const RxCompletion& b) {
  const RxMetadata &m = a.meta, &n = b.meta;
  return a.cookie == b.cookie && a.length == b.length && a.offset == b.offset &&
         a.first == b.first && a.last == b.last && m.present == n.present && m.hash == n.hash &&
         m.vlan_tci == n.vlan_tci && m.l3_checksum == n.l3_checksum &&
         m.l4_checksum == n.l4_checksum;
}

// A loop by hand whose Poll works in words.
template <typename Hand>
class InWords : public Hand {
 public:
  using Hand::Hand;
  uint32_t Poll(std::span<RxCompletion> out) { return Hand::PollInWords(out); }
};

template <typename Hand, typename Peer>
std::vector<Result> ReceiveContest(const std::string& layout_name, uint32_t rounds) {
  const layout::VerifiedLayout layout = Load(layout_name);
  using HandRun = RxRun<Hand, Peer>;
  using LayoutRun = RxRun<RxDriver, Peer>;
  const auto hand = std::make_shared<HandRun>([&](Ring& ring) {
    return Hand(ring.slots, kSlots, reinterpret_cast<std::byte*>(&ring.tail), kBufferBytes);
  });
  const auto words = std::make_shared<RxRun<InWords<Hand>, Peer>>([&](Ring& ring) {
    return InWords<Hand>(ring.slots, kSlots, reinterpret_cast<std::byte*>(&ring.tail),
                         kBufferBytes);
  });
  const auto through = [&](AccessMode mode) {
    return std::make_shared<LayoutRun>([&](Ring& ring) {
      auto driver = RxDriver::Create(layout, ring.View(), {kWanted, kBufferBytes, 0, mode}).value();
      if (driver.Access().mode != mode) {
        std::fprintf(stderr, "%s: %s\n", layout_name.c_str(),
                     driver.Access().why_not_compiled.ToString().c_str());
        std::exit(1);
      }
      return driver;
    });
  };
  const auto compiled = through(AccessMode::kCompiled);
  const auto interpreted = through(AccessMode::kInterpreted);
  const auto engine = through(AccessMode::kEngine);
  // They all say the same, or there is nothing to compare.
  for (uint32_t i = 0; i < 2 * kBursts; ++i) {
    const auto expected = hand->One();
    const auto in_words = words->One();
    if (!std::equal(expected.begin(), expected.end(), in_words.begin(), in_words.end(), Same)) {
      std::fprintf(stderr, "%s: the loops by hand differ\n", layout_name.c_str());
      std::exit(1);
    }
    for (const auto& other : {compiled, interpreted, engine}) {
      const auto got = other->One();
      if (!std::equal(expected.begin(), expected.end(), got.begin(), got.end(), Same)) {
        std::fprintf(stderr, "%s: the loop by hand says something else\n", layout_name.c_str());
        std::exit(1);
      }
    }
  }
  return Contest("receive, " + layout_name,
                 {{"by hand, in words", [words] { return (*words)(); }},
                  {"by hand, member by member", [hand] { return (*hand)(); }},
                  {"compiled", [compiled] { return (*compiled)(); }},
                  {"interpreted", [interpreted] { return (*interpreted)(); }},
                  {"engine", [engine] { return (*engine)(); }}},
                 rounds);
}

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
  bool rows = false;
  uint32_t rounds = 15;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--rows") {
      rows = true;
    } else {
      rounds = static_cast<uint32_t>(std::max(std::strtol(argv[i], nullptr, 10), 7L));
    }
  }
  std::vector<std::vector<Result>> all{
      ReceiveContest<HandIxgbeRx, IxgbePeer>("intel.ixgbe.advanced", rounds),
      ReceiveContest<HandIceRx, IcePeer>("intel.ice.flex", rounds),
      TransmitContest<IxgbeTx>("intel.ixgbe.advanced", rounds),
      TransmitContest<IceTx>("intel.ice.flex", rounds)};
  for (auto& results : TransmitRingContests(rounds)) all.push_back(std::move(results));
  for (const auto& results : all) {
    if (!rows) Print(results);
    for (const char* contender : {"compiled", "interpreted"}) {
      if (rows) PrintRow(results, contender);
    }
  }
  return 0;
}
