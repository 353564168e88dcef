// qsplit_bench_leases: what a lease takes of time while others are held, of the same NIC and of
// others, and what it takes of memory; through a qsplitd of its own with software NICs of 64 queues
// each.
//
//   qsplit_bench_leases [--quick]      rows for scripts/bench: name, value, unit, how, against,
//   target
//
// Not a test: it judges nothing.
#include <qsplit/qsplit.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/support/system/daemon.h"
#include "tests/support/system/lease_crowd.h"
#include "tests/support/system/lease_memory.h"

namespace qsplit::testing {
namespace {

constexpr int kPairs = 8;
constexpr int kSpareNic = 2 * kPairs;  // nobody else has leases of it
// 500 leases fill three pairs of NICs, and most of the fourth.
constexpr int kHeld = 500;
constexpr int kFullNic = 2 * (kHeld / (2 * LeaseCrowd::kQueuesPerNic));
constexpr int kHeldOfFullNic = kHeld % (2 * LeaseCrowd::kQueuesPerNic) / 2;
static_assert(kHeldOfFullNic < LeaseCrowd::kQueuesPerNic);

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "error: %s\n", value.status().ToString().c_str());
  std::exit(1);
}

// From the request to queues that can be used: rings mapped, layout compiled, buffers posted.
std::vector<double> AcquireMs(const Device& device, const LeaseOptions& wanted, int times) {
  std::vector<double> ms;
  ms.reserve(static_cast<size_t>(times));
  for (int i = 0; i < times; ++i) {
    const absl::Time begin = absl::Now();
    Lease lease = OrDie(device.Acquire(wanted));
    ms.push_back(absl::ToDoubleMilliseconds(absl::Now() - begin));
  }
  std::sort(ms.begin(), ms.end());
  return ms;
}

void Row(const std::string& what, double value, const char* unit, const std::string& how,
         const std::string& target = "") {
  std::printf("%s\t%.2f\t%s\t%s\t\t%s\n", what.c_str(), value, unit, how.c_str(), target.c_str());
  std::fflush(stdout);
}

// which: "500 held before, 58 of this NIC".
void Measure(const Device& device, const LeaseOptions& wanted, const std::string& which, bool quick,
             const std::string& target) {
  AcquireMs(device, wanted, 5);  // warm
  const std::vector<double> ms = AcquireMs(device, wanted, quick ? 20 : 200);
  const std::string how = absl::StrCat(
      "one queue pair of 512 slots, 1024 buffers, region registered before; ", ms.size(),
      " times, ", absl::StrFormat("%.2f to %.2f ms", ms.front(), ms.back()));
  const std::string what = absl::StrCat("Lease, from request to mapped grant, ", which);
  Row(what + ", median", ms[ms.size() / 2], "ms", how, target);
  Row(what + ", 99th percentile", ms[ms.size() * 99 / 100], "ms", how);
}

void Times(bool quick) {
  const auto daemon = OrDie(Daemon::Start(CrowdDevices(kPairs + 1)));
  const Session session = OrDie(Session::Connect(daemon->Options("bench")));
  const Device spare = OrDie(session.OpenDevice(absl::StrCat("nic", kSpareNic)));
  const Device full = OrDie(session.OpenDevice(absl::StrCat("nic", kFullNic)));
  LeaseOptions wanted;
  wanted.region = OrDie(session.RegisterRegion({.bytes = 4 << 20}));
  wanted.buffers_per_pair = 1024;
  Measure(spare, wanted, "0 held before", quick, "< 2");
  std::vector<LeaseCrowd> crowds;
  crowds.push_back(OrDie(LeaseCrowd::Take(session, 0, kHeld)));
  const std::string of_it = absl::StrCat(" held before, ", kHeldOfFullNic, " of them of this NIC");
  Measure(spare, wanted, absl::StrCat(kHeld, " held before, none of them of this NIC"), quick,
          "< 10");
  Measure(full, wanted, absl::StrCat(kHeld, of_it), quick, "< 10");
  crowds.push_back(OrDie(LeaseCrowd::Take(session, kPairs / 2, kHeld)));
  Measure(spare, wanted, absl::StrCat(2 * kHeld, " held before, none of them of this NIC"), quick,
          "");
  Measure(full, wanted, absl::StrCat(2 * kHeld, of_it), quick, "");
}

void Weights() {
  const auto daemon = OrDie(Daemon::Start(LeaseMemoryScale::Devices()));
  auto scale = OrDie(LeaseMemoryScale::Make(*daemon));
  constexpr double kKiB = 1024;
  for (const uint32_t slots : {64u, 512u, 4096u}) {
    const LeaseMemory one = OrDie(scale.Weigh(slots, 1));
    const LeaseMemory wide = OrDie(scale.Weigh(slots, LeaseMemoryScale::kMostPairs));
    const auto more = [](double of_wide, double of_one) {
      return (of_wide - of_one) / (LeaseMemoryScale::kMostPairs - 1) / kKiB;
    };
    const auto row = [&](const char* what, double client, double daemons, double rings,
                         const std::string& how) {
      Row(absl::StrCat("Memory of ", what, ", ", slots, " slots"), daemons, "KiB of the daemon's",
          absl::StrFormat("and %.2f KiB of the client's; rings, which both share, %.2f KiB; "
                          "resident; %s; %s",
                          client, rings, LeaseMemoryScale::kLayout, how));
    };
    row("a lease of one queue pair", one.client.own_bytes / kKiB, one.daemon.own_bytes / kKiB,
        one.daemon.ring_bytes / kKiB, "mean of 32");
    row("one more queue pair in a lease", more(wide.client.own_bytes, one.client.own_bytes),
        more(wide.daemon.own_bytes, one.daemon.own_bytes),
        more(wide.daemon.ring_bytes, one.daemon.ring_bytes), "of leases of 8 pairs, mean of 4");
  }
}

int Run(bool quick) {
  Weights();  // first: what leases give back hides what others take
  Times(quick);
  return 0;
}

}  // namespace
}  // namespace qsplit::testing

int main(int argc, char** argv) {
  const bool quick = argc == 2 && std::string_view(argv[1]) == "--quick";
  if (argc > 1 && !quick) {
    std::fprintf(stderr, "usage: qsplit_bench_leases [--quick]\n");
    return 2;
  }
  return qsplit::testing::Run(quick);
}
