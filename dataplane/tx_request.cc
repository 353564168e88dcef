// TxRequest and the fields of one form: see tx_program.h.
#include <algorithm>

#include "dataplane/tx_program.h"

namespace qsplit::dataplane {
namespace {

using enum TxFeature;
using layout::Role;

constexpr uint16_t kL3ChecksumInHeader = 10;
constexpr uint16_t ChecksumInHeader(L4Kind kind) {
  return kind == L4Kind::kTcp ? 16 : kind == L4Kind::kUdp ? 6 : kind == L4Kind::kSctp ? 8 : 0;
}
constexpr bool HasChecksum(L4Kind kind) {
  return kind == L4Kind::kTcp || kind == L4Kind::kUdp || kind == L4Kind::kSctp;
}

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
    {Role::kChecksumL4End, kL4Checksum, false, kL4Checksum},
    {Role::kHeaderL2Bytes, kHeaders | kVlanInsert, false, kL3Checksum | kL4Checksum},
    {Role::kHeaderL3Bytes, kHeaders, false, kL3Checksum | kL4Checksum},
    {Role::kHeaderL4Bytes, kSegment, false, {}},
    {Role::kHeaderBytes, kSegment, false, {}},
    {Role::kPacketL3, kHeaders, false, {}},
    {Role::kPacketIsIp4, kHeaders, false, {}},
    {Role::kPacketIsIp6, kHeaders, false, {}},
    {Role::kPacketL4, kL4Checksum | kSegment, false, kL4Checksum},
    {Role::kPacketIsTcp, kL4Checksum | kSegment, false, {}},
    {Role::kPacketIsUdp, kL4Checksum | kSegment, false, {}},
    {Role::kPacketIsSctp, kL4Checksum | kSegment, false, {}},
    {Role::kSegmentSize, kSegment, false, kSegment},
    {Role::kSegmentRequest, kSegment, true, {}},
    {Role::kTimestampRequest, kTimestamp, true, {}},
};

const RoleRow* FindRow(Role role) {
  for (const RoleRow& row : kRows) {
    if (row.role == role) return &row;
  }
  return nullptr;
}

// Names in the vocabularies of packet.l3 and packet.l4.
std::string_view CodeName(L3Kind kind) {
  return kind == L3Kind::kIp4 ? "ip4" : kind == L3Kind::kIp6 ? "ip6" : "none";
}
std::string_view CodeName(L4Kind kind) {
  return kind == L4Kind::kTcp    ? "tcp"
         : kind == L4Kind::kUdp  ? "udp"
         : kind == L4Kind::kSctp ? "sctp"
                                 : "none";
}
template <typename E>
uint8_t CodeOf(Role role, E kind) {
  return static_cast<uint8_t>(layout::FindCode(role, CodeName(kind)).value_or(CodeMap::kUnknown));
}
// By kind, looked up once.
struct Codes {
  uint8_t l3[kL3Kinds];
  uint8_t l4[kL4Kinds];
  Codes() {
    for (uint8_t i = 0; i < kL3Kinds; ++i) l3[i] = CodeOf(Role::kPacketL3, L3Kind{i});
    for (uint8_t i = 0; i < kL4Kinds; ++i) l4[i] = CodeOf(Role::kPacketL4, L4Kind{i});
  }
};
const Codes& AllCodes() {
  static const Codes codes;
  return codes;
}

}  // namespace

