// Why is a queue empty? What the daemon knows of all that lies between the wire and a queue's
// holder, in sentences.
//
// Pure functions of what the caller has read; any thread.
#ifndef QSPLIT_DAEMON_LEASE_QUEUE_WALK_H_
#define QSPLIT_DAEMON_LEASE_QUEUE_WALK_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/device/device.h"
#include "qsplit/v1/lease.pb.h"

namespace qsplit::lease {

struct QueueFacts {
  const device::DeviceInfo& device;
  device::DeviceState state;
  uint32_t queue = 0;
  bool transmit = false;
  std::optional<v1::Lease> lease;  // that holds it
  bool grant_fetched = false;
  // Rules that send to it, and what they took; absent: the device does not count for rules.
  struct Rule {
    uint32_t location = 0;
    std::optional<uint64_t> packets;
  };
  std::vector<Rule> rules;
  // Entries of the RSS table that name it, of so many.
  uint32_t rss_entries = 0;
  uint32_t rss_table = 0;
  device::QueueCounters counters;             // since the queue changed hands
  device::DeviceCounters wire;                // since the device started
  std::vector<device::QueueCheck> of_device;  // empty: none that the caller may see
};

// In the order in which a packet meets the things.
std::vector<device::QueueCheck> ChecksOf(const QueueFacts& facts);
// One line: what is wrong and what to do, or that nothing is.
std::string AnswerOf(const QueueFacts& facts, std::span<const device::QueueCheck> checks);

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_QUEUE_WALK_H_
