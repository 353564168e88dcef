// The fields of one form that speak of requests, and how a driver fills them in: see tx_program.h.
#include <algorithm>

#include "dataplane/tx_codes.h"
#include "dataplane/tx_program.h"

namespace qsplit::dataplane {
namespace {

using enum TxFeature;
using layout::Role;

struct RoleRow {
  Role role;
  // Features that the field speaks of.
  TxFeatures speaks_of;
  // Of these it is the enabling bit.
  bool trigger;
  // Of these it alone tells something that the device cannot go without.
  TxFeatures essential;
};
constexpr TxFeatures kHeaders = kL3Checksum | kL4Checksum | TxFeatures(kSegment);
constexpr RoleRow kRows[] = {
    {Role::kVlanInsert, kVlanInsert, true, {}},
    {Role::kVlanTci, kVlanInsert, false, kVlanInsert},
    {Role::kChecksumL3Request, kL3Checksum, true, {}},
    {Role::kChecksumL3Start, kL3Checksum, false, kL3Checksum},
    {Role::kChecksumL3InsertAt, kL3Checksum, false, kL3Checksum},
    {Role::kChecksumL3End, kL3Checksum, false, kL3Checksum},
    {Role::kChecksumL4Request, kL4Checksum, true, {}},
    {Role::kChecksumL4Start, kL4Checksum, false, kL4Checksum},
    {Role::kChecksumL4InsertAt, kL4Checksum, false, kL4Checksum},
    {Role::kChecksumL4InsertOffset, kL4Checksum, false, kL4Checksum},
    {Role::kChecksumL4End, kL4Checksum, false, kL4Checksum},
    {Role::kHeaderL2Bytes, kHeaders | kVlanInsert, false, kL3Checksum | kL4Checksum},
    {Role::kHeaderL3Bytes, kHeaders, false, kL3Checksum | kL4Checksum},
    {Role::kHeaderL4Bytes, kSegment, false, {}},
    {Role::kHeaderBytes, kSegment, false, {}},
    {Role::kPacketL3, kHeaders, false, {}},
    {Role::kPacketIsIp4, kHeaders, false, {}},
    {Role::kPacketIsIp6, kHeaders, false, {}},
    {Role::kPacketL4, kL4Checksum | kSegment, false, {}},
    {Role::kPacketIsTcp, kL4Checksum | kSegment, false, {}},
    {Role::kPacketIsUdp, kL4Checksum | kSegment, false, {}},
    {Role::kPacketIsSctp, kL4Checksum | kSegment, false, {}},
    {Role::kSegmentSize, kSegment, false, kSegment},
    {Role::kSegmentRequest, kSegment, true, {}},
    {Role::kSegmentType, kSegment, true, {}},
    {Role::kOffloadMode, kL4Checksum | kSegment, true, {}},
    {Role::kOffloadL3, kL3Checksum, true, {}},
    {Role::kOffloadL4, kL4Checksum, true, {}},
    {Role::kTimestampRequest, kTimestamp, true, {}},
};

const RoleRow* FindRow(Role role) {
  for (const RoleRow& row : kRows) {
    if (row.role == role) return &row;
  }
  return nullptr;
}

constexpr uint32_t kMaxConditionDepth = 8;

// 0 without a condition; else one more than the deepest field that it looks at.
uint32_t ConditionDepth(const QueueScope& scope, uint32_t form, const v1::Field& field,
                        uint32_t most) {
  uint32_t depth = 0;
  for (const v1::Conjunction& conjunction : field.valid_when().any_of()) {
    for (const v1::Comparison& comparison : conjunction.all_of()) {
      if (comparison.field().form() != form || most == 0) continue;
      const v1::Field& left = scope.Form(form).fields(static_cast<int>(comparison.field().field()));
      depth = std::max(depth, 1 + ConditionDepth(scope, form, left, most - 1));
    }
  }
  return depth;
}

}  // namespace

void RequestFields::Order() {
  // What conditions look at comes before what they decide.
  std::stable_sort(ops_.begin(), ops_.end(),
                   [](const Op& a, const Op& b) { return a.depth < b.depth; });
}

absl::StatusOr<RequestFields> RequestFields::Compile(const QueueScope& scope, uint32_t form,
                                                     uint32_t base) {
  RequestFields compiled;
  const std::vector<RoleField> fields = RoleFields(scope, form);
  const auto has = [&](Role role) {
    return std::any_of(fields.begin(), fields.end(),
                       [&](const RoleField& field) { return field.role == role; });
  };
  // The flag decides where there is one beside the code.
  compiled.type_cuts_ = !has(Role::kSegmentRequest) && !has(Role::kOffloadMode);
  compiled.mode_sums_ = !has(Role::kChecksumL4Request);
  compiled.tcp_is_not_udp_ =
      has(Role::kPacketIsUdp) && !has(Role::kPacketIsTcp) && !has(Role::kPacketL4);
  compiled.ip4_is_not_ip6_ =
      has(Role::kPacketIsIp6) && !has(Role::kPacketIsIp4) && !has(Role::kPacketL3);
  compiled.ip6_is_not_ip4_ =
      has(Role::kPacketIsIp4) && !has(Role::kPacketIsIp6) && !has(Role::kPacketL3);
  for (const RoleField& from : fields) {
    const RoleRow* row = FindRow(from.role);
    if (row == nullptr) continue;
    Op op;
    op.role = from.role;
    op.base = base;
    op.position = from.field->position();
    op.tells = row->essential;
    absl::StatusOr<FieldAccess> field =
        FieldAccess::Compile(*from.field, scope.Form(form).size_bytes());
    if (!field.ok()) return field.status();
    absl::StatusOr<Condition> valid = Condition::Compile(*scope.layout, from.field->valid_when());
    if (!valid.ok()) return valid.status();
    op.field = *std::move(field);
    op.has_valid = !valid->AlwaysTrue();
    op.valid = *std::move(valid);
    op.depth = ConditionDepth(scope, form, *from.field, kMaxConditionDepth);
    if (layout::GetRoleInfo(from.role).kind == layout::RoleKind::kCoded) {
      op.codes = CodeMap(*scope.layout, *from.field, from.role);
      if (op.codes.Empty()) continue;
      const TxCodes& codes = TxCodes::Get();
      constexpr auto kSctp = static_cast<size_t>(L4Kind::kSctp);
      uint64_t raw;
      if ((from.role == Role::kPacketL4 && op.codes.Raw(codes.l4[kSctp], &raw)) ||
          (from.role == Role::kOffloadL4 && op.codes.Raw(codes.offload_l4[kSctp], &raw))) {
        compiled.names_sctp_ = true;
      }
    }
    if (from.role == Role::kPacketIsSctp) compiled.names_sctp_ = true;
    if (row->trigger && (from.role != Role::kSegmentType || compiled.type_cuts_)) {
      compiled.triggers_ |= row->speaks_of;
    }
    compiled.operands_ |= row->essential;
    compiled.ops_.push_back(std::move(op));
  }
  compiled.Order();
  return compiled;
}

void RequestFields::Append(const RequestFields& more) {
  triggers_ |= more.triggers_;
  operands_ |= more.operands_;
  names_sctp_ = names_sctp_ || more.names_sctp_;
  ip6_is_not_ip4_ = ip6_is_not_ip4_ || more.ip6_is_not_ip4_;
  ip4_is_not_ip6_ = ip4_is_not_ip6_ || more.ip4_is_not_ip6_;
  tcp_is_not_udp_ = tcp_is_not_udp_ || more.tcp_is_not_udp_;
  mode_sums_ = mode_sums_ && more.mode_sums_;
  type_cuts_ = type_cuts_ && more.type_cuts_;
  ops_.insert(ops_.end(), more.ops_.begin(), more.ops_.end());
  Order();
}

bool RequestFields::ValueOf(const Op& op, const TxRequest& r, uint64_t* value) {
  const bool headers = (r.wants & kHeaders).bits != 0;
  const bool l3 = r.wants.Has(kL3Checksum);
  const bool l4 = r.wants.Has(kL4Checksum);
  const TxCodes& codes = TxCodes::Get();
  *value = 0;
  switch (op.role) {
    case Role::kVlanInsert:
      *value = r.wants.Has(kVlanInsert);
      return true;
    case Role::kVlanTci:
      *value = r.vlan_tci;
      return true;
    case Role::kChecksumL3Request:
      *value = l3;
      return true;
    case Role::kChecksumL3Start:
      // Segmentation wants to know where the network header is, checksum or not.
      *value = l3 || r.wants.Has(kSegment) ? r.l2_header_bytes : 0;
      return true;
    case Role::kChecksumL3InsertAt:
      *value = r.l3_checksum_at;
      return true;
    case Role::kChecksumL3End:
      *value = l3 ? r.l3_checksum_start + r.l3_header_bytes - 1u : 0;
      return true;
    case Role::kChecksumL4Request:
      *value = l4;
      return true;
    case Role::kChecksumL4Start:
      *value = r.l4_checksum_start;
      return true;
    case Role::kChecksumL4InsertAt:
      *value = r.l4_checksum_at;
      return true;
    case Role::kChecksumL4InsertOffset:
      *value = r.l4_checksum_at - r.l4_checksum_start;
      return true;
    case Role::kChecksumL4End:
      return true;
    case Role::kHeaderL2Bytes:
      *value = r.l2_header_bytes;
      return true;
    case Role::kHeaderL3Bytes:
      *value = r.l3_header_bytes;
      return true;
    case Role::kHeaderL4Bytes:
      *value = r.l4_header_bytes;
      return true;
    case Role::kHeaderBytes:
      *value = r.wants.Has(kSegment)
                   ? uint32_t{r.l2_header_bytes} + r.l3_header_bytes + r.l4_header_bytes
                   : 0;
      return true;
    case Role::kPacketIsIp4:
      *value = headers && r.l3 == L3Kind::kIp4;
      return true;
    case Role::kPacketIsIp6:
      *value = headers && r.l3 == L3Kind::kIp6;
      return true;
    case Role::kPacketIsTcp:
      *value = r.l4 == L4Kind::kTcp;
      return true;
    case Role::kPacketIsUdp:
      *value = r.l4 == L4Kind::kUdp;
      return true;
    case Role::kPacketIsSctp:
      *value = r.l4 == L4Kind::kSctp;
      return true;
    // Without headers to speak of, a code that means none, if there is one, else 0.
    case Role::kPacketL3:
      return op.codes.Raw(codes.l3[static_cast<size_t>(r.l3)], value) || !headers;
    case Role::kPacketL4:
      return op.codes.Raw(codes.l4[static_cast<size_t>(r.l4)], value) || !l4;
    case Role::kSegmentSize:
      *value = r.segment_bytes;
      return true;
    case Role::kSegmentRequest:
      *value = r.wants.Has(kSegment);
      return true;
    case Role::kSegmentType: {
      const bool cut = r.wants.Has(kSegment);
      const uint8_t code = cut ? codes.segment[static_cast<size_t>(r.l3)][static_cast<size_t>(r.l4)]
                               : codes.segment_none;
      return op.codes.Raw(code, value) || !cut;
    }
    case Role::kOffloadMode: {
      const bool cut = r.wants.Has(kSegment);
      const uint8_t code = cut ? codes.mode_segment : l4 ? codes.mode_checksum : codes.mode_none;
      return op.codes.Raw(code, value) || (!cut && !l4);
    }
    case Role::kOffloadL3: {
      const uint8_t code = l3        ? codes.offload_l3_checksum
                           : headers ? codes.offload_l3[static_cast<size_t>(r.l3)]
                                     : codes.offload_l3[static_cast<size_t>(L3Kind::kUnknown)];
      return op.codes.Raw(code, value) || !l3;
    }
    case Role::kOffloadL4: {
      const L4Kind kind = l4 ? r.l4 : L4Kind::kUnknown;
      return op.codes.Raw(codes.offload_l4[static_cast<size_t>(kind)], value) || !l4;
    }
    case Role::kTimestampRequest:
      *value = r.wants.Has(kTimestamp);
      return true;
    default:
      return false;
  }
}

bool RequestFields::CanStore(const TxRequest& request, const std::byte* image,
                             uint32_t bytes) const {
  std::byte trial[kMaxFormBytes + 8];
  if (bytes > sizeof trial) return false;
  std::memcpy(trial, image, bytes);
  for (const Op& op : ops_) {
    std::byte* const at = trial + op.base;
    uint64_t value;
    if (op.has_valid && !op.valid.Holds(at)) continue;  // these bits are another field's
    if (!ValueOf(op, request, &value)) return false;
    if (op.codes.Empty()) {
      // Nothing asked for is left as it is.
      if (value != 0 && !op.field.CanStore(value)) return false;
      op.field.Store(at, value);
    } else {
      op.field.StoreRaw(at, value);
    }
  }
  return true;
}

bool RequestFields::LooksAt(const DescriptorBytes& bits) const {
  return std::any_of(ops_.begin(), ops_.end(), [&](const Op& op) {
    DescriptorBytes looked_at{};
    op.valid.MarkBits(looked_at.bytes + op.base);
    op.field.StoreRaw(looked_at.bytes + op.base, op.field.MaxRaw());
    return Overlap(looked_at, bits);
  });
}

void RequestFields::Store(const TxRequest& request, bool first, bool last,
                          std::byte* descriptor) const {
  for (const Op& op : ops_) {
    if (!SpeaksIn(op.position, first, last)) continue;
    std::byte* const at = descriptor + op.base;
    uint64_t value;
    if (op.has_valid && !op.valid.Holds(at)) continue;
    if (!ValueOf(op, request, &value)) continue;
    if (op.codes.Empty()) {
      op.field.Store(at, value);
    } else {
      op.field.StoreRaw(at, value);
    }
  }
}

}  // namespace qsplit::dataplane
