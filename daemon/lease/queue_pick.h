// Which queues a lease gets.
//
// Pure function; any thread.
#ifndef QSPLIT_DAEMON_LEASE_QUEUE_PICK_H_
#define QSPLIT_DAEMON_LEASE_QUEUE_PICK_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace qsplit::lease {

inline constexpr uint32_t kAllQueues = 0xffffffff;

struct QueueWish {
  bool transmit = false;
  uint32_t count = 0;             // kAllQueues: every queue of the device
  std::optional<uint32_t> first;  // given: queues follow one another from here
};

// The device's threads, where there are several. What is missing of either list is 0.
struct QueueThreads {
  std::vector<uint32_t> of_queue;  // by queue: its thread
  std::vector<uint32_t> leased;    // by thread: leased queues that it works for, of any device
};

// The queues, ascending; `taken` has one flag for each queue of the device. Without `first`: one by
// one of the thread that has the fewest, counting those picked before, and of these the lowest;
// those that `last` has a flag for only where there are not enough others; it may be shorter.
// INVALID_ARGUMENT (OUT_OF_RANGE): more than the device has. RESOURCE_EXHAUSTED:
// NO_FREE_QUEUE, or QUEUE_TAKEN when `first` is given.
absl::StatusOr<std::vector<uint32_t>> PickQueues(const QueueWish& wish,
                                                 const std::vector<bool>& taken,
                                                 const std::vector<bool>& last = {},
                                                 const QueueThreads& threads = {});

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_QUEUE_PICK_H_
