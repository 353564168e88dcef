// Internet checksum (RFC 1071) and CRC-32C (RFC 9260, SCTP).
//
// Functions of their arguments; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_CHECKSUM_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_CHECKSUM_H_

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

#include "daemon/backend/softnic/packet.h"
#include "dataplane/types.h"

namespace qsplit::softnic {

// The 16-bit one's complement sum of the bytes as big-endian words (an odd last byte is a word's
// high half), added to `start`, which is a sum too.
uint16_t OnesSum(std::span<const uint8_t> bytes, uint16_t start = 0);

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

// The one's complement sum of a number's 16-bit words. Both halves of a number plus those of the
// same number turned by half its width: what is carried out of the lower half is in the upper one.
inline uint16_t Fold(uint64_t sum) {
  const auto half = static_cast<uint32_t>((sum + std::rotr(sum, 32)) >> 32);
  return static_cast<uint16_t>((half + std::rotr(half, 16)) >> 16);
}

// A sum on its way: not folded, its words in the host's byte order.
class RawSum {
 public:
  // Adds bytes that stand at this distance from the first one that is summed.
  void Add(const uint8_t* at, size_t count, size_t distance);
  // A big-endian word's value.
  void AddValue(uint16_t value) { AddWord(__builtin_bswap16(value)); }
  // Whether all that was summed bears a good checksum.
  bool IsGood() const { return Fold(value_) == 0xffff; }
  // Eight bytes as they stand in memory, at an even distance.
  void AddWord(uint64_t word) {
    value_ += word;
    value_ += value_ < word ? 1 : 0;  // end-around carry
  }

 private:
  uint64_t value_ = 0;
};

// Verify for a plain frame, of which only the head is at hand: what is open until the sum
// over the rest is known.
struct OpenVerdict {
  ChecksumVerdict verdict;  // as it stands if there is no rest
  // Of the frame, bytes behind its head that the transport's checksum covers.
  uint32_t rest_bytes = 0;
  // Of all that it covers in front of them, an even number of bytes.
  RawSum sum;

  // After the rest was added to `sum`.
  ChecksumVerdict Close() const {
    ChecksumVerdict closed = verdict;
    if (rest_bytes != 0) {
      closed.l4 = sum.IsGood() ? dataplane::ChecksumState::kGood : dataplane::ChecksumState::kBad;
    }
    return closed;
  }
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_CHECKSUM_H_
