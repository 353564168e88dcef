// qsplit_bench_leases: what a lease takes, of time and of memory, while others are held; through a
// qsplitd of its own with software NICs of 64 queues each.
//
//   qsplit_bench_leases [--quick]      rows for scripts/bench: name, value, unit, how, against,
//   target
//
// Not a test: it judges nothing.
#include <qsplit/qsplit.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/system/daemon.h"
#include "tests/support/system/lease_crowd.h"

namespace qsplit::testing {
namespace {

constexpr int kPairs = 8;
constexpr int kSpareNic = 2 * kPairs;  // for the lease that is measured

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

void Measure(const Device& device, const LeaseOptions& wanted, int held, bool quick) {
  AcquireMs(device, wanted, 5);  // warm
  const std::vector<double> ms = AcquireMs(device, wanted, quick ? 20 : 200);
  const std::string how =
      absl::StrCat("one queue pair of 512 slots, 1024 buffers, region registered before; ",
                   ms.size(), " times, ", ms.front(), " to ", ms.back(), " ms");
  const std::string what =
      absl::StrCat("Lease, from request to mapped grant, ", held, " held before");
  Row(what + ", median", ms[ms.size() / 2], "ms", how,
      held == 0     ? "< 2"
      : held == 500 ? "< 10"
                    : "");
  Row(what + ", 99th percentile", ms[ms.size() * 99 / 100], "ms", how);
}

// Of a process: memory of its own, and what it has mapped of rings.
struct Memory {
  double private_kb = 0;
  double rings_kb = 0;
};

Memory MemoryOf(pid_t pid) {
  Memory memory;
  std::ifstream smaps(absl::StrCat("/proc/", pid, "/smaps"));
  bool rings = false;
  for (std::string line; std::getline(smaps, line);) {
    const size_t colon = line.find(':');
    // A mapping's own line has its addresses in front: "7f…-7f… rw-s 00000000 00:01 5 /memfd:…".
    if (line.find('-') < line.find(' ')) rings = line.find("/memfd:qsplit-rings") != line.npos;
    const double kb = colon == line.npos ? 0 : std::strtod(line.c_str() + colon + 1, nullptr);
    if (rings && line.starts_with("Rss:")) memory.rings_kb += kb;
    if (line.starts_with("Anonymous:")) memory.private_kb += kb;
  }
  return memory;
}

Memory operator-(const Memory& a, const Memory& b) {
  return {a.private_kb - b.private_kb, a.rings_kb - b.rings_kb};
}

int Run(bool quick) {
  const auto daemon = OrDie(Daemon::Start(CrowdDevices(kPairs + 1)));
  const Session session = OrDie(Session::Connect(daemon->Options("bench")));
  const Device device = OrDie(session.OpenDevice(absl::StrCat("nic", kSpareNic)));
  LeaseOptions wanted;
  wanted.region = OrDie(session.RegisterRegion({.bytes = 4 << 20}));
  wanted.buffers_per_pair = 1024;
  Measure(device, wanted, 0, quick);

  const Memory daemon_before = MemoryOf(daemon->pid()), client_before = MemoryOf(::getpid());
  std::vector<LeaseCrowd> crowds;
  crowds.push_back(OrDie(LeaseCrowd::Take(session, 0, 500)));
  Measure(device, wanted, 500, quick);
  crowds.push_back(OrDie(LeaseCrowd::Take(session, 4, 500)));
  Measure(device, wanted, 1000, quick);

  const auto report = [](const std::string& what, const Memory& more, int count,
                         const std::string& how) {
    Row(absl::StrCat(what, ", private"), more.private_kb / count, "KiB", how);
    Row(absl::StrCat(what, ", rings"), more.rings_kb / count, "KiB",
        "of the same; daemon and client share them");
  };
  const std::string of_one = absl::StrCat("1000 leases of one queue pair of ", LeaseCrowd::kSlots,
                                          " slots, resident; packets' buffers are the client's");
  report("Memory of a lease, daemon", MemoryOf(daemon->pid()) - daemon_before, 1000, of_one);
  report("Memory of a lease, client", MemoryOf(::getpid()) - client_before, 1000, of_one);

  constexpr int kWide = 3, kPairsOfWide = 16;
  const LeaseOptions pairs{.rx_queues = kPairsOfWide,
                           .tx_queues = kPairsOfWide,
                           .rx_slots = LeaseCrowd::kSlots,
                           .tx_slots = LeaseCrowd::kSlots,
                           .buffers_per_pair = 64,
                           .region = wanted.region};
  const Memory narrow = MemoryOf(daemon->pid());
  std::vector<Lease> wide;
  wide.reserve(kWide);
  for (int i = 0; i < kWide; ++i) wide.push_back(OrDie(device.Acquire(pairs)));
  report("Memory of a queue pair in a wide lease, daemon", MemoryOf(daemon->pid()) - narrow,
         kWide * kPairsOfWide, "3 leases of 16 queue pairs of 64 slots");
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
