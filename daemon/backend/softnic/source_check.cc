#include "daemon/backend/softnic/source_check.h"

#include <algorithm>

#include "daemon/backend/softnic/packet.h"

namespace qsplit::softnic {
namespace {

constexpr size_t kSourceMacAt = 6;
constexpr uint32_t kIp4HeaderBytes = 20;
// ARP of IPv4 over Ethernet (RFC 826): hardware and protocol type, address lengths, operation, then
// the sender's two addresses.
constexpr uint32_t kArpBytes = 28;
constexpr uint32_t kArpTypes = 0x0001'0800;
constexpr uint16_t kArpLengths = 0x0604;
constexpr size_t kArpSenderMacAt = 8;
constexpr size_t kArpSenderIpAt = 14;

uint64_t LoadBe64(const uint8_t* at) { return uint64_t{LoadBe32(at)} << 32 | LoadBe32(at + 4); }
uint64_t LoadMac(const uint8_t* at) { return uint64_t{LoadBe16(at)} << 32 | LoadBe32(at + 2); }

// The upper `bits` bits of 64, 0 to 64.
uint64_t Upper(uint32_t bits) { return bits == 0 ? 0 : ~uint64_t{0} << (64 - bits); }

}  // namespace

SourceCheck::SourceCheck(const device::SourceFilter& filter)
    : any_(filter.any()), by_ip_(!filter.prefixes.empty()) {
  for (const device::MacAddress& mac : filter.macs) macs_.push_back(LoadMac(mac.data()));
  for (const device::SourcePrefix& prefix : filter.prefixes) {
    const bool ip6 = prefix.ip_version == 6;
    const uint32_t bits = std::min<uint32_t>(prefix.bits, ip6 ? 128 : 32);
    const Address mask = {Upper(std::min(bits, 64u)), Upper(bits > 64 ? bits - 64 : 0)};
    const uint8_t* const at = prefix.address.data();
    const Address address = ip6 ? Ip6(at) : Ip4(at);
    (ip6 ? ip6_ : ip4_).push_back({{address.high & mask.high, address.low & mask.low}, mask});
  }
}

SourceCheck::Address SourceCheck::Ip4(const uint8_t* at) { return {uint64_t{LoadBe32(at)} << 32}; }
SourceCheck::Address SourceCheck::Ip6(const uint8_t* at) {
  return {LoadBe64(at), LoadBe64(at + 8)};
}

bool SourceCheck::InOneOf(const std::vector<Prefix>& prefixes, Address address) {
  return std::any_of(prefixes.begin(), prefixes.end(), [address](const Prefix& prefix) {
    return (address.high & prefix.mask.high) == prefix.value.high &&
           (address.low & prefix.mask.low) == prefix.value.low;
  });
}

bool SourceCheck::IsMac(const uint8_t* at) const {
  return macs_.empty() || std::find(macs_.begin(), macs_.end(), LoadMac(at)) != macs_.end();
}

bool SourceCheck::Passes(std::span<const uint8_t> frame) const {
  if (!any_) return true;
  if (frame.size() < kEthernetHeaderBytes) return false;
  if (!IsMac(frame.data() + kSourceMacAt)) return false;
  uint16_t type = LoadBe16(frame.data() + kEthernetHeaderBytes - 2);
  frame = frame.subspan(kEthernetHeaderBytes);
  for (uint32_t tags = 0; type == kEtherTypeVlan || type == kEtherTypeServiceVlan; ++tags) {
    if (frame.size() < kVlanTagBytes || tags == kMaxTags) return false;
    type = LoadBe16(frame.data() + kVlanTagBytes - 2);
    frame = frame.subspan(kVlanTagBytes);
  }
  const uint8_t* const at = frame.data();
  switch (type) {
    case kEtherTypeIp4:
      return !by_ip_ ||
             (frame.size() >= kIp4HeaderBytes && at[0] >> 4 == 4 && InOneOf(ip4_, Ip4(at + 12)));
    case kEtherTypeIp6:
      return !by_ip_ ||
             (frame.size() >= kIp6HeaderBytes && at[0] >> 4 == 6 && InOneOf(ip6_, Ip6(at + 8)));
    case kEtherTypeArp:
      return frame.size() >= kArpBytes && LoadBe32(at) == kArpTypes &&
             LoadBe16(at + 4) == kArpLengths && IsMac(at + kArpSenderMacAt) &&
             (!by_ip_ || InOneOf(ip4_, Ip4(at + kArpSenderIpAt)));
    default:
      return true;
  }
}

}  // namespace qsplit::softnic
