// Internet checksum (RFC 1071) and CRC-32C (RFC 9260, SCTP).
//
// Functions of their arguments; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_CHECKSUM_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_CHECKSUM_H_

#include <cstdint>
#include <span>

#include "daemon/backend/softnic/packet.h"
#include "dataplane/types.h"

namespace qsplit::softnic {

// The 16-bit one's complement sum of the bytes as big-endian words (an odd last byte is a word's
// high half), added to `start`, which is a sum too.
uint16_t OnesSum(std::span<const uint8_t> bytes, uint16_t start = 0);

// What bytes that stand at this distance from the first one add to a sum.
inline uint16_t OnesSumAt(std::span<const uint8_t> bytes, size_t distance) {
  const uint16_t sum = OnesSum(bytes);
  return distance % 2 == 0 ? sum : static_cast<uint16_t>(sum << 8 | sum >> 8);
}

// The sum of TCP's and UDP's pseudo header; `ip` begins with an IPv4 (version 4) or IPv6 header.
uint16_t PseudoHeaderSum(const uint8_t* ip, uint8_t version, uint8_t protocol, uint32_t l4_bytes);

uint32_t Crc32c(std::span<const uint8_t> bytes, uint32_t crc = 0);

// As SCTP has it: over the packet with a checksum field (bytes 8..11) of zero.
uint32_t SctpChecksum(std::span<const uint8_t> sctp);

struct ChecksumVerdict {
  dataplane::ChecksumState l3 = dataplane::ChecksumState::kUnknown;
  dataplane::ChecksumState l4 = dataplane::ChecksumState::kUnknown;
};

// IPv4's header, and TCP, UDP or SCTP where they are whole. A UDP checksum of zero over IPv4 says
// that there is none: kUnknown.
ChecksumVerdict Verify(const Packet& packet);

// The same for a packet of ParsePlain, of which only the head is at hand: what is open until the
// sum over the rest is known.
struct OpenVerdict {
  ChecksumVerdict verdict;
  // Of the frame, bytes behind its head that the transport's checksum covers; none: 0.
  uint32_t rest_bytes = 0;
  uint16_t head_sum = 0;  // of what it covers in front of them

  // rest_sum: OnesSum of those bytes. The head's end is at an even distance from what is summed.
  ChecksumVerdict Close(uint16_t rest_sum) const;
};
OpenVerdict BeginVerify(const Packet& plain);

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_CHECKSUM_H_
