#include <arpa/inet.h>

#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "daemon/config/sections.h"

namespace qsplit::config {
namespace {

struct Type {
  v1::FlowType type;
  bool ip4, ip6, ports, spi;
};

const std::map<std::string, Type, std::less<>>& Types() {
  static const std::map<std::string, Type, std::less<>> types = {
      {"ether", {v1::FLOW_TYPE_ETHER, false, false, false, false}},
      {"ip4", {v1::FLOW_TYPE_IP4, true, false, false, false}},
      {"ip6", {v1::FLOW_TYPE_IP6, false, true, false, false}},
      {"tcp4", {v1::FLOW_TYPE_TCP4, true, false, true, false}},
      {"udp4", {v1::FLOW_TYPE_UDP4, true, false, true, false}},
      {"sctp4", {v1::FLOW_TYPE_SCTP4, true, false, true, false}},
      {"tcp6", {v1::FLOW_TYPE_TCP6, false, true, true, false}},
      {"udp6", {v1::FLOW_TYPE_UDP6, false, true, true, false}},
      {"sctp6", {v1::FLOW_TYPE_SCTP6, false, true, true, false}},
      {"ah4", {v1::FLOW_TYPE_AH4, true, false, false, true}},
      {"esp4", {v1::FLOW_TYPE_ESP4, true, false, false, true}},
      {"ah6", {v1::FLOW_TYPE_AH6, false, true, false, true}},
      {"esp6", {v1::FLOW_TYPE_ESP6, false, true, false, true}},
  };
  return types;
}

// KEY and KEY_mask, into a number of `bits` bits.
class ScopeReader {
 public:
  ScopeReader(TableReader& reader, std::string_view flow_type)
      : reader_(reader), flow_type_(flow_type) {}

  void Number(std::string_view key, uint32_t bits, bool fits, v1::FlowMatch& match,
              v1::MaskedNumber* (v1::FlowMatch::*field)()) {
    const uint64_t all = (uint64_t{1} << bits) - 1;
    const std::string mask_key = absl::StrCat(key.data(), "_mask");
    const auto value = reader_.Integer(key, 0, all);
    const auto mask = reader_.Integer(mask_key, 1, all);
    if (!Allowed(key, mask_key, fits) || !value) return;
    const uint64_t compared = mask.value_or(all);
    if ((*value & ~compared) != 0) {
      return reader_.Error(key, absl::StrCat("has bits outside its mask 0x", absl::Hex(compared)));
    }
    v1::MaskedNumber* out = (match.*field)();
    out->set_value(static_cast<uint32_t>(*value));
    out->set_mask(static_cast<uint32_t>(compared));
  }

  void Mac(std::string_view key, bool fits, v1::FlowMatch& match,
           v1::MaskedBytes* (v1::FlowMatch::*field)()) {
    const std::string mask_key = absl::StrCat(key.data(), "_mask");
    const auto value = Address(key, true, false);
    const auto mask = Address(mask_key, true, false);
    if (!Allowed(key, mask_key, fits) || !value) return;
    Store(key, *value, mask.value_or(std::string(6, '\xff')), (match.*field)());
  }

  // "10.1.0.0/16", or an address with KEY_mask.
  void Ip(std::string_view key, const Type& type, v1::FlowMatch& match,
          v1::MaskedBytes* (v1::FlowMatch::*field)()) {
    const std::string mask_key = absl::StrCat(key.data(), "_mask");
    std::optional<std::string> mask;
    const auto value = Address(key, false, type.ip6, &mask);
    if (auto given = Address(mask_key, false, type.ip6)) {
      if (mask) reader_.Error(mask_key, "the address has a /length already");
      mask = given;
    }
    if (!Allowed(key, mask_key, type.ip4 || type.ip6) || !value) return;
    Store(key, *value, mask.value_or(std::string(value->size(), '\xff')), (match.*field)());
  }

 private:
  bool Allowed(std::string_view key, const std::string& mask_key, bool fits) {
    if (!reader_.Has(key)) {
      if (reader_.Has(mask_key)) {
        reader_.Error(mask_key, absl::StrCat("a mask without '", key.data(), "'"));
      }
      return false;
    }
    if (!fits) reader_.Error(key, absl::StrCat("flow type ", flow_type_, " has no such field"));
    return fits;
  }

