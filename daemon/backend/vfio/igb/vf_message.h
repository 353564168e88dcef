// What a VF asks of its PF, and how it is written into the 16 words of a mailbox.
//
//   word 0:  │ ACK 31 │ NACK 30 │ CTS 29 │ … │ info 23:16 │ kind 15:0 │      words 1 to 15: by kind
//
// The words come from a VF, which is hostile: they are read once into a private copy, and parsed
// here without looking at anything else. Pure functions; any thread. The protocol is that of Linux
// drivers/net/ethernet/intel/igb/e1000_mbx.h (E1000_VF_*, E1000_VT_*), which igbvf speaks.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_VF_MESSAGE_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_VF_MESSAGE_H_

#include <array>
#include <cstdint>
#include <span>

#include "daemon/device/device.h"

namespace qsplit::vfio::igb {

using MailboxWords = std::array<uint32_t, 16>;

inline constexpr uint32_t kMessageAck = 1u << 31;
inline constexpr uint32_t kMessageNack = 1u << 30;
inline constexpr uint32_t kMessageCts = 1u << 29;  // the VF has reset and may go on asking
inline constexpr uint32_t kMessageInfoShift = 16;
inline constexpr uint32_t kMessageKindMask = 0xffff;

inline constexpr uint32_t kVfReset = 0x01;
inline constexpr uint32_t kVfSetMac = 0x02;
inline constexpr uint32_t kVfSetMulticast = 0x03;
inline constexpr uint32_t kVfSetVlan = 0x04;
inline constexpr uint32_t kVfSetMaxFrame = 0x05;  // E1000_VF_SET_LPE
inline constexpr uint32_t kVfSetPromiscuity = 0x06;
inline constexpr uint32_t kPfControl = 0x0100;
inline constexpr uint32_t kMaxMulticastHashes = 30;

struct VfRequest {
  enum class Kind : uint8_t {
    kNone,  // an answer that comes back, or nothing known
    kUnknown,
    kReset,
    kSetMac,
    kClearMacFilters,
    kAddMacFilter,
    kSetMulticast,
    kAddVlan,
    kRemoveVlan,
    kSetMaxFrame,
    kSetPromiscuity,
  };
  Kind kind = Kind::kUnknown;
  device::MacAddress mac{};
  std::array<uint16_t, kMaxMulticastHashes> hashes{};  // 12 bits each
  uint32_t hash_count = 0;                             // at most kMaxMulticastHashes
  uint16_t vid = 0;                                    // below 4096
  uint32_t max_frame_bytes = 0;                        // anything
  bool unicast = false, multicast = false;             // promiscuity

  std::span<const uint16_t> multicast_hashes() const { return std::span(hashes).first(hash_count); }
};

VfRequest ParseVfMessage(const MailboxWords& words);

// What a VF writes; all words behind are 0.
MailboxWords ResetMessage();
MailboxWords MacMessage(const device::MacAddress& mac);
MailboxWords MaxFrameMessage(uint32_t max_frame_bytes);
// The first 30 hashes.
MailboxWords MulticastMessage(std::span<const uint16_t> hashes);
MailboxWords AllMulticastMessage(bool all);

// In words 1 and 2, the first byte lowest.
device::MacAddress MacOf(const MailboxWords& words);
void PutMac(const device::MacAddress& mac, MailboxWords& words);

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_VF_MESSAGE_H_
