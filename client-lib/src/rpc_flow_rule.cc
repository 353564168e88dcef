#include "qsplit/rpc_flow_rule.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"

namespace qsplit {
namespace {

v1::FlowType TypeToProto(FlowType type) {
  switch (type) {
    case FlowType::kEther:
      return v1::FLOW_TYPE_ETHER;
    case FlowType::kIp4:
      return v1::FLOW_TYPE_IP4;
    case FlowType::kIp6:
      return v1::FLOW_TYPE_IP6;
    case FlowType::kTcp4:
      return v1::FLOW_TYPE_TCP4;
    case FlowType::kUdp4:
      return v1::FLOW_TYPE_UDP4;
    case FlowType::kSctp4:
      return v1::FLOW_TYPE_SCTP4;
    case FlowType::kTcp6:
      return v1::FLOW_TYPE_TCP6;
    case FlowType::kUdp6:
      return v1::FLOW_TYPE_UDP6;
    case FlowType::kSctp6:
      return v1::FLOW_TYPE_SCTP6;
    case FlowType::kAh4:
      return v1::FLOW_TYPE_AH4;
    case FlowType::kEsp4:
      return v1::FLOW_TYPE_ESP4;
    case FlowType::kAh6:
      return v1::FLOW_TYPE_AH6;
    case FlowType::kEsp6:
      return v1::FLOW_TYPE_ESP6;
  }
  return v1::FLOW_TYPE_UNSPECIFIED;
}

absl::StatusOr<FlowType> TypeFromProto(v1::FlowType type) {
  for (int i = 0; i <= static_cast<int>(FlowType::kEsp6); ++i) {
    if (TypeToProto(static_cast<FlowType>(i)) == type) return static_cast<FlowType>(i);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("match.flow_type ", static_cast<int>(type), " is none that is known here"));
}

std::string Bytes(const uint8_t* data, size_t size) {
  return std::string(reinterpret_cast<const char*>(data), size);
}

void SetNumber(const std::optional<MaskedNumber>& from, v1::MaskedNumber* (v1::FlowMatch::*field)(),
               v1::FlowMatch* match) {
  if (!from.has_value()) return;
  v1::MaskedNumber* to = (match->*field)();
  to->set_value(from->value);
  to->set_mask(from->mask);
}

template <typename Masked>
void SetBytes(const std::optional<Masked>& from, size_t size,
              v1::MaskedBytes* (v1::FlowMatch::*field)(), v1::FlowMatch* match) {
  if (!from.has_value()) return;
  v1::MaskedBytes* to = (match->*field)();
  to->set_value(Bytes(from->value.data(), size));
  to->set_mask(Bytes(from->mask.data(), size));
}

void GetNumber(bool has, const v1::MaskedNumber& from, std::optional<MaskedNumber>* to) {
  if (has) *to = MaskedNumber{from.value() & from.mask(), from.mask()};
}

template <typename Masked>
absl::Status GetBytes(bool has, const v1::MaskedBytes& from, size_t size, const char* name,
                      std::optional<Masked>* to) {
  if (!has) return absl::OkStatus();
  if (from.value().size() != size || from.mask().size() != size) {
    return absl::InvalidArgumentError(absl::StrCat("match.", name, " has ", from.value().size(),
                                                   " bytes and a mask of ", from.mask().size(),
                                                   "; the flow type wants ", size));
  }
  to->emplace();
  for (size_t i = 0; i < size; ++i) {
    (*to)->mask[i] = static_cast<uint8_t>(from.mask()[i]);
    (*to)->value[i] = static_cast<uint8_t>(from.value()[i] & from.mask()[i]);
  }
  return absl::OkStatus();
}

}  // namespace

v1::FlowMatch ToProto(const FlowRule& rule) {
  v1::FlowMatch match;
  match.set_flow_type(TypeToProto(rule.type));
  const size_t ip = IsIp6(rule.type) ? 16 : 4;
  SetBytes(rule.src_mac, 6, &v1::FlowMatch::mutable_src_mac, &match);
  SetBytes(rule.dst_mac, 6, &v1::FlowMatch::mutable_dst_mac, &match);
  SetNumber(rule.ether_type, &v1::FlowMatch::mutable_ether_type, &match);
  SetNumber(rule.vlan_tci, &v1::FlowMatch::mutable_vlan_tci, &match);
  SetNumber(rule.vlan_ether_type, &v1::FlowMatch::mutable_vlan_ether_type, &match);
  SetBytes(rule.src_ip, ip, &v1::FlowMatch::mutable_src_ip, &match);
  SetBytes(rule.dst_ip, ip, &v1::FlowMatch::mutable_dst_ip, &match);
  SetNumber(rule.tos, &v1::FlowMatch::mutable_tos, &match);
  SetNumber(rule.l4_protocol, &v1::FlowMatch::mutable_l4_protocol, &match);
  SetNumber(rule.src_port, &v1::FlowMatch::mutable_src_port, &match);
  SetNumber(rule.dst_port, &v1::FlowMatch::mutable_dst_port, &match);
  SetNumber(rule.l4_bytes, &v1::FlowMatch::mutable_l4_bytes, &match);
  SetNumber(rule.spi, &v1::FlowMatch::mutable_spi, &match);
  return match;
}

void FillRequest(const FlowRule& rule, bool of_lease, v1::AddRuleRequest* request) {
  *request->mutable_match() = ToProto(rule);
  switch (rule.action) {
    case RuleAction::kDrop:
      request->set_drop(true);
      break;
    case RuleAction::kPass:
      request->set_pass(true);
      break;
    case RuleAction::kReflect:
      request->set_reflect(true);
      break;
    case RuleAction::kQueue:
      of_lease ? request->set_lease_queue(rule.queue) : request->set_queue(rule.queue);
      break;
  }
  if (rule.location.has_value()) {
    request->set_location(*rule.location);
  } else {
    request->clear_location();
  }
}

absl::StatusOr<FlowRule> FromProto(const v1::Rule& rule) {
  const v1::FlowMatch& match = rule.match();
  absl::StatusOr<FlowType> type = TypeFromProto(match.flow_type());
  if (!type.ok()) return type.status();
  FlowRule out;
  out.type = *type;
  const size_t ip = IsIp6(*type) ? 16 : 4;
  for (absl::Status status :
       {GetBytes(match.has_src_mac(), match.src_mac(), 6, "src_mac", &out.src_mac),
        GetBytes(match.has_dst_mac(), match.dst_mac(), 6, "dst_mac", &out.dst_mac),
        GetBytes(match.has_src_ip(), match.src_ip(), ip, "src_ip", &out.src_ip),
        GetBytes(match.has_dst_ip(), match.dst_ip(), ip, "dst_ip", &out.dst_ip)}) {
    if (!status.ok()) return status;
  }
  GetNumber(match.has_ether_type(), match.ether_type(), &out.ether_type);
  GetNumber(match.has_vlan_tci(), match.vlan_tci(), &out.vlan_tci);
  GetNumber(match.has_vlan_ether_type(), match.vlan_ether_type(), &out.vlan_ether_type);
  GetNumber(match.has_tos(), match.tos(), &out.tos);
  GetNumber(match.has_l4_protocol(), match.l4_protocol(), &out.l4_protocol);
  GetNumber(match.has_l4_bytes(), match.l4_bytes(), &out.l4_bytes);
  GetNumber(match.has_src_port(), match.src_port(), &out.src_port);
  GetNumber(match.has_dst_port(), match.dst_port(), &out.dst_port);
  GetNumber(match.has_spi(), match.spi(), &out.spi);
  if (rule.drop()) out.action = RuleAction::kDrop;
  if (rule.pass()) out.action = RuleAction::kPass;
  if (rule.reflect()) out.action = RuleAction::kReflect;
  out.queue = rule.queue();
  out.location = rule.location();
  return out;
}

}  // namespace qsplit