  std::optional<std::string> Address(std::string_view key, bool mac, bool ip6,
                                     std::optional<std::string>* prefix_mask = nullptr) {
    auto text = reader_.String(key);
    if (!text) return {};
    if (mac) {
      const auto address = ParseMac(*text);
      if (address) return std::string(address->begin(), address->end());
      reader_.Error(key, "no MAC address; allowed: six bytes such as \"02:00:00:00:00:01\"");
      return {};
    }
    const size_t bytes = ip6 ? 16 : 4;
    const size_t slash = text->find('/');
    if (slash != std::string::npos && prefix_mask != nullptr) {
      uint32_t length = 0;
      if (!absl::SimpleAtoi(text->substr(slash + 1), &length) || length < 1 || length > 8 * bytes) {
        reader_.Error(key, absl::StrCat("the prefix length must be 1..", 8 * bytes));
        return {};
      }
      *prefix_mask = PrefixMask(length, bytes);
      text->resize(slash);
    }
    std::string address(bytes, '\0');
    if (inet_pton(ip6 ? AF_INET6 : AF_INET, text->c_str(), address.data()) != 1) {
      reader_.Error(key, absl::StrCat("no ", ip6 ? "IPv6" : "IPv4", " address; allowed: such as \"",
                                      ip6 ? "fd00::/8" : "10.1.0.0/16", "\""));
      return {};
    }
    return address;
  }

  static std::string PrefixMask(uint32_t length, size_t bytes) {
    std::string mask(bytes, '\0');
    for (uint32_t bit = 0; bit < length; ++bit) {
      mask[bit / 8] = static_cast<char>(mask[bit / 8] | (0x80 >> (bit % 8)));
    }
    return mask;
  }

  void Store(std::string_view key, const std::string& value, const std::string& mask,
             v1::MaskedBytes* out) {
    for (size_t i = 0; i < value.size(); ++i) {
      if ((value[i] & ~mask[i]) != 0) {
        return reader_.Error(key, "has bits outside its mask; clear them");
      }
    }
    if (mask.find_first_not_of('\0') == std::string::npos) {
      return reader_.Error(key, "its mask is 0; leave the key out instead");
    }
    out->set_value(value);
    out->set_mask(mask);
  }

  TableReader& reader_;
  std::string flow_type_;
};

}  // namespace

void ReadScope(const toml::table& table, Diagnostics& diagnostics, v1::FlowMatch& out) {
  TableReader reader(table, "tenant.steer", diagnostics);
  const auto name =
      reader.OneOf("flow_type", {"ether", "ip4", "ip6", "tcp4", "udp4", "sctp4", "tcp6", "udp6",
                                 "sctp6", "ah4", "esp4", "ah6", "esp6"});
  if (!name) {
    if (!reader.Has("flow_type")) {
      reader.Missing("flow_type",
                     "allowed: \"ether\", \"ip4\", \"ip6\", \"tcp4\", \"udp4\", \"sctp4\", "
                     "\"tcp6\", \"udp6\", \"sctp6\", \"ah4\", \"esp4\", \"ah6\", \"esp6\"");
    }
    return;
  }
  const Type& type = Types().find(*name)->second;
  const bool ether = *name == "ether";
  const bool ip_only = (type.ip4 || type.ip6) && !type.ports && !type.spi;
  out.set_flow_type(type.type);
  ScopeReader scope(reader, *name);
  using Match = v1::FlowMatch;
  scope.Mac("src_mac", ether, out, &Match::mutable_src_mac);
  scope.Mac("dst_mac", true, out, &Match::mutable_dst_mac);
  scope.Number("ether_type", 16, ether, out, &Match::mutable_ether_type);
  scope.Number("vlan_tci", 16, true, out, &Match::mutable_vlan_tci);
  scope.Number("vlan_ether_type", 16, true, out, &Match::mutable_vlan_ether_type);
  scope.Ip("src_ip", type, out, &Match::mutable_src_ip);
  scope.Ip("dst_ip", type, out, &Match::mutable_dst_ip);
  scope.Number("tos", 8, !ether, out, &Match::mutable_tos);
  scope.Number("l4_protocol", 8, ip_only, out, &Match::mutable_l4_protocol);
  scope.Number("src_port", 16, type.ports, out, &Match::mutable_src_port);
  scope.Number("dst_port", 16, type.ports, out, &Match::mutable_dst_port);
  scope.Number("l4_bytes", 32, ip_only, out, &Match::mutable_l4_bytes);
  scope.Number("spi", 32, type.spi, out, &Match::mutable_spi);
  reader.Finish();
}

}  // namespace qsplit::config
