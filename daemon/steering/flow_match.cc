#include "daemon/steering/flow_match.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "daemon/policy/error.h"

namespace qsplit::steering {
namespace {

using device::FlowMatch;
using device::FlowType;
using policy::Error;

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kSctp = 132;
constexpr uint8_t kEsp = 50;
constexpr uint8_t kAh = 51;

struct TypeFacts {
  FlowType type;
  v1::FlowType proto;
  std::string_view name;  // ethtool's
  uint8_t ip_version;     // 0: not IP
  uint8_t l4_protocol;    // 0: any
};
constexpr std::array<TypeFacts, 13> kTypes = {{
    {FlowType::kEther, v1::FLOW_TYPE_ETHER, "ether", 0, 0},
    {FlowType::kIp4, v1::FLOW_TYPE_IP4, "ip4", 4, 0},
    {FlowType::kIp6, v1::FLOW_TYPE_IP6, "ip6", 6, 0},
    {FlowType::kTcp4, v1::FLOW_TYPE_TCP4, "tcp4", 4, kTcp},
    {FlowType::kUdp4, v1::FLOW_TYPE_UDP4, "udp4", 4, kUdp},
    {FlowType::kSctp4, v1::FLOW_TYPE_SCTP4, "sctp4", 4, kSctp},
    {FlowType::kTcp6, v1::FLOW_TYPE_TCP6, "tcp6", 6, kTcp},
    {FlowType::kUdp6, v1::FLOW_TYPE_UDP6, "udp6", 6, kUdp},
    {FlowType::kSctp6, v1::FLOW_TYPE_SCTP6, "sctp6", 6, kSctp},
    {FlowType::kAh4, v1::FLOW_TYPE_AH4, "ah4", 4, kAh},
    {FlowType::kEsp4, v1::FLOW_TYPE_ESP4, "esp4", 4, kEsp},
    {FlowType::kAh6, v1::FLOW_TYPE_AH6, "ah6", 6, kAh},
    {FlowType::kEsp6, v1::FLOW_TYPE_ESP6, "esp6", 6, kEsp},
}};

const TypeFacts& FactsOf(FlowType type) { return kTypes[static_cast<size_t>(type)]; }

bool HasSpi(const TypeFacts& facts) {
  return facts.l4_protocol == kAh || facts.l4_protocol == kEsp;
}

// "ether, ip4, ..."
std::string Names() {
  std::string names;
  for (const TypeFacts& facts : kTypes) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", facts.name);
  }
  return names;
}

std::string BytesText(std::string_view bytes) {
  std::string text;
  for (char c : bytes.substr(0, 16)) text += fmt::format("{:02x}", static_cast<uint8_t>(c));
  if (bytes.size() > 16) text += "...";
  return text;
}

// Checks and copies the fields of one match.
class Reader {
 public:
  Reader(const TypeFacts& facts, std::string_view path) : facts_(facts), path_(path) {}

  template <typename Number>
  absl::Status Take(bool present, const v1::MaskedNumber& from, std::string_view name, bool allowed,
                    Number& value, Number& mask) {
    if (!present) return absl::OkStatus();
    const std::string field = fmt::format("{}.{}", path_, name);
    if (!allowed) return NotOfType(field, name, fmt::format("{}", from.value()));
    const uint32_t most = static_cast<Number>(~Number{0});
    if (from.mask() == 0) return EmptyMask(field, name);
    if (from.mask() > most || from.value() > most) {
      const uint32_t wide = std::max(from.mask(), from.value());
      return Error(
          v1::ERROR_REASON_OUT_OF_RANGE, field, policy::Hex(wide), policy::Hex(most),
          fmt::format("{} {:#x} is wider than the field; use at most {:#x}", name, wide, most));
    }
    if ((from.value() & ~from.mask()) != 0) {
      return OutsideMask(field, name, policy::Hex(from.value()), policy::Hex(from.mask()));
    }
    value = static_cast<Number>(from.value());
    mask = static_cast<Number>(from.mask());
    return absl::OkStatus();
  }

