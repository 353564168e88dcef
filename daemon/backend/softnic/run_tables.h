// Steering rules of any masks, as many of them as few hash tables hold: each table has rules that
// compare some bits in common, however they differ besides.
//
// What a search costs depends on how many tables there are, and on nothing in the key. Immutable;
// finding allocates nothing and reads private memory only. Any thread.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_RUN_TABLES_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_RUN_TABLES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/backend/softnic/rule_block.h"
#include "daemon/backend/softnic/run_table.h"
#include "daemon/backend/softnic/search_registers.h"
#include "daemon/device/flow_rule.h"

namespace qsplit::softnic {

class RunTables {
 public:
  static constexpr uint32_t kNone = MaskTable::kNone;
  using Rule = RuleBlock::Rule;

  // Without rules.
  RunTables() = default;
  // By rising place. Takes those rules that are found sooner so than by a bitmap, and leaves the
  // rest in `rules`.
  RunTables(std::vector<Rule>* rules, uint64_t seed,
            SearchRegisters registers = SearchRegisters::kWidest);

  bool empty() const { return tables_.empty(); }
  size_t table_count() const { return tables_.size(); }
  // The lowest place of the rules that match, or kNone. Not without rules.
  uint32_t Find(const device::FlowKey& key) const { return find_(packing_, tables_, key); }

 private:
  using FindIn = uint32_t (*)(const KeyPacking& packing, std::span<const RunTable> tables,
                              const device::FlowKey& key);

  KeyPacking packing_{{}};
  std::vector<RunTable> tables_;
  FindIn find_ = nullptr;
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_RUN_TABLES_H_
