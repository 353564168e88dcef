#include "daemon/backend/softnic/config.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace qsplit::softnic {

std::vector<uint32_t> QueueThreads(const SoftNicConfig& config) {
  if (!config.queue_threads.empty()) return config.queue_threads;
  std::vector<uint32_t> threads(std::max(config.rx_queues, config.tx_queues));
  for (uint32_t queue = 0; queue < threads.size(); ++queue) threads[queue] = queue % config.threads;
  return threads;
}

absl::Status CheckConfig(const SoftNicConfig& config) {
  const auto refuse = [&config](auto&&... why) {
    return absl::InvalidArgumentError(absl::StrCat("device '", config.name, "': ", why...));
  };
  constexpr std::string_view kNameBytes = "abcdefghijklmnopqrstuvwxyz0123456789_-";
  if (config.name.empty() || config.name.size() > 32 ||
      config.name.find_first_not_of(kNameBytes) != std::string::npos) {
    return refuse("the name must be 1 to 32 bytes of [a-z0-9_-]");
  }
  if ((config.mac[0] & 1) != 0) return refuse("its MAC address is a multicast address");
  if (config.mac == device::MacAddress{}) return refuse("its MAC address is 00:00:00:00:00:00");
  if (config.mtu_bytes < kMinMtuBytes || config.mtu_bytes > kMaxMtuBytes) {
    return refuse("MTU of ", config.mtu_bytes, " bytes; give ", kMinMtuBytes, " to ", kMaxMtuBytes);
  }
  if (config.rx_queues < 1 || config.rx_queues > kMaxQueues) {
    return refuse(config.rx_queues, " receive queues; give 1 to ", kMaxQueues);
  }
  if (config.tx_queues < 1 || config.tx_queues > kMaxQueues) {
    return refuse(config.tx_queues, " transmit queues; give 1 to ", kMaxQueues);
  }
  if (config.layouts.empty()) return refuse("has no layout; name at least one");
  if (config.rule_capacity > kMaxRuleCapacity) {
    return refuse("room for ", config.rule_capacity, " rules; give at most ", kMaxRuleCapacity);
  }
  if (config.threads < 1 || config.threads > kMaxThreads) {
    return refuse(config.threads, " threads; give 1 to ", kMaxThreads);
  }
  if (!config.cpus.empty() && config.cpus.size() != config.threads) {
    return refuse(config.cpus.size(), " CPUs for ", config.threads, " threads; give one for each");
  }
  if (!config.queue_threads.empty()) {
    const uint32_t queues = std::max(config.rx_queues, config.tx_queues);
    if (config.queue_threads.size() != queues) {
      return refuse("the threads of ", config.queue_threads.size(), " queues; give those of all ",
                    queues);
    }
    const uint32_t most = *std::ranges::max_element(config.queue_threads);
    if (most >= config.threads) {
      return refuse("a queue of thread ", most, "; the last is ", config.threads - 1);
    }
  }
  if (config.default_slots == 0) return refuse("a default of 0 slots");
  if (const auto* peer = std::get_if<PeerWire>(&config.wire); peer != nullptr) {
    if (peer->other == config.name) return refuse("its wire goes to itself");
    if (peer->other.empty()) return refuse("its wire names no peer");
  }
  return absl::OkStatus();
}

}  // namespace qsplit::softnic
