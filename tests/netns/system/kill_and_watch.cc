// Kills a client with SIGKILL and says how long it took until nothing of it was in the daemon's
// lists. It keeps its connection, so that only that is measured.
//
//   kill_and_watch RUNTIME_DIR PID
//
// Exit status 0: all gone within 100 ms (in builds with sanitizers, 2 s), and what the machine took
// meanwhile. 1: not; or there was nothing to take away.
#include <qsplit/rpc_session.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/support/system/daemon.h"
#include "tests/support/system/pauses.h"

namespace qsplit::testing {
namespace {

struct Left {
  size_t leases = 0, rules = 0, regions = 0;
  bool Nothing() const { return leases + rules + regions == 0; }
};

int Run(const std::string& runtime_dir, pid_t pid) {
  absl::StatusOr<AdminView> admin = AdminView::Connect({.runtime_dir = runtime_dir});
  if (!admin.ok()) {
    std::fprintf(stderr, "%s\n", admin.status().ToString().c_str());
    return 1;
  }
  uint64_t session = 0;
  uint64_t lease_id = 0;
  const auto look = [&] {
    Left left;
    const std::vector<v1::Lease> leases = admin->Leases().value();
    const std::vector<v1::Rule> rules = admin->Rules().value();
    const std::vector<v1::Region> regions = admin->Regions().value();
    for (const v1::Lease& lease : leases) {
      if (lease.pid() != pid) continue;
      ++left.leases;
      session = lease.session_id();
      lease_id = lease.lease_id();
    }
    for (const v1::Rule& rule : rules) left.rules += rule.lease_id() == lease_id;
    for (const v1::Region& region : regions) {
      left.regions += region.session_id() == session;
    }
    return left;
  };
  const Left before = look();
  if (before.leases == 0 || before.rules == 0 || before.regions == 0) {
    std::fprintf(stderr, "pid %d has %zu leases, %zu rules, %zu regions: too little to test\n", pid,
                 before.leases, before.rules, before.regions);
    return 1;
  }
  Pauses pauses;
  const absl::Time death = absl::Now();
  if (::kill(pid, SIGKILL) != 0) return 1;
  const bool gone = Eventually(
      absl::Seconds(10), [&] { return look().Nothing(); }, absl::ZeroDuration());
  const absl::Duration took = absl::Now() - death;
  std::printf("%.1f ms\n", absl::ToDoubleMilliseconds(took));
  return gone && took <= pauses.Allow(kCleanUpTime) ? 0 : 1;
}

}  // namespace
}  // namespace qsplit::testing

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  return qsplit::testing::Run(argv[1], std::atoi(argv[2]));
}
