#include "cli/rule_text.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace qsplit::cli {
namespace {

// "queue 3", "drop", "pass", "reflect".
std::string Action(const v1::Rule& rule) {
  if (rule.drop()) return "drop";
  if (rule.pass()) return "pass";
  if (rule.reflect()) return "reflect";
  return absl::StrCat("queue ", rule.queue());
}

// As KernelNetdev.steering has it; null: the device is no netdev.
const char* Place(const v1::Rule& rule, const v1::KernelNetdev* netdev) {
  if (netdev == nullptr) return "device";
  const bool to_queue = rule.action_case() == v1::Rule::kQueue;
  return netdev->steering() == "ntuple" && to_queue ? "nic, xdp" : "xdp";
}

}  // namespace

Table RuleTable(const v1::ListRulesResponse& rules, const v1::ListDevicesResponse& devices,
                const std::function<std::string(const v1::Rule&)>& match) {
  using enum Table::Align;
  std::map<std::string, const v1::KernelNetdev*> netdevs;
  for (const v1::Device& device : devices.devices()) {
    if (device.has_netdev()) netdevs.emplace(device.name(), &device.netdev());
  }
  bool differ = false;
  for (const v1::Rule& rule : rules.rules()) differ = differ || netdevs.contains(rule.device());
  std::vector<Table::Column> columns = {{"DEVICE"},          {"LOC", kRight},   {"LEASE", kRight},
                                        {"PACKETS", kRight}, {"BYTES", kRight}, {"ACTION"}};
  if (differ) columns.push_back({"STANDS IN"});
  columns.push_back({"MATCH"});
  Table table(std::move(columns));
  for (const v1::Rule& rule : rules.rules()) {
    std::vector<std::string> cells = {rule.device(),
                                      absl::StrCat(rule.location()),
                                      rule.lease_id() == 0 ? "-" : absl::StrCat(rule.lease_id()),
                                      absl::StrCat(rule.packets()),
                                      absl::StrCat(rule.bytes()),
                                      Action(rule)};
    if (differ) {
      const auto netdev = netdevs.find(rule.device());
      cells.emplace_back(Place(rule, netdev == netdevs.end() ? nullptr : netdev->second));
    }
    cells.push_back(match(rule));
    table.Row(std::move(cells));
  }
  return table;
}

}  // namespace qsplit::cli
