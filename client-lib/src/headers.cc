#include "client-lib/src/headers.h"

#include <array>
#include <bit>
#include <cstring>

#include "client-lib/src/packet_access.h"

namespace qsplit::internal {
namespace {

using dataplane::L3Kind;
using dataplane::L4Kind;

static_assert(std::endian::native == std::endian::little);
constexpr uint32_t kMacBytes = 12;
constexpr uint32_t kVlanBytes = 4;
constexpr int kMaxVlanTags = 2;
constexpr int kMaxIp6Extensions = 8;
constexpr uint16_t kEtherIp4 = 0x0800;
constexpr uint16_t kEtherIp6 = 0x86dd;
constexpr uint16_t kEtherVlan = 0x8100;
constexpr uint16_t kEtherQinQ = 0x88a8;
constexpr uint8_t kProtocolTcp = 6;
constexpr uint8_t kProtocolUdp = 17;
constexpr uint8_t kProtocolSctp = 132;

uint8_t U8(std::span<const std::byte> b, uint32_t at) { return static_cast<uint8_t>(b[at]); }
uint16_t U16(std::span<const std::byte> b, uint32_t at) {
  return static_cast<uint16_t>(U8(b, at) << 8 | U8(b, at + 1));
}
void PutU16(std::span<std::byte> b, uint32_t at, uint16_t v) {
  b[at] = static_cast<std::byte>(v >> 8);
  b[at + 1] = static_cast<std::byte>(v);
}

// Where the checksum stands in a transport header.
uint32_t ChecksumOffset(L4Kind l4) { return l4 == L4Kind::kTcp ? 16 : l4 == L4Kind::kUdp ? 6 : 8; }

void SetL4(std::span<const std::byte> b, uint32_t at, Headers* h) {
  uint32_t header = 0;
  L4Kind kind = L4Kind::kUnknown;
  if (h->protocol == kProtocolTcp && h->l4_total_bytes >= 20 && at + 20 <= b.size()) {
    header = (U8(b, at + 12) >> 4) * 4u;
    if (header < 20 || header > h->l4_total_bytes) return;
    kind = L4Kind::kTcp;
  } else if (h->protocol == kProtocolUdp && h->l4_total_bytes >= 8 && at + 8 <= b.size()) {
    header = 8;
    kind = L4Kind::kUdp;
  } else if (h->protocol == kProtocolSctp && h->l4_total_bytes >= 12 && at + 12 <= b.size()) {
    header = 12;
    kind = L4Kind::kSctp;
  } else {
    return;
  }
  h->l4 = kind;
  h->l4_bytes = static_cast<uint16_t>(header);
}

void ParseIp4(std::span<const std::byte> b, uint32_t at, uint32_t length, Headers* h) {
  if (at + 20 > b.size() || U8(b, at) >> 4 != 4) return;
  const uint32_t header = (U8(b, at) & 15) * 4u;
  const uint32_t total = U16(b, at + 2);
  if (header < 20 || at + header > b.size() || total < header || at + total > length) return;
  h->l3 = L3Kind::kIp4;
  h->l2_bytes = static_cast<uint16_t>(at);
  h->l3_bytes = static_cast<uint16_t>(header);
  h->protocol = U8(b, at + 9);
  h->l4_total_bytes = total - header;
  if ((U16(b, at + 6) & 0x3fff) != 0) {  // more fragments, or an offset
    h->l4 = L4Kind::kFragment;
  } else {
    SetL4(b, at + header, h);
  }
}

void ParseIp6(std::span<const std::byte> b, uint32_t at, uint32_t length, Headers* h) {
  if (at + 40 > b.size() || U8(b, at) >> 4 != 6) return;
  const uint32_t payload = U16(b, at + 4);
  if (at + 40 + payload > length) return;
  uint32_t header = 40;
  uint8_t next = U8(b, at + 6);
  h->l3 = L3Kind::kIp6;
  h->l2_bytes = static_cast<uint16_t>(at);
  h->l3_bytes = static_cast<uint16_t>(header);
  for (int i = 0; i < kMaxIp6Extensions; ++i) {
    if (next == 44) {
      h->l4 = L4Kind::kFragment;
      return;
    }
    // Hop-by-hop and destination options. A routing header changes the address that the pseudo
    // header wants; leave such packets alone.
    if (next != 0 && next != 60) break;
    if (header + 8 > payload + 40 || at + header + 8 > b.size()) return;
    next = U8(b, at + header);
    header += (U8(b, at + header + 1) + 1u) * 8;
    if (header > payload + 40 || at + header > b.size()) return;
  }
  h->l3_bytes = static_cast<uint16_t>(header);
  h->protocol = next;
  h->l4_total_bytes = payload + 40 - header;
  SetL4(b, at + header, h);
}

// Of the pseudo header without its length.
uint64_t PartialPseudoSum(const Packet& packet, const Headers& h) {
  const bool v6 = h.l3 == L3Kind::kIp6;
  // The addresses lie in the first segment, as headers do. The sum of their words in this
  // processor's byte order is the sum in the other one, turned (RFC 1071, section 2).
  const std::byte* from = packet.bytes().data() + h.l2_bytes + (v6 ? 8u : 12u);
  uint64_t sum = 0;
  for (uint32_t left = v6 ? 8 : 2; left > 0; --left, from += sizeof(uint32_t)) {
    uint32_t words;
    std::memcpy(&words, from, sizeof words);
    sum += words;
  }
  return uint64_t{__builtin_bswap16(FoldSum(sum))} + h.protocol;
}
uint64_t PseudoSum(const Packet& packet, const Headers& h) {
  return PartialPseudoSum(packet, h) + h.l4_total_bytes;
}

constexpr std::array<uint32_t, 256> MakeCrc32cTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    table[i] = crc;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrc32c = MakeCrc32cTable();

// SCTP's CRC32c, with the field itself taken as 0.
uint32_t SctpCrc(const Packet& packet, const Headers& h) {
  const uint32_t begin = h.l2_bytes + h.l3_bytes;
  const uint32_t field = begin + ChecksumOffset(L4Kind::kSctp);
  const uint32_t end = begin + h.l4_total_bytes;
  uint32_t crc = 0xffffffff;
  uint32_t at = 0;
  packet.ForEachSegment([&](std::span<const std::byte> part) {
    for (const std::byte byte : part) {
      if (at >= begin && at < end) {
        const bool in_field = at >= field && at < field + 4;
        const auto value = in_field ? uint8_t{0} : static_cast<uint8_t>(byte);
        crc = crc >> 8 ^ kCrc32c[(crc ^ value) & 0xff];
      }
      ++at;
    }
  });
  return ~crc;
}

}  // namespace

void ParseHeaders(const Packet& packet, Headers* headers) {
  *headers = {};
  const std::span<const std::byte> b = packet.bytes();
  uint32_t at = kMacBytes;
  if (b.size() < at + 2) return;
  uint16_t type = U16(b, at);
  for (int i = 0; i < kMaxVlanTags && (type == kEtherVlan || type == kEtherQinQ); ++i) {
    at += kVlanBytes;
    if (b.size() < at + 2) return;
    type = U16(b, at);
  }
  at += 2;
  if (type == kEtherIp4) ParseIp4(b, at, packet.length(), headers);
  if (type == kEtherIp6) ParseIp6(b, at, packet.length(), headers);
}

uint64_t AddToSum(const Packet& packet, uint32_t offset, uint32_t bytes, uint64_t sum) {
  bool odd = false;  // the next byte is the low one of its word
  packet.ForEachSegment([&](std::span<const std::byte> part) {
    if (offset >= part.size()) {
      offset -= static_cast<uint32_t>(part.size());
      return;
    }
    part = part.subspan(offset);
    offset = 0;
    size_t n = part.size() < bytes ? part.size() : bytes;
    bytes -= static_cast<uint32_t>(n);
    const std::byte* at = part.data();
    if (odd && n > 0) {
      sum += static_cast<uint8_t>(*at++);
      --n;
      odd = false;
    }
    for (; n >= 2; n -= 2, at += 2) {
      sum += static_cast<uint32_t>(static_cast<uint8_t>(at[0]) << 8 | static_cast<uint8_t>(at[1]));
    }
    if (n == 1) {
      sum += static_cast<uint64_t>(static_cast<uint8_t>(*at)) << 8;
      odd = true;
    }
  });
  return sum;
}

uint16_t FoldSum(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

void FillChecksums(Packet& packet, const Headers& h, bool l3, bool l4) {
  const std::span<std::byte> b = packet.bytes();
  if (l3 && h.l3 == L3Kind::kIp4) {
    const uint32_t field = h.l2_bytes + 10u;
    PutU16(b, field, 0);
    const uint64_t sum = AddToSum(packet, h.l2_bytes, h.l3_bytes, 0);
    PutU16(b, field, static_cast<uint16_t>(~FoldSum(sum)));
  }
  if (!l4 || h.l4_bytes == 0) return;
  const uint32_t begin = h.l2_bytes + h.l3_bytes;
  const uint32_t field = begin + ChecksumOffset(h.l4);
  if (h.l4 == L4Kind::kSctp) {
    const uint32_t crc = SctpCrc(packet, h);
    for (uint32_t i = 0; i < 4; ++i) b[field + i] = static_cast<std::byte>(crc >> (8 * i));
    return;
  }
  PutU16(b, field, 0);
  const uint64_t sum = AddToSum(packet, begin, h.l4_total_bytes, PseudoSum(packet, h));
  auto checksum = static_cast<uint16_t>(~FoldSum(sum));
  if (checksum == 0 && h.l4 == L4Kind::kUdp) checksum = 0xffff;  // 0 says that there is none
  PutU16(b, field, checksum);
}

void PrepareChecksums(Packet& packet, const Headers& h, bool l3, bool l4) {
  const std::span<std::byte> b = packet.bytes();
  if (l3 && h.l3 == L3Kind::kIp4) PutU16(b, h.l2_bytes + 10u, 0);
  if (!l4 || h.l4_bytes == 0) return;
  const uint32_t field = h.l2_bytes + h.l3_bytes + ChecksumOffset(h.l4);
  if (h.l4 == L4Kind::kSctp) {
    for (uint32_t i = 0; i < 4; ++i) b[field + i] = std::byte{0};
    return;
  }
  PutU16(b, field, FoldSum(PseudoSum(packet, h)));
}

void PrepareSegments(Packet& packet, const Headers& h, bool sums_plainly) {
  if (sums_plainly) {
    FillChecksums(packet, h, true, false);
    PrepareChecksums(packet, h, false, true);
    return;
  }
  PrepareChecksums(packet, h, true, false);
  const uint32_t field = h.l2_bytes + h.l3_bytes + ChecksumOffset(L4Kind::kTcp);
  PutU16(packet.bytes(), field, FoldSum(PartialPseudoSum(packet, h)));
}

void VerifyChecksums(Packet& packet, PacketFields read) {
  PacketMetadata& meta = PacketAccess::meta(packet);
  const bool l3_done =
      meta.l3_checksum != ChecksumState::kUnknown || !read.Has(PacketField::kChecksumL3);
  const bool l4_done =
      meta.l4_checksum != ChecksumState::kUnknown || !read.Has(PacketField::kChecksumL4);
  if (l3_done && l4_done) return;
  const Headers h = ParseHeaders(packet);
  const auto set = [&meta](PacketField field, ChecksumState* state, bool good) {
    *state = good ? ChecksumState::kGood : ChecksumState::kBad;
    meta.present |= static_cast<uint32_t>(field);
    meta.computed |= static_cast<uint32_t>(field);
  };
  if (!l3_done && h.l3 == L3Kind::kIp4) {
    set(PacketField::kChecksumL3, &meta.l3_checksum,
        FoldSum(AddToSum(packet, h.l2_bytes, h.l3_bytes, 0)) == 0xffff);
  }
  if (l4_done || h.l4_bytes == 0) return;
  const uint32_t begin = h.l2_bytes + h.l3_bytes;
  const std::span<const std::byte> b = packet.bytes();
  const uint32_t field = begin + ChecksumOffset(h.l4);
  if (h.l4 == L4Kind::kSctp) {
    uint32_t stated = 0;
    for (uint32_t i = 0; i < 4; ++i) stated |= uint32_t{U8(b, field + i)} << (8 * i);
    set(PacketField::kChecksumL4, &meta.l4_checksum, stated == SctpCrc(packet, h));
    return;
  }
  // UDP without a checksum: nobody can tell.
  if (h.l4 == L4Kind::kUdp && U16(b, field) == 0) return;
  const uint64_t sum = AddToSum(packet, begin, h.l4_total_bytes, PseudoSum(packet, h));
  set(PacketField::kChecksumL4, &meta.l4_checksum, FoldSum(sum) == 0xffff);
}

bool InsertVlan(Packet& packet, uint16_t tci) {
  BufferPool* pool = PacketAccess::pool(packet);
  BufferPool::Link& link = pool->link(PacketAccess::first(packet));
  if (link.length < kMacBytes + 2) return false;
  std::byte* data = pool->data(PacketAccess::first(packet));
  if (link.offset >= kVlanBytes) {  // the addresses move to the front
    std::memmove(data + link.offset - kVlanBytes, data + link.offset, kMacBytes);
    link.offset -= kVlanBytes;
  } else if (link.offset + link.length + kVlanBytes <= pool->buffer_bytes()) {
    std::byte* tag = data + link.offset + kMacBytes;
    std::memmove(tag + kVlanBytes, tag, link.length - kMacBytes);
  } else {
    return false;
  }
  link.length += kVlanBytes;
  PacketAccess::set_length(packet, packet.length() + kVlanBytes);
  PutU16(packet.bytes(), kMacBytes, kEtherVlan);
  PutU16(packet.bytes(), kMacBytes + 2, tci);
  return true;
}

}  // namespace qsplit::internal
