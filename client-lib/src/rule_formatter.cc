#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client-lib/src/rule_words.h"
#include "qsplit/flow_rule.h"

namespace qsplit {
namespace {

using internal::ActionWord;
using internal::FlowTypeBits;
using internal::kActionWords;
using internal::kRuleWords;
using internal::RuleWord;
using internal::Sv;

std::string MacText(const std::array<uint8_t, 6>& mac) {
  return absl::StrFormat("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                         mac[5]);
}

std::string IpText(const std::array<uint8_t, 16>& ip, bool v6) {
  char text[INET6_ADDRSTRLEN];
  return ::inet_ntop(v6 ? AF_INET6 : AF_INET, ip.data(), text, sizeof text);
}

template <size_t kSize>
std::array<uint8_t, kSize> Ignored(const std::array<uint8_t, kSize>& mask, size_t used) {
  std::array<uint8_t, kSize> ignored{};
  for (size_t i = 0; i < used; ++i) ignored[i] = static_cast<uint8_t>(~mask[i]);
  return ignored;
}

void AppendField(const RuleWord& word, const FlowRule& rule, std::string* out) {
  std::string value;
  std::string mask;
  if (word.number != nullptr && (rule.*word.number).has_value()) {
    const MaskedNumber& number = *(rule.*word.number);
    const uint32_t ignored = ~number.mask & word.max;
    value = word.hex ? absl::StrFormat("%#x", number.value) : absl::StrCat(number.value);
    if (ignored != 0) mask = absl::StrFormat("%#x", ignored);
  } else if (word.mac != nullptr && (rule.*word.mac).has_value()) {
    const MaskedMac& mac = *(rule.*word.mac);
    const std::array<uint8_t, 6> ignored = Ignored(mac.mask, 6);
    value = MacText(mac.value);
    if (ignored != std::array<uint8_t, 6>{}) mask = MacText(ignored);
  } else if (word.ip != nullptr && (rule.*word.ip).has_value()) {
    const MaskedIp& ip = *(rule.*word.ip);
    const bool v6 = IsIp6(rule.type);
    const std::array<uint8_t, 16> ignored = Ignored(ip.mask, v6 ? 16 : 4);
    value = IpText(ip.value, v6);
    if (ignored != std::array<uint8_t, 16>{}) mask = IpText(ignored, v6);
  } else {
    return;
  }
  absl::StrAppend(out, " ", Sv(word.word), " ", value);
  if (!mask.empty()) absl::StrAppend(out, " m ", mask);
}

}  // namespace

std::string FormatMatch(const FlowRule& rule) {
  std::string out = absl::StrCat("flow-type ", Sv(FlowTypeName(rule.type)));
  for (const RuleWord& word : kRuleWords) {
    if (word.written && (word.types & FlowTypeBits(rule.type)) != 0) AppendField(word, rule, &out);
  }
  return out;
}

std::string FormatRule(const FlowRule& rule) {
  std::string out = FormatMatch(rule);
  const auto* const word = std::find_if(
      std::begin(kActionWords), std::end(kActionWords),
      [&rule](const ActionWord& candidate) { return candidate.action == rule.action; });
  if (word != std::end(kActionWords)) {
    absl::StrAppend(&out, " action ", Sv(word->word));
  } else {
    absl::StrAppend(&out, " action ", rule.queue);
  }
  if (rule.location.has_value()) absl::StrAppend(&out, " loc ", *rule.location);
  return out;
}

}  // namespace qsplit
