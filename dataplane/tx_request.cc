// What a request means, freed from any form: see tx_program.h.
#include <algorithm>

#include "dataplane/tx_codes.h"
#include "dataplane/tx_program.h"

namespace qsplit::dataplane {

using enum TxFeature;

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

bool FinishRequest(const RequestDraft& draft, TxRequest* request) {
  TxRequest& r = *request;
  r = draft.request;
  const bool segment = r.wants.Has(kSegment);
  const bool l3 = r.wants.Has(kL3Checksum);
  const bool l4 = r.wants.Has(kL4Checksum) || segment;
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
  const bool lengths = r.l2_header_bytes != 0 && r.l3_header_bytes != 0;
  const uint32_t l4_start =
      lengths ? uint32_t{r.l2_header_bytes} + r.l3_header_bytes : r.l4_checksum_start;
  if (segment && r.l4_header_bytes == 0 && l4_start != 0 && draft.header_bytes > l4_start) {
    r.l4_header_bytes = static_cast<uint16_t>(draft.header_bytes - l4_start);
  }
  // Only what is asked for stays.
  if (!r.wants.Has(kVlanInsert)) r.vlan_tci = 0;
  if (!segment) r.segment_bytes = r.l4_header_bytes = 0;
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
    const bool from_packet = segment || !draft.told.Has(kL3Checksum);
    if (r.l3_checksum_at == 0 && from_packet) r.l3_checksum_start = 0;
    if (r.l3_checksum_at == 0 && !from_packet) return false;
    if (r.l3_checksum_at < r.l3_checksum_start) return false;
  }
  if (!l4) {
    r.l4 = L4Kind::kUnknown;
    r.l4_checksum_start = r.l4_checksum_at = 0;
  } else {
    if (r.l4_checksum_at == 0 && l4_start != 0 && draft.l4_insert_offset != 0) {
      const uint32_t at = l4_start + draft.l4_insert_offset;
      if (at > UINT16_MAX) return false;
      r.l4_checksum_start = static_cast<uint16_t>(l4_start);
      r.l4_checksum_at = static_cast<uint16_t>(at);
    }
    if (r.l4_checksum_at == 0 && l4_start != 0 && HasChecksum(r.l4)) {
      if (l4_start + 16 > UINT16_MAX) return false;
      r.l4_checksum_start = static_cast<uint16_t>(l4_start);
      r.l4_checksum_at = static_cast<uint16_t>(l4_start + ChecksumInHeader(r.l4));
    }
    const bool from_packet = segment || !draft.told.Has(kL4Checksum);
    if (r.l4_checksum_at == 0 && from_packet) r.l4_checksum_start = 0;
    if (r.l4_checksum_at == 0 && !from_packet) return false;
    if (r.l4_checksum_at < r.l4_checksum_start) return false;
    for (const L4Kind kind : {L4Kind::kTcp, L4Kind::kUdp}) {
      if (r.l4 == L4Kind::kUnknown &&
          r.l4_checksum_at - r.l4_checksum_start == ChecksumInHeader(kind)) {
        r.l4 = kind;
      }
    }
  }
  return !segment || r.segment_bytes != 0;
}

}  // namespace qsplit::dataplane
