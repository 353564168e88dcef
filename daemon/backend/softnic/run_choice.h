// Which bits steering rules are hashed by: bits that so many of them compare, and that tell so many
// apart, that few tables hold all of them, with short runs of rules for each slot.
//
// Pure functions; any thread. Takes milliseconds for 1,024 rules: not for the packet path.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_RUN_CHOICE_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_RUN_CHOICE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/backend/softnic/run_table.h"
#include "daemon/backend/softnic/search_registers.h"

namespace qsplit::softnic {

// What is to be hashed. Rules are numbered as they came.
struct RunChoice {
  struct Table {
    FlowWords common{};
    FlowWords seeds{};
    size_t slots = 1;             // a power of two
    std::vector<uint32_t> rules;  // rising
  };

  std::vector<Table> tables;
  std::vector<uint32_t> rest;  // rules in none of them: rising
};

// words: of a packed key. Rules by rising place. registers: those that are here. No tables: a
// bitmap finds them as soon.
RunChoice ChooseRuns(size_t words, uint64_t seed, std::span<const PackedRule> rules,
                     SearchRegisters registers);

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_RUN_CHOICE_H_
