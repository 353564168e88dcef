// A tenant that makes the daemon pin as much memory as it can: takes the pages out of its region,
// acquires a lease over it, which brings new ones, lets it go. For pinning.py.
//
// pin_hog --runtime-dir DIR --ready-fd FD --mib N [--keep LEASES]
//   --keep: that many leases, one after the other, each after the pages were taken out; prints how
//   many it got, and why not more; then waits
#include <sys/mman.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "qsplit/qsplit.h"

namespace qsplit {
namespace {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "pin_hog: %s\n", status.ToString().c_str());
  return 1;
}

int Run(const std::string& runtime_dir, uint64_t mib, size_t keep, int ready_fd) {
  absl::StatusOr<Session> session =
      Session::Connect({.runtime_dir = runtime_dir, .program = "pin_hog"});
  if (!session.ok()) return Fail(session.status());
  absl::StatusOr<Device> device = session->OpenDevice("eth");
  if (!device.ok()) return Fail(device.status());
  auto region = session->RegisterRegion({.bytes = mib << 20});
  if (!region.ok()) return Fail(region.status());
  if (keep == 0 && ::write(ready_fd, "ready\n", 6) != 6) return 1;
  std::vector<Lease> kept;
  while (true) {
    if (::madvise((*region)->bytes().data(), (*region)->bytes().size(), MADV_REMOVE) != 0) {
      std::perror("pin_hog: madvise");
      return 1;
    }
    absl::StatusOr<Lease> lease = device->Acquire({.rx_queues = 1,
                                                   .tx_queues = 0,
                                                   .rx_slots = 64,
                                                   .buffers_per_pair = 64,
                                                   .region = *region});
    if (keep == 0) {
      if (!lease.ok()) return Fail(lease.status());
      continue;
    }
    if (lease.ok()) kept.push_back(*std::move(lease));
    if (!lease.ok() || kept.size() == keep) {
      std::printf("%zu leases; %s\n", kept.size(), lease.status().ToString().c_str());
      std::fflush(stdout);
      if (::write(ready_fd, "ready\n", 6) != 6) return 1;
      ::pause();
    }
  }
}

}  // namespace
}  // namespace qsplit

int main(int argc, char** argv) {
  CLI::App app("pins memory");
  std::string runtime_dir;
  uint64_t mib = 0;
  size_t keep = 0;
  int ready_fd = -1;
  app.add_option("--runtime-dir", runtime_dir)->required();
  app.add_option("--ready-fd", ready_fd)->required();
  app.add_option("--mib", mib)->required();
  app.add_option("--keep", keep);
  CLI11_PARSE(app, argc, argv);
  return qsplit::Run(runtime_dir, mib, keep, ready_fd);
}
