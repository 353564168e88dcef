// The ntuple rules of a netdev. They have no netlink form.
#include <linux/ethtool.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "daemon/linux/ethtool_link.h"

namespace qsplit::linux_sys {
namespace {

constexpr char kThing[] = "ntuple rules";
// Somebody may add rules between the question how many there are and the one which.
constexpr int kTries = 4;

ethtool_rxnfc Command(uint32_t command, uint32_t location = 0) {
  ethtool_rxnfc rxnfc{};
  rxnfc.cmd = command;
  rxnfc.fs.location = location;
  return rxnfc;
}

}  // namespace

absl::StatusOr<NtupleTable> EthtoolLink::GetNtupleTable() {
  absl::Status status;
  for (int i = 0; i < kTries; ++i) {
    ethtool_rxnfc count = Command(ETHTOOL_GRXCLSRLCNT);
    status = Ioctl(&count, kThing, "ETHTOOL_GRXCLSRLCNT");
    if (!status.ok()) return status;
    EthtoolCommand<ethtool_rxnfc> all(ETHTOOL_GRXCLSRLALL, count.rule_cnt * sizeof(uint32_t));
    all->rule_cnt = count.rule_cnt;
    status = Ioctl(all.head(), kThing, "ETHTOOL_GRXCLSRLALL");
    if (!status.ok() || all->rule_cnt > count.rule_cnt) continue;
    NtupleTable table;
    // The table's size is in both answers; older drivers have it only in the second.
    table.slots = static_cast<uint32_t>(std::max(count.data & ~uint64_t{RX_CLS_LOC_SPECIAL},
                                                 all->data & ~uint64_t{RX_CLS_LOC_SPECIAL}));
    table.driver_chooses = (count.data & RX_CLS_LOC_SPECIAL) != 0;
    table.taken.assign(all->rule_locs, all->rule_locs + all->rule_cnt);
    return table;
  }
  if (!status.ok()) return status;
  return absl::UnavailableError(absl::StrCat(
      "netdev ", netdev_, ": its ntuple rules change faster than they can be read; ask again"));
}

absl::StatusOr<NtupleRule> EthtoolLink::GetRule(uint32_t location) {
  ethtool_rxnfc got = Command(ETHTOOL_GRXCLSRULE, location);
  if (absl::Status status = Ioctl(&got, kThing, "ETHTOOL_GRXCLSRULE"); !status.ok()) return status;
  return got.fs;
}

absl::StatusOr<std::vector<NtupleRule>> EthtoolLink::GetRules() {
  const absl::StatusOr<NtupleTable> table = GetNtupleTable();
  if (!table.ok()) return table.status();
  std::vector<NtupleRule> rules;
  for (const uint32_t location : table->taken) {
    const absl::StatusOr<NtupleRule> rule = GetRule(location);
    if (!rule.ok()) return rule.status();
    rules.push_back(*rule);
  }
  return rules;
}

absl::Status EthtoolLink::CheckFree(uint32_t location) {
  const absl::StatusOr<NtupleTable> table = GetNtupleTable();
  if (!table.ok()) return table.status();
  if (std::ranges::count(table->taken, location) == 0) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat("netdev ", netdev_, ": ntuple rule ", location,
                                               " exists; remove it or choose another location"));
}

absl::StatusOr<uint32_t> EthtoolLink::InsertRule(const NtupleRule& rule) {
  if ((rule.location & RX_CLS_LOC_SPECIAL) == 0) {
    if (absl::Status status = CheckFree(rule.location); !status.ok()) return status;
  }
  ethtool_rxnfc insert = Command(ETHTOOL_SRXCLSRLINS);
  insert.fs = rule;
  if (absl::Status status = Ioctl(&insert, kThing, "ETHTOOL_SRXCLSRLINS"); !status.ok()) {
    return status;
  }
  return insert.fs.location;
}

absl::Status EthtoolLink::DeleteRule(uint32_t location) {
  ethtool_rxnfc remove = Command(ETHTOOL_SRXCLSRLDEL, location);
  return Ioctl(&remove, kThing, "ETHTOOL_SRXCLSRLDEL");
}

}  // namespace qsplit::linux_sys
