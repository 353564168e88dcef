// The words of steering rules: ethtool's, which of them go with which flow type, and which member
// of a FlowRule each sets. The parser and the formatter of rules both go by these tables.
//
// Constants and pure functions; any thread.
#ifndef QSPLIT_CLIENT_LIB_SRC_RULE_WORDS_H_
#define QSPLIT_CLIENT_LIB_SRC_RULE_WORDS_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/strings/string_view.h"
#include "qsplit/flow_rule.h"

namespace qsplit::internal {

// By FlowType.
inline constexpr std::string_view kFlowTypeNames[] = {"ether", "ip4",   "ip6",  "tcp4",
                                                      "udp4",  "sctp4", "tcp6", "udp6"};

// A set of flow types has a bit for each.
constexpr uint8_t FlowTypeBit(FlowType type) {
  return static_cast<uint8_t>(1u << static_cast<int>(type));
}
inline constexpr uint8_t kAllTypes = 0xff;
inline constexpr uint8_t kEtherTypes = FlowTypeBit(FlowType::kEther);
inline constexpr uint8_t kIp4Types = FlowTypeBit(FlowType::kIp4) | FlowTypeBit(FlowType::kTcp4) |
                                     FlowTypeBit(FlowType::kUdp4) | FlowTypeBit(FlowType::kSctp4);
inline constexpr uint8_t kIp6Types =
    FlowTypeBit(FlowType::kIp6) | FlowTypeBit(FlowType::kTcp6) | FlowTypeBit(FlowType::kUdp6);
inline constexpr uint8_t kRawIpTypes = FlowTypeBit(FlowType::kIp4) | FlowTypeBit(FlowType::kIp6);
inline constexpr uint8_t kPortTypes = (kIp4Types | kIp6Types) & static_cast<uint8_t>(~kRawIpTypes);

// A word of ethtool's that is followed by a value and, perhaps, `m` and a mask. Exactly one member
// pointer is set.
struct RuleWord {
  std::string_view word;
  uint8_t types;
  uint32_t max = 0;  // of a number
  std::optional<MaskedNumber> FlowRule::*number = nullptr;
  std::optional<MaskedMac> FlowRule::*mac = nullptr;
  std::optional<MaskedIp> FlowRule::*ip = nullptr;
  bool hex = false;  // how FormatRule writes it
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
    {.word = "vlan-etype",
     .types = kAllTypes,
     .max = 0xffff,
     .number = &FlowRule::vlan_ether_type,
     .hex = true},
    {.word = "vlan", .types = kAllTypes, .max = 0xffff, .number = &FlowRule::vlan_tci, .hex = true},
    {.word = "dst-mac",
     .types = kAllTypes & static_cast<uint8_t>(~kEtherTypes),
     .mac = &FlowRule::dst_mac},
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
    {"queue", "write `action N`"},
    {"spi", "ESP and AH flows are not supported; match `l4proto` and `l4data` of flow-type ip4"},
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
