// What a device reads out of the fields of one form that speak of requests: see tx_program.h.
#include <algorithm>

#include "dataplane/tx_codes.h"
#include "dataplane/tx_program.h"

namespace qsplit::dataplane {

using enum TxFeature;
using layout::Role;

void RequestFields::Load(const std::byte* descriptor, bool first, bool last,
                         RequestDraft* draft) const {
  TxRequest& r = draft->request;
  const TxCodes& codes = TxCodes::Get();
  for (const Op& op : ops_) {
    // What each descriptor says is taken from the first.
    if (!SpeaksIn(op.position, first, last)) continue;
    if (!first && op.position != v1::PACKET_POSITION_LAST) continue;
    const std::byte* const at = descriptor + op.base;
    if (op.has_valid && !op.valid.Holds(at)) continue;
    const uint64_t value = op.field.Load(at);
    draft->told |= op.tells;
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
      case Role::kChecksumL4InsertOffset:
        draft->l4_insert_offset = bytes;
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
        if (value != 0 || ip4_is_not_ip6_) r.l3 = value != 0 ? L3Kind::kIp6 : L3Kind::kIp4;
        break;
      case Role::kPacketIsTcp:
        if (value != 0) r.l4 = L4Kind::kTcp;
        break;
      case Role::kPacketIsUdp:
        if (value != 0 || tcp_is_not_udp_) r.l4 = value != 0 ? L4Kind::kUdp : L4Kind::kTcp;
        break;
      case Role::kPacketIsSctp:
        if (value != 0) r.l4 = L4Kind::kSctp;
        break;
      case Role::kPacketL3: {
        const uint8_t code = op.codes.Code(value);
        if (code == codes.l3[static_cast<size_t>(L3Kind::kIp4)]) r.l3 = L3Kind::kIp4;
        if (code == codes.l3[static_cast<size_t>(L3Kind::kIp6)]) r.l3 = L3Kind::kIp6;
        break;
      }
      case Role::kPacketL4: {
        const uint8_t code = op.codes.Code(value);
        for (const L4Kind kind : {L4Kind::kTcp, L4Kind::kUdp, L4Kind::kSctp}) {
          if (code == codes.l4[static_cast<size_t>(kind)]) r.l4 = kind;
        }
        break;
      }
      case Role::kSegmentSize:
        r.segment_bytes = bytes;
        break;
      case Role::kSegmentRequest:
        want(kSegment);
        break;
      case Role::kSegmentType: {
        const uint8_t code = op.codes.Code(value);
        for (const L3Kind l3 : {L3Kind::kIp4, L3Kind::kIp6}) {
          for (const L4Kind l4 : {L4Kind::kTcp, L4Kind::kUdp}) {
            if (code != codes.segment[static_cast<size_t>(l3)][static_cast<size_t>(l4)]) continue;
            if (code == CodeMap::kUnknown) continue;
            if (type_cuts_) r.wants |= kSegment;
            r.l3 = l3;
            r.l4 = l4;
          }
        }
        break;
      }
      case Role::kOffloadMode: {
        const uint8_t code = op.codes.Code(value);
        if (code == codes.mode_segment) r.wants |= kSegment;
        if (code == codes.mode_checksum && mode_sums_) r.wants |= kL4Checksum;
        break;
      }
      case Role::kOffloadL3: {
        const uint8_t code = op.codes.Code(value);
        if (code == codes.offload_l3[static_cast<size_t>(L3Kind::kIp6)]) r.l3 = L3Kind::kIp6;
        if (code == codes.offload_l3[static_cast<size_t>(L3Kind::kIp4)]) r.l3 = L3Kind::kIp4;
        if (code == codes.offload_l3_checksum) {
          r.l3 = L3Kind::kIp4;
          r.wants |= kL3Checksum;
        }
        break;
      }
      case Role::kOffloadL4: {
        const uint8_t code = op.codes.Code(value);
        for (const L4Kind kind : {L4Kind::kTcp, L4Kind::kUdp, L4Kind::kSctp}) {
          if (code != codes.offload_l4[static_cast<size_t>(kind)]) continue;
          r.l4 = kind;
          r.wants |= kL4Checksum;
        }
        break;
      }
      case Role::kTimestampRequest:
        want(kTimestamp);
        break;
      default:
        break;
    }
  }
}

void RequestFields::MarkBits(std::byte* mask) const {
  for (const Op& op : ops_) {
    op.field.StoreRaw(mask + op.base, op.field.MaxRaw());
    op.valid.MarkBits(mask + op.base);
  }
}

}  // namespace qsplit::dataplane
