#include "tests/support/fake_ethtool_nic.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace qsplit::test {
namespace {

constexpr uint8_t kToeplitz = 1;  // the first of the kernel's strings ETH_SS_RSS_HASH_FUNCS

class WireTo : public linux_sys::EthtoolIoctl {
 public:
  explicit WireTo(FakeEthtoolNic& nic) : nic_(nic) {}
  int Call(const std::string& netdev, void* command) override { return nic_.Call(netdev, command); }

 private:
  FakeEthtoolNic& nic_;
};

template <size_t kBytes>
void Write(char (&field)[kBytes], const std::string& text) {
  std::memcpy(field, text.data(), std::min(text.size(), kBytes - 1));
}

}  // namespace

FakeEthtoolNic::FakeEthtoolNic(FakeEthtoolNicFacts facts)
    : facts_(std::move(facts)),
      table_(facts_.rss_entries),
      key_(facts_.rss_key_bytes),
      statistics_(facts_.statistics.size()) {
  SpreadEvenly();
  for (size_t i = 0; i < key_.size(); ++i) key_[i] = static_cast<uint8_t>(0x6d + 37 * i);
}

std::unique_ptr<linux_sys::EthtoolIoctl> FakeEthtoolNic::Wire() {
  return std::make_unique<WireTo>(*this);
}

void FakeEthtoolNic::SpreadEvenly() {
  for (size_t i = 0; i < table_.size(); ++i) table_[i] = static_cast<uint32_t>(i % facts_.queues);
  wish_ = false;
}

int FakeEthtoolNic::Call(const std::string& netdev, void* command) {
  const std::lock_guard lock(mutex_);
  uint32_t number;
  std::memcpy(&number, command, sizeof number);
  calls_.push_back(number);
  if (netdev != facts_.netdev) return ENODEV;
  if (const auto failure = failures_.extract(number); !failure.empty()) return failure.mapped();
  switch (number) {
    case ETHTOOL_GRXRINGS:
    case ETHTOOL_GRXCLSRLCNT:
    case ETHTOOL_GRXCLSRLALL:
    case ETHTOOL_GRXCLSRULE:
    case ETHTOOL_SRXCLSRLDEL:
    case ETHTOOL_SRXCLSRLINS:
      return Rule(*static_cast<ethtool_rxnfc*>(command));
    case ETHTOOL_GRSSH:
      return ReadRss(*static_cast<ethtool_rxfh*>(command));
    case ETHTOOL_SRSSH:
      return WriteRss(*static_cast<const ethtool_rxfh*>(command));
    default:
      return Strings(command, number);
  }
}

int FakeEthtoolNic::Rule(ethtool_rxnfc& rxnfc) {
  if (rxnfc.cmd == ETHTOOL_GRXRINGS) {
    rxnfc.data = facts_.queues;
    return 0;
  }
  if (facts_.rule_slots == 0) return EOPNOTSUPP;
  const auto count = static_cast<uint32_t>(rules_.size());
  switch (rxnfc.cmd) {
    case ETHTOOL_GRXCLSRLCNT:
      rxnfc.rule_cnt = count;
      rxnfc.data = facts_.rule_slots | (facts_.driver_chooses ? RX_CLS_LOC_SPECIAL : 0);
      return 0;
    case ETHTOOL_GRXCLSRLALL: {
      if (rxnfc.rule_cnt < count) return EMSGSIZE;
      uint32_t* to = rxnfc.rule_locs;
      for (const auto& [location, rule] : rules_) *to++ = location;
      rxnfc.rule_cnt = count;
      rxnfc.data = facts_.rule_slots;
      return 0;
    }
    case ETHTOOL_GRXCLSRULE: {
      const auto found = rules_.find(rxnfc.fs.location);
      if (found == rules_.end()) return ENOENT;
      rxnfc.fs = Shown(found->second);
      return 0;
    }
    case ETHTOOL_SRXCLSRLDEL:
      return rules_.erase(rxnfc.fs.location) != 0 ? 0 : ENOENT;
    default:
      return Insert(rxnfc.fs);
  }
}

ethtool_rx_flow_spec FakeEthtoolNic::Shown(ethtool_rx_flow_spec rule) const {
  if (!facts_.other_words) return rule;
  const uint8_t protocol = rule.flow_type == IP_USER_FLOW ? rule.h_u.usr_ip4_spec.proto : 0;
  if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) {
    rule.flow_type = protocol == IPPROTO_TCP ? TCP_V4_FLOW : UDP_V4_FLOW;
    for (ethtool_flow_union* part : {&rule.h_u, &rule.m_u}) {
      const auto said = part->usr_ip4_spec;
      part->tcp_ip4_spec = {.ip4src = said.ip4src, .ip4dst = said.ip4dst};
    }
  }
  rule.flow_type |= FLOW_EXT;
  return rule;
}

int FakeEthtoolNic::Insert(ethtool_rx_flow_spec& rule) {
  if (rule.ring_cookie != RX_CLS_FLOW_DISC && rule.ring_cookie >= facts_.queues) return EINVAL;
  uint32_t location = rule.location;
  if ((location & RX_CLS_LOC_SPECIAL) != 0) {
    if (!facts_.driver_chooses) return EINVAL;
    const bool last = location == RX_CLS_LOC_LAST;
    location = last ? facts_.rule_slots - 1 : 0;
    while (rules_.count(location) != 0) location += last ? ~uint32_t{0} : 1;
    if (location >= facts_.rule_slots) return ENOSPC;
  }
  if (location >= facts_.rule_slots) return EINVAL;
  if (facts_.moves_rules) {
    location = facts_.rule_slots - 1;
    while (location > 0 && rules_.contains(location)) --location;
  }
  rule.location = location;
  rules_[location] = rule;
  return 0;
}

