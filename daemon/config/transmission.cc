#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "daemon/config/sections.h"

namespace qsplit::config {
namespace {

// As many as are worth comparing for each packet.
constexpr size_t kMaxSources = 64;

void ReadMayTransmit(TableReader& tenant, TenantSection& out) {
  const toml::node* node = tenant.Node("may_transmit");
  if (node == nullptr) return;
  if (node->is_boolean()) {
    out.may_transmit = node->as_boolean()->get() ? MayTransmit::kEverywhere : MayTransmit::kNowhere;
  } else if (node->is_array()) {
    out.may_transmit = MayTransmit::kNamed;
    if (auto names = tenant.Strings("may_transmit")) out.transmit_devices = *names;
  } else {
    tenant.Error("may_transmit", "allowed: true, false, or an array of devices' names");
  }
}

// "10.0.0.0/24", "2001:db8::/64", or an address alone.
std::optional<IpPrefix> ParsePrefix(const std::string& text) {
  IpPrefix prefix;
  const size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  prefix.ip_version = address.find(':') == std::string::npos ? 4 : 6;
  const uint32_t most = prefix.ip_version == 4 ? 32 : 128;
  uint32_t bits = most;
  if (slash != std::string::npos &&
      (!absl::SimpleAtoi(text.substr(slash + 1), &bits) || bits > most)) {
    return {};
  }
  prefix.bits = static_cast<uint8_t>(bits);
  if (inet_pton(prefix.ip_version == 4 ? AF_INET : AF_INET6, address.c_str(),
                prefix.address.data()) != 1) {
    return {};
  }
  return prefix;
}

bool HasBitsOutside(const IpPrefix& prefix) {
  for (size_t bit = prefix.bits; bit < 8 * prefix.address.size(); ++bit) {
    if ((prefix.address[bit / 8] & (0x80 >> (bit % 8))) != 0) return true;
  }
  return false;
}

// Each string of an array by `parse`; what is wrong with one, it says itself.
template <typename Parse>
void ReadSources(TableReader& tenant, std::string_view key, const Parse& parse) {
  const auto texts = tenant.Strings(key);
  if (!texts) return;
  if (texts->empty() || texts->size() > kMaxSources) {
    tenant.Error(key, absl::StrCat("allowed: 1..", kMaxSources, " addresses"));
    return;
  }
  for (const std::string& text : *texts) parse(text);
}

}  // namespace

void ReadTransmission(TableReader& tenant, TenantSection& out) {
  ReadMayTransmit(tenant, out);
  ReadSources(tenant, "source_mac", [&](const std::string& text) {
    const auto mac = ParseMac(text);
    if (mac && ((*mac)[0] & 1) == 0) return out.source_macs.push_back(*mac);
    tenant.Error("source_mac",
                 absl::StrCat("'", text,
                              "' is no MAC address of one sender; allowed: six bytes such as "
                              "\"02:00:00:00:00:01\", the first one even"));
  });
  ReadSources(tenant, "source_ip", [&](const std::string& text) {
    const auto prefix = ParsePrefix(text);
    if (!prefix) {
      tenant.Error("source_ip", absl::StrCat("'", text,
                                             "' is no prefix; allowed: such as \"10.0.0.0/24\", "
                                             "\"2001:db8::/64\", or an address alone"));
    } else if (HasBitsOutside(*prefix)) {
      tenant.Error("source_ip",
                   absl::StrCat("'", text, "' has bits outside its prefix; clear them"));
    } else {
      out.source_ips.push_back(*prefix);
    }
  });
  if (auto check = tenant.OneOf("source_check", {"required", "where possible"})) {
    out.source_required = *check == "required";
    if (!tenant.Has("source_mac") && !tenant.Has("source_ip")) {
      tenant.Error("source_check", "there is no 'source_mac' or 'source_ip' to check");
    }
  }
}

}  // namespace qsplit::config
