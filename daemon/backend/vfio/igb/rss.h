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

// The flow types that fields of MRQC hash.
constexpr device::FlowTypes TypesOf(uint32_t fields) {
  using device::FlowType;
  device::FlowTypes types;
  if ((fields & kMrqcIp4) != 0) types.Add(FlowType::kIp4);
  if ((fields & kMrqcTcp4) != 0) types.Add(FlowType::kTcp4);
  if ((fields & kMrqcUdp4) != 0) types.Add(FlowType::kUdp4);
  if ((fields & kMrqcIp6) != 0) types.Add(FlowType::kIp6);
  if ((fields & (kMrqcTcp6 | kMrqcTcp6Ex)) != 0) types.Add(FlowType::kTcp6);
  if ((fields & (kMrqcUdp6 | kMrqcUdp6Ex)) != 0) types.Add(FlowType::kUdp6);
  return types;
}

using RetaQueues = std::array<uint8_t, kRetaEntries>;

void WriteReta(RegisterWindow& registers, const RetaQueues& queues);
void WriteRssKey(RegisterWindow& registers, std::span<const uint8_t, device::kRssKeyBytes> key);

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_RSS_H_
