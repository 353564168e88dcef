#include "client-lib/src/software.h"

#include <cstring>

#include "client-lib/src/headers.h"
#include "client-lib/src/packet_access.h"
#include "dataplane/types.h"

namespace qsplit::internal {
namespace {

using dataplane::L3Kind;
using dataplane::L4Kind;

constexpr uint32_t kMacBytes = 12;
constexpr uint32_t kVlanBytes = 4;

void Mark(PacketMetadata& meta, PacketField field) {
  meta.present |= static_cast<uint32_t>(field);
  meta.computed |= static_cast<uint32_t>(field);
}

}  // namespace

uint32_t ToeplitzHash(const std::array<uint8_t, kHashKeyBytes>& key,
                      std::span<const uint8_t> input) {
  uint32_t hash = 0;
  uint32_t window =
      uint32_t{key[0]} << 24 | uint32_t{key[1]} << 16 | uint32_t{key[2]} << 8 | key[3];
  for (size_t i = 0; i < input.size() && i + 4 < key.size(); ++i) {
    for (int bit = 7; bit >= 0; --bit) {
      if ((input[i] >> bit & 1) != 0) hash ^= window;
      window = window << 1 | (key[i + 4] >> bit & 1);
    }
  }
  return hash;
}

void StripVlan(Packet& packet) {
  PacketMetadata& meta = PacketAccess::meta(packet);
  const std::span<std::byte> b = packet.bytes();
  if (meta.Has(PacketField::kVlan) || b.size() < kMacBytes + kVlanBytes + 2) return;
  if (b[kMacBytes] != std::byte{0x81} || b[kMacBytes + 1] != std::byte{0x00}) return;
  meta.vlan_tci = static_cast<uint16_t>(static_cast<unsigned>(b[kMacBytes + 2]) << 8 |
                                        static_cast<unsigned>(b[kMacBytes + 3]));
  Mark(meta, PacketField::kVlan);
  std::memmove(b.data() + kVlanBytes, b.data(), kMacBytes);
  BufferPool::Link& link = PacketAccess::pool(packet)->link(PacketAccess::first(packet));
  link.offset += kVlanBytes;
  link.length -= kVlanBytes;
  PacketAccess::set_length(packet, packet.length() - kVlanBytes);
}

void HashPacket(const std::array<uint8_t, kHashKeyBytes>& key, Packet& packet) {
  PacketMetadata& meta = PacketAccess::meta(packet);
  if (meta.Has(PacketField::kHash)) return;
  const Headers h = ParseHeaders(packet);
  if (h.l3 != L3Kind::kIp4 && h.l3 != L3Kind::kIp6) return;
  const bool v6 = h.l3 == L3Kind::kIp6;
  const size_t addresses = v6 ? 32 : 8;
  const std::byte* ip = packet.bytes().data() + h.l2_bytes;
  std::array<uint8_t, 36> input;
  std::memcpy(input.data(), ip + (v6 ? 8 : 12), addresses);
  size_t size = addresses;
  meta.hash_type = v6 ? HashType::kIp6 : HashType::kIp4;
  if (h.l4 == L4Kind::kTcp || h.l4 == L4Kind::kUdp) {
    std::memcpy(input.data() + size, ip + h.l3_bytes, 4);
    size += 4;
    if (h.l4 == L4Kind::kTcp) {
      meta.hash_type = v6 ? HashType::kTcp6 : HashType::kTcp4;
    } else {
      meta.hash_type = v6 ? HashType::kUdp6 : HashType::kUdp4;
    }
  }
  meta.hash = ToeplitzHash(key, std::span(input).first(size));
  Mark(meta, PacketField::kHash);
  Mark(meta, PacketField::kHashType);
}

void ComputeMissing(const SoftwareWork& work, Packet& packet) {
  if (work.vlan) StripVlan(packet);
  if (work.hash) HashPacket(work.hash_key, packet);
  if (work.checksums) VerifyChecksums(packet);
}

}  // namespace qsplit::internal
