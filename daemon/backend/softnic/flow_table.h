// The steering rules of a device in the form in which packets are matched: a hash table for each of
// the masks that many rules have, a bitmap for all other rules.
//
// Immutable: a change builds a new table and swaps it in. Lookup allocates nothing and reads only
// private memory; what it costs is bounded by the rules, whatever packets come. Any thread may look
// up; counters are written by one.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_FLOW_TABLE_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_FLOW_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/backend/softnic/mask_table.h"
#include "daemon/backend/softnic/rule_bitmap.h"
#include "daemon/device/flow_rule.h"

namespace qsplit::softnic {

class FlowTable {
 public:
  struct Entry {
    uint32_t location = 0;
    device::FlowAction action;
  };
  static constexpr size_t kBurst = MaskTable::kBurst;

  FlowTable() = default;
  // Locations are unique. Value bits outside of the mask are ignored. Hashed with a random seed, or
  // with that one.
  explicit FlowTable(std::span<const device::FlowRule> rules);
  FlowTable(std::span<const device::FlowRule> rules, uint64_t seed);

  // The rule of the lowest location that matches; null: none.
  const Entry* Lookup(const device::FlowKey& key) const;
  // The same for each of at most kBurst keys.
  void LookupBurst(std::span<const device::FlowKey> keys, const Entry** entries) const;
  bool empty() const { return entries_.empty(); }

 private:
  const Entry* At(uint32_t place) const {
    return place == MaskTable::kNone ? nullptr : &entries_[place];
  }

  std::vector<Entry> entries_;     // by location; a rule's place is its number here
  std::vector<MaskTable> tables_;  // by lowest place
  RuleBitmap rest_;
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_FLOW_TABLE_H_
