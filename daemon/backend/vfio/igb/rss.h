// RSS: which queue a packet's hash chooses (7.1.1.7).
//
// What is to be dropped is sent to a receive queue that is never enabled, where packets end: the
// hardware's table cannot say "none" (QueueMap::drop_queue). What has no hash, as ARP, goes to
// queue 0 of the device or of the pool. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_RSS_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_RSS_H_

#include <array>
#include <cstdint>
#include <span>

#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/igb/registers.h"
#include "daemon/device/device.h"

namespace qsplit::vfio::igb {

// The fields of headers that are hashed: IPv4 and IPv6, with ports of TCP and UDP.
inline constexpr uint32_t kHashedFields =
    kMrqcTcp4 | kMrqcIp4 | kMrqcTcp6Ex | kMrqcIp6 | kMrqcTcp6 | kMrqcUdp4 | kMrqcUdp6 | kMrqcUdp6Ex;

inline constexpr device::FlowTypes kHashedTypes = {
    device::FlowType::kIp4, device::FlowType::kTcp4, device::FlowType::kUdp4,
    device::FlowType::kIp6, device::FlowType::kTcp6, device::FlowType::kUdp6};

using RetaQueues = std::array<uint8_t, kRetaEntries>;

void WriteReta(RegisterWindow& registers, const RetaQueues& queues);
void WriteRssKey(RegisterWindow& registers, std::span<const uint8_t, device::kRssKeyBytes> key);

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_RSS_H_
