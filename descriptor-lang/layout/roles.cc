#include "descriptor-lang/layout/roles.h"

#include <algorithm>
#include <array>

namespace qsplit::layout {
namespace {

using enum RoleKind;
using enum RoleWriter;

constexpr std::array<std::string_view, 3> kL3Codes = {"none", "ip4", "ip6"};
constexpr std::array<std::string_view, 4> kL4Codes = {"none", "tcp", "udp", "sctp"};
constexpr std::array<std::string_view, 13> kHashCodes = {
    "none", "ip4",   "tcp4",  "udp4",   "sctp4",  "ip6",  "tcp6",
    "udp6", "sctp6", "ip6ex", "tcp6ex", "udp6ex", "other"};
constexpr std::array<std::string_view, 15> kKindCodes = {
    "none",    "arp",      "ip4",      "ip4_fragment", "ip4_tcp",
    "ip4_udp", "ip4_sctp", "ip4_icmp", "ip6",          "ip6_fragment",
    "ip6_tcp", "ip6_udp",  "ip6_sctp", "ip6_icmp",     "other"};
constexpr std::array<std::string_view, 5> kSegmentCodes = {"none", "tcp4", "tcp6", "udp4", "udp6"};
constexpr std::array<std::string_view, 3> kOffloadCodes = {"none", "checksum", "segment"};
constexpr std::array<std::string_view, 4> kOffloadL3Codes = {"none", "ip6", "ip4", "ip4_checksum"};

constexpr RoleInfo Row(Role role, std::string_view name, RoleKind kind, std::string_view unit,
                       uint8_t directions, RoleWriter writer, std::string_view meaning,
                       std::span<const std::string_view> vocabulary = {}) {
  return {role, name, meaning, unit, kind, directions, writer, false, vocabulary};
}

constexpr RoleInfo Repeatable(RoleInfo row) {
  row.repeatable = true;
  return row;
}

constexpr RoleInfo Flag(Role role, std::string_view name, uint8_t directions, RoleWriter writer,
                        std::string_view meaning) {
  return Row(role, name, kFlag, "", directions, writer, meaning);
}

constexpr std::array<RoleInfo, kRoleCount> kRoles = {{
    // Buffers.
    Repeatable(Row(Role::kBufferAddress, "buffer.address", kAddress, "iova", kAnywhere, kDriver,
                   "where the buffer begins")),
    Repeatable(Row(
        Role::kBufferLength, "buffer.length", kLength, "bytes", kAnywhere, kDriver,
        "bytes of the buffer: offered to the device (receive) or to be sent out of it (transmit)")),
    Repeatable(Row(Role::kBufferTag, "buffer.tag", kNumber, "", kAnywhere, kEither,
                   "software's number of the buffer, which the device gives back")),
    Repeatable(Row(Role::kBufferKey, "buffer.key", kNumber, "", kAnywhere, kDriver,
                   "key under which the device knows the buffer's memory")),
    Row(Role::kHeaderAddress, "header.address", kAddress, "iova", kInPackets, kDriver,
        "where the buffer for split headers begins"),
    Row(Role::kHeaderLength, "header.length", kLength, "bytes", kInReceive, kDevice,
        "bytes of headers that the device put into the header buffer"),
    // Packets.
    Row(Role::kPacketLength, "packet.length", kLength, "bytes", kInPackets, kEither,
        "bytes of the packet that this completion speaks of, as the queue's length rule says"),
    Row(Role::kPacketSnapLength, "packet.snap_length", kLength, "bytes", kInReceive, kDevice,
        "bytes of the packet that are here, where packet.length counts those on the wire"),
    Row(Role::kPacketTotalLength, "packet.total_length", kLength, "bytes", kInTransmit, kDriver,
        "bytes of the whole packet, in its first descriptor"),
    Row(Role::kPacketPayloadLength, "packet.payload_length", kLength, "bytes", kInTransmit, kDriver,
        "bytes of the packet behind the headers that segmentation repeats"),
    Flag(Role::kPacketFirst, "packet.first", kInPackets, kEither,
         "this is the first descriptor of a packet"),
    Flag(Role::kPacketLast, "packet.last", kInPackets, kEither,
         "this is the last descriptor of a packet"),
    Row(Role::kPacketDescriptors, "packet.descriptors", kNumber, "descriptors", kInPackets, kEither,
        "how many descriptors the packet has"),
    Row(Role::kPacketBuffers, "packet.buffers", kNumber, "buffers", kInPackets, kDriver,
        "how many buffers this descriptor has, those of its parts included"),
    Row(Role::kPacketCompletions, "packet.completions", kNumber, "completions", kInReceive, kDevice,
        "how many completions the packet has"),
    Row(Role::kPacketOffset, "packet.offset", kLength, "bytes", kInReceive, kDevice,
        "where in its buffer the packet begins"),
    Row(Role::kPacketInline, "packet.inline", kBytes, "", kInPackets, kEither,
        "bytes of the packet that stand in the descriptor itself"),
    Row(Role::kPacketInlineLength, "packet.inline_length", kLength, "bytes", kInPackets, kEither,
        "how many bytes of the packet stand in the descriptor itself"),
    Row(Role::kPacketType, "packet.type", kNumber, "", kInReceive, kDevice,
        "the device's own number for the kind of packet"),
    Row(Role::kPacketKind, "packet.kind", kCoded, "", kInReceive, kDevice,
        "network and transport layer of the packet in one code", kKindCodes),
    Row(Role::kPacketL3, "packet.l3", kCoded, "", kInPackets, kEither,
        "network layer of the packet", kL3Codes),
    Row(Role::kPacketL4, "packet.l4", kCoded, "", kInPackets, kEither,
        "transport layer of the packet", kL4Codes),
    Flag(Role::kPacketIsIp4, "packet.is_ip4", kInPackets, kEither, "the packet is IPv4"),
    Flag(Role::kPacketIsIp6, "packet.is_ip6", kInPackets, kEither, "the packet is IPv6"),
    Flag(Role::kPacketIsTcp, "packet.is_tcp", kInPackets, kEither, "the packet is TCP"),
    Flag(Role::kPacketIsUdp, "packet.is_udp", kInPackets, kEither, "the packet is UDP"),
    Flag(Role::kPacketIsSctp, "packet.is_sctp", kInPackets, kEither, "the packet is SCTP"),
    Flag(Role::kPacketIsFragment, "packet.is_fragment", kInReceive, kDevice,
         "the packet is a fragment of an IP datagram"),
    Flag(Role::kPacketIsTunnel, "packet.is_tunnel", kInPackets, kEither,
         "the packet carries another one; roles without `outer` speak of the inner one"),
    Flag(Role::kPacketIsMulticast, "packet.is_multicast", kInReceive, kDevice,
         "the destination is a multicast address"),
    Flag(Role::kPacketIsBroadcast, "packet.is_broadcast", kInReceive, kDevice,
         "the destination is the broadcast address"),
    // Receive-side scaling.
    Row(Role::kHashValue, "hash.value", kNumber, "", kInReceive, kDevice,
        "hash over the packet's addresses and ports"),
    Row(Role::kHashType, "hash.type", kCoded, "", kInReceive, kDevice,
        "which headers the hash is over", kHashCodes),
    // VLAN.
    Row(Role::kVlanTci, "vlan.tci", kNumber, "tag control information", kInPackets, kEither,
        "VLAN tag that was taken out (receive) or is to be put in (transmit), as a number"),
    Flag(Role::kVlanStripped, "vlan.stripped", kInReceive, kDevice,
         "the device took a VLAN tag out of the packet"),
    Flag(Role::kVlanPresent, "vlan.present", kInReceive, kDevice,
         "the packet has a VLAN tag, in its bytes or taken out"),
    Flag(Role::kVlanInsert, "vlan.insert", kInTransmit, kDriver,
         "put vlan.tci of this descriptor or of its context into the packet"),
    Row(Role::kVlanOuterTci, "vlan.outer.tci", kNumber, "tag control information", kInPackets,
        kEither, "outer tag of a packet with two VLAN tags"),
    Flag(Role::kVlanOuterStripped, "vlan.outer.stripped", kInReceive, kDevice,
         "the device took the outer VLAN tag out"),
    Flag(Role::kVlanOuterInsert, "vlan.outer.insert", kInTransmit, kDriver,
         "put vlan.outer.tci into the packet"),
    // Checksums. Of checked, ok and bad a layout has those that the device has: bad means something
    // only where checked holds, ok implies checked.
    Row(Role::kChecksumValue, "checksum.value", kNumber, "", kInPackets, kEither,
        "the ones' complement sum over the packet, not folded into a verdict"),
    Flag(Role::kChecksumChecked, "checksum.checked", kInReceive, kDevice,
         "the device checked the IPv4 header and transport checksums that the packet has"),
    Flag(Role::kChecksumL3Checked, "checksum.l3.checked", kInReceive, kDevice,
         "the device checked the IPv4 header checksum"),
    Flag(Role::kChecksumL3Ok, "checksum.l3.ok", kInReceive, kDevice,
         "the IPv4 header checksum is right"),
    Flag(Role::kChecksumL3Bad, "checksum.l3.bad", kInReceive, kDevice,
         "the IPv4 header checksum is wrong"),
    Flag(Role::kChecksumL3Request, "checksum.l3.request", kInTransmit, kDriver,
         "compute the IPv4 header checksum"),
    Row(Role::kChecksumL3Start, "checksum.l3.start", kLength, "bytes from the packet's start",
        kInTransmit, kDriver, "first byte that the IPv4 header checksum covers"),
    Row(Role::kChecksumL3InsertAt, "checksum.l3.insert_at", kLength,
        "bytes from the packet's start", kInTransmit, kDriver,
        "where the IPv4 header checksum is to be stored"),
    Row(Role::kChecksumL3End, "checksum.l3.end", kLength, "bytes from the packet's start",
        kInTransmit, kDriver, "last byte that the IPv4 header checksum covers"),
    Flag(Role::kChecksumL4Checked, "checksum.l4.checked", kInReceive, kDevice,
         "the device checked the TCP, UDP or SCTP checksum"),
    Flag(Role::kChecksumL4Ok, "checksum.l4.ok", kInReceive, kDevice,
         "the TCP, UDP or SCTP checksum is right"),
    Flag(Role::kChecksumL4Bad, "checksum.l4.bad", kInReceive, kDevice,
         "the TCP, UDP or SCTP checksum is wrong"),
    Flag(Role::kChecksumL4Request, "checksum.l4.request", kInTransmit, kDriver,
         "compute the checksum of the transport layer"),
    Row(Role::kChecksumL4Start, "checksum.l4.start", kLength, "bytes from the packet's start",
        kInTransmit, kDriver, "first byte that the transport checksum covers"),
    Row(Role::kChecksumL4InsertAt, "checksum.l4.insert_at", kLength,
        "bytes from the packet's start", kInTransmit, kDriver,
        "where the transport checksum is to be stored"),
    Row(Role::kChecksumL4InsertOffset, "checksum.l4.insert_offset", kLength,
        "bytes from checksum.l4.start", kInTransmit, kDriver,
        "where the transport checksum is to be stored, counted from checksum.l4.start"),
    Row(Role::kChecksumL4End, "checksum.l4.end", kLength, "bytes from the packet's start",
        kInTransmit, kDriver,
        "last byte that the transport checksum covers; 0 for the packet's end"),
    Flag(Role::kChecksumUdpChecked, "checksum.udp.checked", kInReceive, kDevice,
         "the device checked the UDP checksum; UDP without one is not checked"),
    Flag(Role::kChecksumOuterL3Checked, "checksum.outer.l3.checked", kInReceive, kDevice,
         "the device checked the outer IPv4 header checksum of a tunnel"),
    Flag(Role::kChecksumOuterL3Ok, "checksum.outer.l3.ok", kInReceive, kDevice,
         "the outer IPv4 header checksum is right"),
    Flag(Role::kChecksumOuterL3Bad, "checksum.outer.l3.bad", kInReceive, kDevice,
         "the outer IPv4 header checksum is wrong"),
    Flag(Role::kChecksumOuterL3Request, "checksum.outer.l3.request", kInTransmit, kDriver,
         "compute the outer IPv4 header checksum"),
    Flag(Role::kChecksumOuterL4Checked, "checksum.outer.l4.checked", kInReceive, kDevice,
         "the device checked the outer UDP checksum of a tunnel"),
    Flag(Role::kChecksumOuterL4Ok, "checksum.outer.l4.ok", kInReceive, kDevice,
         "the outer UDP checksum is right"),
    Flag(Role::kChecksumOuterL4Bad, "checksum.outer.l4.bad", kInReceive, kDevice,
         "the outer UDP checksum is wrong"),
    Flag(Role::kChecksumOuterL4Request, "checksum.outer.l4.request", kInTransmit, kDriver,
         "compute the outer UDP checksum"),
    // Where headers are, and segmentation.
    Row(Role::kHeaderL2Bytes, "header.l2.bytes", kLength, "bytes", kInPackets, kEither,
        "length of the link header, VLAN tags in the packet included"),
    Row(Role::kHeaderL3Bytes, "header.l3.bytes", kLength, "bytes", kInPackets, kEither,
        "length of the network header with its options"),
    Row(Role::kHeaderL4Bytes, "header.l4.bytes", kLength, "bytes", kInPackets, kEither,
        "length of the transport header with its options"),
    Row(Role::kHeaderBytes, "header.bytes", kLength, "bytes", kInTransmit, kDriver,
        "length of all headers, which segmentation repeats"),
    Row(Role::kSegmentSize, "segment.size", kLength, "bytes", kInPackets, kEither,
        "payload bytes in each segment: to be cut (transmit) or merged (receive)"),
    Row(Role::kSegmentCount, "segment.count", kNumber, "segments", kInReceive, kDevice,
        "how many segments were merged into this packet"),
    Flag(Role::kSegmentRequest, "segment.request", kInTransmit, kDriver,
         "cut the packet into segments of segment.size"),
    Row(Role::kSegmentType, "segment.type", kCoded, "", kInPackets, kEither,
        "what is to be cut (transmit) or was merged (receive)", kSegmentCodes),
    Row(Role::kOffloadMode, "offload.mode", kCoded, "", kInTransmit, kDriver,
        "what to do to the packet, in one code", kOffloadCodes),
    Row(Role::kOffloadL3, "offload.l3", kCoded, "", kInTransmit, kDriver,
        "the network layer, and whether to fill in its checksum", kOffloadL3Codes),
    Row(Role::kOffloadL4, "offload.l4", kCoded, "", kInTransmit, kDriver,
        "fill in the checksum of this transport layer", kL4Codes),
    // Time.
    Row(Role::kTimestamp, "timestamp", kNumber, "ns of the device's clock", kInPackets, kDevice,
        "when the packet arrived, or left"),
    Flag(Role::kTimestampValid, "timestamp.valid", kInPackets, kDevice,
         "the timestamp means something"),
    Flag(Role::kTimestampRequest, "timestamp.request", kInTransmit, kDriver,
         "take the time at which the packet leaves"),
    // How descriptors change hands.
    Flag(Role::kCompleted, "completed", kAnywhere, kDevice,
         "the device is finished with the descriptor"),
    Flag(Role::kReportRequest, "report.request", kAnywhere, kDriver,
         "report the completion of this descriptor, and of all before it"),
    Flag(Role::kInterruptRequest, "interrupt.request", kAnywhere, kDriver,
         "raise an event when this descriptor is completed"),
    Flag(Role::kCrcInsert, "crc.insert", kInTransmit, kDriver,
         "append the Ethernet frame check sequence"),
    Repeatable(Flag(Role::kError, "error", kAnywhere, kDevice,
                    "something went wrong with this packet or command; its bytes are not to be "
                    "trusted")),
    Repeatable(Row(Role::kErrorCode, "error.code", kNumber, "", kAnywhere, kDevice,
                   "what went wrong; 0 for nothing")),
    Row(Role::kQueue, "queue", kNumber, "", kAnywhere, kEither,
        "the device's number of the queue that the descriptor belongs to"),
    Row(Role::kFlowMark, "flow.mark", kNumber, "", kInReceive, kDevice,
        "the number that a steering rule put on the packet"),
    Row(Role::kContextIndex, "context.index", kNumber, "", kInTransmit, kDriver,
        "which of the queue's contexts this descriptor sets or uses"),
    Flag(Role::kContextPresent, "context.present", kInTransmit, kDriver,
         "this data descriptor uses a context"),
    Flag(Role::kPhase, "phase", kAnywhere, kEither,
         "tells this pass over the ring from the one before"),
    Flag(Role::kPhaseToggle, "phase.toggle", kAnywhere, kDriver,
         "passing this descriptor flips the phase"),
    Row(Role::kSequence, "sequence", kNumber, "", kAnywhere, kEither,
        "a number that grows from one descriptor to the next"),
    Row(Role::kNextIndex, "next.index", kNumber, "slots", kAnywhere, kEither,
        "slot of the packet's next descriptor"),
    Flag(Role::kNextPresent, "next.present", kAnywhere, kEither,
         "the packet goes on in the descriptor that next.index names"),
    Row(Role::kLinkAddress, "link.address", kAddress, "iova", kAnywhere, kDriver,
        "where the ring goes on"),
    Row(Role::kTableIndex, "table.index", kNumber, "slots", kAnywhere, kEither,
        "slot of the table in which the packet's first descriptor stands"),
    Flag(Role::kTableIndirect, "table.indirect", kInPackets, kDriver,
         "the buffer holds a table of descriptors, not bytes of the packet"),
    Row(Role::kSlotCount, "slot.count", kNumber, "slots", kAnywhere, kDriver,
        "free-running count of the slot at which the descriptor begins, its low bits"),
    Row(Role::kDescriptorBytes, "descriptor.bytes", kLength, "bytes", kAnywhere, kDriver,
        "bytes of this descriptor with its parts"),
    Row(Role::kTag, "tag", kNumber, "", kAnywhere, kEither,
        "software's number of the descriptor, which its completion gives back"),
    Flag(Role::kRingLast, "ring.last", kAnywhere, kDriver,
         "this is the ring's last slot; the next one is the first"),
    Flag(Role::kOwn, "own", kAnywhere, kEither, "whose the slot is"),
    Row(Role::kOpcode, "opcode", kNumber, "", kAnywhere, kEither,
        "what kind of descriptor this is"),
}};

constexpr bool InOrder() {
  for (size_t i = 0; i < kRoles.size(); ++i) {
    if (static_cast<size_t>(kRoles[i].role) != i) return false;
  }
  return true;
}
static_assert(InOrder(), "rows stand in the order of the enumeration");

constexpr std::array<uint8_t, kRoleCount> SortedByName() {
  std::array<uint8_t, kRoleCount> order{};
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint8_t>(i);
  std::sort(order.begin(), order.end(),
            [](uint8_t a, uint8_t b) { return kRoles[a].name < kRoles[b].name; });
  return order;
}
constexpr std::array<uint8_t, kRoleCount> kByName = SortedByName();

}  // namespace

std::span<const RoleInfo> AllRoles() { return kRoles; }

const RoleInfo& GetRoleInfo(Role role) { return kRoles[static_cast<size_t>(role)]; }

std::string_view RoleName(Role role) { return GetRoleInfo(role).name; }

std::optional<Role> FindRole(std::string_view name) {
  const auto it = std::lower_bound(
      kByName.begin(), kByName.end(), name,
      [](uint8_t index, std::string_view wanted) { return kRoles[index].name < wanted; });
  if (it == kByName.end() || kRoles[*it].name != name) return std::nullopt;
  return kRoles[*it].role;
}

std::string_view RoleKindName(RoleKind kind) {
  switch (kind) {
    case kAddress:
      return "address";
    case kLength:
      return "length";
    case kFlag:
      return "flag";
    case kNumber:
      return "number";
    case kCoded:
      return "code";
    case kBytes:
      return "bytes";
  }
  return "?";
}

std::string_view RoleDirectionsName(uint8_t directions) {
  constexpr std::array<std::string_view, 8> kNames = {
      "",        "receive",          "transmit",          "receive, transmit",
      "command", "receive, command", "transmit, command", "receive, transmit, command"};
  return kNames[directions & 7];
}

std::string_view RoleWriterName(RoleWriter writer) {
  switch (writer) {
    case kDriver:
      return "driver";
    case kDevice:
      return "device";
    case kEither:
      return "either";
  }
  return "?";
}

std::optional<size_t> FindCode(Role role, std::string_view name) {
  const std::span<const std::string_view> words = GetRoleInfo(role).vocabulary;
  const auto it = std::find(words.begin(), words.end(), name);
  if (it == words.end()) return std::nullopt;
  return static_cast<size_t>(it - words.begin());
}

}  // namespace qsplit::layout
