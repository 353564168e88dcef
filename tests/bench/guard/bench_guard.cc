// What a guard costs for each descriptor on its way there and back, both rings counted: reading it
// out of the shadow, checking it, storing it, and bringing its completion back.
//
//   bench_guard [SECONDS [LAYOUT [alone]]]     seconds for each number, 0.2 if not given
//
// alone: driver, guard and device take turns in one thread, only the guard's turns are timed.
// bare: the same for a loop that copies the same rings and checks nothing.
// remote: driver and device run in a thread on another core, so that every line of both rings comes
// from there; the guard polls each 10 us, and polls that moved something are timed. On one core
// there is no such number. Each number is the least of several runs: others on the machine make it
// larger, nothing smaller.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "daemon/guard/guarded_queue.h"
#include "dataplane/barriers.h"
#include "dataplane/queue_shape.h"
#include "dataplane/ring_cells.h"
#include "tests/bench/guard/queue_ends.h"
#include "tests/bench/processor.h"
#include "tests/unit/dataplane/test_ring.h"

namespace {

using namespace qsplit;             // NOLINT
using namespace qsplit::dataplane;  // NOLINT
using bench::Ends;
using bench::kBurst;
using bench::kDeviceIova;
using bench::kIova;
using bench::kMemoryBytes;
using bench::kSlots;
using Clock = std::chrono::steady_clock;

constexpr int kRuns = 3;
constexpr std::chrono::microseconds kOtherQueues(10);

double Ns(Clock::duration time) { return std::chrono::duration<double, std::nano>(time).count(); }

// What looking at the clock costs, in ns.
double ClockNs() {
  double least = 1e9;
  for (int run = 0; run < 20; ++run) {
    const Clock::time_point begin = Clock::now();
    for (int i = 0; i < 1000; ++i) (void)Clock::now();
    least = std::min(least, Ns(Clock::now() - begin) / 1001);
  }
  return least;
}

// Time spent on descriptors, the least of many short stretches: what happens in between to the
// whole machine is in few of them.
class Stretches {
 public:
  void Add(Clock::duration spent, uint32_t looks, uint32_t descriptors) {
    spent_ += spent;
    looks_ += looks;
    descriptors_ += descriptors;
    if (descriptors_ < kDescriptors) return;
    const double ns = Ns(spent_) - looks_ * clock_ns_;
    least_ = std::min(least_, ns / descriptors_);
    spent_ = {};
    looks_ = descriptors_ = 0;
  }
  double Least() const { return least_; }

 private:
  static constexpr uint32_t kDescriptors = 4096;
  const double clock_ns_ = ClockNs();
  Clock::duration spent_{};
  uint32_t looks_ = 0;
  uint32_t descriptors_ = 0;
  double least_ = 1e9;
};

// Copies the rings of a queue that is completed in place, and checks nothing; addresses are moved,
// so that the device finds what it expects.
class BareCopy {
 public:
  static std::optional<BareCopy> Make(const layout::VerifiedLayout& layout, v1::Direction direction,
                                      const Ends& ends) {
    auto shadow = ShapeInPlaceQueue(layout, ends.shadow.view(), direction);
    auto real = ShapeInPlaceQueue(layout, ends.real.view(), direction);
    if (!shadow.ok() || !real.ok() || shadow->ring->slot_bytes() != 16) return std::nullopt;
    BareCopy copy;
    copy.shadow_ = *std::move(shadow);
    copy.real_ = *std::move(real);
    copy.doorbell_ = ends.shadow.view().rings[0].producer_doorbells[0];
    copy.real_doorbell_ = ends.real.view().rings[0].producer_doorbells[0];
    copy.transmit_ = direction == v1::DIRECTION_TRANSMIT;
    return copy;
  }
  guard::GuardedQueue::Moved Poll(uint32_t budget) {
    guard::GuardedQueue::Moved moved;
    while (with_device_ != 0 && moved.returned < budget) {
      // The descriptors that will be completed are found by their doorbells: the last of each.
      const uint32_t slot = transmit_ ? marks_[mark_head_ % kSlots] : consume_;
      if (transmit_ && mark_head_ == mark_tail_) break;
      DescriptorBytes bytes;
      real_.slots.ReadWordAcquire(slot, real_.done_word, bytes.bytes);
      if (!real_.done.Holds(bytes.bytes)) break;
      real_.slots.ReadAllBut(slot, real_.done_word, bytes.bytes, 16);
      shadow_.slots.WriteWithLast(slot, shadow_.done_word, bytes.bytes, 16);
      with_device_ -= (slot - consume_ + kSlots) % kSlots + 1;
      consume_ = (slot + 1) % kSlots;
      ++mark_head_;
      ++moved.returned;
    }
    const uint32_t end = LoadAcquire<uint32_t>(doorbell_);
    while (at_ != end && moved.forwarded < budget) {
      uint64_t words[2];
      shadow_.slots.Read(at_, reinterpret_cast<std::byte*>(words), 16);
      words[0] += kDeviceIova - kIova;
      real_.slots.Write(at_, reinterpret_cast<std::byte*>(words), 16);
      if ((at_ + 1) % kSlots == end) marks_[mark_tail_++ % kSlots] = at_;
      at_ = (at_ + 1) % kSlots;
      ++with_device_;
      ++moved.forwarded;
    }
    if (moved.forwarded != 0) StoreRelease<uint32_t>(real_doorbell_, at_);
    return moved;
  }

