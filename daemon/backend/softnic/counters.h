// Counters that the worker's thread adds to and any thread reads.
//
// Reading gives each counter as it was at some recent moment; no two need be of the same moment.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_COUNTERS_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_COUNTERS_H_

#include <cstdint>
#include <vector>

#include "daemon/device/counter.h"
#include "daemon/device/device.h"
#include "dataplane/cache_line.h"

namespace qsplit::softnic {

using device::Counter;

// As device::QueueCounters. On a cache line of its own.
struct alignas(dataplane::kCacheLineBytes) QueueStats {
  Counter packets, bytes, completions, descriptors;
  Counter drops_no_descriptor, drops_too_long, drops_down, drops_injected;
  Counter checksum_errors, faults, events, wakeups;
  Counter drops_source;

  device::QueueCounters Read() const {
    return {.packets = packets.Read(),
            .bytes = bytes.Read(),
            .completions = completions.Read(),
            .descriptors = descriptors.Read(),
            .drops_no_descriptor = drops_no_descriptor.Read(),
            .drops_too_long = drops_too_long.Read(),
            .drops_down = drops_down.Read(),
            .drops_injected = drops_injected.Read(),
            .checksum_errors = checksum_errors.Read(),
            .faults = faults.Read(),
            .events = events.Read(),
            .wakeups = wakeups.Read(),
            .drops_source = drops_source.Read()};
  }
};

struct RuleStats {
  Counter packets, bytes;
};

// As device::DeviceCounters; sizes are fixed at construction.
struct NicStats {
  NicStats(uint32_t rx_queues, uint32_t tx_queues, uint32_t rule_capacity)
      : rx(rx_queues), tx(tx_queues), rules(rule_capacity) {}

  std::vector<QueueStats> rx, tx;
  dataplane::CacheLineVector<RuleStats> rules;  // by location
  alignas(dataplane::kCacheLineBytes) Counter wire_rx_packets, wire_rx_bytes, wire_tx_packets,
      wire_tx_bytes;
  // drops_wire: between two of the NIC's threads, too.
  Counter drops_mac_filter, drops_rule, drops_malformed, drops_wire;
  Counter representor_rx_packets, representor_tx_packets, drops_representor;

  // Adds those of the device; *sum's queues stay as they are.
  void AddTo(device::DeviceCounters* sum) const;
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_COUNTERS_H_
