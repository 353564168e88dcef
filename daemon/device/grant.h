// The grant in the device's words: as qsplit.v1.Grant, without what the request says already.
//
// Made by a device when it opens queues, and passed on to the client by lease/. Plain values:
// whoever has a copy keeps its file descriptors open; any thread may copy one. No pointer into
// memory that a client maps is ever in it, only places there.
#ifndef QSPLIT_DAEMON_DEVICE_GRANT_H_
#define QSPLIT_DAEMON_DEVICE_GRANT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/linux/owned_fd.h"

namespace qsplit::device {

enum class GrantFdKind : uint8_t { kMemory, kEvent, kWakeup, kSocket, kVfioDevice };
enum class AreaAccess : uint8_t { kRead, kReadWrite, kWrite };

struct GrantFd {
  GrantFdKind kind = GrantFdKind::kMemory;
  std::shared_ptr<const linux_sys::OwnedFd> fd;
};
struct GrantArea {
  uint32_t fd = 0;  // index into Grant::fds
  uint64_t offset_bytes = 0;
  uint64_t length_bytes = 0;
  AreaAccess access = AreaAccess::kReadWrite;
};
struct Place {
  uint32_t area = 0;
  uint64_t offset_bytes = 0;
};
// Of a ring that the request's features leave out nothing is set.
struct RingGrant {
  Place slots;
  uint32_t slot_count = 0;
  std::vector<Place> producer_doorbells;
  std::vector<Place> consumer_doorbells;
  std::vector<Place> cells;
  std::optional<Place> need_wakeup;
  std::optional<uint32_t> wakeup_fd;
  uint64_t iova = 0;
  bool counts_for_increments = false;
};
struct QueueGrant {
  uint32_t queue = 0;
  std::vector<RingGrant> rings;
  std::optional<uint32_t> event_fd;
  std::optional<Place> event_request;
  uint32_t rx_buffer_bytes = 0;
  // What doorbells and descriptors store as the queue's number, where that is not `queue`.
  std::optional<uint32_t> doorbell_number;
};
struct Grant {
  std::vector<GrantFd> fds;
  std::vector<GrantArea> areas;
  std::vector<QueueGrant> rx;
  std::vector<QueueGrant> tx;
};

}  // namespace qsplit::device

#endif  // QSPLIT_DAEMON_DEVICE_GRANT_H_
