// Steering rules in ethtool's own words, as `ethtool -N` takes them:
//
//   flow-type udp4 src-ip 10.0.0.0 m 0.0.0.255 dst-port 4242 action 1 loc 3
//
// Every flow type of that program is known here. Of ip4 and ip6, `src-port`, `dst-port` and `spi`
// compare the bytes behind the IP header, as `l4data` does, and FormatRule writes that.
//
// `action` is followed by a queue's number, by -1 or `drop`, or by a word that ethtool lacks:
// `pass` (to the kernel's stack or the representor, as if no program had the device) or `reflect`
// (back to the wire, the two Ethernet addresses exchanged). `queue N` is `action N`.
//
// The word `m` after a value gives a mask in which a bit that is 1 is ignored, as ethtool has it.
// In the structs below, as in the protocol, a bit that is 1 is compared.
//
// Plain values and pure functions on untrusted text; any thread.
#ifndef QSPLIT_FLOW_RULE_H_
#define QSPLIT_FLOW_RULE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace qsplit {

enum class FlowType : uint8_t {
  kEther,
  kIp4,
  kIp6,
  kTcp4,
  kUdp4,
  kSctp4,
  kTcp6,
  kUdp6,
  kSctp6,
  kAh4,
  kEsp4,
  kAh6,
  kEsp6,
};

// "udp4", …: the word of ethtool.
std::string_view FlowTypeName(FlowType type);
// True for the flow types over IPv4 (IPv6).
bool IsIp4(FlowType type);
bool IsIp6(FlowType type);

// A number in the host's byte order, and the bits of it that are compared.
struct MaskedNumber {
  uint32_t value = 0;
  uint32_t mask = 0;
  friend bool operator==(const MaskedNumber&, const MaskedNumber&) = default;
};

// An Ethernet address, and the bits of it that are compared.
struct MaskedMac {
  std::array<uint8_t, 6> value{};
  std::array<uint8_t, 6> mask{};
  friend bool operator==(const MaskedMac&, const MaskedMac&) = default;
};

// An IP address in network byte order, and the bits of it that are compared. IPv4: the first 4
// bytes, the rest 0.
struct MaskedIp {
  std::array<uint8_t, 16> value{};
  std::array<uint8_t, 16> mask{};
  friend bool operator==(const MaskedIp&, const MaskedIp&) = default;
};

// What becomes of a packet that the rule takes.
enum class RuleAction : uint8_t {
  kQueue,
  kDrop,
  // To whom it would go if no program had the device: the kernel's stack, the representor.
  kPass,
  // Back to the wire that it came from, its two Ethernet addresses exchanged; needs what a transmit
  // queue needs of policy.
  kReflect,
};

// What packets look like that the rule takes. Absent: anything. Value bits outside a mask are 0,
// and no mask is all 0.
struct FlowRule {
  FlowType type = FlowType::kEther;
  std::optional<MaskedMac> src_mac;             // flow type ether
  std::optional<MaskedMac> dst_mac;             // every type
  std::optional<MaskedNumber> ether_type;       // 16 bits; flow type ether
  std::optional<MaskedNumber> vlan_tci;         // 16 bits; every type
  std::optional<MaskedNumber> vlan_ether_type;  // 16 bits; every type
  std::optional<MaskedIp> src_ip;               // IP types
  std::optional<MaskedIp> dst_ip;               // IP types
  std::optional<MaskedNumber> tos;              // 8 bits; IP types (IPv6: traffic class)
  std::optional<MaskedNumber> l4_protocol;      // 8 bits; ip4 and ip6
  std::optional<MaskedNumber> l4_bytes;         // 32 bits; ip4 and ip6
  std::optional<MaskedNumber> src_port;         // 16 bits; TCP, UDP, SCTP
  std::optional<MaskedNumber> dst_port;         // 16 bits; TCP, UDP, SCTP
  std::optional<MaskedNumber> spi;              // 32 bits; AH, ESP

  RuleAction action = RuleAction::kQueue;
  // Of kQueue: a receive queue of the lease (its index), or of the device, as the call that takes
  // the rule says.
  uint32_t queue = 0;
  // Place in the table; the lowest that matches wins. Absent: any free one.
  std::optional<uint32_t> location;

  friend bool operator==(const FlowRule&, const FlowRule&) = default;
};

// Reads a rule in ethtool's words, separated by white space. INVALID_ARGUMENT: a word that is
// unknown, that the flow type lacks, that stands twice or has no value; a number out of range; no
// flow-type; no action. The message names the word and what would be allowed.
absl::StatusOr<FlowRule> ParseRule(std::string_view words);

// The rule in ethtool's words; ParseRule reads it back to an equal rule.
std::string FormatRule(const FlowRule& rule);

// The match alone, without "action" and "loc".
std::string FormatMatch(const FlowRule& rule);

}  // namespace qsplit

#endif  // QSPLIT_FLOW_RULE_H_