int FakeEthtoolNic::ReadRss(ethtool_rxfh& rxfh) {
  if (facts_.rss_is_hollow) {
    rxfh.indir_size = rxfh.key_size = 0;
    return 0;
  }
  if (table_.empty()) return EOPNOTSUPP;
  const auto entries = static_cast<uint32_t>(table_.size());
  const auto key_bytes = static_cast<uint32_t>(key_.size());
  const uint32_t room_entries = std::exchange(rxfh.indir_size, entries);
  const uint32_t room_key = std::exchange(rxfh.key_size, key_bytes);
  rxfh.hfunc = kToeplitz;
  if ((room_entries != 0 && room_entries != entries) || (room_key != 0 && room_key != key_bytes)) {
    return EINVAL;
  }
  if (room_entries != 0) std::memcpy(rxfh.rss_config, table_.data(), entries * sizeof(uint32_t));
  if (room_key != 0) std::memcpy(rxfh.rss_config + room_entries, key_.data(), key_bytes);
  return 0;
}

int FakeEthtoolNic::WriteRss(const ethtool_rxfh& rxfh) {
  if (table_.empty() || facts_.rss_is_hollow) return EOPNOTSUPP;
  const bool keeps_table = rxfh.indir_size == ETH_RXFH_INDIR_NO_CHANGE;
  const uint32_t entries = keeps_table ? 0 : rxfh.indir_size;
  if (keeps_table && rxfh.key_size == 0 && rxfh.hfunc == 0) return EINVAL;
  if ((entries != 0 && entries != table_.size()) ||
      (rxfh.key_size != 0 && rxfh.key_size != key_.size()) || rxfh.rsvd8[1] != 0 ||
      rxfh.rsvd8[2] != 0 || rxfh.rsvd32 != 0) {
    return EINVAL;
  }
  if (rxfh.hfunc != 0 && rxfh.hfunc != kToeplitz) return EOPNOTSUPP;
  if (rxfh.key_size != 0 && facts_.rss_key_is_fixed) return EOPNOTSUPP;
  const uint32_t* table = rxfh.rss_config;
  if (std::any_of(table, table + entries, [&](uint32_t queue) { return queue >= facts_.queues; })) {
    return EINVAL;
  }
  if (entries != 0) {
    table_.assign(table, table + entries);
    wish_ = true;
  } else if (!keeps_table) {
    SpreadEvenly();
  }
  if (rxfh.key_size != 0) std::memcpy(key_.data(), table + entries, key_.size());
  return 0;
}

int FakeEthtoolNic::Strings(void* command, uint32_t number) {
  const auto count = static_cast<uint32_t>(statistics_.size());
  switch (number) {
    case ETHTOOL_GDRVINFO: {
      auto& info = *static_cast<ethtool_drvinfo*>(command);
      info = {};
      info.cmd = number;
      Write(info.driver, "fakenic");
      Write(info.bus_info, "0000:00:1f.6");
      info.n_stats = count;
      return 0;
    }
    case ETHTOOL_GSSET_INFO: {
      auto& info = *static_cast<ethtool_sset_info*>(command);
      info.sset_mask &= uint64_t{1} << ETH_SS_STATS;
      if (info.sset_mask != 0) info.data[0] = count;
      return 0;
    }
    case ETHTOOL_GSTRINGS: {
      auto& strings = *static_cast<ethtool_gstrings*>(command);
      if (strings.string_set != ETH_SS_STATS) return EOPNOTSUPP;
      strings.len = count;
      std::memset(strings.data, 0, size_t{count} * ETH_GSTRING_LEN);
      for (size_t i = 0; i < count; ++i) {
        const std::string& name = facts_.statistics[i];
        std::memcpy(strings.data + i * ETH_GSTRING_LEN, name.data(),
                    std::min(name.size(), size_t{ETH_GSTRING_LEN}));
      }
      return 0;
    }
    case ETHTOOL_GSTATS: {
      auto& stats = *static_cast<ethtool_stats*>(command);
      stats.n_stats = count;
      std::copy(statistics_.begin(), statistics_.end(), stats.data);
      return 0;
    }
    default:
      return EOPNOTSUPP;
  }
}

std::map<uint32_t, ethtool_rx_flow_spec> FakeEthtoolNic::rules() const {
  const std::lock_guard lock(mutex_);
  return rules_;
}

void FakeEthtoolNic::PutRule(const ethtool_rx_flow_spec& rule) {
  const std::lock_guard lock(mutex_);
  rules_[rule.location] = rule;
}

std::vector<uint32_t> FakeEthtoolNic::rss_table() const {
  const std::lock_guard lock(mutex_);
  return table_;
}

std::vector<uint8_t> FakeEthtoolNic::rss_key() const {
  const std::lock_guard lock(mutex_);
  return key_;
}

bool FakeEthtoolNic::rss_is_a_wish() const {
  const std::lock_guard lock(mutex_);
  return wish_;
}

void FakeEthtoolNic::SetStatistic(const std::string& name, uint64_t value) {
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < statistics_.size(); ++i) {
    if (facts_.statistics[i] == name) statistics_[i] = value;
  }
}

void FakeEthtoolNic::FailNext(uint32_t command, int error) {
  const std::lock_guard lock(mutex_);
  failures_[command] = error;
}

std::vector<uint32_t> FakeEthtoolNic::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

}  // namespace qsplit::test
