// The words of steering rules: ethtool's, which of them go with which flow type, and which member
// of a FlowRule each sets. The parser and the formatter of rules both go by these tables.
//
// Constants and pure functions; any thread.
#ifndef QSPLIT_CLIENT_LIB_SRC_RULE_WORDS_H_
#define QSPLIT_CLIENT_LIB_SRC_RULE_WORDS_H_

#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

#include "absl/strings/string_view.h"
#include "qsplit/flow_rule.h"

namespace qsplit::internal {

// By FlowType.
inline constexpr std::string_view kFlowTypeNames[] = {"ether", "ip4",  "ip6",  "tcp4",  "udp4",
                                                      "sctp4", "tcp6", "udp6", "sctp6", "ah4",
                                                      "esp4",  "ah6",  "esp6"};

// A set of flow types has a bit for each.
using FlowTypes = uint32_t;
template <typename... Type>
constexpr FlowTypes FlowTypeBits(Type... type) {
  return ((FlowTypes{1} << static_cast<int>(type)) | ...);
}
inline constexpr FlowTypes kAllTypes = (1u << std::size(kFlowTypeNames)) - 1;
inline constexpr FlowTypes kEtherTypes = FlowTypeBits(FlowType::kEther);
inline constexpr FlowTypes kIp4Types =
    FlowTypeBits(FlowType::kIp4, FlowType::kTcp4, FlowType::kUdp4, FlowType::kSctp4, FlowType::kAh4,
                 FlowType::kEsp4);
inline constexpr FlowTypes kIp6Types = kAllTypes & ~kEtherTypes & ~kIp4Types;
inline constexpr FlowTypes kRawIpTypes = FlowTypeBits(FlowType::kIp4, FlowType::kIp6);
inline constexpr FlowTypes kSpiTypes =
    FlowTypeBits(FlowType::kAh4, FlowType::kEsp4, FlowType::kAh6, FlowType::kEsp6);
inline constexpr FlowTypes kPortTypes = kAllTypes & ~kEtherTypes & ~kRawIpTypes & ~kSpiTypes;

// A word of ethtool's that is followed by a value and, perhaps, `m` and a mask. Exactly one member
// pointer is set.
struct RuleWord {
  std::string_view word;
  FlowTypes types;
  uint32_t max = 0;  // of a number
  int shift = 0;     // of a number: the member's bit that is its lowest
  std::optional<MaskedNumber> FlowRule::*number = nullptr;
  std::optional<MaskedMac> FlowRule::*mac = nullptr;
  std::optional<MaskedIp> FlowRule::*ip = nullptr;
  bool hex = false;     // how FormatRule writes it
  bool written = true;  // by FormatRule; else another word of the member's is
};

// In the order in which FormatRule writes them.
inline constexpr RuleWord kRuleWords[] = {
    {.word = "src", .types = kEtherTypes, .mac = &FlowRule::src_mac},
    {.word = "dst", .types = kEtherTypes, .mac = &FlowRule::dst_mac},
    {.word = "proto",
     .types = kEtherTypes,
     .max = 0xffff,
     .number = &FlowRule::ether_type,
     .hex = true},
    {.word = "src-ip", .types = kIp4Types | kIp6Types, .ip = &FlowRule::src_ip},
    {.word = "dst-ip", .types = kIp4Types | kIp6Types, .ip = &FlowRule::dst_ip},
    {.word = "tos", .types = kIp4Types, .max = 0xff, .number = &FlowRule::tos, .hex = true},
    {.word = "tclass", .types = kIp6Types, .max = 0xff, .number = &FlowRule::tos, .hex = true},
    {.word = "l4proto", .types = kRawIpTypes, .max = 0xff, .number = &FlowRule::l4_protocol},
    {.word = "l4data",
     .types = kRawIpTypes,
     .max = 0xffffffff,
     .number = &FlowRule::l4_bytes,
     .hex = true},
    {.word = "src-port", .types = kPortTypes, .max = 0xffff, .number = &FlowRule::src_port},
    {.word = "dst-port", .types = kPortTypes, .max = 0xffff, .number = &FlowRule::dst_port},
    {.word = "spi", .types = kSpiTypes, .max = 0xffffffff, .number = &FlowRule::spi, .hex = true},
    // Of no protocol that is known, these are other words for the bytes behind the IP header.
    {.word = "src-port",
     .types = kRawIpTypes,
     .max = 0xffff,
     .shift = 16,
     .number = &FlowRule::l4_bytes,
     .written = false},
    {.word = "dst-port",
     .types = kRawIpTypes,
     .max = 0xffff,
     .number = &FlowRule::l4_bytes,
     .written = false},
    {.word = "spi",
     .types = kRawIpTypes,
     .max = 0xffffffff,
     .number = &FlowRule::l4_bytes,
     .written = false},
    {.word = "vlan-etype",
     .types = kAllTypes,
     .max = 0xffff,
     .number = &FlowRule::vlan_ether_type,
     .hex = true},
    {.word = "vlan", .types = kAllTypes, .max = 0xffff, .number = &FlowRule::vlan_tci, .hex = true},
    {.word = "dst-mac", .types = kAllTypes & ~kEtherTypes, .mac = &FlowRule::dst_mac},
};

// Words of ethtool that have no meaning here, and what to say.
struct RefusedWord {
  std::string_view word;
  std::string_view why;
};
inline constexpr RefusedWord kRefusedWords[] = {
    {"user-def", "no device here matches user-defined bytes"},
    {"context", "RSS contexts are not supported; send to a queue with `action N`"},
    {"vf", "a rule sends to a queue of a lease; write `action N`"},
    {"delete", "a rule is added here; remove one by its location"},
};

// Actions that are words; the first of each is how FormatRule writes it.
struct ActionWord {
  std::string_view word;
  RuleAction action;
};
inline constexpr ActionWord kActionWords[] = {{"-1", RuleAction::kDrop},
                                              {"drop", RuleAction::kDrop},
                                              {"pass", RuleAction::kPass},
                                              {"reflect", RuleAction::kReflect}};

// The word, in its meaning for the flow type if it has one, else in any; nullptr: no such word.
const RuleWord* FindRuleWord(std::string_view text, FlowType type);

// For functions of abseil that take its own kind of view.
inline absl::string_view Sv(std::string_view s) { return {s.data(), s.size()}; }

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_RULE_WORDS_H_
