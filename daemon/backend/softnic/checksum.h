// Internet checksum (RFC 1071) and CRC-32C (RFC 9260, SCTP).
//
// Functions of their arguments; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_CHECKSUM_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_CHECKSUM_H_

#include <algorithm>
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

// The one's complement sum of a number's 16-bit words.
inline uint16_t Fold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

// A sum on its way: not folded, its words in the host's byte order.
class RawSum {
 public:
  // Adds bytes that stand at this distance from the first one that is summed.
  void Add(const uint8_t* at, size_t count, size_t distance);
  // The same for few bytes at an even distance.
  [[gnu::always_inline]] void AddShort(const uint8_t* at, size_t count) {
    for (; count >= 8; at += 8, count -= 8) {
      uint64_t word;
      std::memcpy(&word, at, 8);
      AddWord(word);
    }
    if ((count & 4) != 0) {
      uint32_t word;
      std::memcpy(&word, at, 4);
      AddWord(word);
      at += 4;
    }
    if ((count & 2) != 0) {
      uint16_t word;
      std::memcpy(&word, at, 2);
      AddWord(word);
      at += 2;
    }
    if ((count & 1) != 0) AddWord(*at);
  }
  // A big-endian word's value.
  void AddValue(uint16_t value) { AddWord(__builtin_bswap16(value)); }
  // Whether all that was summed bears a good checksum.
  bool IsGood() const { return Fold(value_) == 0xffff; }

 private:
  void AddWord(uint64_t word) {
    value_ += word;
    value_ += value_ < word ? 1 : 0;  // end-around carry
  }
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
// l3_end: as in Packet.
[[gnu::always_inline]] inline OpenVerdict BeginVerify(const FrameHead& frame,
                                                      const PlainFacts& facts, uint32_t l3_end) {
  using dataplane::ChecksumState;
  OpenVerdict open;
  const uint8_t* const head = frame.data();
  const bool four = facts.ip_version == 4;
  const uint32_t l4_offset = L4Offset(facts.ip_version);
  const auto judge = [](bool good) { return good ? ChecksumState::kGood : ChecksumState::kBad; };
  if (four) {
    RawSum header;
    header.AddShort(head + kEthernetHeaderBytes, 20);
    open.verdict.l3 = judge(header.IsGood());
  }
  const bool udp = facts.l4 == dataplane::L4Kind::kUdp;
  if (!udp && facts.l4 != dataplane::L4Kind::kTcp) return open;
  uint32_t length = l3_end - l4_offset;
  if (udp) {
    const uint16_t said = LoadBe16(head + l4_offset + 4);
    const bool none = LoadBe16(head + l4_offset + 6) == 0;
    if (none && four) return open;
    if (none || said < 8 || said > length) {
      open.verdict.l4 = ChecksumState::kBad;
      return open;
    }
    length = said;
  }
  open.sum.AddValue(facts.l4_protocol);
  open.sum.AddValue(static_cast<uint16_t>(length));  // a frame is no longer
  const uint32_t in_head = std::min(length, kHeadBytes - l4_offset);
  // The addresses stand right in front.
  const uint32_t addresses = four ? 8 : 32;
  open.sum.AddShort(head + l4_offset - addresses, addresses + in_head);
  open.rest_bytes = length - in_head;
  if (open.rest_bytes == 0) open.verdict.l4 = judge(open.sum.IsGood());
  return open;
}

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_CHECKSUM_H_
