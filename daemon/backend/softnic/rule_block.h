// At most 1,024 steering rules as bits: what RuleBitmap searches.
//
// Plain values, immutable after they were made; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_RULE_BLOCK_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_RULE_BLOCK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/backend/softnic/mask_table.h"
#include "daemon/device/flow_rule.h"

namespace qsplit::softnic {

struct RuleBlock {
  // Bits of a cache line; a block's rules fill one or two.
  static constexpr size_t kLineWords = 8;
  static constexpr size_t kMostRules = 2 * kLineWords * 64;
  using Bits = std::array<uint64_t, 2 * kLineWords>;
  // Matches where (key & mask) == value.
  struct alignas(64) Rule {
    FlowWords value;
    FlowWords mask;
    uint32_t place = MaskTable::kNone;  // in the order of all rules
  };
  struct alignas(64) Line {
    std::array<uint64_t, kLineWords> words{};
  };
  // A byte of the key. The sum of the steps of a part's bytes says where in `lines` its lines are,
  // in bytes from the first: those of the rules that the values of these bytes do not rule out.
  struct Byte {
    uint32_t offset = 0;
    bool goes_on = false;  // the next one is of the same part
    std::array<uint32_t, 256> step{};
  };

  // Between 1 and kMostRules, by rising place.
  explicit RuleBlock(std::span<const Rule> rules);

  const Rule& OfBit(size_t bit) const { return rules[1 + bit]; }

  size_t line_count = 1;  // for one sum of steps
  // Behind so many bytes, all of some parts, the lowest bit left is mostly the rule that matches;
  // whether it is, is looked up. That many are all of them: it always is.
  size_t telling_bytes = 0;
  std::vector<Byte> bytes;  // of parts that tell most rules apart first
  std::vector<Line> lines;
  // That of no bit, which matches everything and is in no place; then those of each bit.
  std::vector<Rule> rules;
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_RULE_BLOCK_H_