std::optional<TxRequest> NormalizeRequest(const TxRequest& request) {
  TxRequest n;
  n.wants = request.wants;
  n.wants.bits &= ~static_cast<uint32_t>(kScatter);
  if (n.wants.bits == 0) return n;
  if (n.wants.Has(kSegment)) {
    n.wants |= kL4Checksum;
    if (request.l3 == L3Kind::kIp4) n.wants |= kL3Checksum;
    if (request.segment_bytes == 0 || request.l4_header_bytes == 0) return std::nullopt;
    n.segment_bytes = request.segment_bytes;
    n.l4_header_bytes = request.l4_header_bytes;
  }
  if (n.wants.Has(kVlanInsert)) {
    n.vlan_tci = request.vlan_tci;
    n.l2_header_bytes = request.l2_header_bytes;
  }
  const bool l3 = n.wants.Has(kL3Checksum);
  const bool l4 = n.wants.Has(kL4Checksum);
  if (!l3 && !l4) return n;
  if (request.l2_header_bytes == 0 || request.l3_header_bytes == 0) return std::nullopt;
  if (l3 && request.l3 != L3Kind::kIp4) return std::nullopt;
  if (l4 &&
      (!HasChecksum(request.l4) || (request.l3 != L3Kind::kIp4 && request.l3 != L3Kind::kIp6))) {
    return std::nullopt;
  }
  // Offsets are 16 bits: packets are shorter, and so are headers.
  const uint32_t l4_start = uint32_t{request.l2_header_bytes} + request.l3_header_bytes;
  if (l4_start + request.l4_header_bytes + 16 > UINT16_MAX) return std::nullopt;
  n.l3 = request.l3;
  n.l2_header_bytes = request.l2_header_bytes;
  n.l3_header_bytes = request.l3_header_bytes;
  if (l3) {
    n.l3_checksum_start = request.l2_header_bytes;
    n.l3_checksum_at = static_cast<uint16_t>(request.l2_header_bytes + kL3ChecksumInHeader);
  }
  if (l4) {
    n.l4 = request.l4;
    n.l4_checksum_start = static_cast<uint16_t>(l4_start);
    n.l4_checksum_at = static_cast<uint16_t>(l4_start + ChecksumInHeader(request.l4));
  }
  return n;
}

absl::StatusOr<RequestFields> RequestFields::Compile(const InPlaceShape& shape, uint32_t form) {
  RequestFields compiled;
  for (const RoleField& from : RoleFields(shape, form)) {
    const RoleRow* row = FindRow(from.role);
    if (row == nullptr) continue;
    Op op;
    op.role = from.role;
    op.position = from.field->position();
    absl::StatusOr<FieldAccess> field =
        FieldAccess::Compile(*from.field, shape.Form(form).size_bytes());
    if (!field.ok()) return field.status();
    absl::StatusOr<Condition> valid = Condition::Compile(*shape.layout, from.field->valid_when());
    if (!valid.ok()) return valid.status();
    op.field = *std::move(field);
    op.has_valid = !valid->AlwaysTrue();
    op.valid = *std::move(valid);
    if (layout::GetRoleInfo(from.role).kind == layout::RoleKind::kCoded) {
      op.codes = CodeMap(*shape.layout, *from.field, from.role);
      if (op.codes.Empty()) continue;
      uint64_t raw;
      if (from.role == Role::kPacketL4 &&
          op.codes.Raw(AllCodes().l4[static_cast<size_t>(L4Kind::kSctp)], &raw)) {
        compiled.names_sctp_ = true;
      }
    }
    if (from.role == Role::kPacketIsSctp) compiled.names_sctp_ = true;
    if (row->trigger) compiled.triggers_ |= row->speaks_of;
    compiled.operands_ |= row->essential;
    compiled.ops_.push_back(std::move(op));
  }
  const auto has = [&](Role role) {
    return std::any_of(compiled.ops_.begin(), compiled.ops_.end(),
                       [&](const Op& op) { return op.role == role; });
  };
  compiled.ip6_is_not_ip4_ =
      has(Role::kPacketIsIp4) && !has(Role::kPacketIsIp6) && !has(Role::kPacketL3);
  return compiled;
}

bool RequestFields::ValueOf(const Op& op, const TxRequest& r, uint64_t* value) {
  const bool headers = (r.wants & kHeaders).bits != 0;
  const bool l3 = r.wants.Has(kL3Checksum);
  const bool l4 = r.wants.Has(kL4Checksum);
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
      return op.codes.Raw(AllCodes().l3[static_cast<size_t>(r.l3)], value) || !headers;
    case Role::kPacketL4:
      return op.codes.Raw(AllCodes().l4[static_cast<size_t>(r.l4)], value) || !l4;
    case Role::kSegmentSize:
      *value = r.segment_bytes;
      return true;
    case Role::kSegmentRequest:
      *value = r.wants.Has(kSegment);
      return true;
    case Role::kTimestampRequest:
      *value = r.wants.Has(kTimestamp);
      return true;
    default:
      return false;
  }
}

