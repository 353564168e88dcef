#include "daemon/backend/softnic/toeplitz.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace qsplit::softnic {

using dataplane::HashType;

Toeplitz::Toeplitz(const RssKey& key) {
  // The 32 bits of the key that begin at bit `at`.
  const auto window = [&key](size_t at) {
    uint64_t bits = 0;
    for (size_t i = 0; i < 5; ++i) {
      const size_t byte = at / 8 + i;
      bits = bits << 8 | (byte < key.size() ? key[byte] : 0);
    }
    return static_cast<uint32_t>(bits >> (8 - at % 8));
  };
  for (size_t half = 0; half < tables_.size(); ++half) {
    for (size_t value = 0; value < 16; ++value) {
      uint32_t hash = 0;
      for (size_t bit = 0; bit < 4; ++bit) {
        if ((value & (8u >> bit)) != 0) hash ^= window(4 * half + bit);
      }
      tables_[half][value] = hash;
    }
  }
#if defined(__x86_64__)
  for (size_t word = 0; word < windows_.size(); ++word) {
    windows_[word] = 0;
    for (size_t bit = 0; bit < 64; ++bit) {
      const uint64_t is_set = window(32 * word + bit) >> 31;
      windows_[word] |= is_set << bit;
    }
  }
  multiplies_ = __builtin_cpu_supports("pclmul");
#endif
}

#if defined(__x86_64__)
// Bit j of the hash, first bit first, is the sum over i of input bit i times key bit i + j. Input
// bit i of a word has weight 31 - i, and key bit t of its window weight t: of their product, the
// bit of weight 31 + j is that sum.
__attribute__((target("pclmul"))) uint32_t Toeplitz::HashByProducts(
    std::span<const uint8_t> input) const {
  __m128i sum = _mm_setzero_si128();
  for (size_t word = 0; 4 * word < input.size(); ++word) {
    const auto bits = static_cast<int64_t>(uint64_t{LoadBe32(input.data() + 4 * word)});
    const __m128i key = _mm_cvtsi64_si128(static_cast<int64_t>(windows_[word]));
    sum = _mm_xor_si128(sum, _mm_clmulepi64_si128(_mm_cvtsi64_si128(bits), key, 0));
  }
  auto hash = static_cast<uint32_t>(static_cast<uint64_t>(_mm_cvtsi128_si64(sum)) >> 31);
  hash = (hash >> 1 & 0x55555555u) | (hash & 0x55555555u) << 1;
  hash = (hash >> 2 & 0x33333333u) | (hash & 0x33333333u) << 2;
  hash = (hash >> 4 & 0x0f0f0f0fu) | (hash & 0x0f0f0f0fu) << 4;
  return __builtin_bswap32(hash);
}
#endif

FlowHash HashFlow(const Toeplitz& toeplitz, const device::FlowKey& key, bool fragment) {
  if (key.ip_version == 0) return {};
  std::array<uint8_t, Toeplitz::kMaxInputBytes> input;
  const bool four = key.ip_version == 4;
  const size_t address = four ? 4 : 16;
  std::memcpy(input.data(), key.src_ip.data(), address);
  std::memcpy(input.data() + address, key.dst_ip.data(), address);
  size_t length = 2 * address;
  FlowHash hash;
  hash.type = four ? HashType::kIp4 : HashType::kIp6;
  // Fragments of one packet must stay together, and only the first has ports.
  if (key.has_ports != 0 && !fragment) {
    // One store: it is loaded as one word.
    StoreBe32(input.data() + length, uint32_t{key.src_port} << 16 | key.dst_port);
    length += 4;
    switch (key.l4_protocol) {
      case kProtocolTcp:
        hash.type = four ? HashType::kTcp4 : HashType::kTcp6;
        break;
      case kProtocolUdp:
        hash.type = four ? HashType::kUdp4 : HashType::kUdp6;
        break;
      default:
        hash.type = four ? HashType::kSctp4 : HashType::kSctp6;
    }
  }
  hash.value = toeplitz.Hash(std::span(input.data(), length));
  return hash;
}

}  // namespace qsplit::softnic
