#include "client-lib/src/rule_words.h"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace qsplit {
namespace internal {

const RuleWord* FindRuleWord(std::string_view text, FlowType type) {
  const RuleWord* found = nullptr;
  for (const RuleWord& word : kRuleWords) {
    if (word.word != text) continue;
    if (found == nullptr || (word.types & FlowTypeBits(type)) != 0) found = &word;
  }
  return found;
}

}  // namespace internal

std::string_view FlowTypeName(FlowType type) {
  const auto i = static_cast<size_t>(type);
  return i < std::size(internal::kFlowTypeNames) ? internal::kFlowTypeNames[i] : "unknown";
}
bool IsIp4(FlowType type) { return (internal::FlowTypeBits(type) & internal::kIp4Types) != 0; }
bool IsIp6(FlowType type) { return (internal::FlowTypeBits(type) & internal::kIp6Types) != 0; }

}  // namespace qsplit
