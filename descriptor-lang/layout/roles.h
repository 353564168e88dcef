// The vocabulary of roles: what a field of a descriptor can mean to software. A layout says of each
// field which role it plays; programs ask for roles and never for names, so that they drive devices
// that they have never heard of.
//
// A constant table; no state, nothing to free. Any thread may call anything here at any time.
#ifndef QSPLIT_DESCRIPTOR_LANG_LAYOUT_ROLES_H_
#define QSPLIT_DESCRIPTOR_LANG_LAYOUT_ROLES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace qsplit::layout {

// One meaning. The numbers are private to a process: layouts carry the names.
enum class Role : uint8_t {
  kBufferAddress,
  kBufferLength,
  kBufferTag,
  kBufferKey,
  kHeaderAddress,
  kHeaderLength,
  kPacketLength,
  kPacketSnapLength,
  kPacketTotalLength,
  kPacketPayloadLength,
  kPacketFirst,
  kPacketLast,
  kPacketDescriptors,
  kPacketBuffers,
  kPacketCompletions,
  kPacketOffset,
  kPacketInline,
  kPacketInlineLength,
  kPacketType,
  kPacketKind,
  kPacketL3,
  kPacketL4,
  kPacketIsIp4,
  kPacketIsIp6,
  kPacketIsTcp,
  kPacketIsUdp,
  kPacketIsSctp,
  kPacketIsFragment,
  kPacketIsTunnel,
  kPacketIsMulticast,
  kPacketIsBroadcast,
  kHashValue,
  kHashType,
  kVlanTci,
  kVlanStripped,
  kVlanPresent,
  kVlanInsert,
  kVlanOuterTci,
  kVlanOuterStripped,
  kVlanOuterInsert,
  kChecksumValue,
  kChecksumChecked,
  kChecksumL3Checked,
  kChecksumL3Ok,
  kChecksumL3Bad,
  kChecksumL3Request,
  kChecksumL3Start,
  kChecksumL3InsertAt,
  kChecksumL3End,
  kChecksumL4Checked,
  kChecksumL4Ok,
  kChecksumL4Bad,
  kChecksumL4Request,
  kChecksumL4Start,
  kChecksumL4InsertAt,
  kChecksumL4InsertOffset,
  kChecksumL4End,
  kChecksumUdpChecked,
  kChecksumOuterL3Checked,
  kChecksumOuterL3Ok,
  kChecksumOuterL3Bad,
  kChecksumOuterL3Request,
  kChecksumOuterL4Checked,
  kChecksumOuterL4Ok,
  kChecksumOuterL4Bad,
  kChecksumOuterL4Request,
  kHeaderL2Bytes,
  kHeaderL3Bytes,
  kHeaderL4Bytes,
  kHeaderBytes,
  kSegmentSize,
  kSegmentCount,
  kSegmentRequest,
  kSegmentType,
  kOffloadMode,
  kOffloadL3,
  kOffloadL4,
  kTimestamp,
  kTimestampValid,
  kTimestampRequest,
  kCompleted,
  kReportRequest,
  kInterruptRequest,
  kCrcInsert,
  kError,
  kErrorCode,
  kQueue,
  kFlowMark,
  kContextIndex,
  kContextPresent,
  kPhase,
  kPhaseToggle,
  kSequence,
  kNextIndex,
  kNextPresent,
  kLinkAddress,
  kTableIndex,
  kTableIndirect,
  kSlotCount,
  kDescriptorBytes,
  kTag,
  kRingLast,
  kOwn,
  kOpcode,
};

inline constexpr size_t kRoleCount = static_cast<size_t>(Role::kOpcode) + 1;

// What kind of value the role speaks of, after Field.scale.
enum class RoleKind : uint8_t {
  kAddress,  // an iova
  kLength,   // a number of bytes, or an offset in bytes
  kFlag,     // one bit: true or false
  kNumber,   // a number that only the role's meaning explains
  kCoded,    // one of the names in the role's vocabulary, through the field's enumeration
  kBytes,    // bytes that are no number
};

// Which queues' descriptors can carry the role; a bit mask.
enum RoleDirections : uint8_t {
  kInReceive = 1,
  kInTransmit = 2,
  kInCommand = 4,
  kInPackets = kInReceive | kInTransmit,
  kAnywhere = kInReceive | kInTransmit | kInCommand,
};

// Whose store puts the value into memory.
enum class RoleWriter : uint8_t { kDriver, kDevice, kEither };

// One row of the vocabulary; all strings are constants.
struct RoleInfo {
  Role role;
  std::string_view name;     // as it stands in Field.role
  std::string_view meaning;  // one line for people
  std::string_view unit;     // of the value after Field.scale; empty for flags and codes
  RoleKind kind;
  uint8_t directions;  // RoleDirections
  RoleWriter writer;
  // True when one form may have several fields of this role, in the order of their positions
  // (several buffers in one descriptor, several kinds of error).
  bool repeatable;
  // The names that software understands; for kCoded only.
  std::span<const std::string_view> vocabulary;
};

// All roles, in the order of the enumeration: AllRoles()[static_cast<size_t>(role)].role == role.
std::span<const RoleInfo> AllRoles();

// The row of one role.
const RoleInfo& GetRoleInfo(Role role);

// The name of one role, for example "packet.length".
std::string_view RoleName(Role role);

// The role of that name; nullopt for any other string, the empty one included.
std::optional<Role> FindRole(std::string_view name);

// Words for tables and messages: "address", "length", …; "receive, transmit"; "driver", ….
std::string_view RoleKindName(RoleKind kind);
std::string_view RoleDirectionsName(uint8_t directions);
std::string_view RoleWriterName(RoleWriter writer);

// The position of a name in a coded role's vocabulary; nullopt if it is not in it. The position is
// what programs switch on: it does not depend on the layout.
std::optional<size_t> FindCode(Role role, std::string_view name);

}  // namespace qsplit::layout

#endif  // QSPLIT_DESCRIPTOR_LANG_LAYOUT_ROLES_H_