  template <size_t N>
  absl::Status Take(bool present, const v1::MaskedBytes& from, std::string_view name, bool allowed,
                    size_t length, std::array<uint8_t, N>& value, std::array<uint8_t, N>& mask) {
    if (!present) return absl::OkStatus();
    const std::string field = fmt::format("{}.{}", path_, name);
    if (!allowed) return NotOfType(field, name, BytesText(from.value()));
    for (const std::string* bytes : {&from.value(), &from.mask()}) {
      if (bytes->size() == length) continue;
      return Error(v1::ERROR_REASON_MALFORMED, field, fmt::format("{} bytes", bytes->size()),
                   fmt::format("{} bytes", length),
                   fmt::format("{} has {} bytes; flow type {} wants {} of value and of mask", name,
                               bytes->size(), facts_.name, length));
    }
    bool any = false;
    for (size_t i = 0; i < length; ++i) {
      const auto v = static_cast<uint8_t>(from.value()[i]);
      const auto m = static_cast<uint8_t>(from.mask()[i]);
      if ((v & ~m) != 0) {
        return OutsideMask(field, name, BytesText(from.value()), BytesText(from.mask()));
      }
      any = any || m != 0;
    }
    if (!any) return EmptyMask(field, name);
    std::copy(from.value().begin(), from.value().end(), value.begin());
    std::copy(from.mask().begin(), from.mask().end(), mask.begin());
    return absl::OkStatus();
  }

 private:
  absl::Status NotOfType(const std::string& field, std::string_view name,
                         std::string_view value) const {
    return Error(v1::ERROR_REASON_MALFORMED, field, value, facts_.name,
                 fmt::format("flow type {} has no {}; leave it out or choose another flow type",
                             facts_.name, name));
  }
  static absl::Status EmptyMask(const std::string& field, std::string_view name) {
    return Error(
        v1::ERROR_REASON_MALFORMED, field, "0", "not 0",
        fmt::format("{} has an empty mask; leave the field out to match everything", name));
  }
  static absl::Status OutsideMask(const std::string& field, std::string_view name,
                                  const std::string& value, const std::string& mask) {
    return Error(
        v1::ERROR_REASON_MALFORMED, field, value, mask,
        fmt::format("{} {} has bits outside of its mask {}; clear them", name, value, mask));
  }

  const TypeFacts& facts_;
  const std::string_view path_;
};

void Give(uint32_t value, uint32_t mask, v1::MaskedNumber* (v1::FlowMatch::*field)(),
          v1::FlowMatch& to) {
  if (mask == 0) return;
  v1::MaskedNumber* number = (to.*field)();
  number->set_value(value);
  number->set_mask(mask);
}

template <size_t N>
void Give(const std::array<uint8_t, N>& value, const std::array<uint8_t, N>& mask, size_t length,
          v1::MaskedBytes* (v1::FlowMatch::*field)(), v1::FlowMatch& to) {
  if (mask == std::array<uint8_t, N>{}) return;
  v1::MaskedBytes* bytes = (to.*field)();
  bytes->set_value(std::string(reinterpret_cast<const char*>(value.data()), length));
  bytes->set_mask(std::string(reinterpret_cast<const char*>(mask.data()), length));
}

}  // namespace

v1::FlowType ToProto(FlowType type) { return FactsOf(type).proto; }

std::optional<FlowType> FromProto(v1::FlowType type) {
  for (const TypeFacts& facts : kTypes) {
    if (facts.proto == type) return facts.type;
  }
  return std::nullopt;
}

