#include "daemon/backend/vfio/igb/vf_message.h"

#include <algorithm>

namespace qsplit::vfio::igb {
namespace {

using Kind = VfRequest::Kind;

constexpr uint32_t kMacInfoSet = 0, kMacInfoClear = 1, kMacInfoAdd = 2;  // E1000_VF_MAC_FILTER_*
constexpr uint32_t kPromiscuityUnicast = 1, kPromiscuityMulticast = 2;
constexpr uint16_t kHashMask = 0x0fff, kVidMask = 0x0fff;

Kind MacKind(uint32_t info) {
  switch (info) {
    case kMacInfoSet:
      return Kind::kSetMac;
    case kMacInfoClear:
      return Kind::kClearMacFilters;
    case kMacInfoAdd:
      return Kind::kAddMacFilter;
    default:
      return Kind::kUnknown;
  }
}

}  // namespace

VfRequest ParseVfMessage(const MailboxWords& words) {
  VfRequest request;
  if ((words[0] & (kMessageAck | kMessageNack)) != 0) {
    request.kind = Kind::kNone;
    return request;
  }
  const uint32_t info = words[0] >> kMessageInfoShift & 0xff;
  switch (words[0] & kMessageKindMask) {
    case kVfReset:
      request.kind = Kind::kReset;
      break;
    case kVfSetMac:
      request.kind = MacKind(info);
      request.mac = MacOf(words);
      break;
    case kVfSetMulticast:
      request.kind = Kind::kSetMulticast;
      // More than fit are told by a flag in the same bits; 30 are there then.
      request.hash_count = std::min(info, kMaxMulticastHashes);
      for (uint32_t i = 0; i < request.hash_count; ++i) {
        request.hashes[i] =
            static_cast<uint16_t>(words[1 + i / 2] >> (i % 2 == 0 ? 0 : 16)) & kHashMask;
      }
      break;
    case kVfSetVlan:
      request.kind = info != 0 ? Kind::kAddVlan : Kind::kRemoveVlan;
      request.vid = static_cast<uint16_t>(words[1] & kVidMask);
      break;
    case kVfSetMaxFrame:
      request.kind = Kind::kSetMaxFrame;
      request.max_frame_bytes = words[1];
      break;
    case kVfSetPromiscuity:
      request.kind = Kind::kSetPromiscuity;
      request.unicast = (info & kPromiscuityUnicast) != 0;
      request.multicast = (info & kPromiscuityMulticast) != 0;
      break;
    default:
      break;
  }
  return request;
}

MailboxWords ResetMessage() { return {kVfReset}; }

MailboxWords MacMessage(const device::MacAddress& mac) {
  MailboxWords words = {kVfSetMac};
  PutMac(mac, words);
  return words;
}

MailboxWords MaxFrameMessage(uint32_t max_frame_bytes) { return {kVfSetMaxFrame, max_frame_bytes}; }

MailboxWords MulticastMessage(std::span<const uint16_t> hashes) {
  const auto count = static_cast<uint32_t>(std::min<size_t>(hashes.size(), kMaxMulticastHashes));
  MailboxWords words = {kVfSetMulticast | count << kMessageInfoShift};
  for (uint32_t i = 0; i < count; ++i) {
    words[1 + i / 2] |= uint32_t{hashes[i]} << (i % 2 == 0 ? 0 : 16);
  }
  return words;
}

MailboxWords AllMulticastMessage(bool all) {
  return {kVfSetPromiscuity | (all ? kPromiscuityMulticast << kMessageInfoShift : 0)};
}

device::MacAddress MacOf(const MailboxWords& words) {
  device::MacAddress mac;
  for (uint32_t i = 0; i < 6; ++i) mac[i] = static_cast<uint8_t>(words[1 + i / 4] >> 8 * (i % 4));
  return mac;
}

void PutMac(const device::MacAddress& mac, MailboxWords& words) {
  words[1] =
      uint32_t{mac[0]} | uint32_t{mac[1]} << 8 | uint32_t{mac[2]} << 16 | uint32_t{mac[3]} << 24;
  words[2] = uint32_t{mac[4]} | uint32_t{mac[5]} << 8;
}

}  // namespace qsplit::vfio::igb
