// The steering rules of a device in the form in which packets are matched: tuple space search, one
// hash table for each mask in use, tables in the order of their lowest location.
//
// Immutable: a change builds a new table and swaps it in. Lookup allocates nothing and reads only
// private memory. Any thread may look up; counters are written by one.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_FLOW_TABLE_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_FLOW_TABLE_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/device/flow_rule.h"

namespace qsplit::softnic {

class FlowTable {
 public:
  struct Entry {
    uint32_t location = 0;
    device::FlowAction action;
  };

  FlowTable() = default;
  // Locations are unique. Value bits outside of the mask are ignored.
  explicit FlowTable(std::span<const device::FlowRule> rules);

  // The rule of the lowest location that matches; null: none.
  const Entry* Lookup(const device::FlowKey& key) const;
  bool empty() const { return groups_.empty(); }

 private:
  using Words = std::array<uint64_t, 8>;
  struct Slot {
    Words value;
    Entry entry;
    bool used = false;
  };
  // All rules with one mask.
  struct Group {
    Words mask;
    uint32_t lowest_location = 0;
    std::vector<Slot> slots;  // open addressing; a power of two, at most half full
  };

  static uint64_t HashOf(const Words& words);

  std::vector<Group> groups_;  // by lowest_location
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_FLOW_TABLE_H_
