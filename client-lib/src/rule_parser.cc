#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "client-lib/src/rule_words.h"
#include "qsplit/flow_rule.h"

namespace qsplit {
namespace {

using internal::ActionWord;
using internal::FindRuleWord;
using internal::FlowTypeBits;
using internal::kActionWords;
using internal::kFlowTypeNames;
using internal::kRefusedWords;
using internal::kRuleWords;
using internal::RefusedWord;
using internal::RuleWord;
using internal::Sv;

constexpr size_t kMaxTextBytes = 4096;
constexpr size_t kMaxQuoted = 40;

std::string Quote(std::string_view text) {
  std::string quoted;
  for (const char c : text.substr(0, kMaxQuoted)) {
    quoted.push_back(absl::ascii_isprint(static_cast<unsigned char>(c)) ? c : '?');
  }
  return absl::StrCat("'", quoted, text.size() > kMaxQuoted ? "…'" : "'");
}

template <typename... Args>
absl::Status Invalid(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat("rule: ", args...));
}

std::string WordsOf(FlowType type) {
  std::vector<std::string> words;
  for (const RuleWord& word : kRuleWords) {
    if ((word.types & FlowTypeBits(type)) != 0) words.emplace_back(word.word);
  }
  return absl::StrJoin(words, ", ");
}

// As strtoull with base 0, which ethtool uses: 0x for hexadecimal, a leading 0 for octal; but
// nothing around it.
std::optional<uint64_t> Number(std::string_view text) {
  int base = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;
    text.remove_prefix(1);
  }
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

absl::StatusOr<uint32_t> NumberIn(std::string_view word, std::string_view text, uint64_t max) {
  const std::optional<uint64_t> value = Number(text);
  if (!value.has_value()) {
    return Invalid(Sv(word), " ", Quote(text),
                   " is no number; write decimal, 0x hexadecimal, or 0 and octal");
  }
  if (*value > max) {
    return Invalid(Sv(word), " ", Quote(text), " is out of range; 0 to ", max, " are possible");
  }
  return static_cast<uint32_t>(*value);
}

absl::StatusOr<std::array<uint8_t, 6>> Mac(std::string_view word, std::string_view text) {
  std::array<uint8_t, 6> mac{};
  size_t count = 0;
  for (const absl::string_view part : absl::StrSplit(Sv(text), ':')) {
    uint8_t byte = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), byte, 16);
    if (count == 6 || part.empty() || part.size() > 2 || error != std::errc() ||
        end != part.data() + part.size()) {
      count = 0;
      break;
    }
    mac[count++] = byte;
  }
  if (count != 6) {
    return Invalid(Sv(word), " ", Quote(text),
                   " is no Ethernet address; write 6 bytes as 02:00:00:00:00:01");
  }
  return mac;
}

absl::StatusOr<std::array<uint8_t, 16>> Ip(std::string_view word, std::string_view text,
                                           FlowType type) {
  std::array<uint8_t, 16> ip{};
  const bool v6 = IsIp6(type);
  if (::inet_pton(v6 ? AF_INET6 : AF_INET, std::string(text).c_str(), ip.data()) != 1) {
    return Invalid(Sv(word), " ", Quote(text), v6 ? " is no IPv6 address" : " is no IPv4 address",
                   "; flow-type ", Sv(FlowTypeName(type)),
                   v6 ? " wants 2001:db8::1" : " wants 10.0.0.1");
  }
  return ip;
}

// Turns ethtool's mask (1: ignored) into ours and clears what is ignored. False: all is ignored.
template <size_t kSize>
bool Apply(std::array<uint8_t, kSize>& value, std::array<uint8_t, kSize>& mask, size_t used) {
  bool any = false;
  for (size_t i = 0; i < used; ++i) {
    mask[i] = static_cast<uint8_t>(~mask[i]);
    value[i] &= mask[i];
    any = any || mask[i] != 0;
  }
  return any;
}

// Sets one field from its value and its mask (empty: none).
absl::Status SetField(const RuleWord& word, std::string_view value, std::string_view mask,
                      FlowRule* rule) {
  const std::string mask_word = absl::StrCat(Sv(word.word), " … m");
  if (word.number != nullptr) {
    absl::StatusOr<uint32_t> number = NumberIn(word.word, value, word.max);
    if (!number.ok()) return number.status();
    absl::StatusOr<uint32_t> ignored = mask.empty() ? 0 : NumberIn(mask_word, mask, word.max);
    if (!ignored.ok()) return ignored.status();
    const uint32_t compared = ~*ignored & word.max;
    if (compared == 0) return absl::OkStatus();
    MaskedNumber all = (rule->*word.number).value_or(MaskedNumber{});  // of other words' bits
    all.value |= (*number & compared) << word.shift;
    all.mask |= compared << word.shift;
    rule->*word.number = all;
    return absl::OkStatus();
  }
  if (word.mac != nullptr) {
    absl::StatusOr<std::array<uint8_t, 6>> mac = Mac(word.word, value);
    if (!mac.ok()) return mac.status();
    absl::StatusOr<std::array<uint8_t, 6>> ignored = std::array<uint8_t, 6>{};
    if (!mask.empty()) ignored = Mac(mask_word, mask);
    if (!ignored.ok()) return ignored.status();
    if (Apply(*mac, *ignored, 6)) rule->*word.mac = MaskedMac{*mac, *ignored};
    return absl::OkStatus();
  }
  absl::StatusOr<std::array<uint8_t, 16>> ip = Ip(word.word, value, rule->type);
  if (!ip.ok()) return ip.status();
  absl::StatusOr<std::array<uint8_t, 16>> ignored = std::array<uint8_t, 16>{};
  if (!mask.empty()) ignored = Ip(mask_word, mask, rule->type);
  if (!ignored.ok()) return ignored.status();
  if (Apply(*ip, *ignored, IsIp6(rule->type) ? 16 : 4)) rule->*word.ip = MaskedIp{*ip, *ignored};
  return absl::OkStatus();
}

