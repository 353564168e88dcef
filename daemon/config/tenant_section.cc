#include "absl/strings/str_cat.h"
#include "daemon/config/sections.h"

namespace qsplit::config {
namespace {

constexpr uint64_t kMaxPacketRate = 10'000'000'000;
constexpr uint64_t kMaxByteRate = uint64_t{1} << 40;
constexpr uint64_t kMaxId = 0xfffffffe;  // 0xffffffff means "none" to the kernel

void ReadNames(TableReader& reader, std::string_view key, std::string_view what,
               const std::function<std::optional<uint32_t>(const std::string&)>& resolve,
               std::vector<uint32_t>& out) {
  const auto names = reader.Strings(key);
  if (!names) return;
  for (const std::string& name : *names) {
    if (const auto number = resolve(name)) {
      out.push_back(*number);
    } else {
      reader.Error(key, absl::StrCat("this machine has no ", what.data(), " '", name,
                                     "'; add it, or give its number"));
    }
  }
}

void ReadQuotas(TableReader& tenant, Diagnostics& diagnostics, Quotas& out) {
  const toml::table* table = tenant.Table("quotas");
  if (table == nullptr) return;
  TableReader reader(*table, "tenant.quotas", diagnostics);
  const auto read = [&reader](std::string_view key, std::optional<uint32_t>& to) {
    if (auto number = reader.Integer(key, 0, 0x7fffffff)) to = static_cast<uint32_t>(*number);
  };
  read("sessions", out.sessions);
  read("leases", out.leases);
  read("rx_queues", out.rx_queues);
  read("tx_queues", out.tx_queues);
  read("regions", out.regions);
  read("rules", out.rules);
  if (auto bytes = reader.Bytes("region_bytes", 0, uint64_t{1} << 48)) out.region_bytes = *bytes;
  out.tx_packets_per_second = reader.Integer("tx_packets_per_second", 1, kMaxPacketRate);
  out.tx_bytes_per_second = reader.Bytes("tx_bytes_per_second", 1, kMaxByteRate);
  out.burst_packets = reader.Integer("burst_packets", 1, kMaxPacketRate);
  out.burst_bytes = reader.Bytes("burst_bytes", 1, kMaxByteRate);
  const auto needs = [&reader](std::string_view burst, std::string_view rate) {
    if (!reader.Has(burst) || reader.Has(rate)) return;
    reader.Error(burst, absl::StrCat("there is no '", rate.data(), "' that it is a burst of"));
  };
  needs("burst_packets", "tx_packets_per_second");
  needs("burst_bytes", "tx_bytes_per_second");
  reader.Finish();
}

void ReadSteer(TableReader& reader, Diagnostics& diagnostics, TenantSection& out) {
  const toml::node* node = reader.Node("steer");
  if (node == nullptr) return;
  if (node->is_string()) {
    if (node->as_string()->get() != "any") {
      reader.Error("steer", "allowed: \"any\", or an array of scopes");
    }
    out.steer_any = true;
    return;
  }
  if (!node->is_array()) {
    reader.Error("steer",
                 "allowed: \"any\", or an array of scopes such as "
                 "[{flow_type = \"udp4\", dst_port = 4242}]");
    return;
  }
  for (const toml::node& element : *node->as_array()) {
    if (!element.is_table()) {
      reader.ElementError("steer", element,
                          "no scope; write {flow_type = \"udp4\", dst_port = 4242}");
      continue;
    }
    ReadScope(*element.as_table(), diagnostics, out.steer.emplace_back());
  }
}

}  // namespace

void ReadTenant(const toml::table& table, const NameResolver& names, Diagnostics& diagnostics,
                TenantSection& out) {
  TableReader reader(table, "tenant", diagnostics);
  if (auto name = reader.String("name")) {
    if (!IsName(*name)) reader.Error("name", absl::StrCat("no name; ", kNameRule.data()));
    if (*name == "root" || *name == "default") {
      reader.Error("name",
                   "reserved: root is always an admin, and \"default\" is everybody whom no "
                   "tenant lists");
    }
    out.name = *name;
  } else if (!reader.Has("name")) {
    reader.Missing("name", kNameRule);
  }
  const toml::node* uids = reader.Node("uids");
  if (uids != nullptr && uids->is_string()) {
    out.everybody = true;
    if (uids->as_string()->get() != "any") {
      reader.Error("uids", "allowed: an array of numbers, or \"any\"");
    }
  } else if (auto numbers = reader.Integers("uids", kMaxId)) {
    out.uids = *numbers;
  }
  if (auto numbers = reader.Integers("gids", kMaxId)) out.gids = *numbers;
  ReadNames(reader, "users", "user", names.user, out.uids);
  ReadNames(reader, "groups", "group", names.group, out.gids);
  if (!reader.Has("uids") && !reader.Has("users") && !reader.Has("gids") && !reader.Has("groups")) {
    reader.TableError("nobody belongs to it; give one of 'uids', 'users', 'gids', 'groups'");
  }
  if (auto admin = reader.Bool("admin")) out.admin = *admin;
  if (auto join = reader.Bool("may_join_rss")) out.may_join_rss = *join;
  const toml::node* devices = reader.Node("devices");
  if (devices != nullptr && devices->is_string()) {
    if (devices->as_string()->get() != "any") {
      reader.Error("devices", "allowed: an array of devices' names, or \"any\"");
    }
  } else if (auto list = reader.Strings("devices")) {
    out.all_devices = false;
    out.devices = *list;
  }
  ReadTransmission(reader, out);
  ReadQuotas(reader, diagnostics, out.quotas);
  ReadSteer(reader, diagnostics, out);
  reader.Finish();
}

}  // namespace qsplit::config
