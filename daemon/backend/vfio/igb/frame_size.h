// MTU and frame, and what STATUS says of the link: the same in PF and VF.
//
// Numbers only; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_FRAME_SIZE_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_FRAME_SIZE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/igb/registers.h"
#include "daemon/backend/vfio/nic_driver.h"

namespace qsplit::vfio::igb {

inline constexpr uint32_t kMinMtuBytes = 68;    // RFC 791
inline constexpr uint32_t kMaxMtuBytes = 9216;  // Linux MAX_STD_JUMBO_FRAME_SIZE

// What the hardware counts: Ethernet header, one VLAN tag, CRC.
constexpr uint32_t FrameBytes(uint32_t mtu_bytes) { return mtu_bytes + 14 + 4 + 4; }
static_assert(FrameBytes(kMaxMtuBytes) <= kMaxFrameBytes);

inline absl::Status CheckMtu(uint32_t mtu_bytes) {
  if (mtu_bytes >= kMinMtuBytes && mtu_bytes <= kMaxMtuBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("MTU ", mtu_bytes, ": from ", kMinMtuBytes, " to ", kMaxMtuBytes));
}

// STATUS. Of a function that is gone the link is down.
inline LinkState LinkOf(uint32_t status) {
  if (status == kGone || (status & kStatusLinkUp) == 0) return {};
  const uint32_t speed = status >> kStatusSpeedShift & 3;
  return {.up = true, .mbps = speed == 0 ? 10u : speed == 1 ? 100u : 1000u};
}

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_FRAME_SIZE_H_
