// Steering rules of any masks: for each byte of a key that some rule compares, and each value of
// it, one bit for each rule that the value does not rule out. What is left of all bytes' bits
// together matches; the lowest is the first.
//
//   byte of the key ─► step ─┐
//   byte of the key ─► step ─┴─► bits, one for each rule ─┐
//   byte of the key ─► step ───► bits, one for each rule ─┴─and─► lowest bit ─► is it the rule's?
//
// A few bytes mostly tell which rule it is, and then the rule itself is compared; where that does
// not match, the other bytes are looked at as well. So what a search costs at most depends on how
// many rules and bytes there are and on nothing in the key: nobody can send packets that are dear.
// Immutable; finding allocates nothing and reads private memory only. Any thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_RULE_BITMAP_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_RULE_BITMAP_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/backend/softnic/mask_table.h"
#include "daemon/backend/softnic/rule_block.h"
#include "daemon/backend/softnic/search_registers.h"
#include "daemon/device/flow_rule.h"

namespace qsplit::softnic {

class RuleBitmap {
 public:
  static constexpr uint32_t kNone = MaskTable::kNone;
  using Rule = RuleBlock::Rule;

  // Without rules.
  RuleBitmap() = default;
  // By rising place.
  explicit RuleBitmap(std::span<const Rule> rules,
                      SearchRegisters registers = SearchRegisters::kWidest);

  bool empty() const { return blocks_.empty(); }
  // The lowest place of the rules that match, or kNone.
  uint32_t Find(const device::FlowKey& key) const;

 private:
  using FindInBlock = uint32_t (*)(const RuleBlock& block, const device::FlowKey& key);

  std::vector<RuleBlock> blocks_;      // by rising place
  std::array<FindInBlock, 2> find_{};  // in one of one line, of two
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_RULE_BITMAP_H_
