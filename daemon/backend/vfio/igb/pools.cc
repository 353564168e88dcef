#include "daemon/backend/vfio/igb/pools.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/igb/registers.h"
#include "daemon/backend/vfio/igb/rss.h"

namespace qsplit::vfio::igb {
namespace {

using device::FlowKey;
using device::MacAddress;

constexpr MacAddress kBroadcast = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr uint16_t kTagType = 0x8100;
constexpr uint16_t kVidMask = 0x0fff;

absl::Status Cannot(const char* what) {
  return absl::UnimplementedError(absl::StrCat("pools of this NIC ", what));
}

std::string VlanText(std::optional<uint16_t> vid) {
  return vid.has_value() ? absl::StrCat("VLAN ", *vid) : "untagged packets";
}

}  // namespace

void Pools::Start(RegisterWindow& registers, const QueueMap& map, const MacAddress& own,
                  uint32_t max_frame_bytes) {
  map_ = map;
  own_ = own;
  max_frame_bytes_ = max_frame_bytes;
  all_multicast_ = false;
  rules_.clear();
  default_pool_.reset();
  hashed_ = false;
  // MRQC: pools, with a hash where pools have two queues.
  registers.Write32(kMrqc, map_.queues_per_pool > 1 ? kMrqcPoolsRss | kHashedFields : kMrqcPools);
  // 7.10.3.8: tag and CRC of what goes to several pools are taken out here, of the rest by VMOLR.
  registers.Write32(kRplolr, kRplolrStripVlan | kRplolrStripCrc);
  WriteAllPools(registers);
}

absl::StatusOr<Pools::Rule> Pools::Encode(const device::FlowRule& rule) const {
  const FlowKey& value = rule.match.value;
  FlowKey rest = rule.match.mask;
  if (rule.match.type != device::FlowType::kEther) {
    return Cannot("choose by MAC and VLAN alone (flow type ether)");
  }
  if (rest.dst_mac != kBroadcast) {
    return Cannot("need the whole destination MAC; a VLAN narrows it");
  }
  if (value.dst_mac == kBroadcast) {
    return Cannot("take broadcasts without a rule, once they have any rule");
  }
  Rule encoded{.location = rule.location, .mac = value.dst_mac, .vid = {}, .pool = 0};
  const bool tagged = rest.has_vlan != 0 && value.has_vlan != 0;
  if (tagged) {
    if (rest.vlan_tci != kVidMask) {
      return Cannot("compare a VLAN's number whole, and no priority (vlan … m 0xf000)");
    }
    const bool other_type = rest.vlan_ether_type != 0 &&
                            (rest.vlan_ether_type != 0xffff || value.vlan_ether_type != kTagType);
    if (other_type) return Cannot("know one type of tags, 0x8100");
    encoded.vid = static_cast<uint16_t>(value.vlan_tci & kVidMask);
    rest.vlan_tci = 0;
    rest.vlan_ether_type = 0;
  }
  rest.dst_mac = {};
  rest.has_vlan = 0;
  if (rest != FlowKey{}) return Cannot("compare nothing but the destination MAC and the VLAN");
  if (rule.action.drops()) return Cannot("drop what has no rule; a rule cannot");
  if (!map_.IsFirstOfPool(rule.action.queue)) {
    return absl::UnimplementedError(
        absl::StrCat("queue ", rule.action.queue, ": rules reach queues 0 to ", map_.pools() - 1,
                     "; the others get what is hashed from those (RSS)"));
  }
  encoded.pool = map_.PoolOf(rule.action.queue);
  return encoded;
}

const Pools::Rule* Pools::FirstOf(uint32_t pool) const {
  const auto found = std::ranges::find(rules_, pool, &Rule::pool);
  return found == rules_.end() ? nullptr : &*found;
}

absl::Status Pools::CheckAgainstOthers(const Rule& rule) const {
  if ((addresses_.PoolsOf(rule.mac) & ~map_.pool_mask()) != 0) {
    return Cannot("cannot take the address of a VF");
  }
  for (const Rule& other : rules_) {
    if (other.mac == rule.mac && other.vid == rule.vid) {
      return absl::UnimplementedError(
          absl::StrCat("location ", other.location, " has this address with ", VlanText(rule.vid),
                       " already; this NIC would give each packet to both"));
    }
    if (other.pool == rule.pool && other.vid != rule.vid) {
      return absl::UnimplementedError(absl::StrCat(
          "location ", other.location, " gives this queue ", VlanText(other.vid),
          "; all its rules must have the same, for this NIC takes each address in each VLAN"));
    }
  }
  return absl::OkStatus();
}

absl::Status Pools::WriteAddress(RegisterWindow& registers, const MacAddress& mac) {
  uint32_t pools = mac == own_ && default_pool_.has_value() ? 1u << *default_pool_ : 0;
  for (const Rule& rule : rules_) {
    if (rule.mac == mac) pools |= 1u << rule.pool;
  }
  return addresses_.SetPools(registers, mac, pools);
}

absl::Status Pools::AddRule(RegisterWindow& registers, const device::FlowRule& rule) {
  const absl::StatusOr<Rule> encoded = Encode(rule);
  if (!encoded.ok()) return encoded.status();
  if (absl::Status status = CheckAgainstOthers(*encoded); !status.ok()) return status;
  if (encoded->vid.has_value()) {
    const bool had = vlans_.Has(*encoded->vid, encoded->pool);
    absl::Status status = vlans_.Add(registers, *encoded->vid, encoded->pool);
    if (!status.ok()) return status;
    rules_.push_back(*encoded);
    status = WriteAddress(registers, encoded->mac);
    if (!status.ok()) {
      rules_.pop_back();
      if (!had) vlans_.Remove(registers, *encoded->vid, encoded->pool);
      return status;
    }
  } else {
    rules_.push_back(*encoded);
    if (absl::Status status = WriteAddress(registers, encoded->mac); !status.ok()) {
      rules_.pop_back();
      return status;
    }
  }
  WritePool(registers, encoded->pool);
  return absl::OkStatus();
}

absl::Status Pools::RemoveRule(RegisterWindow& registers, uint32_t location) {
  const auto found = std::ranges::find(rules_, location, &Rule::location);
  if (found == rules_.end()) {
    return absl::NotFoundError(absl::StrCat("no rule at location ", location));
  }
  const Rule rule = *found;
  rules_.erase(found);
  // Making room never fails.
  WriteAddress(registers, rule.mac).IgnoreError();
  if (rule.vid.has_value() && FirstOf(rule.pool) == nullptr) {
    vlans_.Remove(registers, *rule.vid, rule.pool);
  }
  WritePool(registers, rule.pool);
  return absl::OkStatus();
}

absl::Status Pools::SetRss(RegisterWindow& registers, const device::RssConfig& config) {
  std::optional<uint32_t> pool;
  bool hashed = false, without = false;
  RetaQueues seconds{};
  for (size_t i = 0; i < config.indirection.size(); ++i) {
    const uint32_t queue = config.indirection[i];
    if (queue == device::kNoQueue) {
      without = true;
      continue;
    }
    if (pool.has_value() && *pool != map_.PoolOf(queue)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "queue ", queue, ": with pools the hash chooses between two queues of one pool, and ",
          config.indirection[0], " is in another"));
    }
    pool = map_.PoolOf(queue);
    // 7.1.1.7: in a pool the table says which of its queues.
    seconds[i] = map_.IsFirstOfPool(queue) ? 0 : 1;
    hashed = hashed || seconds[i] != 0;
  }
  if (pool.has_value() && without) {
    return absl::InvalidArgumentError("with pools all entries have a queue, or none has");
  }
  WriteRssKey(registers, config.key);
  WriteReta(registers, seconds);
  default_pool_ = pool;
  hashed_ = hashed;
  WriteAllPools(registers);
  // The function's own address has an entry always.
  return WriteAddress(registers, own_);
}

