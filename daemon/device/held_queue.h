// Queues that somebody holds on to who has no lease of them any more: which one OpenQueues could
// not have, and where ExamineQueue speaks of it.
//
// Pure functions; any thread.
#ifndef QSPLIT_DAEMON_DEVICE_HELD_QUEUE_H_
#define QSPLIT_DAEMON_DEVICE_HELD_QUEUE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace qsplit::device {

// Subject of the QueueCheck about who had a queue before that nobody leases.
inline constexpr char kFormerHolder[] = "former holder";

inline constexpr char kHeldQueueUrl[] = "qsplit/held-queue";

// The error, which says from now on that it is about this queue.
inline absl::Status OfHeldQueue(absl::Status status, uint32_t queue) {
  status.SetPayload(kHeldQueueUrl, absl::Cord(absl::StrCat(queue)));
  return status;
}

// None: it is about something else.
inline std::optional<uint32_t> HeldQueueOf(const absl::Status& status) {
  uint32_t queue = 0;
  const auto payload = status.GetPayload(kHeldQueueUrl);
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &queue)) return std::nullopt;
  return queue;
}

}  // namespace qsplit::device

#endif  // QSPLIT_DAEMON_DEVICE_HELD_QUEUE_H_
