// Regions: memory that clients registered for DMA.
//
// The memory stays the client's to write at every moment; this table never maps or reads it. What
// it relies on is fixed by F_SEAL_SHRINK: the file stays at least as long as it was when its facts
// were read. Pure logic, no system calls. Not thread-safe: the broker's lock guards it.
#ifndef QSPLIT_DAEMON_REGION_REGION_TABLE_H_
#define QSPLIT_DAEMON_REGION_REGION_TABLE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/device/device.h"
#include "daemon/session/session_table.h"

namespace qsplit::region {

using RegionId = device::RegionId;
using device::LeaseId;

// A descriptor that a client claims to be a memfd, with what the kernel says of it (filled out of
// linux_sys::MemfdFacts). Untrusted until Register has accepted it.
struct OfferedMemory {
  std::shared_ptr<const linux_sys::OwnedFd> fd;
  bool is_memfd = false;
  std::string kind;           // for people: "memfd", "pipe", …
  bool seal_shrink = false;   // F_SEAL_SHRINK is set
  bool write_sealed = false;  // F_SEAL_WRITE or F_SEAL_FUTURE_WRITE is set
  bool writable = false;      // opened for writing
  uint64_t size_bytes = 0;
  uint64_t page_bytes = 0;  // a power of two
  uint64_t device = 0;      // with inode: names the memory, equal in every duplicate
  uint64_t inode = 0;
};

struct RegionRequest {
  uint64_t offset_bytes = 0;  // multiple of the page size
  uint64_t length_bytes = 0;  // multiple of the page size, not 0
  bool read_only = false;     // the device may only read it
  std::string name;           // at most 64 bytes
};

// What the owner's tenant may still register.
struct RegionQuota {
  uint32_t max_regions = 0;
  uint64_t max_bytes = 0;
};

struct Region {
  RegionId id = 0;
  session::SessionId session = 0;
  uint32_t uid = 0;
  std::string tenant;
  std::shared_ptr<const linux_sys::OwnedFd> memory;
  uint64_t offset_bytes = 0;
  uint64_t length_bytes = 0;
  uint64_t page_bytes = 0;
  bool device_writable = true;
  std::string name;
  uint64_t file_device = 0;
  uint64_t file_inode = 0;
  std::set<LeaseId> leases;  // that use it
};

class RegionTable {
 public:
  // INVALID_ARGUMENT: NOT_A_MEMFD, MISSING_SEAL, MISALIGNED, OUT_OF_RANGE (length 0, sum past
  // 2^64), TOO_SMALL, MALFORMED (name; a writable region of a write-sealed memfd). ALREADY_EXISTS
  // (OVERLAP): the session has registered some of these bytes. RESOURCE_EXHAUSTED (QUOTA).
  absl::StatusOr<const Region*> Register(session::SessionId session, uint32_t uid,
                                         std::string tenant, const OfferedMemory& memory,
                                         const RegionRequest& request, const RegionQuota& quota);

  // NOT_FOUND: none of this session's. FAILED_PRECONDITION (IN_USE): a lease uses it. Hands back
  // the memory, for the caller to let go.
  absl::StatusOr<std::shared_ptr<const linux_sys::OwnedFd>> Unregister(session::SessionId session,
                                                                       RegionId id);

  // A region of this session for a lease. NOT_FOUND: no such region; PERMISSION_DENIED
  // (NOT_ALLOWED): somebody else's. `field` names the request's field in the error.
  absl::StatusOr<const Region*> Get(session::SessionId session, RegionId id,
                                    std::string_view field) const;

  // Counts a lease as a user of the region, and no longer. Nothing happens for regions that are
  // gone.
  void Use(RegionId id, LeaseId lease);
  void Unuse(RegionId id, LeaseId lease);

  // Forgets all regions of a session, used or not, and hands back their memory. Leases that are
  // being torn down keep the memory itself alive.
  std::vector<std::shared_ptr<const linux_sys::OwnedFd>> RemoveAll(session::SessionId session);

  // All of them, by number.
  std::vector<const Region*> List() const;
  size_t size() const { return regions_.size(); }

 private:
  RegionId next_id_ = 1;
  std::map<RegionId, Region> regions_;
};

}  // namespace qsplit::region

#endif  // QSPLIT_DAEMON_REGION_REGION_TABLE_H_