absl::StatusOr<FlowMatch> ToMatch(const v1::FlowMatch& request, std::string_view path) {
  const std::optional<FlowType> type = FromProto(request.flow_type());
  if (!type) {
    return Error(v1::ERROR_REASON_MALFORMED, fmt::format("{}.flow_type", path),
                 fmt::format("{}", static_cast<int>(request.flow_type())), Names(),
                 fmt::format("the match has no flow type; choose one of {}", Names()));
  }
  const TypeFacts& facts = FactsOf(*type);
  const bool ether = facts.ip_version == 0;
  const bool ip = !ether;
  const bool any_l4 = ip && facts.l4_protocol == 0;
  const bool spi = HasSpi(facts);
  const bool ports = facts.l4_protocol != 0 && !spi;
  const size_t ip_bytes = facts.ip_version == 4 ? 4 : 16;

  FlowMatch match;
  match.type = *type;
  device::FlowKey& v = match.value;
  device::FlowKey& m = match.mask;
  Reader reader(facts, path);
  const v1::FlowMatch& r = request;
  uint32_t spi_value = 0;
  uint32_t spi_mask = 0;
  const absl::Status statuses[] = {
      reader.Take(r.has_src_mac(), r.src_mac(), "src_mac", ether, 6, v.src_mac, m.src_mac),
      reader.Take(r.has_dst_mac(), r.dst_mac(), "dst_mac", true, 6, v.dst_mac, m.dst_mac),
      reader.Take(r.has_ether_type(), r.ether_type(), "ether_type", ether, v.ether_type,
                  m.ether_type),
      reader.Take(r.has_vlan_tci(), r.vlan_tci(), "vlan_tci", true, v.vlan_tci, m.vlan_tci),
      reader.Take(r.has_vlan_ether_type(), r.vlan_ether_type(), "vlan_ether_type", true,
                  v.vlan_ether_type, m.vlan_ether_type),
      reader.Take(r.has_src_ip(), r.src_ip(), "src_ip", ip, ip_bytes, v.src_ip, m.src_ip),
      reader.Take(r.has_dst_ip(), r.dst_ip(), "dst_ip", ip, ip_bytes, v.dst_ip, m.dst_ip),
      reader.Take(r.has_tos(), r.tos(), "tos", ip, v.tos, m.tos),
      reader.Take(r.has_l4_protocol(), r.l4_protocol(), "l4_protocol", any_l4, v.l4_protocol,
                  m.l4_protocol),
      reader.Take(r.has_src_port(), r.src_port(), "src_port", ports, v.src_port, m.src_port),
      reader.Take(r.has_dst_port(), r.dst_port(), "dst_port", ports, v.dst_port, m.dst_port),
      reader.Take(r.has_l4_bytes(), r.l4_bytes(), "l4_bytes", any_l4, v.l4_bytes, m.l4_bytes),
      reader.Take(r.has_spi(), r.spi(), "spi", spi, spi_value, spi_mask),
  };
  for (const absl::Status& status : statuses) {
    if (!status.ok()) return status;
  }

  // What the type and the fields demand of themselves.
  if (ip) {
    v.ip_version = facts.ip_version;
    m.ip_version = 0xff;
  }
  if (facts.l4_protocol != 0) {
    v.l4_protocol = facts.l4_protocol;
    m.l4_protocol = 0xff;
  }
  if (m.src_port != 0 || m.dst_port != 0) v.has_ports = m.has_ports = 1;
  if (spi_mask != 0) {
    SetSpi(spi_value, v);
    SetSpi(spi_mask, m);
    v.has_spi = m.has_spi = 1;
  }
  if (m.vlan_tci != 0 || m.vlan_ether_type != 0) v.has_vlan = m.has_vlan = 1;
  return match;
}

v1::FlowMatch FromMatch(const FlowMatch& match) {
  const TypeFacts& facts = FactsOf(match.type);
  const size_t ip_bytes = facts.ip_version == 4 ? 4 : 16;
  const device::FlowKey& v = match.value;
  const device::FlowKey& m = match.mask;
  v1::FlowMatch to;
  to.set_flow_type(facts.proto);
  Give(v.src_mac, m.src_mac, 6, &v1::FlowMatch::mutable_src_mac, to);
  Give(v.dst_mac, m.dst_mac, 6, &v1::FlowMatch::mutable_dst_mac, to);
  Give(v.ether_type, m.ether_type, &v1::FlowMatch::mutable_ether_type, to);
  Give(v.vlan_tci, m.vlan_tci, &v1::FlowMatch::mutable_vlan_tci, to);
  Give(v.vlan_ether_type, m.vlan_ether_type, &v1::FlowMatch::mutable_vlan_ether_type, to);
  Give(v.src_ip, m.src_ip, ip_bytes, &v1::FlowMatch::mutable_src_ip, to);
  Give(v.dst_ip, m.dst_ip, ip_bytes, &v1::FlowMatch::mutable_dst_ip, to);
  Give(v.tos, m.tos, &v1::FlowMatch::mutable_tos, to);
  if (facts.l4_protocol == 0) {
    Give(v.l4_protocol, m.l4_protocol, &v1::FlowMatch::mutable_l4_protocol, to);
  }
  if (HasSpi(facts)) {
    Give(SpiOf(v), SpiOf(m), &v1::FlowMatch::mutable_spi, to);
  } else {
    Give(v.src_port, m.src_port, &v1::FlowMatch::mutable_src_port, to);
    Give(v.dst_port, m.dst_port, &v1::FlowMatch::mutable_dst_port, to);
  }
  Give(v.l4_bytes, m.l4_bytes, &v1::FlowMatch::mutable_l4_bytes, to);
  return to;
}

}  // namespace qsplit::steering