bool RequestFields::CanStore(const TxRequest& request) const {
  for (const Op& op : ops_) {
    uint64_t value;
    if (!ValueOf(op, request, &value)) return false;
    if (value == 0 && op.codes.Empty()) continue;  // nothing asked for: left as it is
    if (op.codes.Empty() && !op.field.CanStore(value)) return false;
  }
  return true;
}

void RequestFields::Store(const TxRequest& request, bool first, bool last,
                          std::byte* descriptor) const {
  for (const Op& op : ops_) {
    if (!SpeaksIn(op.position, first, last)) continue;
    uint64_t value;
    if (!ValueOf(op, request, &value)) continue;
    if (op.codes.Empty()) {
      op.field.Store(descriptor, value);
    } else {
      op.field.StoreRaw(descriptor, value);
    }
  }
}

void RequestFields::Load(const std::byte* descriptor, bool first, bool last,
                         RequestDraft* draft) const {
  TxRequest& r = draft->request;
  for (const Op& op : ops_) {
    // What each descriptor says is taken from the first.
    if (!SpeaksIn(op.position, first, last)) continue;
    if (!first && op.position != v1::PACKET_POSITION_LAST) continue;
    if (op.has_valid && !op.valid.Holds(descriptor)) continue;
    const uint64_t value = op.field.Load(descriptor);
    // Lengths that no packet has become the largest there is, never a small one.
    const auto bytes = static_cast<uint16_t>(std::min<uint64_t>(value, UINT16_MAX));
    const auto want = [&](TxFeature feature) {
      if (value != 0) r.wants |= feature;
    };
    switch (op.role) {
      case Role::kVlanInsert:
        want(kVlanInsert);
        break;
      case Role::kVlanTci:
        r.vlan_tci = static_cast<uint16_t>(value);
        break;
      case Role::kChecksumL3Request:
        want(kL3Checksum);
        break;
      case Role::kChecksumL3Start:
        r.l3_checksum_start = bytes;
        break;
      case Role::kChecksumL3InsertAt:
        r.l3_checksum_at = bytes;
        break;
      case Role::kChecksumL3End:
        draft->l3_end = bytes;
        break;
      case Role::kChecksumL4Request:
        want(kL4Checksum);
        break;
      case Role::kChecksumL4Start:
        r.l4_checksum_start = bytes;
        break;
      case Role::kChecksumL4InsertAt:
        r.l4_checksum_at = bytes;
        break;
      case Role::kHeaderL2Bytes:
        r.l2_header_bytes = bytes;
        break;
      case Role::kHeaderL3Bytes:
        r.l3_header_bytes = bytes;
        break;
      case Role::kHeaderL4Bytes:
        r.l4_header_bytes = bytes;
        break;
      case Role::kHeaderBytes:
        draft->header_bytes = bytes;
        break;
      case Role::kPacketIsIp4:
        if (value != 0 || ip6_is_not_ip4_) r.l3 = value != 0 ? L3Kind::kIp4 : L3Kind::kIp6;
        break;
      case Role::kPacketIsIp6:
        if (value != 0) r.l3 = L3Kind::kIp6;
        break;
      case Role::kPacketIsTcp:
        if (value != 0) r.l4 = L4Kind::kTcp;
        break;
      case Role::kPacketIsUdp:
        if (value != 0) r.l4 = L4Kind::kUdp;
        break;
      case Role::kPacketIsSctp:
        if (value != 0) r.l4 = L4Kind::kSctp;
        break;
      case Role::kPacketL3: {
        const uint8_t code = op.codes.Code(value);
        if (code == AllCodes().l3[static_cast<size_t>(L3Kind::kIp4)]) r.l3 = L3Kind::kIp4;
        if (code == AllCodes().l3[static_cast<size_t>(L3Kind::kIp6)]) r.l3 = L3Kind::kIp6;
        break;
      }
      case Role::kPacketL4: {
        const uint8_t code = op.codes.Code(value);
        for (const L4Kind kind : {L4Kind::kTcp, L4Kind::kUdp, L4Kind::kSctp}) {
          if (code == AllCodes().l4[static_cast<size_t>(kind)]) r.l4 = kind;
        }
        break;
      }
      case Role::kSegmentSize:
        r.segment_bytes = bytes;
        break;
      case Role::kSegmentRequest:
        want(kSegment);
        break;
      case Role::kTimestampRequest:
        want(kTimestamp);
        break;
      default:
        break;
    }
  }
}

