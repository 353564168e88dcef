#include "daemon/backend/softnic/tx_offload.h"

#include <algorithm>
#include <cstring>

#include "daemon/backend/softnic/checksum.h"
#include "daemon/backend/softnic/packet.h"

namespace qsplit::softnic {
namespace {

using dataplane::L3Kind;
using dataplane::L4Kind;
using dataplane::TxFeature;
using dataplane::TxRequest;

constexpr uint32_t kMaxFrameBytes = 65536 + kEthernetHeaderBytes + 3 * kVlanTagBytes;

// The two bytes at `at` get the complement of the sum over `covered`, which holds them.
void StoreSum(std::span<const uint8_t> covered, uint8_t* at, bool zero_means_none) {
  auto sum = static_cast<uint16_t>(~OnesSum(covered));
  if (zero_means_none && sum == 0) sum = 0xffff;
  StoreBe16(at, sum);
}

bool FillL3Checksum(std::span<uint8_t> packet, const TxRequest& request) {
  const uint32_t begin = request.l3_checksum_start;
  const uint32_t at = request.l3_checksum_at;
  if (at < begin || at + 2 > packet.size()) return false;
  uint32_t length = request.l3_header_bytes;
  if (length == 0) length = (packet[begin] & 0xfu) * 4;  // the header says it itself
  if (begin + length > packet.size() || at + 2 > begin + length) return false;
  StoreBe16(packet.data() + at, 0);
  StoreSum(packet.subspan(begin, length), packet.data() + at, false);
  return true;
}

bool FillL4Checksum(std::span<uint8_t> packet, const TxRequest& request) {
  const uint32_t begin = request.l4_checksum_start;
  const uint32_t at = request.l4_checksum_at;
  if (begin >= packet.size() || at < begin) return false;
  const std::span<uint8_t> l4 = packet.subspan(begin);
  if (request.l4 == L4Kind::kSctp) {
    if (l4.size() < 12) return false;
    const uint32_t crc = SctpChecksum(l4);
    for (size_t i = 0; i < 4; ++i) l4[8 + i] = static_cast<uint8_t>(crc >> 8 * i);
    return true;
  }
  if (at + 2 > packet.size()) return false;
  // The field holds the pseudo header's sum, which is so added. Only UDP has its checksum there,
  // and no checksum of zero.
  StoreSum(l4, packet.data() + at, at - begin == 6);
  return true;
}

}  // namespace

uint32_t LinkHeaderBytes(std::span<const uint8_t> frame) {
  uint32_t bytes = kEthernetHeaderBytes;
  for (int tag = 0; tag < 2 && frame.size() >= bytes + kVlanTagBytes; ++tag) {
    const uint16_t type = LoadBe16(frame.data() + bytes - 2);
    if (type != kEtherTypeVlan && type != kEtherTypeServiceVlan) break;
    bytes += kVlanTagBytes;
  }
  return bytes;
}

TxOffload::TxOffload()
    : packet_(kHeadroomBytes + kMaxPacketBytes), segment_(kHeadroomBytes + kMaxFrameBytes) {}

void TxOffload::Finish(uint8_t* frame, uint32_t bytes, const TxRequest& request,
                       absl::FunctionRef<void(std::span<uint8_t>)> send) {
  if (request.wants.Has(TxFeature::kVlanInsert)) {
    std::memmove(frame - kVlanTagBytes, frame, 12);
    frame -= kVlanTagBytes;
    bytes += kVlanTagBytes;
    StoreBe16(frame + 12, kEtherTypeVlan);
    StoreBe16(frame + 14, request.vlan_tci);
  }
  if (bytes < kMinFrameBytes) {
    std::memset(frame + bytes, 0, kMinFrameBytes - bytes);
    bytes = kMinFrameBytes;
  }
  send(std::span(frame, bytes));
}

bool TxOffload::Send(uint32_t bytes, const TxRequest& request, uint32_t mtu_bytes,
                     absl::FunctionRef<void(std::span<uint8_t>)> send) {
  if (bytes < kEthernetHeaderBytes || bytes > kMaxPacketBytes) return false;
  if (request.wants.Has(TxFeature::kSegment)) return Segment(bytes, request, mtu_bytes, send);
  const std::span<uint8_t> frame = packet().first(bytes);
  if (bytes > LinkHeaderBytes(frame) + mtu_bytes) return false;
  // Layer 4 first: it does not see what layer 3's checksum covers.
  if (request.wants.Has(TxFeature::kL4Checksum) && !FillL4Checksum(frame, request)) return false;
  if (request.wants.Has(TxFeature::kL3Checksum) && !FillL3Checksum(frame, request)) return false;
  Finish(frame.data(), bytes, request, send);
  return true;
}

bool TxOffload::Segment(uint32_t bytes, const TxRequest& request, uint32_t mtu_bytes,
                        absl::FunctionRef<void(std::span<uint8_t>)> send) {
  const uint32_t l2 = request.l2_header_bytes;
  const uint32_t l3 = request.l3_header_bytes;
  const uint32_t l4 = request.l4_header_bytes;
  const uint32_t headers = l2 + l3 + l4;
  const bool ip4 = request.l3 == L3Kind::kIp4;
  const bool tcp = request.l4 == L4Kind::kTcp;
  if (!ip4 && request.l3 != L3Kind::kIp6) return false;
  if (!tcp && request.l4 != L4Kind::kUdp) return false;
  if (l2 < kEthernetHeaderBytes || l3 < (ip4 ? 20u : 40u) || (ip4 && l3 > 60)) return false;
  if (tcp ? l4 < 20 || l4 > 60 : l4 != 8) return false;
  if (headers > bytes || request.segment_bytes < kMinSegmentBytes) return false;
  if (l3 + l4 + request.segment_bytes > mtu_bytes || headers > kMaxFrameBytes - mtu_bytes) {
    return false;
  }

  const uint8_t* const original = packet_.data() + kHeadroomBytes;
  uint8_t* const frame = segment_.data() + kHeadroomBytes;
  const uint32_t payload = bytes - headers;
  const uint16_t first_id = LoadBe16(original + l2 + 4);
  const uint32_t first_sequence = LoadBe32(original + l2 + l3 + 4);
  const uint8_t version = ip4 ? 4 : 6;
  const uint8_t protocol = tcp ? kProtocolTcp : kProtocolUdp;
  uint32_t done = 0;
  for (uint32_t index = 0; index == 0 || done < payload; ++index) {
    const uint32_t part = std::min<uint32_t>(request.segment_bytes, payload - done);
    const bool last = done + part == payload;
    std::memcpy(frame, original, headers);
    std::memcpy(frame + headers, original + headers + done, part);
    uint8_t* const ip = frame + l2;
    uint8_t* const transport = ip + l3;
    const uint32_t transport_bytes = l4 + part;
    if (ip4) {
      StoreBe16(ip + 2, static_cast<uint16_t>(l3 + transport_bytes));
      StoreBe16(ip + 4, static_cast<uint16_t>(first_id + index));
      StoreBe16(ip + 10, 0);
      StoreBe16(ip + 10, static_cast<uint16_t>(~OnesSum({ip, l3})));
    } else {
      StoreBe16(ip + 4, static_cast<uint16_t>(l3 - 40 + transport_bytes));
    }
    uint8_t* field = transport + 6;
    if (tcp) {
      StoreBe32(transport + 4, first_sequence + done);
      // FIN and PSH on the last only, CWR on the first only.
      if (!last) transport[13] = static_cast<uint8_t>(transport[13] & ~0x09);
      if (index != 0) transport[13] = static_cast<uint8_t>(transport[13] & ~0x80);
      field = transport + 16;
    } else {
      StoreBe16(transport + 4, static_cast<uint16_t>(transport_bytes));
    }
    StoreBe16(field, 0);
    auto sum = static_cast<uint16_t>(~OnesSum(
        {transport, transport_bytes}, PseudoHeaderSum(ip, version, protocol, transport_bytes)));
    if (!tcp && sum == 0) sum = 0xffff;
    StoreBe16(field, sum);
    Finish(frame, headers + part, request, send);
    done += part;
  }
  return true;
}

}  // namespace qsplit::softnic
