#include "daemon/backend/vfio/igb/tuple_filter.h"

#include <algorithm>
#include <array>
#include <span>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/igb/registers.h"

namespace qsplit::vfio::igb {
namespace {

using device::FlowKey;

constexpr uint16_t kEtherTypeIp4 = 0x0800, kEtherTypeIp6 = 0x86dd;

absl::Status Cannot(const char* what) {
  return absl::UnimplementedError(absl::StrCat("this NIC's filters ", what));
}

bool AllZero(std::span<const uint8_t> bytes) {
  return std::ranges::all_of(bytes, [](uint8_t b) { return b == 0; });
}
bool AllOnes(std::span<const uint8_t> bytes) {
  return std::ranges::all_of(bytes, [](uint8_t b) { return b == 0xff; });
}

// Bytes in the network's order as a register takes them: the first in the low byte.
uint32_t Address(const std::array<uint8_t, 16>& ip) {
  return uint32_t{ip[0]} | uint32_t{ip[1]} << 8 | uint32_t{ip[2]} << 16 | uint32_t{ip[3]} << 24;
}
// Likewise a port: its high byte is first on the wire.
uint32_t Port(uint16_t port) { return static_cast<uint16_t>(port >> 8 | port << 8); }

// What no filter of the hardware looks at, whatever the flow type.
absl::Status CheckNothingElse(const FlowKey& mask, bool ether) {
  if (!AllZero(mask.dst_mac) || !AllZero(mask.src_mac)) {
    return Cannot("compare no MAC with anything else; pools steer by MAC (steering = pools)");
  }
  if (mask.vlan_tci != 0 || mask.vlan_ether_type != 0 || mask.has_vlan != 0) {
    return Cannot("compare no VLAN; pools steer by MAC and VLAN (steering = pools)");
  }
  if (mask.tos != 0) return Cannot("compare no type of service");
  if (mask.has_spi != 0) return Cannot("compare no security parameters index of AH or ESP");
  if (mask.l4_bytes != 0) return Cannot("compare no bytes behind the IP header but ports");
  if (!ether && mask.ether_type != 0) return Cannot("compare no EtherType of IP packets");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TupleFilter> EncodeTuple(Chip chip, const device::FlowMatch& match) {
  const FlowKey& value = match.value;
  const FlowKey& mask = match.mask;
  if (value.ip_version == 6) return Cannot("compare no IPv6 flows");
  if (absl::Status status = CheckNothingElse(mask, /*ether=*/false); !status.ok()) return status;

  // FTQF.VF_BP, for without pools every packet is meant; all parts bypassed, until they are
  // asked for.
  TupleFilter filter;
  filter.ftqf = kFtqfQueueEnable | kFtqfAnyPool | kFtqfAnyProtocol | kFtqfAnySource |
                kFtqfAnyDestination | kFtqfAnySourcePort;
  filter.imir = kImirAnyPort;
  filter.imirext = kImirextAnySize | kImirextAnyFlags;

  if (mask.l4_protocol != 0) {
    if (mask.l4_protocol != 0xff) return Cannot("compare a protocol whole or not at all");
    filter.ftqf &= ~kFtqfAnyProtocol;
    filter.ftqf |= value.l4_protocol;
  }
  const bool two_tuple = chip == Chip::kI350;
  struct Ip {
    const std::array<uint8_t, 16>& value;
    const std::array<uint8_t, 16>& mask;
    uint32_t any;
    uint32_t* address;
  };
  for (const Ip& ip : {Ip{value.src_ip, mask.src_ip, kFtqfAnySource, &filter.saqf},
                       Ip{value.dst_ip, mask.dst_ip, kFtqfAnyDestination, &filter.daqf}}) {
    const std::span<const uint8_t> bits = std::span(ip.mask).first(4);
    if (AllZero(bits)) continue;
    if (two_tuple) return Cannot("compare protocol and destination port alone, no address");
    if (!AllOnes(bits)) return Cannot("compare an address whole or not at all, no prefix");
    filter.ftqf &= ~ip.any;
    *ip.address = Address(ip.value);
  }
  if (mask.src_port != 0) {
    if (two_tuple) return Cannot("compare protocol and destination port alone, no source port");
    if (mask.src_port != 0xffff) return Cannot("compare a port whole or not at all, no range");
    filter.ftqf &= ~kFtqfAnySourcePort;
    filter.spqf = Port(value.src_port);
  }
  if (mask.dst_port != 0) {
    if (mask.dst_port != 0xffff) return Cannot("compare a port whole or not at all, no range");
    filter.imir = Port(value.dst_port);
  }
  const bool bypassed = (filter.ftqf & 0xf0000000) == 0xf0000000 && filter.imir == kImirAnyPort;
  if (bypassed) return Cannot("compare a protocol, an address or a port at least");
  return filter;
}

absl::StatusOr<uint16_t> EncodeEtherType(const device::FlowMatch& match) {
  if (absl::Status status = CheckNothingElse(match.mask, /*ether=*/true); !status.ok()) {
    return status;
  }
  if (match.mask.ether_type != 0xffff) return Cannot("compare an EtherType whole or not at all");
  if (match.value.ether_type == kEtherTypeIp4 || match.value.ether_type == kEtherTypeIp6) {
    return Cannot("by EtherType keep IP packets from being parsed; use ip4, tcp4 or udp4");
  }
  return match.value.ether_type;
}

}  // namespace qsplit::vfio::igb