bool FinishRequest(const RequestDraft& draft, TxRequest* request) {
  TxRequest& r = *request;
  r = draft.request;
  const bool l3 = r.wants.Has(kL3Checksum);
  const bool l4 = r.wants.Has(kL4Checksum) || r.wants.Has(kSegment);
  // Header lengths, where offsets alone say them.
  if ((l3 || l4) && r.l2_header_bytes == 0 && r.l3_checksum_start != 0) {
    r.l2_header_bytes = r.l3_checksum_start;
    if (l3 && draft.l3_end >= r.l3_checksum_start) {
      r.l3_header_bytes = static_cast<uint16_t>(
          std::min<uint32_t>(draft.l3_end - r.l3_checksum_start + 1u, UINT16_MAX));
    } else if (r.l4_checksum_start > r.l3_checksum_start) {
      r.l3_header_bytes = static_cast<uint16_t>(r.l4_checksum_start - r.l3_checksum_start);
    }
  }
  const uint32_t l4_start = uint32_t{r.l2_header_bytes} + r.l3_header_bytes;
  if (r.wants.Has(kSegment) && r.l4_header_bytes == 0 && draft.header_bytes > l4_start) {
    r.l4_header_bytes = static_cast<uint16_t>(draft.header_bytes - l4_start);
  }
  // Only what is asked for stays.
  if (!r.wants.Has(kVlanInsert)) r.vlan_tci = 0;
  if (!r.wants.Has(kSegment)) r.segment_bytes = r.l4_header_bytes = 0;
  if (!l3 && !l4) {
    if (!r.wants.Has(kVlanInsert)) r.l2_header_bytes = 0;
    r.l3_header_bytes = 0;
    r.l3 = L3Kind::kUnknown;
  }
  if (!l3) {
    r.l3_checksum_start = r.l3_checksum_at = 0;
  } else {
    if (r.l3_checksum_at == 0 && r.l2_header_bytes != 0) {
      r.l3_checksum_start = r.l2_header_bytes;
      r.l3_checksum_at = static_cast<uint16_t>(
          std::min<uint32_t>(uint32_t{r.l2_header_bytes} + kL3ChecksumInHeader, UINT16_MAX));
    }
    if (r.l3_checksum_at == 0 || r.l3_checksum_at < r.l3_checksum_start) return false;
  }
  if (!l4) {
    r.l4 = L4Kind::kUnknown;
    r.l4_checksum_start = r.l4_checksum_at = 0;
  } else {
    if (r.l4_checksum_at == 0 && r.l2_header_bytes != 0 && r.l3_header_bytes != 0 &&
        HasChecksum(r.l4)) {
      if (l4_start + 16 > UINT16_MAX) return false;
      r.l4_checksum_start = static_cast<uint16_t>(l4_start);
      r.l4_checksum_at = static_cast<uint16_t>(l4_start + ChecksumInHeader(r.l4));
    }
    if (r.l4_checksum_at == 0 || r.l4_checksum_at < r.l4_checksum_start) return false;
    for (const L4Kind kind : {L4Kind::kTcp, L4Kind::kUdp}) {
      if (r.l4 == L4Kind::kUnknown &&
          r.l4_checksum_at - r.l4_checksum_start == ChecksumInHeader(kind)) {
        r.l4 = kind;
      }
    }
  }
  return !r.wants.Has(kSegment) || r.segment_bytes != 0;
}

}  // namespace qsplit::dataplane
