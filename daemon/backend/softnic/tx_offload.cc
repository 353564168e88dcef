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

bool FillL3Checksum(std::span<uint8_t> packet, const TxRequest& request) {
  const uint32_t l2 = request.l2_header_bytes;
  const uint32_t l3 = request.l3_header_bytes;
  if (l2 < kEthernetHeaderBytes || l3 < 20 || l3 > 60 || uint64_t{l2} + l3 > packet.size()) {
    return false;
  }
  const std::span<uint8_t> header = packet.subspan(l2, l3);
  StoreBe16(header.data() + 10, 0);
  StoreBe16(header.data() + 10, static_cast<uint16_t>(~OnesSum(header)));
  return true;
}

bool FillL4Checksum(std::span<uint8_t> packet, const TxRequest& request) {
  const uint64_t begin = uint64_t{request.l2_header_bytes} + request.l3_header_bytes;
  if (begin < kEthernetHeaderBytes || begin > packet.size()) return false;
  const std::span<uint8_t> l4 = packet.subspan(begin);
  switch (request.l4) {
    case L4Kind::kTcp:
    case L4Kind::kUdp: {
      const bool udp = request.l4 == L4Kind::kUdp;
      const size_t field = udp ? 6 : 16;
      if (l4.size() < field + 2) return false;
      // The field holds the pseudo header's sum, which is so added.
      auto sum = static_cast<uint16_t>(~OnesSum(l4));
      if (udp && sum == 0) sum = 0xffff;
      StoreBe16(l4.data() + field, sum);
      return true;
    }
    case L4Kind::kSctp: {
      if (l4.size() < 12) return false;
      const uint32_t crc = SctpChecksum(l4);
      for (int i = 0; i < 4; ++i)
        l4[8 + static_cast<size_t>(i)] = static_cast<uint8_t>(crc >> 8 * i);
      return true;
    }
    default:
      return false;
  }
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
