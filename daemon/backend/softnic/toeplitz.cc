#include "daemon/backend/softnic/toeplitz.h"

#include <cstring>

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
}

FlowHash HashFlow(const Toeplitz& toeplitz, const Packet& packet) {
  const device::FlowKey& key = packet.key;
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
  if (key.has_ports != 0 && !packet.fragment) {
    StoreBe16(input.data() + length, key.src_port);
    StoreBe16(input.data() + length + 2, key.dst_port);
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
