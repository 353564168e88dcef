#include "daemon/backend/softnic/packet.h"

#include <algorithm>
#include <cstring>

namespace qsplit::softnic {
namespace {

using dataplane::L3Kind;
using dataplane::L4Kind;

constexpr int kMaxVlanTags = 2;
constexpr int kMaxExtensionHeaders = 16;

bool IsVlan(uint16_t ether_type) {
  return ether_type == kEtherTypeVlan || ether_type == kEtherTypeServiceVlan;
}

void ParseIp4(Packet* p) {
  const uint8_t* at = p->bytes.data() + p->l3_offset;
  const size_t room = p->bytes.size() - p->l3_offset;
  p->malformed_l3 = true;
  if (room < 20 || at[0] >> 4 != 4) return;
  const uint32_t header = (at[0] & 0xfu) * 4;
  const uint32_t total = LoadBe16(at + 2);
  if (header < 20 || header > room || total < header || total > room) return;
  p->malformed_l3 = false;
  p->l3 = L3Kind::kIp4;
  p->l3_end = p->l3_offset + total;
  p->l4_offset = p->l3_offset + header;
  p->key.ip_version = 4;
  p->key.tos = at[1];
  p->key.l4_protocol = at[9];
  std::memcpy(p->key.src_ip.data(), at + 12, 4);
  std::memcpy(p->key.dst_ip.data(), at + 16, 4);
  const uint16_t fragment = LoadBe16(at + 6);
  p->later_fragment = (fragment & 0x1fff) != 0;
  p->fragment = (fragment & 0x3fff) != 0;
}

// What SkipExtensions passes over.
bool IsExtension(uint8_t next) {
  return next == 0 || next == 43 || next == 44 || next == 60 || next == 135;
}

// The protocol behind the extension headers and where it begins; the chain may be cut off anywhere.
// AH is where it ends, as in IPv4: a flow by its own index, whatever stands in it.
void SkipExtensions(Packet* p, uint8_t next) {
  const uint8_t* frame = p->bytes.data();
  uint32_t at = p->l4_offset;
  for (int i = 0; i < kMaxExtensionHeaders; ++i) {
    uint32_t length = 0;
    switch (next) {
      case 0:    // hop by hop
      case 43:   // routing
      case 60:   // destination options
      case 135:  // mobility
        if (p->l3_end - at < 8) break;
        length = (frame[at + 1] + 1u) * 8;
        break;
      case 44: {  // fragment
        if (p->l3_end - at < 8) break;
        const uint16_t fragment = LoadBe16(frame + at + 2);
        // An "atomic" fragment, alone, is a whole packet.
        if ((fragment & 0xfff9) != 0) {
          p->fragment = true;
          p->later_fragment = (fragment & 0xfff8) != 0;
        }
        length = 8;
        break;
      }
      default:
        p->key.l4_protocol = next;
        p->l4_offset = at;
        return;
    }
    if (length == 0 || length > p->l3_end - at) {  // cut off
      p->malformed_l3 = true;
      p->l4_offset = 0;
      p->key.l4_protocol = next;
      return;
    }
    next = frame[at];
    at += length;
    if (p->later_fragment) break;  // what follows is payload
  }
  p->key.l4_protocol = next;
  p->l4_offset = at;
}

void ParseIp6(Packet* p) {
  const uint8_t* at = p->bytes.data() + p->l3_offset;
  const size_t room = p->bytes.size() - p->l3_offset;
  p->malformed_l3 = true;
  if (room < kIp6HeaderBytes || at[0] >> 4 != 6) return;
  const uint32_t total = kIp6HeaderBytes + LoadBe16(at + 4);
  if (total > room) return;
  p->malformed_l3 = false;
  p->l3 = L3Kind::kIp6;
  p->l3_end = p->l3_offset + total;
  p->l4_offset = p->l3_offset + kIp6HeaderBytes;
  p->key.ip_version = 6;
  p->key.tos = static_cast<uint8_t>(LoadBe16(at) >> 4);
  std::memcpy(p->key.src_ip.data(), at + 8, 16);
  std::memcpy(p->key.dst_ip.data(), at + 24, 16);
  SkipExtensions(p, at[6]);
}

// What stands `at` the end of the IP headers, `room` bytes; not of a later fragment.
inline void ParseL4At(const uint8_t* at, uint32_t room, bool fragment, device::FlowKey* key,
                      L4Kind* l4) {
  if (fragment) *l4 = L4Kind::kFragment;
  if (room >= 4) key->l4_bytes = LoadBe32(at);
  const auto ports = [&](L4Kind kind, uint32_t header) {
    if (room >= 4) {
      key->src_port = LoadBe16(at);
      key->dst_port = LoadBe16(at + 2);
      key->has_ports = 1;
    }
    if (!fragment && room >= header) *l4 = kind;
  };
  const auto spi = [&](uint32_t offset) {
    if (room >= offset + 4) {
      SetSpi(LoadBe32(at + offset), *key);
      key->has_spi = 1;
    }
    if (!fragment) *l4 = L4Kind::kOther;
  };
  switch (key->l4_protocol) {
    case kProtocolTcp:
      return ports(L4Kind::kTcp, 20);
    case kProtocolUdp:
      return ports(L4Kind::kUdp, 8);
    case kProtocolSctp:
      return ports(L4Kind::kSctp, 12);
    case kProtocolEsp:  // RFC 4303, 2
      return spi(0);
    case kProtocolAh:  // RFC 4302, 2: next header, length, two reserved bytes
      return spi(4);
    case kProtocolIcmp:
    case kProtocolIcmp6:
      if (!fragment) *l4 = L4Kind::kIcmp;
      return;
    default:
      if (!fragment) *l4 = L4Kind::kOther;
  }
}

void ParseL4(Packet* p) {
  if (p->l4_offset == 0) return;
  if (p->later_fragment) {
    p->l4 = L4Kind::kFragment;
    return;
  }
  ParseL4At(p->bytes.data() + p->l4_offset, p->l3_end - p->l4_offset, p->fragment, &p->key, &p->l4);
}

}  // namespace

bool Parse(std::span<const uint8_t> frame, Packet* out) {
  *out = Packet{};
  out->bytes = frame;
  if (frame.size() < kEthernetHeaderBytes) return false;
  const uint8_t* at = frame.data();
  std::memcpy(out->key.dst_mac.data(), at, 6);
  std::memcpy(out->key.src_mac.data(), at + 6, 6);
  uint32_t offset = 12;
  uint16_t ether_type = LoadBe16(at + offset);
  for (int tag = 0; tag < kMaxVlanTags && IsVlan(ether_type); ++tag) {
    if (frame.size() < offset + kVlanTagBytes + 2) break;
    if (tag == 0) {
      out->key.has_vlan = 1;
      out->key.vlan_ether_type = ether_type;
      out->key.vlan_tci = LoadBe16(at + offset + 2);
    }
    offset += kVlanTagBytes;
    ether_type = LoadBe16(at + offset);
  }
  out->key.ether_type = ether_type;
  out->l3_offset = offset + 2;
  out->l3_end = static_cast<uint32_t>(frame.size());
  switch (ether_type) {
    case kEtherTypeIp4:
      ParseIp4(out);
      break;
    case kEtherTypeIp6:
      ParseIp6(out);
      break;
    case kEtherTypeArp:
      out->l3 = L3Kind::kArp;
      break;
    default:
      out->l3 = L3Kind::kOther;
  }
  ParseL4(out);
  return true;
}

bool ParsePlain(const FrameHead& head, uint32_t frame_bytes, PlainFacts* facts, uint32_t* l3_end,
                device::FlowKey* key) {
  // Straight into the results: a copy would wait for each of these stores, which are narrower.
  *key = {};
  const uint8_t* const at = head.data();
  const uint8_t* const ip = at + kEthernetHeaderBytes;
  key->ether_type = LoadBe16(at + 12);
  uint32_t header = 0;
  L3Kind l3 = L3Kind::kUnknown;
  L4Kind l4 = L4Kind::kUnknown;
  if (key->ether_type == kEtherTypeIp4) {
    header = 20;
    if (ip[0] != 0x45 || (LoadBe16(ip + 6) & 0x3fff) != 0) return false;
    l3 = L3Kind::kIp4;
    key->ip_version = 4;
    key->tos = ip[1];
    key->l4_protocol = ip[9];
    std::memcpy(key->src_ip.data(), ip + 12, 4);
    std::memcpy(key->dst_ip.data(), ip + 16, 4);
  } else if (key->ether_type == kEtherTypeIp6) {
    header = kIp6HeaderBytes;
    if (ip[0] >> 4 != 6 || IsExtension(ip[6])) return false;
    l3 = L3Kind::kIp6;
    key->ip_version = 6;
    key->tos = static_cast<uint8_t>(LoadBe16(ip) >> 4);
    key->l4_protocol = ip[6];
    std::memcpy(key->src_ip.data(), ip + 8, 16);
    std::memcpy(key->dst_ip.data(), ip + 24, 16);
  } else {
    return false;
  }
  const uint32_t total = PlainIpBytes(head, key->ip_version);
  if (total < header || total > frame_bytes - kEthernetHeaderBytes ||
      key->l4_protocol == kProtocolSctp || key->l4_protocol == kProtocolAh) {
    return false;
  }
  std::memcpy(key->dst_mac.data(), at, 6);
  std::memcpy(key->src_mac.data(), at + 6, 6);
  ParseL4At(head.data() + kEthernetHeaderBytes + header, total - header, /*fragment=*/false, key,
            &l4);
  *facts = {.ip_version = key->ip_version, .l4_protocol = key->l4_protocol, .l3 = l3, .l4 = l4};
  *l3_end = kEthernetHeaderBytes + total;
  return true;
}

}  // namespace qsplit::softnic
