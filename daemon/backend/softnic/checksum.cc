#include "daemon/backend/softnic/checksum.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace qsplit::softnic {
namespace {

using dataplane::ChecksumState;

uint16_t Swap(uint16_t value) { return static_cast<uint16_t>(value << 8 | value >> 8); }

constexpr size_t kBlockBytes = 64;

// The sum of the 32-bit words of so many blocks, fewer than 2^14. Lanes of 32 bits take halves of
// words, so that they have room.
template <typename Lanes>
[[gnu::always_inline]] inline uint64_t SumOf(const uint8_t* at, size_t blocks) {
  constexpr size_t kLanes = sizeof(Lanes) / 4;
  Lanes low{};
  Lanes high{};
  for (size_t i = 0; i < blocks; ++i, at += kBlockBytes) {
    for (size_t part = 0; part < kBlockBytes; part += sizeof(Lanes)) {
      Lanes words;
      std::memcpy(&words, at + part, sizeof words);
      low += words & 0xffff;
      high += words >> 16;
    }
  }
  uint64_t sum = 0;
  for (size_t i = 0; i < kLanes; ++i) sum += uint64_t{low[i]} + (uint64_t{high[i]} << 16);
  return sum;
}

uint64_t SumBlocks(const uint8_t* at, size_t blocks) {
  using Lanes [[gnu::vector_size(16)]] = uint32_t;
  return SumOf<Lanes>(at, blocks);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] uint64_t SumBlocksWide(const uint8_t* at, size_t blocks) {
  using Lanes [[gnu::vector_size(32)]] = uint32_t;
  return SumOf<Lanes>(at, blocks);
}
#endif

// Not folded. Fewer than 2^20 bytes.
uint64_t SumInHostOrder(std::span<const uint8_t> bytes) {
  uint64_t sum = 0;
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  if (const size_t blocks = left / kBlockBytes; blocks != 0) {
#if defined(__x86_64__)
    static const bool wide = __builtin_cpu_supports("avx2");
    sum = wide ? SumBlocksWide(at, blocks) : SumBlocks(at, blocks);
#else
    sum = SumBlocks(at, blocks);
#endif
    at += blocks * kBlockBytes;
    left -= blocks * kBlockBytes;
  }
  for (; left >= 4; at += 4, left -= 4) {
    uint32_t word;
    std::memcpy(&word, at, 4);
    sum += word;
  }
  if (left != 0) {
    uint32_t word = 0;
    std::memcpy(&word, at, left);
    sum += word;
  }
  return sum;
}

using CrcTables = std::array<std::array<uint32_t, 256>, 8>;

constexpr CrcTables MakeCrcTables() {
  CrcTables t{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    t[0][i] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t i = 0; i < 256; ++i) t[k][i] = t[k - 1][i] >> 8 ^ t[0][t[k - 1][i] & 0xff];
  }
  return t;
}

constexpr CrcTables kCrc = MakeCrcTables();

}  // namespace

uint16_t OnesSum(std::span<const uint8_t> bytes, uint16_t start) {
  // The sum does not mind the byte order of its words, so it is taken in the host's and turned.
  uint16_t folded = Fold(SumInHostOrder(bytes));
  if constexpr (std::endian::native == std::endian::little) folded = Swap(folded);
  return Fold(uint64_t{folded} + start);
}

uint16_t PseudoHeaderSum(const uint8_t* ip, uint8_t version, uint8_t protocol, uint32_t l4_bytes) {
  const std::span<const uint8_t> addresses =
      version == 4 ? std::span(ip + 12, 8) : std::span(ip + 8, 32);
  return Fold(uint64_t{OnesSum(addresses)} + protocol + (l4_bytes >> 16) + (l4_bytes & 0xffff));
}

uint32_t Crc32c(std::span<const uint8_t> bytes, uint32_t crc) {
  crc = ~crc;
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    crc ^= uint32_t{at[0]} | uint32_t{at[1]} << 8 | uint32_t{at[2]} << 16 | uint32_t{at[3]} << 24;
    crc = kCrc[7][crc & 0xff] ^ kCrc[6][crc >> 8 & 0xff] ^ kCrc[5][crc >> 16 & 0xff] ^
          kCrc[4][crc >> 24] ^ kCrc[3][at[4]] ^ kCrc[2][at[5]] ^ kCrc[1][at[6]] ^ kCrc[0][at[7]];
  }
  for (; left != 0; ++at, --left) crc = crc >> 8 ^ kCrc[0][(crc ^ *at) & 0xff];
  return ~crc;
}

uint32_t SctpChecksum(std::span<const uint8_t> sctp) {
  constexpr std::array<uint8_t, 4> kZero{};
  uint32_t crc = Crc32c(sctp.first(8));
  crc = Crc32c(kZero, crc);
  return Crc32c(sctp.subspan(12), crc);
}

ChecksumVerdict Verify(const Packet& p) {
  ChecksumVerdict verdict;
  if (p.malformed_l3) return verdict;
  const uint8_t* frame = p.bytes.data();
  if (p.key.ip_version == 4) {
    const auto header = p.bytes.subspan(p.l3_offset, p.l4_offset - p.l3_offset);
    verdict.l3 = OnesSum(header) == 0xffff ? ChecksumState::kGood : ChecksumState::kBad;
  }
  switch (p.l4) {
    case dataplane::L4Kind::kTcp:
    case dataplane::L4Kind::kUdp: {
      uint32_t length = p.l3_end - p.l4_offset;
      if (p.l4 == dataplane::L4Kind::kUdp) {
        const uint16_t field = LoadBe16(frame + p.l4_offset + 6);
        if (field == 0) {  // none; over IPv6 that is an error
          if (p.key.ip_version == 6) verdict.l4 = ChecksumState::kBad;
          return verdict;
        }
        const uint16_t udp_length = LoadBe16(frame + p.l4_offset + 4);
        if (udp_length < 8 || udp_length > length) {
          verdict.l4 = ChecksumState::kBad;
          return verdict;
        }
        length = udp_length;
      }
      const uint16_t pseudo =
          PseudoHeaderSum(frame + p.l3_offset, p.key.ip_version, p.key.l4_protocol, length);
      verdict.l4 = OnesSum(p.bytes.subspan(p.l4_offset, length), pseudo) == 0xffff
                       ? ChecksumState::kGood
                       : ChecksumState::kBad;
      return verdict;
    }
    case dataplane::L4Kind::kSctp: {
      const auto sctp = p.bytes.subspan(p.l4_offset, p.l3_end - p.l4_offset);
      const uint32_t field = uint32_t{sctp[8]} | uint32_t{sctp[9]} << 8 | uint32_t{sctp[10]} << 16 |
                             uint32_t{sctp[11]} << 24;
      verdict.l4 = SctpChecksum(sctp) == field ? ChecksumState::kGood : ChecksumState::kBad;
      return verdict;
    }
    default:
      return verdict;
  }
}

void RawSum::Add(const uint8_t* at, size_t count, size_t distance) {
  uint16_t sum = Fold(SumInHostOrder({at, count}));
  if (distance % 2 != 0) sum = Swap(sum);
  AddWord(sum);
}

}  // namespace qsplit::softnic
