// What the library does to a packet before the device takes it: what the device cannot do, or wants
// otherwise. See tx_queue_impl.h.
#include <algorithm>
#include <cstring>
#include <utility>

#include "client-lib/src/headers.h"
#include "client-lib/src/packet_access.h"
#include "client-lib/src/tx_queue_impl.h"

namespace qsplit::internal {

using dataplane::TxFeature;
using dataplane::TxFeatures;
using dataplane::TxRequest;

bool TxQueueImpl::CopyHere(Packet& packet, uint32_t bytes) {
  Packet copy = Allocate(bytes);
  if (!copy) return false;
  size_t at = 0;
  packet.ForEachSegment([&](std::span<const std::byte> part) { at += copy.CopyFrom(part, at); });
  copy.RequestChecksums(PacketAccess::want_l3(packet), PacketAccess::want_l4(packet));
  copy.RequestSegments(PacketAccess::segment_bytes(packet));
  copy.RequestTimestamp(PacketAccess::want_time(packet));
  PacketAccess::meta(copy) = PacketAccess::meta(packet);
  packet = std::move(copy);
  ++counters.copied;
  return true;
}

bool TxQueueImpl::Pad(Packet& packet) {
  const uint32_t shortest = shortest_;
  const uint32_t length = packet.length();
  if (length >= shortest) return true;
  BufferPool* pool = PacketAccess::pool(packet);
  BufferPool::Link& link = pool->link(PacketAccess::first(packet));
  if (packet.segment_count() > 1 || link.offset + shortest > pool->buffer_bytes()) {
    if (!CopyHere(packet, shortest)) return false;
  } else {
    link.length = shortest;
    PacketAccess::set_length(packet, shortest);
  }
  // Nothing of what stood in the buffer before may leave.
  uint32_t skip = length;
  packet.ForEachSegment([&](std::span<std::byte> part) {
    const size_t from = std::min<size_t>(skip, part.size());
    skip -= static_cast<uint32_t>(from);
    if (from < part.size()) std::memset(part.data() + from, 0, part.size() - from);
  });
  return true;
}

TxFeatures TxQueueImpl::TimeOf(const Packet& packet) const {
  const bool asked = PacketAccess::want_time(packet) && timestamps.possible();
  return asked ? TxFeatures(TxFeature::kTimestamp) : TxFeatures();
}

bool TxQueueImpl::Prepare(Packet& packet, TxRequest* request) {
  const bool want_l3 = PacketAccess::want_l3(packet);
  const bool want_l4 = PacketAccess::want_l4(packet);
  const std::optional<uint16_t> vlan = packet.vlan();
  const TxFeatures time = TimeOf(packet);
  request->wants = time;
  if (vlan.has_value()) {
    request->wants |= TxFeature::kVlanInsert;
    request->vlan_tci = *vlan;
  }
  Headers headers;
  if (want_l3 || want_l4) {
    headers = ParseHeaders(packet);
    request->l3 = headers.l3;
    request->l4 = headers.l4;
    request->l2_header_bytes = headers.l2_bytes;
    request->l3_header_bytes = headers.l3_bytes;
    request->l4_header_bytes = headers.l4_bytes;
    if (want_l3 && headers.l3 == dataplane::L3Kind::kIp4) request->wants |= TxFeature::kL3Checksum;
    if (want_l4 && headers.l4_bytes != 0) request->wants |= TxFeature::kL4Checksum;
    if (request->wants == time) *request = {.wants = time};
  }
  if (request->wants.Has(TxFeature::kL3Checksum) && !driver.Supports(*request)) {
    // The longer sum may be the device's all the same.
    TxRequest without = *request;
    without.wants.bits &= ~TxFeatures(TxFeature::kL3Checksum).bits;
    if (without.wants.bits != 0 && driver.Supports(without)) {
      FillChecksums(packet, headers, true, false);
      *request = without;
    }
  }
  if (request->wants.bits == 0 || driver.Supports(*request)) {
    PrepareChecksums(packet, headers, request->wants.Has(TxFeature::kL3Checksum),
                     request->wants.Has(TxFeature::kL4Checksum));
    return true;
  }
  // Part of it by the device and part by software would help little; software does all of it.
  FillChecksums(packet, headers, want_l3, want_l4);
  packet.RequestChecksums(false, false);
  if (vlan.has_value()) {
    if (!InsertVlan(packet, *vlan)) {
      // No room around the first segment: a copy has room in front.
      if (packet.length() < 14 || !CopyHere(packet, packet.length()) ||
          !InsertVlan(packet, *vlan)) {
        return false;
      }
    }
    packet.set_vlan(std::nullopt);
  }
  *request = {.wants = time};
  return true;
}

bool TxQueueImpl::PrepareCut(Packet& packet, TxRequest* request) {
  const Headers headers = ParseHeaders(packet);
  if (headers.l4 != dataplane::L4Kind::kTcp) return false;
  *request = {.wants = TxFeature::kSegment | TxFeature::kL4Checksum,
              .l3 = headers.l3,
              .l4 = headers.l4,
              .l2_header_bytes = headers.l2_bytes,
              .l3_header_bytes = headers.l3_bytes,
              .l4_header_bytes = headers.l4_bytes,
              .segment_bytes = PacketAccess::segment_bytes(packet)};
  request->wants |= TimeOf(packet);
  if (packet.vlan().has_value()) {
    request->wants |= TxFeature::kVlanInsert;
    request->vlan_tci = *packet.vlan();
  }
  if (!driver.Supports(*request)) return false;
  PrepareSegments(packet, headers, setup.sums_plainly);
  return true;
}

bool TxQueueImpl::Fits(const Packet& packet) const {
  if (packet.segment_count() > std::min(driver.MaxSegments(), kMaxSegments)) return false;
  if (alignment_ == 1 && before_ == 0) return true;
  const BufferPool* pool = PacketAccess::pool(packet);
  for (uint32_t b = PacketAccess::first(packet); b != BufferPool::kNone; b = pool->link(b).next) {
    const uint32_t offset = pool->link(b).offset;
    if (offset < before_ || (pool->iova(b) + offset) % alignment_ != 0) return false;
  }
  return true;
}

}  // namespace qsplit::internal
