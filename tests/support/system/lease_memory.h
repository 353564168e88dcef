// What leases take of memory, in the daemon and in the client: measured, and what docs/measured.md
// says that it is at most.
//
// The process that calls is the client. One thread.
#ifndef QSPLIT_TESTS_SUPPORT_SYSTEM_LEASE_MEMORY_H_
#define QSPLIT_TESTS_SUPPORT_SYSTEM_LEASE_MEMORY_H_

#include <qsplit/qsplit.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/support/system/daemon.h"

namespace qsplit::testing {

// Resident bytes of a process, or of a lease in one.
struct ProcessMemory {
  double own_bytes = 0;   // nobody else's: heap, stacks, machine code
  double ring_bytes = 0;  // of rings that it has mapped; client and daemon share them
};
// As /proc/PID/smaps has it; all 0 if there is no such process.
ProcessMemory MemoryOf(pid_t pid);

struct LeaseMemory {
  ProcessMemory daemon;
  ProcessMemory client;
};

// What docs/measured.md says, of a lease with so many queue pairs of so many slots in both rings,
// whose descriptors have 16 bytes: a part for the lease, and for each pair a part that is the same
// for all and one for each slot.
constexpr double StatedDaemonBytes(uint32_t slots, uint32_t pairs) {
  return 2048.0 + pairs * (35.0 * 1024 + 33.0 * slots);
}
constexpr double StatedClientBytes(uint32_t slots, uint32_t pairs) {
  return 5120.0 + pairs * (38.0 * 1024 + 79.0 * slots);
}
// Each ring is whole pages, and one more has doorbells and cells.
constexpr double StatedRingBytes(uint32_t slots, uint32_t pairs) {
  const uint32_t pages_of_ring = (slots * 16 + 4095) / 4096;
  return 4096.0 * (1 + pairs * 2 * pages_of_ring);
}

// Leases of which nothing is given back meanwhile: what was free before cannot hide what they take.
class LeaseMemoryScale {
 public:
  static constexpr uint32_t kMostPairs = 8;     // of a lease
  static constexpr uint32_t kMostSlots = 4096;  // of a ring
  // Its descriptors have 16 bytes.
  static constexpr char kLayout[] = "intel.ixgbe.advanced";

  // [[device]] sections that it needs, of 64 queue pairs each.
  static std::string Devices();
  static absl::StatusOr<LeaseMemoryScale> Make(const Daemon& daemon);

  // Of one lease of so many queue pairs, each with `slots` slots in both rings and the buffers that
  // the library gives it if nothing is said: the mean of some. Packets' buffers are the client's
  // region, one for all of them, and do not count.
  absl::StatusOr<LeaseMemory> Weigh(uint32_t slots, uint32_t pairs);

 private:
  explicit LeaseMemoryScale(Session session) : session_(std::move(session)) {}

  Session session_;
  pid_t daemon_ = 0;
  std::shared_ptr<Region> region_;
  std::vector<Lease> leases_;
  uint32_t next_nic_ = 0;
};

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_SYSTEM_LEASE_MEMORY_H_
