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

void Drop(PacketMetadata& meta, PacketField field) {
  meta.present &= ~static_cast<uint32_t>(field);
  meta.computed &= ~static_cast<uint32_t>(field);
}

// What of a packet RSS hashes: addresses, and then ports if it has any.
struct Flow {
  std::array<uint8_t, 36> bytes;
  size_t addresses = 0;  // bytes of them; 0: no IP
  size_t all = 0;
  HashType of_addresses = HashType::kNone;
  HashType of_all = HashType::kNone;
};

Flow FlowOf(const Packet& packet) {
  Flow flow;
  const Headers h = ParseHeaders(packet);
  if (h.l3 != L3Kind::kIp4 && h.l3 != L3Kind::kIp6) return flow;
  const bool v6 = h.l3 == L3Kind::kIp6;
  const std::byte* ip = packet.bytes().data() + h.l2_bytes;
  flow.addresses = v6 ? 32 : 8;
  std::memcpy(flow.bytes.data(), ip + (v6 ? 8 : 12), flow.addresses);
  flow.all = flow.addresses;
  flow.of_addresses = flow.of_all = v6 ? HashType::kIp6 : HashType::kIp4;
  if (h.l4 != L4Kind::kTcp && h.l4 != L4Kind::kUdp) return flow;
  std::memcpy(flow.bytes.data() + flow.all, ip + h.l3_bytes, 4);
  flow.all += 4;
  if (h.l4 == L4Kind::kTcp) {
    flow.of_all = v6 ? HashType::kTcp6 : HashType::kTcp4;
  } else {
    flow.of_all = v6 ? HashType::kUdp6 : HashType::kUdp4;
  }
  return flow;
}

}  // namespace

bool AddWork(std::string_view role, SoftwareWork* work) {
  static constexpr struct {
    std::string_view role;
    bool SoftwareWork::*work;
  } kWorks[] = {{"checksum.checked", &SoftwareWork::checksums},
                {"checksum.l3.bad", &SoftwareWork::checksums},
                {"checksum.l3.checked", &SoftwareWork::checksums},
                {"checksum.l3.ok", &SoftwareWork::checksums},
                {"checksum.l4.bad", &SoftwareWork::checksums},
                {"checksum.l4.checked", &SoftwareWork::checksums},
                {"checksum.l4.ok", &SoftwareWork::checksums},
                {"checksum.udp.checked", &SoftwareWork::checksums},
                {"hash.type", &SoftwareWork::hash},
                {"hash.value", &SoftwareWork::hash},
                {"vlan.present", &SoftwareWork::vlan},
                {"vlan.stripped", &SoftwareWork::vlan},
                {"vlan.tci", &SoftwareWork::vlan}};
  for (const auto& known : kWorks) {
    if (known.role != role) continue;
    work->*known.work = true;
    return true;
  }
  return false;
}

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

namespace {

void FindHash(const std::array<uint8_t, kHashKeyBytes>& key, bool wants_type, Packet& packet) {
  PacketMetadata& meta = PacketAccess::meta(packet);
  const bool given = meta.Has(PacketField::kHash);
  if (given && (meta.Has(PacketField::kHashType) || !wants_type)) return;
  const Flow flow = FlowOf(packet);
  const std::span<const uint8_t> all(flow.bytes.data(), flow.all);
  const std::span<const uint8_t> addresses = all.first(flow.addresses);
  if (!given) {
    if (all.empty()) return;
    meta.hash = ToeplitzHash(key, all);
    meta.hash_type = flow.of_all;
    Mark(meta, PacketField::kHash);
  } else if (!all.empty() && meta.hash == ToeplitzHash(key, all)) {
    meta.hash_type = flow.of_all;
  } else if (!all.empty() && meta.hash == ToeplitzHash(key, addresses)) {
    meta.hash_type = flow.of_addresses;
  } else {
    meta.hash_type = HashType::kOther;
  }
  Mark(meta, PacketField::kHashType);
}

}  // namespace

void HashPacket(const std::array<uint8_t, kHashKeyBytes>& key, Packet& packet, PacketFields read) {
  FindHash(key, read.Has(PacketField::kHashType), packet);
  PacketMetadata& meta = PacketAccess::meta(packet);
  if (!read.Has(PacketField::kHash)) {
    Drop(meta, PacketField::kHash);
    meta.hash = 0;
  }
  if (!read.Has(PacketField::kHashType)) {
    Drop(meta, PacketField::kHashType);
    meta.hash_type = HashType::kNone;
  }
}

void ComputeMissing(const SoftwareWork& work, Packet& packet) {
  if (work.vlan) StripVlan(packet);
  if (work.hash) HashPacket(work.hash_key, packet, work.fields);
  if (work.checksums) VerifyChecksums(packet, work.fields);
}

}  // namespace qsplit::internal
