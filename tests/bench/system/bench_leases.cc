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

long ResidentKb(pid_t pid) {
  const std::string status = ReadFile(absl::StrCat("/proc/", pid, "/status"));
  const size_t at = status.find("VmRSS:");
  return at == std::string::npos ? 0 : std::atol(status.c_str() + at + 6);
}

int Run(bool quick) {
  const auto daemon = OrDie(Daemon::Start(CrowdDevices(kPairs + 1)));
  const Session session = OrDie(Session::Connect(daemon->Options("bench")));
  const Device device = OrDie(session.OpenDevice(absl::StrCat("nic", kSpareNic)));
  LeaseOptions wanted;
  wanted.region = OrDie(session.RegisterRegion({.bytes = 4 << 20}));
  wanted.buffers_per_pair = 1024;
  Measure(device, wanted, 0, quick);

  const long daemon_kb = daemon->Look().resident_kb, client_kb = ResidentKb(::getpid());
  std::vector<LeaseCrowd> crowds;
  crowds.push_back(OrDie(LeaseCrowd::Take(session, 0, 500)));
  Measure(device, wanted, 500, quick);
  crowds.push_back(OrDie(LeaseCrowd::Take(session, 4, 500)));
  Measure(device, wanted, 1000, quick);

  const std::string how = absl::StrCat(
      "resident, 1000 leases of one queue pair of ", LeaseCrowd::kSlots,
      " slots; rings, which daemon and client share, count in both; packets' buffers do not");
  Row("Memory of a lease, daemon",
      static_cast<double>(daemon->Look().resident_kb - daemon_kb) / 1000, "KiB", how);
  Row("Memory of a lease, client", static_cast<double>(ResidentKb(::getpid()) - client_kb) / 1000,
      "KiB", how);
  std::vector<Lease> wide;
  const long one_kb = daemon->Look().resident_kb;
  const LeaseOptions pairs{.rx_queues = 16,
                           .tx_queues = 16,
                           .rx_slots = 64,
                           .tx_slots = 64,
                           .buffers_per_pair = 64,
                           .region = wanted.region};
  for (int i = 0; i < 3; ++i) wide.push_back(OrDie(device.Acquire(pairs)));
  Row("Memory of a queue pair more in a lease, daemon",
      static_cast<double>(daemon->Look().resident_kb - one_kb) / 48, "KiB",
      "resident, 3 leases of 16 queue pairs of 64 slots, rings included");
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
