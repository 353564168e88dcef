// Features of a netdev, by their names.
#include <linux/ethtool_netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "absl/strings/str_cat.h"
#include "daemon/linux/ethtool_link.h"

namespace qsplit::linux_sys {
namespace {

constexpr char kThing[] = "features";

// Visits each bit of a bitset in its long form: its name, and whether it is set. In a bitset
// without a mask, only bits that are set are there, and none says so.
void EachBit(nlattr* bitset, const std::function<void(const std::string&, bool)>& visit) {
  if (bitset == nullptr) return;
  nlattr* parts[ETHTOOL_A_BITSET_MAX + 1] = {};
  if (nla_parse_nested(parts, ETHTOOL_A_BITSET_MAX, bitset, nullptr) != 0 ||
      parts[ETHTOOL_A_BITSET_BITS] == nullptr) {
    return;
  }
  const bool all_set = parts[ETHTOOL_A_BITSET_NOMASK] != nullptr;
  int left = 0;
  nlattr* bit = nullptr;
  nla_for_each_nested(bit, parts[ETHTOOL_A_BITSET_BITS], left) {
    nlattr* of_bit[ETHTOOL_A_BITSET_BIT_MAX + 1] = {};
    if (nla_parse_nested(of_bit, ETHTOOL_A_BITSET_BIT_MAX, bit, nullptr) != 0 ||
        of_bit[ETHTOOL_A_BITSET_BIT_NAME] == nullptr) {
      continue;
    }
    visit(nla_get_string(of_bit[ETHTOOL_A_BITSET_BIT_NAME]),
          all_set || of_bit[ETHTOOL_A_BITSET_BIT_VALUE] != nullptr);
  }
}

bool PutWanted(nl_msg* message, const std::string& name, bool on) {
  nlattr* wanted = nla_nest_start(message, ETHTOOL_A_FEATURES_WANTED);
  nlattr* bits = nla_nest_start(message, ETHTOOL_A_BITSET_BITS);
  nlattr* bit = nla_nest_start(message, ETHTOOL_A_BITSET_BITS_BIT);
  return wanted != nullptr && bits != nullptr && bit != nullptr &&
         nla_put_string(message, ETHTOOL_A_BITSET_BIT_NAME, name.c_str()) == 0 &&
         (!on || nla_put_flag(message, ETHTOOL_A_BITSET_BIT_VALUE) == 0) &&
         nla_nest_end(message, bit) == 0 && nla_nest_end(message, bits) == 0 &&
         nla_nest_end(message, wanted) == 0;
}

}  // namespace

absl::StatusOr<Features> EthtoolLink::GetFeatures() {
  Features features;
  const absl::Status status = Ask(
      ETHTOOL_MSG_FEATURES_GET, kThing, "ETHTOOL_MSG_FEATURES_GET", {},
      [&](EthtoolNetlink::Attributes attributes) {
        EachBit(attributes[ETHTOOL_A_FEATURES_HW],
                [&](const std::string& name, bool set) { features[name].changeable = set; });
        EachBit(attributes[ETHTOOL_A_FEATURES_NOCHANGE], [&](const std::string& name, bool set) {
          if (set) features[name].changeable = false;
        });
        EachBit(attributes[ETHTOOL_A_FEATURES_ACTIVE],
                [&](const std::string& name, bool set) { features[name].on = set; });
      });
  if (!status.ok()) return status;
  return features;
}

absl::Status EthtoolLink::SetFeature(const std::string& name, bool on) {
  absl::StatusOr<Features> features = GetFeatures();
  if (!features.ok()) return features.status();
  const auto found = features->find(name);
  if (found == features->end()) {
    return absl::UnimplementedError(
        absl::StrCat("netdev ", netdev_, ": this kernel knows no feature ", name));
  }
  if (found->second.on == on) return absl::OkStatus();
  const std::string wish = absl::StrCat("feature ", name, on ? " on" : " off");
  if (!found->second.changeable) {
    return absl::UnimplementedError(
        absl::StrCat("netdev ", netdev_, " cannot turn ", wish, ": its driver has it fixed"));
  }
  if (absl::Status status = Ask(ETHTOOL_MSG_FEATURES_SET, kThing, "ETHTOOL_MSG_FEATURES_SET",
                                [&](nl_msg* message) { return PutWanted(message, name, on); }, {});
      !status.ok()) {
    return status;
  }
  features = GetFeatures();
  if (!features.ok()) return features.status();
  if ((*features)[name].on == on) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("netdev ", netdev_, " did not turn ", wish,
                                                    ": another feature or its driver forbids it"));
}

}  // namespace qsplit::linux_sys