 private:
  InPlaceShape shadow_, real_;
  std::byte* doorbell_ = nullptr;
  std::byte* real_doorbell_ = nullptr;
  bool transmit_ = false;
  uint32_t at_ = 0, consume_ = 0, with_device_ = 0;
  uint32_t marks_[kSlots] = {};
  uint64_t mark_head_ = 0, mark_tail_ = 0;
};

// Turns in one thread; ns for each descriptor.
template <typename Between>
double Alone(Ends& ends, Between& between, double seconds) {
  Stretches stretches;
  const Clock::time_point end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                   std::chrono::duration<double>(seconds));
  while (Clock::now() < end) {
    for (int i = 0; i < 64; ++i) {
      ends.Client();
      const Clock::time_point begin = Clock::now();
      uint32_t descriptors = between.Poll(2 * kBurst).forwarded;
      Clock::duration spent = Clock::now() - begin;
      ends.Device();
      const Clock::time_point again = Clock::now();
      descriptors += between.Poll(2 * kBurst).forwarded;
      spent += Clock::now() - again;
      stretches.Add(spent, 2, descriptors);
    }
  }
  return stretches.Least();
}

// Driver and device on another core.
template <typename Between>
double Remote(Ends& ends, Between& between, double seconds) {
  std::atomic<bool> stop{false};
  std::thread peer([&] {
    bench::RunOn(1);
    while (!stop.load(std::memory_order_relaxed)) {
      ends.Client();
      ends.Device();
    }
  });
  Stretches stretches;
  const Clock::time_point end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                   std::chrono::duration<double>(seconds));
  Clock::time_point before = Clock::now();
  while (before < end) {
    const guard::GuardedQueue::Moved moved = between.Poll(kBurst);
    const Clock::time_point after = Clock::now();
    if (moved.Any()) stretches.Add(after - before, 1, moved.forwarded);
    // Other queues have their turn; descriptors come in bursts then.
    do {
      before = Clock::now();
    } while (before - after < kOtherQueues);
  }
  stop.store(true);
  peer.join();
  return stretches.Least();
}

struct Row {
  double alone = 1e9, bare = 1e9, remote = 1e9, bare_remote = 1e9;
};

Row Measure(const layout::VerifiedLayout& layout, v1::Direction direction, uint32_t queue,
            double seconds, bool two_cores) {
  const guard::GuardedRegion region{kIova, kMemoryBytes, kDeviceIova, true};
  Row row;
  for (int run = 0; run < kRuns; ++run) {
    for (const bool remote : {false, true}) {
      if (remote && !two_cores) continue;
      const auto measure = [&](Ends& ends, auto& between, double* alone, double* far) {
        double& to = remote ? *far : *alone;
        to = std::min(to, remote ? Remote(ends, between, seconds / kRuns)
                                 : Alone(ends, between, seconds / kRuns));
      };
      {
        Ends ends(layout, direction, queue);
        auto guarded =
            guard::GuardedQueue::Create(layout, direction, ends.shadow.view(), ends.real.view(),
                                        std::span(&region, 1), ends.options);
        if (!guarded.ok()) {
          std::fprintf(stderr, "%s: %s\n", layout.name().c_str(),
                       std::string(guarded.status().message()).c_str());
          std::exit(1);
        }
        measure(ends, *guarded, &row.alone, &row.remote);
        if (guarded->fault().has_value()) {
          std::fprintf(stderr, "%s: a fault in honest rings\n", layout.name().c_str());
          std::exit(1);
        }
      }
      Ends ends(layout, direction, queue);
      if (auto bare = BareCopy::Make(layout, direction, ends); bare.has_value()) {
        measure(ends, *bare, &row.bare, &row.bare_remote);
      }
    }
  }
  return row;
}

std::string Cell(double ns) {
  if (ns >= 1e9) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", ns);
  return text;
}

std::string Ratio(double a, double b) {
  if (a >= 1e9 || b >= 1e9) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.2fx", a / b);
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::strtod(argv[1], nullptr) : 0.2;
  const bool two_cores = std::thread::hardware_concurrency() > 1 && argc < 4;
  bench::RunOn(0);
  std::printf("%-24s %-9s %8s %8s %8s %8s %8s %8s\n", "layout", "way", "alone", "bare", "ratio",
              "remote", "bare", "ratio");
  for (const testing::NamedLayout& named : testing::ShippedLayouts()) {
    for (const char* wanted : {"intel.igb.advanced", "intel.e1000.legacy", "intel.e1000.extended",
                               "intel.ixgbe.advanced", "virtio.split", "virtio.packed"}) {
      if (named.layout->name() != wanted || (argc > 2 && named.layout->name() != argv[2])) continue;
      for (int queue = 0; queue < named.layout->message().queues_size(); ++queue) {
        const v1::Direction direction = named.layout->message().queues(queue).direction();
        if (direction == v1::DIRECTION_COMMAND) continue;
        const Row row =
            Measure(*named.layout, direction, static_cast<uint32_t>(queue), seconds, two_cores);
        std::printf("%-24s %-9s %8s %8s %8s %8s %8s %8s\n", wanted,
                    direction == v1::DIRECTION_RECEIVE ? "receive" : "transmit",
                    Cell(row.alone).c_str(), Cell(row.bare).c_str(),
                    Ratio(row.alone, row.bare).c_str(), Cell(row.remote).c_str(),
                    Cell(row.bare_remote).c_str(), Ratio(row.remote, row.bare_remote).c_str());
        std::fflush(stdout);
      }
    }
  }
  return 0;
}
