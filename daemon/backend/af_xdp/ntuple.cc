#include "daemon/backend/af_xdp/ntuple.h"

#include <endian.h>
#include <linux/ethtool.h>

#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/strings/str_cat.h"

namespace qsplit::af_xdp {
namespace {

using device::FlowKey;
using device::FlowMatch;
using device::FlowType;
using linux_sys::NtupleRule;

constexpr uint32_t kFlags = FLOW_EXT | FLOW_MAC_EXT | FLOW_RSS;

struct TypeFacts {
  FlowType type;
  const char* name;
  uint32_t ethtool;
  uint8_t ip_version;   // 0: not IP
  uint8_t l4_protocol;  // 0: any
};
constexpr TypeFacts kTypes[] = {
    {FlowType::kEther, "ether", ETHER_FLOW, 0, 0},
    {FlowType::kIp4, "ip4", IPV4_USER_FLOW, 4, 0},
    {FlowType::kIp6, "ip6", IPV6_USER_FLOW, 6, 0},
    {FlowType::kTcp4, "tcp4", TCP_V4_FLOW, 4, 6},
    {FlowType::kUdp4, "udp4", UDP_V4_FLOW, 4, 17},
    {FlowType::kSctp4, "sctp4", SCTP_V4_FLOW, 4, 132},
    {FlowType::kTcp6, "tcp6", TCP_V6_FLOW, 6, 6},
    {FlowType::kUdp6, "udp6", UDP_V6_FLOW, 6, 17},
    {FlowType::kSctp6, "sctp6", SCTP_V6_FLOW, 6, 132},
    {FlowType::kAh4, "ah4", AH_V4_FLOW, 4, 51},
    {FlowType::kEsp4, "esp4", ESP_V4_FLOW, 4, 50},
    {FlowType::kAh6, "ah6", AH_V6_FLOW, 6, 51},
    {FlowType::kEsp6, "esp6", ESP_V6_FLOW, 6, 50},
};

const TypeFacts& FactsOf(FlowType type) { return kTypes[static_cast<size_t>(type)]; }

bool HasSpi(const TypeFacts& facts) { return facts.l4_protocol == 50 || facts.l4_protocol == 51; }

// Fields of a key (numbers in the host's order) to those of ethtool's structs, and back.
struct ToKernel {
  void operator()(const uint8_t& key, __u8& field) const { field = key; }
  void operator()(const uint16_t& key, __be16& field) const { field = htobe16(key); }
  void operator()(const uint32_t& key, __be32& field) const { field = htobe32(key); }
  template <size_t kBytes, typename Field>
  void operator()(const std::array<uint8_t, kBytes>& key, Field& field) const {
    static_assert(sizeof(Field) <= kBytes);
    std::memcpy(&field, key.data(), sizeof field);
  }
};
struct FromKernel {
  void operator()(uint8_t& key, const __u8& field) const { key = field; }
  void operator()(uint16_t& key, const __be16& field) const { key = be16toh(field); }
  void operator()(uint32_t& key, const __be32& field) const { key = be32toh(field); }
  template <size_t kBytes, typename Field>
  void operator()(std::array<uint8_t, kBytes>& key, const Field& field) const {
    static_assert(sizeof(Field) <= kBytes);
    std::memcpy(key.data(), &field, sizeof field);
  }
};

// Calls `copy` with each field of the key that the flow type has, and its place.
template <typename Copy, typename Key, typename Flow>
void EachFlowField(FlowType type, Key& key, Flow& flow, const Copy& copy) {
  const auto ports4 = [&](auto& spec) {
    copy(key.src_ip, spec.ip4src);
    copy(key.dst_ip, spec.ip4dst);
    copy(key.src_port, spec.psrc);
    copy(key.dst_port, spec.pdst);
    copy(key.tos, spec.tos);
  };
  const auto ports6 = [&](auto& spec) {
    copy(key.src_ip, spec.ip6src);
    copy(key.dst_ip, spec.ip6dst);
    copy(key.src_port, spec.psrc);
    copy(key.dst_port, spec.pdst);
    copy(key.tos, spec.tclass);
  };
  const auto index = [&](auto& field) {
    uint32_t spi = SpiOf(key);
    copy(spi, field);
    if constexpr (!std::is_const_v<Key>) SetSpi(spi, key);
  };
  const auto ipsec4 = [&](auto& spec) {
    copy(key.src_ip, spec.ip4src);
    copy(key.dst_ip, spec.ip4dst);
    index(spec.spi);
    copy(key.tos, spec.tos);
  };
  const auto ipsec6 = [&](auto& spec) {
    copy(key.src_ip, spec.ip6src);
    copy(key.dst_ip, spec.ip6dst);
    index(spec.spi);
    copy(key.tos, spec.tclass);
  };
  switch (type) {
    case FlowType::kEther:
      copy(key.dst_mac, flow.ether_spec.h_dest);
      copy(key.src_mac, flow.ether_spec.h_source);
      // A packed struct, whose fields no reference can name.
      if (auto proto = flow.ether_spec.h_proto; true) {
        copy(key.ether_type, proto);
        if constexpr (!std::is_const_v<Flow>) flow.ether_spec.h_proto = proto;
      }
      return;
    case FlowType::kIp4:
      copy(key.src_ip, flow.usr_ip4_spec.ip4src);
      copy(key.dst_ip, flow.usr_ip4_spec.ip4dst);
      copy(key.l4_bytes, flow.usr_ip4_spec.l4_4_bytes);
      copy(key.tos, flow.usr_ip4_spec.tos);
      copy(key.l4_protocol, flow.usr_ip4_spec.proto);
      return;
    case FlowType::kIp6:
      copy(key.src_ip, flow.usr_ip6_spec.ip6src);
      copy(key.dst_ip, flow.usr_ip6_spec.ip6dst);
      copy(key.l4_bytes, flow.usr_ip6_spec.l4_4_bytes);
      copy(key.tos, flow.usr_ip6_spec.tclass);
      copy(key.l4_protocol, flow.usr_ip6_spec.l4_proto);
      return;
    case FlowType::kTcp4:
      return ports4(flow.tcp_ip4_spec);
    case FlowType::kUdp4:
      return ports4(flow.udp_ip4_spec);
    case FlowType::kSctp4:
      return ports4(flow.sctp_ip4_spec);
    case FlowType::kTcp6:
      return ports6(flow.tcp_ip6_spec);
    case FlowType::kUdp6:
      return ports6(flow.udp_ip6_spec);
    case FlowType::kSctp6:
      return ports6(flow.sctp_ip6_spec);
    case FlowType::kAh4:
      return ipsec4(flow.ah_ip4_spec);
    case FlowType::kEsp4:
      return ipsec4(flow.esp_ip4_spec);
    case FlowType::kAh6:
      return ipsec6(flow.ah_ip6_spec);
    case FlowType::kEsp6:
      return ipsec6(flow.esp_ip6_spec);
  }
}

// What FLOW_EXT announces.
template <typename Copy, typename Key, typename Ext>
void EachExtField(Key& key, Ext& ext, const Copy& copy) {
  copy(key.vlan_ether_type, ext.vlan_etype);
  copy(key.vlan_tci, ext.vlan_tci);
}

// What the flow type, and what is compared, demand of themselves: as the checked form of a match
// has it.
void WriteDemands(const TypeFacts& facts, FlowMatch& match) {
  FlowKey& value = match.value;
  FlowKey& mask = match.mask;
  if (facts.ip_version != 0) {
    value.ip_version = facts.ip_version;
    mask.ip_version = 0xff;
  }
  if (facts.l4_protocol != 0) {
    value.l4_protocol = facts.l4_protocol;
    mask.l4_protocol = 0xff;
  }
  if (SpiOf(mask) != 0) {
    uint8_t FlowKey::*const there = HasSpi(facts) ? &FlowKey::has_spi : &FlowKey::has_ports;
    value.*there = mask.*there = 1;
  }
  if (mask.vlan_tci != 0 || mask.vlan_ether_type != 0) value.has_vlan = mask.has_vlan = 1;
}

// The first field in which the two are different; none: they are equal.
std::optional<std::string_view> Different(const FlowMatch& a, const FlowMatch& b) {
  std::optional<std::string_view> name;
  const auto compare = [&](std::string_view field, auto FlowKey::*member) {
    if (!name && (a.value.*member != b.value.*member || a.mask.*member != b.mask.*member)) {
      name = field;
    }
  };
  compare("dst-mac", &FlowKey::dst_mac);
  compare("src-mac", &FlowKey::src_mac);
  compare("ether-type", &FlowKey::ether_type);
  compare("vlan-tci", &FlowKey::vlan_tci);
  compare("vlan-ether-type", &FlowKey::vlan_ether_type);
  compare("tos", &FlowKey::tos);
  compare("l4-protocol", &FlowKey::l4_protocol);
  compare("src-ip", &FlowKey::src_ip);
  compare("dst-ip", &FlowKey::dst_ip);
  compare("src-port", &FlowKey::src_port);
  compare("dst-port", &FlowKey::dst_port);
  compare("l4-bytes", &FlowKey::l4_bytes);
  compare("the IP version", &FlowKey::ip_version);
  compare("whether there is a VLAN tag", &FlowKey::has_vlan);
  compare("whether there are ports", &FlowKey::has_ports);
  compare("whether there is a security parameters index", &FlowKey::has_spi);
  return name;
}

// Its bits that are compared.
FlowKey InsideMask(const FlowMatch& match) {
  using Words = std::array<uint64_t, sizeof(FlowKey) / sizeof(uint64_t)>;
  auto value = std::bit_cast<Words>(match.value);
  const auto mask = std::bit_cast<Words>(match.mask);
  for (size_t i = 0; i < value.size(); ++i) value[i] &= mask[i];
  return std::bit_cast<FlowKey>(value);
}

absl::Status CannotRead(const NtupleRule& ntuple, const std::string& what) {
  return absl::UnimplementedError(
      absl::StrCat("ntuple rule ", ntuple.location, " ", what, ", which no steering rule can say"));
}

}  // namespace

absl::StatusOr<NtupleRule> ToNtuple(const device::FlowRule& rule) {
  const FlowMatch& match = rule.match;
  const TypeFacts& facts = FactsOf(match.type);
  if (InsideMask(match) != match.value) {
    return absl::InvalidArgumentError(absl::StrCat(
        "rule ", rule.location, ": its value has bits outside of its mask; clear them"));
  }
  NtupleRule ntuple{};
  ntuple.flow_type = facts.ethtool;
  EachFlowField(match.type, match.value, ntuple.h_u, ToKernel{});
  EachFlowField(match.type, match.mask, ntuple.m_u, ToKernel{});
  // <linux/ethtool.h>, struct ethtool_usrip4_spec: the value must be this, the mask 0.
  if (match.type == FlowType::kIp4) ntuple.h_u.usr_ip4_spec.ip_ver = ETH_RX_NFC_IP4;
  if (match.mask.vlan_tci != 0 || match.mask.vlan_ether_type != 0) {
    ntuple.flow_type |= FLOW_EXT;
    EachExtField(match.value, ntuple.h_ext, ToKernel{});
    EachExtField(match.mask, ntuple.m_ext, ToKernel{});
  }
  if (facts.ip_version != 0 && match.mask.dst_mac != device::FlowKey{}.dst_mac) {
    ntuple.flow_type |= FLOW_MAC_EXT;
    ToKernel{}(match.value.dst_mac, ntuple.h_ext.h_dest);
    ToKernel{}(match.mask.dst_mac, ntuple.m_ext.h_dest);
  }
  ntuple.ring_cookie = rule.action.drops() ? RX_CLS_FLOW_DISC : rule.action.queue;
  ntuple.location = rule.location;
  const absl::StatusOr<device::FlowRule> said = FromNtuple(ntuple);
  if (!said.ok()) return said.status();
  if (const auto field = Different(said->match, match)) {
    return absl::UnimplementedError(
        absl::StrCat("rule ", rule.location, ": an ntuple rule of flow type ", facts.name,
                     " cannot compare ", std::string(*field), " as this one does; leave it out"));
  }
  return ntuple;
}

absl::StatusOr<device::FlowRule> FromNtuple(const NtupleRule& ntuple) {
  const TypeFacts* facts = nullptr;
  for (const TypeFacts& one : kTypes) {
    if (one.ethtool == (ntuple.flow_type & ~kFlags)) facts = &one;
  }
  if (facts == nullptr) {
    return CannotRead(ntuple, absl::StrCat("has flow type ", ntuple.flow_type & ~kFlags,
                                           " of <linux/ethtool.h>"));
  }
  if ((ntuple.flow_type & FLOW_RSS) != 0) return CannotRead(ntuple, "sends to an RSS context");
  device::FlowRule rule;
  rule.location = ntuple.location;
  FlowMatch& match = rule.match;
  match.type = facts->type;
  EachFlowField(match.type, match.value, ntuple.h_u, FromKernel{});
  EachFlowField(match.type, match.mask, ntuple.m_u, FromKernel{});
  if ((ntuple.flow_type & FLOW_EXT) != 0) {
    if (ntuple.m_ext.data[0] != 0 || ntuple.m_ext.data[1] != 0) {
      return CannotRead(ntuple, "compares user-defined bytes");
    }
    EachExtField(match.value, ntuple.h_ext, FromKernel{});
    EachExtField(match.mask, ntuple.m_ext, FromKernel{});
  }
  if ((ntuple.flow_type & FLOW_MAC_EXT) != 0) {
    FromKernel{}(match.value.dst_mac, ntuple.h_ext.h_dest);
    FromKernel{}(match.mask.dst_mac, ntuple.m_ext.h_dest);
  }
  // The kernel keeps bits that are not compared as they were given to it.
  match.value = InsideMask(match);
  WriteDemands(*facts, match);
  if (ntuple.ring_cookie == RX_CLS_FLOW_WAKE) return CannotRead(ntuple, "wakes the machine");
  if (ntuple.ring_cookie == RX_CLS_FLOW_DISC) return rule;
  if (ntuple.ring_cookie >= device::FlowAction::kDrop) {
    return CannotRead(ntuple, "sends to a virtual function");
  }
  rule.action.queue = static_cast<uint32_t>(ntuple.ring_cookie);
  return rule;
}

}  // namespace qsplit::af_xdp
