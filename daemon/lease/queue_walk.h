// Why is a queue empty? What the daemon knows of all that lies between the wire and a queue's
// holder, in sentences. What is made of them in one line: queue_answer.h.
//
// Pure functions of what the caller has read; any thread.
#ifndef QSPLIT_DAEMON_LEASE_QUEUE_WALK_H_
#define QSPLIT_DAEMON_LEASE_QUEUE_WALK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "daemon/device/device.h"
#include "qsplit/v1/lease.pb.h"
#include "qsplit/v1/queue.pb.h"

namespace qsplit::lease {

struct QueueFacts {
  const device::DeviceInfo& device;
  device::DeviceState state;
  uint32_t queue = 0;
  bool transmit = false;
  std::optional<v1::Lease> lease;  // that holds it
  bool grant_fetched = false;
  bool holder_stopped = false;  // its process runs no more until somebody lets it
  // Rules that send to it, and what they took; absent: the device does not count for rules.
  struct Rule {
    uint32_t location = 0;
    std::optional<uint64_t> packets;
  };
  std::vector<Rule> rules;
  // Rules that take packets before those do which the former would take: at lower locations, not of
  // the lease, to elsewhere.
  struct Winner : Rule {
    device::FlowAction action;
    bool told = false;  // the caller may know which it is
  };
  std::vector<Winner> winners;
  bool outdone = false;  // they leave nothing to any of `rules`
  // Entries of the RSS table that name it, of so many.
  uint32_t rss_entries = 0;
  uint32_t rss_table = 0;
  device::QueueCounters counters;             // since the queue changed hands
  device::DeviceCounters wire;                // since the device started
  std::vector<device::QueueCheck> of_device;  // empty: none that the caller may see
  std::optional<device::QueueProgress> progress;
  absl::Time now;
  // What an earlier look at the same lease saw; of the caller, and good for comparing only.
  std::optional<v1::QueueSample> since;
};

// In the order in which a packet meets the things.
std::vector<device::QueueCheck> ChecksOf(const QueueFacts& facts);
// Since the look that facts.since is of, which is there; at most a day.
double SecondsSince(const QueueFacts& facts);
// What a check of that subject had counted then; 0 where there was no earlier look.
uint64_t CountThen(const QueueFacts& facts, std::string_view subject);
// "1 packet".
std::string Counted(uint64_t count, std::string_view what);

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_QUEUE_WALK_H_