void Pools::SetMaxFrame(RegisterWindow& registers, uint32_t max_frame_bytes) {
  max_frame_bytes_ = max_frame_bytes;
  WriteAllPools(registers);
}

void Pools::SetAllMulticast(RegisterWindow& registers, bool all) {
  all_multicast_ = all;
  WriteAllPools(registers);
}

void Pools::WritePool(RegisterWindow& registers, uint32_t pool) const {
  const Rule* rule = FirstOf(pool);
  const bool is_default = default_pool_ == pool;
  // 7.10.3, VMOLR.
  uint32_t vmolr = max_frame_bytes_ | kVmolrLongPackets;
  if (chip_ == Chip::k82576) vmolr |= kVmolrStripVlan | kVmolrStripCrc;
  if (rule != nullptr || is_default) {
    vmolr |= kVmolrBroadcast | kVmolrMulticastTable;
    if (all_multicast_) vmolr |= kVmolrMulticastPromiscuous;
  }
  if (is_default || (rule != nullptr && !rule->vid.has_value())) vmolr |= kVmolrUntagged;
  if (is_default && hashed_) vmolr |= kVmolrRss;
  registers.Write32(Vmolr(pool), vmolr);
}

void Pools::WriteAllPools(RegisterWindow& registers) const {
  for (uint32_t pool = map_.first_pool; pool < kPools; ++pool) WritePool(registers, pool);
  // VT_CTL.Rpl_En: one packet for several pools reaches them all.
  registers.Write32(kVtCtl, kVtCtlReplicate | (default_pool_.has_value()
                                                   ? *default_pool_ << kVtCtlDefaultPoolShift
                                                   : kVtCtlNoDefaultPool));
}

}  // namespace qsplit::vfio::igb
