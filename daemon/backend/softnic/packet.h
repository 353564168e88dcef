// What the software NIC sees in a frame: header positions and the key that steering rules compare.
//
// The bytes come from outside and may be anything; they are the caller's private copy and do not
// change meanwhile. Every read is checked against the frame's end; nothing is allocated. Any
// thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_PACKET_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_PACKET_H_

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

#include "daemon/device/flow_rule.h"
#include "dataplane/types.h"

namespace qsplit::softnic {

inline constexpr uint32_t kEthernetHeaderBytes = 14;
inline constexpr uint32_t kVlanTagBytes = 4;
inline constexpr uint32_t kMinFrameBytes = 60;  // without frame check sequence
// What suffices to steer a plain frame by: a cache line.
inline constexpr uint32_t kHeadBytes = 64;
inline constexpr uint16_t kEtherTypeVlan = 0x8100;
inline constexpr uint16_t kEtherTypeServiceVlan = 0x88a8;
inline constexpr uint16_t kEtherTypeIp4 = 0x0800;
inline constexpr uint16_t kEtherTypeIp6 = 0x86dd;
inline constexpr uint16_t kEtherTypeArp = 0x0806;
inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;
inline constexpr uint8_t kProtocolIcmp6 = 58;
inline constexpr uint8_t kProtocolSctp = 132;
inline constexpr uint8_t kProtocolEsp = 50;
inline constexpr uint8_t kProtocolAh = 51;

struct Packet {
  std::span<const uint8_t> bytes;  // the whole frame
  device::FlowKey key;
  // Offsets from the frame's first byte; 0: not there.
  uint32_t l3_offset = 0;
  uint32_t l4_offset = 0;  // first byte behind the IP header and its extensions
  // Where the IP packet ends: before Ethernet's padding, never behind the frame's end.
  uint32_t l3_end = 0;
  // Ethernet type, IP version and lengths contradict each other, or the header is cut off: what
  // stands behind it is not looked at.
  bool malformed_l3 = false;
  // A fragment of an IP packet; `later` for all but the first.
  bool fragment = false;
  bool later_fragment = false;
  dataplane::L3Kind l3 = dataplane::L3Kind::kUnknown;
  dataplane::L4Kind l4 = dataplane::L4Kind::kUnknown;
};

// False: shorter than an Ethernet header.
bool Parse(std::span<const uint8_t> frame, Packet* out);

// The first bytes of a frame, with zeros behind a shorter one's end.
struct alignas(kHeadBytes) FrameHead : std::array<uint8_t, kHeadBytes> {};

// What is to be known of a plain frame beside its flow: no tag, IPv4 without options and fragments
// or IPv6 without extensions, no SCTP and no AH.
struct PlainFacts {
  uint8_t ip_version = 0;
  uint8_t l4_protocol = 0;
  dataplane::L3Kind l3 = dataplane::L3Kind::kUnknown;
  dataplane::L4Kind l4 = dataplane::L4Kind::kUnknown;

  bool operator==(const PlainFacts&) const = default;
};

inline constexpr uint32_t kIp6HeaderBytes = 40;

// Where the transport header of a plain frame begins.
constexpr uint32_t L4Offset(uint8_t ip_version) {
  return kEthernetHeaderBytes + (ip_version == 4 ? 20 : kIp6HeaderBytes);
}

// As Parse, for frames of at least kMinFrameBytes. l3_end: as in Packet. False: it is not plain,
// and the results mean nothing.
bool ParsePlain(const FrameHead& head, uint32_t frame_bytes, PlainFacts* facts, uint32_t* l3_end,
                device::FlowKey* key);
inline uint16_t LoadBe16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }
inline uint32_t LoadBe32(const uint8_t* at) {
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | uint32_t{at[3]};
}
inline void StoreBe16(uint8_t* at, uint16_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}
inline void StoreBe32(uint8_t* at, uint32_t value) {
  if constexpr (std::endian::native == std::endian::little) value = __builtin_bswap32(value);
  std::memcpy(at, &value, sizeof value);
}

// Bits of a plain frame's head that its key is made of, and that make it plain: where they are the
// same, and the transport header is whole, so is all in which frames of one flow are alike.
using HeadWords = std::array<uint64_t, kHeadBytes / 8>;
constexpr HeadWords KeyBits(bool four) {
  FrameHead bits{};
  const auto all = [&](size_t first, size_t last) {
    for (size_t i = first; i <= last; ++i) bits[i] = 0xff;
  };
  if (four) {
    all(0, 15);       // Ethernet's header, version and length of the header, type of service
    bits[20] = 0x3f;  // fragments
    bits[21] = 0xff;
    all(23, 23);  // protocol
    all(26, 37);  // addresses, what stands behind them
  } else {
    all(0, 17);   // Ethernet's header, version, traffic class, flow label
    all(20, 20);  // next header
    all(22, 57);  // addresses, what stands behind them
  }
  return std::bit_cast<HeadWords>(bits);
}
inline constexpr HeadWords kIp4KeyBits = KeyBits(true);
inline constexpr HeadWords kIp6KeyBits = KeyBits(false);

// What the IP header says of itself and all behind it.
inline uint32_t PlainIpBytes(const FrameHead& head, uint8_t ip_version) {
  return ip_version == 4 ? LoadBe16(head.data() + 16)
                         : kIp6HeaderBytes + LoadBe16(head.data() + 18);
}

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_PACKET_H_