std::string AllTypes() {
  return absl::StrJoin(kFlowTypeNames, ", ",
                       [](std::string* out, std::string_view name) { out->append(name); });
}

absl::StatusOr<FlowType> TypeOf(std::string_view text) {
  for (size_t i = 0; i < std::size(kFlowTypeNames); ++i) {
    if (kFlowTypeNames[i] == text) return static_cast<FlowType>(i);
  }
  return Invalid("flow-type ", Quote(text), " is unknown; ", AllTypes(), " are possible");
}

// `name` is action, or queue, which takes no word.
absl::Status SetAction(std::string_view name, std::string_view text, FlowRule* rule) {
  const bool any = name == "action";
  for (const ActionWord& word : kActionWords) {
    if (!any || word.word != text) continue;
    rule->action = word.action;
    return absl::OkStatus();
  }
  const std::optional<uint64_t> queue = Number(text);
  if (!queue.has_value() || *queue > 0xffff) {
    return Invalid(Sv(name), " ", Quote(text),
                   " is no queue; write the number of a queue, 0 to 65535",
                   any ? ", or -1 to drop, or pass, or reflect" : "");
  }
  rule->queue = static_cast<uint32_t>(*queue);
  return absl::OkStatus();
}

// A word that stands in the rule already; `word` is nullptr if it sets no field.
struct Seen {
  std::string_view name;
  const RuleWord* word;
};

bool IsAction(std::string_view name) { return name == "action" || name == "queue"; }

// Whether the two say something of the same bits.
bool SaySame(const Seen& a, const Seen& b) {
  if (a.name == b.name || (IsAction(a.name) && IsAction(b.name))) return true;
  return a.word != nullptr && b.word != nullptr && a.word->number != nullptr &&
         a.word->number == b.word->number &&
         (a.word->max << a.word->shift & b.word->max << b.word->shift) != 0;
}

}  // namespace

absl::StatusOr<FlowRule> ParseRule(std::string_view text) {
  if (text.size() > kMaxTextBytes) {
    return Invalid("the text has ", text.size(), " bytes, more than ", kMaxTextBytes);
  }
  // No copy of an embedded 0 may end a word early.
  if (text.find('\0') != std::string_view::npos) return Invalid("the text contains a 0 byte");
  const std::vector<absl::string_view> words =
      absl::StrSplit(Sv(text), absl::ByAnyChar(" \t\r\n\v\f"), absl::SkipEmpty());
  const auto word_at = [&](size_t i) { return std::string_view(words[i].data(), words[i].size()); };
  if (words.size() < 2 || words[0] != "flow-type") {
    return Invalid(
        words.empty() ? "it is empty" : absl::StrCat("it begins with ", Quote(word_at(0))),
        "; it begins with `flow-type TYPE`, TYPE one of ", AllTypes());
  }
  absl::StatusOr<FlowType> type = TypeOf(word_at(1));
  if (!type.ok()) return type.status();
  FlowRule rule;
  rule.type = *type;
  std::vector<Seen> seen;
  for (size_t i = 2; i < words.size();) {
    const std::string_view name = word_at(i++);
    if (name == "m") return Invalid("`m` stands after no value that can be masked");
    for (const RefusedWord& refused : kRefusedWords) {
      if (refused.word == name) return Invalid("`", Sv(name), "`: ", Sv(refused.why));
    }
    const bool is_location = name == "loc";
    const RuleWord* word = FindRuleWord(name, rule.type);
    if (!IsAction(name) && !is_location) {
      const std::string allowed = absl::StrCat("flow-type ", Sv(FlowTypeName(rule.type)),
                                               " allows ", WordsOf(rule.type), ", action, loc");
      if (word == nullptr) return Invalid("the word ", Quote(name), " is unknown; ", allowed);
      if ((word->types & FlowTypeBits(rule.type)) == 0) {
        return Invalid("`", Sv(name), "` does not go with this flow type; ", allowed);
      }
    }
    for (const Seen& before : seen) {
      if (!SaySame(before, {name, word})) continue;
      if (before.name == name) return Invalid("`", Sv(name), "` stands twice");
      return Invalid("`", Sv(name), "` says again what `", Sv(before.name), "` says; keep one");
    }
    seen.push_back({name, word});
    if (i == words.size()) return Invalid("`", Sv(name), "` has no value");
    const std::string_view value = word_at(i++);
    if (IsAction(name)) {
      if (absl::Status status = SetAction(name, value, &rule); !status.ok()) return status;
      continue;
    }
    if (is_location) {
      absl::StatusOr<uint32_t> location = NumberIn(name, value, 0x7fffffff);
      if (!location.ok()) return location.status();
      rule.location = *location;
      continue;
    }
    std::string_view mask;
    if (i < words.size() && words[i] == "m") {
      if (++i == words.size()) return Invalid("`", Sv(name), " … m` has no mask");
      mask = word_at(i++);
    }
    if (absl::Status status = SetField(*word, value, mask, &rule); !status.ok()) return status;
  }
  if (std::none_of(seen.begin(), seen.end(), [](const Seen& one) { return IsAction(one.name); })) {
    return Invalid(
        "no action; end it with `action N`, N a queue, or `action -1` to drop, or "
        "`action pass`, or `action reflect`");
  }
  return rule;
}

}  // namespace qsplit
