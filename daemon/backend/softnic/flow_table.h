// The steering rules of a device in the form in which packets are matched: a hash table for each
// mask, where there are few; else a few hash tables over bits that rules of many masks have in
// common, and for what these do not hold, tables of masks that many rules have, and a bitmap.
//
// Immutable: a change builds a new table and swaps it in. Looking up allocates nothing and reads
// only private memory; what it costs is bounded by the rules, whatever packets come. Any thread may
// look up; counters are written by one.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_FLOW_TABLE_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_FLOW_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/backend/softnic/mask_table.h"
#include "daemon/backend/softnic/rule_bitmap.h"
#include "daemon/backend/softnic/run_tables.h"
#include "daemon/device/flow_rule.h"

namespace qsplit::softnic {

class FlowTable {
 public:
  struct Entry {
    static constexpr uint32_t kNone = UINT32_MAX;

    uint32_t location = kNone;
    device::FlowAction action;

    bool is_rule() const { return location != kNone; }
  };

  FlowTable() = default;
  // Locations are unique. Value bits outside of the mask are ignored. Hashed with a random seed, or
  // with that one.
  explicit FlowTable(std::span<const device::FlowRule> rules);
  FlowTable(std::span<const device::FlowRule> rules, uint64_t seed);

  // The rule of the lowest location that matches, or an entry that is none. Neither which one nor
  // whether there is one is a branch: who has several keys need not wait for one to look up the
  // next.
  const Entry& Find(const device::FlowKey& key) const;
  // The same; null: none.
  const Entry* Lookup(const device::FlowKey& key) const {
    const Entry& found = Find(key);
    return found.is_rule() ? &found : nullptr;
  }
  bool empty() const { return entries_.size() == 1; }

 private:
  // None; then by location, each at one more than its place.
  std::vector<Entry> entries_{Entry()};
  RunTables runs_;
  std::vector<MaskTable> tables_;
  RuleBitmap rest_;
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_FLOW_TABLE_H_
