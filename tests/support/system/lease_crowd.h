// Many leases in one process, on software NICs that are wired to each other two by two, and a
// packet that each of them sends and receives.
//
//   pair p:   nic{2p} queue 0..63  === wire ===  nic{2p+1} queue 0..63
//
// One thread.
#ifndef QSPLIT_TESTS_SUPPORT_SYSTEM_LEASE_CROWD_H_
#define QSPLIT_TESTS_SUPPORT_SYSTEM_LEASE_CROWD_H_

#include <qsplit/qsplit.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace qsplit::testing {

// [[device]] sections of so many pairs, all on one thread.
std::string CrowdDevices(int pairs);

class LeaseCrowd {
 public:
  static constexpr int kQueuesPerNic = 64;
  static constexpr uint32_t kSlots = 64;
  static constexpr uint32_t kBuffers = 32;  // of each lease, 2 KiB each, in one region

  // `leases`, an even number, each of a receive and a transmit queue: of the pair `first_pair` as
  // many as fit, the rest of the pairs behind it.
  static absl::StatusOr<LeaseCrowd> Take(const Session& session, int first_pair, int leases);

  // Adds a rule for each lease; then one lease of each two sends a datagram to the other, which
  // sends it back.
  absl::Status CarryPackets();

  size_t size() const { return leases_.size(); }

 private:
  LeaseCrowd() = default;
  std::shared_ptr<Region> region_;
  std::vector<Lease> leases_;  // 2i and 2i + 1 stand at the ends of one wire
};

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_SYSTEM_LEASE_CROWD_H_
