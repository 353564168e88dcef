// What a software NIC is made of, as the daemon's configuration says it.
//
// Plain values; no thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_CONFIG_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "daemon/device/device.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::softnic {

inline constexpr uint32_t kMaxQueues = 64;
inline constexpr uint32_t kMaxThreads = 16;
inline constexpr uint32_t kMinMtuBytes = 68;
inline constexpr uint32_t kMaxMtuBytes = 9216;
inline constexpr uint32_t kMaxRuleCapacity = 65536;
inline constexpr uint32_t kRssTableSize = 128;

// The wire goes nowhere: the link is down.
struct NoWire {};

// The wire is a kernel interface: what the NIC sends arrives there, and the other way round.
struct TapWire {
  std::string name;
  std::string netns;  // empty: the daemon's own; a name; or a path
  std::optional<device::MacAddress> mac;
};

// The wire goes to another software NIC, which names this one.
struct PeerWire {
  std::string other;
};

struct SoftNicConfig {
  std::string name;  // 1..32 bytes of [a-z0-9_-]
  device::MacAddress mac{};
  uint32_t mtu_bytes = 1500;
  uint32_t rx_queues = 8;
  uint32_t tx_queues = 8;
  std::vector<layout::VerifiedLayout> layouts;  // of equally small ones the first is taken
  std::variant<NoWire, TapWire, PeerWire> wire;
  std::string representor;  // kernel interface for what no lease takes; empty: none
  std::string representor_netns;
  // NICs with one worker share its threads. Empty: one of its own, or its peer's.
  std::string worker;
  // Of the worker.
  uint32_t threads = 1;
  // Which of them works for receive and transmit queue q, by q; empty: q modulo their number.
  std::vector<uint32_t> queue_threads;
  // That the worker's threads are pinned to, one for each; empty: not pinned.
  std::vector<uint32_t> cpus;
  uint32_t rule_capacity = 1024;
  uint32_t default_slots = 512;
};

// SoftNicConfig::queue_threads of a checked one, with nothing left out.
std::vector<uint32_t> QueueThreads(const SoftNicConfig& config);

// INVALID_ARGUMENT: the message names field, value and limit.
absl::Status CheckConfig(const SoftNicConfig& config);

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_CONFIG_H_
