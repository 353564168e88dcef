// Receive queues of one layout each, driven by hand, by the loops of its emitted header and through
// the layout in three ways, against each other: bursts of 32, taken and posted anew. The device's
// part is done beforehand and not counted.
#ifndef QSPLIT_TESTS_BENCH_DATAPLANE_RX_CONTEST_H_
#define QSPLIT_TESTS_BENCH_DATAPLANE_RX_CONTEST_H_

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "dataplane/rx_driver.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "tests/bench/dataplane/contest.h"

namespace qsplit::bench {

inline constexpr uint32_t kSlots = 512;
inline constexpr uint32_t kBurst = 32;
inline constexpr uint32_t kBursts = kSlots / kBurst - 1;  // that are under way at once
inline constexpr uint32_t kPackets = kBurst * kBursts;
inline constexpr uint32_t kBufferBytes = 2048;
inline constexpr uint32_t kPacketBytes = 1518;  // at most
inline constexpr uint32_t kTurns = 400;
inline constexpr dataplane::RxFields kWanted =
    dataplane::RxField::kHash | dataplane::RxField::kVlanTci | dataplane::RxField::kL3Checksum |
    dataplane::RxField::kL4Checksum;

inline layout::VerifiedLayout Load(const std::string& name) {
  std::ifstream file(std::string(QSPLIT_LAYOUT_DIR) + "/" + name + ".layout", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  return layout::VerifiedLayout::FromBytes(bytes).value();
}

// A receive queue with its peer: `Driver` has Post, Publish and Poll.
template <typename Driver, typename Peer>
class RxRun {
 public:
  using Rings = typename Peer::Rings;

  explicit RxRun(const std::function<Driver(Rings&)>& make) : driver_(make(rings_)) {
    for (uint32_t i = 0; i < kBurst; ++i) {
      buffers_[i] = {dataplane::Iova(0x3400'0000 + i * 4096ull), kBufferBytes, i,
                     reinterpret_cast<std::byte*>(heads_[i])};
    }
    for (uint32_t i = 0; i < kBursts; ++i) driver_.Post(buffers_);
    driver_.Publish();
  }

  // One burst, to look at.
  std::span<const dataplane::RxCompletion> One() {
    Complete(kBurst);
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
      Complete(kPackets);
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
  void Complete(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i, ++done_) {
      Peer::Complete(&rings_, done_, reinterpret_cast<std::byte*>(heads_[done_ % kBurst]));
    }
  }

  Rings rings_;
  uint64_t done_ = 0;
  // The first bytes of each buffer.
  alignas(64) uint64_t heads_[kBurst][8] = {};
  dataplane::RxBuffer buffers_[kBurst];
  alignas(64) dataplane::RxCompletion out_[kBurst];
  Driver driver_;
};

inline bool Same(const dataplane::RxCompletion& a, const dataplane::RxCompletion& b) {
  const dataplane::RxMetadata &m = a.meta, &n = b.meta;
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
  uint32_t Poll(std::span<dataplane::RxCompletion> out) { return Hand::PollInWords(out); }
};

// Contenders for one receive queue. They all say the same of some bursts, or there is nothing to
// compare.
template <typename Peer>
class RxContenders {
 public:
  explicit RxContenders(const std::string& layout_name)
      : layout_name_(layout_name), layout_(Load(layout_name)) {}

  template <typename Hand>
  void AddByHand(const std::string& name) {
    Add<Hand>(name, [](auto& rings) { return Hand(rings.ForHand(kBufferBytes)); });
  }
  void AddThroughLayout(const std::string& name, dataplane::AccessMode mode) {
    Add<dataplane::RxDriver>(name, [&](auto& rings) {
      auto driver = dataplane::RxDriver::Create(layout_, rings.View(),
                                                {kWanted, kBufferBytes, kPacketBytes, mode})
                        .value();
      if (driver.Access().mode != mode) {
        std::fprintf(stderr, "%s: %s\n", layout_name_.c_str(),
                     driver.Access().why_not_compiled.ToString().c_str());
        std::exit(1);
      }
      return driver;
    });
  }
  std::vector<Result> Run(const std::string& name, uint32_t rounds) const {
    return Contest(name, contenders_, rounds);
  }

 private:
  template <typename Driver>
  void Add(const std::string& name, const std::function<Driver(typename Peer::Rings&)>& make) {
    const auto run = std::make_shared<RxRun<Driver, Peer>>(make);
    const bool is_first = contenders_.empty();
    for (uint32_t i = 0; i < 2 * kBursts; ++i) {
      const auto got = run->One();
      if (is_first) expected_.emplace_back(got.begin(), got.end());
      const auto& expected = expected_[i];
      if (!std::equal(expected.begin(), expected.end(), got.begin(), got.end(), Same)) {
        std::fprintf(stderr, "%s: \"%s\" says something else than \"%s\"\n", layout_name_.c_str(),
                     name.c_str(), contenders_.front().name.c_str());
        std::exit(1);
      }
    }
    contenders_.push_back({name, [run] { return (*run)(); }});
  }

  std::string layout_name_;
  layout::VerifiedLayout layout_;
  std::vector<Contender> contenders_;
  std::vector<std::vector<dataplane::RxCompletion>> expected_;  // of the first one, by burst
};

template <typename Hand, typename Header, typename Peer>
std::vector<Result> ReceiveContest(const std::string& layout_name, uint32_t rounds) {
  RxContenders<Peer> contenders(layout_name);
  contenders.template AddByHand<InWords<Hand>>("by hand, in words");
  contenders.template AddByHand<Hand>("by hand, member by member");
  contenders.template AddByHand<Header>("emitted header");
  contenders.AddThroughLayout("compiled", dataplane::AccessMode::kCompiled);
  contenders.AddThroughLayout("interpreted", dataplane::AccessMode::kInterpreted);
  contenders.AddThroughLayout("engine", dataplane::AccessMode::kEngine);
  return contenders.Run("receive, " + layout_name, rounds);
}

// Descriptors of 16 bytes that are written back: compiled access, which may use SIMD, against the
// scalar loop; and a loop with SIMD by hand, where the processor has it.
template <typename Hand, typename SimdHand, typename Peer>
std::vector<Result> SimdContest(const std::string& layout_name, uint32_t rounds) {
  RxContenders<Peer> contenders(layout_name);
  contenders.template AddByHand<InWords<Hand>>("by hand, scalar");
  contenders.AddThroughLayout("compiled", dataplane::AccessMode::kCompiled);
  if constexpr (!std::is_void_v<SimdHand>) {
    if (SimdHand::RunsHere()) contenders.template AddByHand<SimdHand>("with SIMD by hand");
  }
  return contenders.Run("receive, with SIMD, " + layout_name, rounds);
}

// One client core that does nothing but receive packets of 64 bytes and post buffers anew, against
// what 40 Gbit/s of them are: 59.5 million in a second.
template <typename Peer>
std::vector<Result> LineRateContest(const std::string& layout_name, uint32_t rounds) {
  static constexpr double kLineNs = 1e9 * 8 * (64 + 20) / 40e9;  // with preamble and gap
  const layout::VerifiedLayout layout = Load(layout_name);
  const auto run = std::make_shared<RxRun<dataplane::RxDriver, Peer>>([&](auto& rings) {
    return dataplane::RxDriver::Create(layout, rings.View(), {kWanted, kBufferBytes, kPacketBytes})
        .value();
  });
  return Contest("one core, descriptors, " + layout_name,
                 {{"40 Gbit/s of 64 bytes", [] { return kLineNs; }},
                  {"received and posted", [run] { return (*run)(); }}},
                 rounds);
}

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_DATAPLANE_RX_CONTEST_H_
