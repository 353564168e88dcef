// How many descriptors a second a guard checks, and how many it forwards, on one core with both
// rings in its cache: in bursts with SIMD, in bursts without, one by one.
//
//   bench_guard_burst [--quick] [--rows] [LAYOUT]
//
// checked: read out of the shadow ring and checked by the plan of the queue's guard, 32 at a time;
// nothing is stored. What goes one by one is checked and forwarded in one step: its row says at
// least how many are checked, which are those forwarded. forwarded: GuardedQueue::Poll, from the
// client's doorbell to the device's. and back: the same with bringing back what the device
// completed. Packets to be sent have one descriptor, of virtio two. Million descriptors/s, medians
// of 9 runs that take turns (--quick: 3);
// +-: half of the spread between the quartiles, in percent. --rows: lines for scripts/bench.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "daemon/guard/in_place_rx_guard.h"
#include "daemon/guard/in_place_tx_guard.h"
#include "daemon/guard/phase_guard.h"
#include "dataplane/queue_shape.h"
#include "tests/bench/command_line.h"
#include "tests/bench/guard/queue_ends.h"
#include "tests/bench/processor.h"
#include "tests/bench/runs.h"

namespace {

using namespace qsplit;  // NOLINT
using bench::Ends;
using bench::kBurst;
using bench::kDeviceIova;
using bench::kIova;
using bench::kMemoryBytes;
using bench::Runs;
using guard::GuardOptions;
using Checks = GuardOptions::Checks;
using Clock = std::chrono::steady_clock;

constexpr uint32_t kPosted = 480;  // at once; divides by a burst
constexpr Checks kWays[] = {Checks::kFastest, Checks::kPortable, Checks::kOneByOne};
constexpr const char* kWayNames[] = {"SIMD", "portable", "one by one"};
constexpr size_t kWayCount = 3;

double Seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

[[noreturn]] void Die(const std::string& layout, const std::string& why) {
  std::fprintf(stderr, "bench_guard_burst: %s: %s\n", layout.c_str(), why.c_str());
  std::exit(1);
}

// Million descriptors/s.
struct Figures {
  Runs checked, forwarded, and_back;
};

const guard::GuardedRegion kRegion{kIova, kMemoryBytes, kDeviceIova, true};

void Forward(const layout::VerifiedLayout& layout, v1::Direction direction, uint32_t queue,
             Checks checks, Clock::duration time, Figures* to) {
  Ends ends(layout, direction, queue);
  ends.options.checks = checks;
  auto guarded =
      guard::GuardedQueue::Create(layout, direction, ends.shadow.view(), ends.real.view(),
                                  std::span(&kRegion, 1), ends.options);
  if (!guarded.ok()) Die(layout.name(), std::string(guarded.status().message()));
  uint64_t forwarded = 0;
  Clock::duration there{};
  Clock::duration back{};
  for (const Clock::time_point end = Clock::now() + time; Clock::now() < end;) {
    ends.Client(kPosted);
    const Clock::time_point begin = Clock::now();
    while (const uint32_t moved = guarded->Poll(kBurst).forwarded) forwarded += moved;
    const Clock::time_point sent = Clock::now();
    ends.Device(kPosted);
    const Clock::time_point done = Clock::now();
    while (guarded->Poll(kBurst).returned != 0) {
    }
    back += Clock::now() - done;
    there += sent - begin;
  }
  if (guarded->fault().has_value()) Die(layout.name(), "a fault in an honest ring");
  to->forwarded.values.push_back(static_cast<double>(forwarded) / Seconds(there) / 1e6);
  to->and_back.values.push_back(static_cast<double>(forwarded) / Seconds(there + back) / 1e6);
}

template <size_t kWords>
double CheckedRate(const Ends& ends, const guard::BurstCheck<kWords>& check, Clock::duration time,
                   const std::string& layout) {
  const std::byte* const slots = ends.shadow.view().rings[0].slots;
  uint64_t checked = 0;
  const Clock::time_point begin = Clock::now();
  while (Clock::now() < begin + time) {
    for (int round = 0; round < 16; ++round) {
      for (uint32_t slot = 0; slot < kPosted; slot += kBurst) {
        guard::DescriptorBurst<kWords> burst;
        check.Read(slots + slot * kWords * sizeof(uint64_t), kBurst, &burst);
        check.Check(&burst);
        checked += static_cast<uint32_t>(std::popcount(burst.plain));
      }
    }
  }
  const double seconds = Seconds(Clock::now() - begin);
  if (checked % (kPosted * 16) != 0 || checked == 0) Die(layout, "an honest ring is not plain");
  return static_cast<double>(checked) / seconds / 1e6;
}

guard::QueueParts PartsOf(const layout::VerifiedLayout& layout, v1::Direction direction,
                          const Ends& ends) {
  return {layout,
          direction,
          ends.shadow.view(),
          ends.real.view(),
          *guard::RegionMap::Create(std::span(&kRegion, 1)),
          ends.options};
}

// Of queues that are completed in place. False: another kind.
bool CheckInPlace(const layout::VerifiedLayout& layout, v1::Direction direction, Ends* ends,
                  Clock::duration time, Figures* to) {
  guard::QueueParts parts = PartsOf(layout, direction, *ends);
  auto rings = guard::InPlaceRings::Compile(parts);
  if (!rings.ok() || rings->shadow.ring->slot_bytes() != 16) return false;
  const bool receive = direction == v1::DIRECTION_RECEIVE;
  auto made = receive ? guard::InPlaceRxGuard<2>::Create(std::move(parts), *std::move(rings))
                      : guard::InPlaceTxGuard<2>::Create(std::move(parts), *std::move(rings));
  if (!made.ok()) return false;
  const guard::BurstCheck<2>& check =
      receive ? static_cast<const guard::InPlaceRxGuard<2>&>(**made).plain()
              : static_cast<const guard::InPlaceTxGuard<2>&>(**made).plain();
  if (!check.there()) return false;
  ends->Client(kPosted);
  to->checked.values.push_back(CheckedRate(*ends, check, time, layout.name()));
  return true;
}

// Of rings with a phase whose descriptors are read in bursts. False: another kind, or nothing that
// the client posts is plain.
bool CheckPhase(const layout::VerifiedLayout& layout, v1::Direction direction, Ends* ends,
                Clock::duration time, Figures* to) {
  auto shape = dataplane::ShapeQueue(layout, ends->shadow.view(), direction);
  if (!shape.ok() || !guard::PhaseGuard::Fits(*shape)) return false;
  auto made = guard::PhaseGuard::Create(PartsOf(layout, direction, *ends));
  if (!made.ok()) return false;
  guard::PhaseBurst* const burst = static_cast<guard::PhaseGuard&>(**made).plain();
  if (burst == nullptr) return false;
  ends->Client(kPosted);
  guard::RegionMap regions = *guard::RegionMap::Create(std::span(&kRegion, 1));
  const std::byte* const slots = ends->shadow.view().rings[0].slots;
  uint64_t checked = 0;
  const Clock::time_point begin = Clock::now();
  while (Clock::now() < begin + time) {
    for (int round = 0; round < 16; ++round) {
      dataplane::RingCursor at = shape->rings.front().Begin();
      while (at.index() < kPosted) {
        const uint32_t read = burst->Read(slots, at, kBurst);
        if (read == 0) return false;
        for (uint32_t i = 0; i < read; ++i) {
          checked += burst->tag(i) < at.slot_count() && burst->Translate(i, &regions) ? 1 : 0;
        }
        at.SkipSlots(read);
      }
    }
  }
  const double seconds = Seconds(Clock::now() - begin);
  if (checked % (kPosted * 16) != 0 || checked == 0) Die(layout.name(), "a good ring has faults");
  to->checked.values.push_back(static_cast<double>(checked) / seconds / 1e6);
  return true;
}

void Check(const layout::VerifiedLayout& layout, v1::Direction direction, uint32_t queue,
           Checks checks, Clock::duration time, Figures* to) {
  for (const auto& way : {CheckInPlace, CheckPhase}) {
    Ends ends(layout, direction, queue);
    ends.options.checks = checks;
    if (way(layout, direction, &ends, time, to)) return;
  }
}

struct Row {
  std::string layout;
  bool receive = false;
  Figures ways[kWayCount];
};

Row Measure(const layout::VerifiedLayout& layout, v1::Direction direction, uint32_t queue, int runs,
            Clock::duration time) {
  Row row{layout.name(), direction == v1::DIRECTION_RECEIVE, {}};
  for (int run = 0; run < runs; ++run) {
    for (size_t way = 0; way < kWayCount; ++way) {
      Forward(layout, direction, queue, kWays[way], time, &row.ways[way]);
      // One by one nothing is checked that is not forwarded.
      if (kWays[way] != Checks::kOneByOne) {
        Check(layout, direction, queue, kWays[way], time, &row.ways[way]);
      }
    }
  }
  return row;
}

std::string Cell(const Runs& rates) {
  if (rates.values.empty()) return "-";
  char text[48];
  std::snprintf(text, sizeof text, "%.0f +-%.1f%%", rates.Median(), rates.SpreadPercent());
  return text;
}

void PrintTable(const Row& row) {
  for (size_t way = 0; way < kWayCount; ++way) {
    const Figures& figures = row.ways[way];
    std::printf("%-22s %-9s %-11s %14s %14s %14s\n", row.layout.c_str(),
                row.receive ? "receive" : "transmit", kWayNames[way], Cell(figures.checked).c_str(),
                Cell(figures.forwarded).c_str(), Cell(figures.and_back).c_str());
  }
  std::fflush(stdout);
}

// Lines of: measure, value, unit, how.
void PrintRows(const Row& row) {
  const auto print = [&](const char* what, const Runs Figures::*member) {
    const Runs& simd = row.ways[0].*member;
    if (simd.values.empty()) return;
    std::printf("Guard, descriptors %s on one core, %s %s\t%.0f\tmillion/s\tspread %.1f%%", what,
                row.layout.c_str(), row.receive ? "receive" : "transmit", simd.Median(),
                simd.SpreadPercent());
    for (size_t way = 1; way < kWayCount; ++way) {
      const Runs& rates = row.ways[way].*member;
      if (!rates.values.empty()) std::printf("; %s %.0f", kWayNames[way], rates.Median());
    }
    std::printf("\n");
  };
  print("checked", &Figures::checked);
  if (row.ways[0].checked.values.empty()) {
    const Runs& least = row.ways[0].forwarded;
    std::printf(
        "Guard, descriptors checked on one core, %s %s\t%.0f\tmillion/s\tspread %.1f%%; one by "
        "one, as each is forwarded: at least as many as those\n",
        row.layout.c_str(), row.receive ? "receive" : "transmit", least.Median(),
        least.SpreadPercent());
  }
  print("forwarded", &Figures::forwarded);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::CommandLine line(argc, argv);
  bench::RunOn(0);
  if (!line.rows) {
    std::printf("%-22s %-9s %-11s %14s %14s %14s\n", "layout", "way", "checks", "checked M/s",
                "forwarded M/s", "and back M/s");
  }
  for (const dataplane::testing::NamedLayout& named : dataplane::testing::ShippedLayouts()) {
    for (const char* wanted : {"intel.igb.advanced", "intel.e1000.extended", "intel.ixgbe.advanced",
                               "virtio.split", "virtio.packed"}) {
      if (named.layout->name() != wanted || !line.Wants(wanted)) continue;
      for (int queue = 0; queue < named.layout->message().queues_size(); ++queue) {
        const v1::Direction direction = named.layout->message().queues(queue).direction();
        if (direction == v1::DIRECTION_COMMAND) continue;
        const Row row = Measure(*named.layout, direction, static_cast<uint32_t>(queue), line.Runs(),
                                std::chrono::milliseconds(line.quick ? 5 : 25));
        line.rows ? PrintRows(row) : PrintTable(row);
      }
    }
  }
  return 0;
}
