// Where the headers of a packet stand, and what software does to them where a device does not:
// checksums and VLAN tags.
//
// The bytes come from the wire or from the program; nothing is believed that does not fit into the
// packet. The thread that owns the packet.
#ifndef QSPLIT_CLIENT_LIB_SRC_HEADERS_H_
#define QSPLIT_CLIENT_LIB_SRC_HEADERS_H_

#include <cstdint>

#include "dataplane/types.h"
#include "qsplit/packet.h"

namespace qsplit::internal {

struct Headers {
  dataplane::L3Kind l3 = dataplane::L3Kind::kUnknown;  // kIp4, kIp6, or kUnknown: no IP header
  // kTcp, kUdp, kSctp, kFragment, or kUnknown: none whose checksum we know.
  dataplane::L4Kind l4 = dataplane::L4Kind::kUnknown;
  uint16_t l2_bytes = 0;  // everything before the IP header
  uint16_t l3_bytes = 0;  // with options and extension headers
  uint16_t l4_bytes = 0;  // of the transport header
  // Transport header and payload, as the IP header says; the packet has as many behind l3.
  uint32_t l4_total_bytes = 0;
  uint8_t protocol = 0;
};

// Reads the headers out of the first segment; they must lie in it. *headers is written member by
// member, for who reads it so at once: as a value it would come back in two registers, for which
// the processor waits until the stores are through.
void ParseHeaders(const Packet& packet, Headers* headers);
inline Headers ParseHeaders(const Packet& packet) {
  Headers headers;
  ParseHeaders(packet, &headers);
  return headers;
}

// The Internet checksum's sum (not complemented, not folded) over `bytes` bytes of the packet from
// `offset` on, added to `sum`.
uint64_t AddToSum(const Packet& packet, uint32_t offset, uint32_t bytes, uint64_t sum);
// Folded to 16 bits, in host byte order.
uint16_t FoldSum(uint64_t sum);

// Writes the checksums that are asked for and that the packet has fields for.
void FillChecksums(Packet& packet, const Headers& headers, bool l3, bool l4);
// Prepares the fields as devices want them that fill them in: IPv4 0; TCP and UDP the pseudo
// header's sum; SCTP 0.
void PrepareChecksums(Packet& packet, const Headers& headers, bool l3, bool l4);
// Prepares a TCP packet that the device cuts, for it fills in the checksums of each piece: IPv4 0,
// TCP the pseudo header's sum without the length. Or, if sums_plainly, as for a device that adds up
// without knowing TCP: IPv4's own, TCP the pseudo header's sum with the length of this packet.
void PrepareSegments(Packet& packet, const Headers& headers, bool sums_plainly);
// Checks what is kUnknown in the packet's metadata and is read, and marks it as computed.
void VerifyChecksums(Packet& packet, PacketFields read = PacketFields::All());

// Puts an 802.1Q tag behind the Ethernet addresses. False: there is no room in the packet's first
// buffer, or the packet has no Ethernet header.
bool InsertVlan(Packet& packet, uint16_t tci);

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_HEADERS_H_
