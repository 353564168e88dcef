// What the library does to a packet before the device takes it: what the device cannot do, or wants
// otherwise. See tx_queue_impl.h.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "client-lib/src/headers.h"
#include "client-lib/src/packet_access.h"
#include "client-lib/src/tx_queue_impl.h"

namespace qsplit::internal {

using dataplane::TxFeature;
using dataplane::TxFeatures;
using dataplane::TxRequest;

namespace {

constexpr size_t kMacBytes = 12;
constexpr uint32_t kEthernetBytes = 14;
constexpr uint32_t kVlanBytes = 4;

// Checksums that are asked for: fills in those that the device does not, prepares the fields of
// those that it does.
void PrepareSums(Packet& packet, const Headers& headers, TxFeatures asked, TxFeatures granted) {
  constexpr TxFeatures kSums = TxFeature::kL3Checksum | TxFeature::kL4Checksum;
  const TxFeatures here(asked.bits & ~granted.bits & kSums.bits);
  if (here.bits != 0) {
    FillChecksums(packet, headers, here.Has(TxFeature::kL3Checksum),
                  here.Has(TxFeature::kL4Checksum));
    if ((granted & kSums).bits == 0) packet.RequestChecksums(false, false);  // not once more
  }
  PrepareChecksums(packet, headers, granted.Has(TxFeature::kL3Checksum),
                   granted.Has(TxFeature::kL4Checksum));
}

}  // namespace

bool TxQueueImpl::CopyHere(Packet& packet, uint32_t bytes, uint32_t hole) {
  Packet copy = Allocate(bytes);
  if (!copy) return false;
  size_t at = 0;
  packet.ForEachSegment([&](std::span<const std::byte> part) {
    const size_t before = at < kMacBytes ? std::min(part.size(), kMacBytes - at) : 0;
    copy.CopyFrom(part.first(before), at);
    copy.CopyFrom(part.subspan(before), at + before + hole);
    at += part.size();
  });
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

[[gnu::always_inline]] inline TxRequest TxQueueImpl::AskedBy(const Packet& packet,
                                                             Headers* headers) {
  TxRequest request;
  if (const std::optional<uint16_t> vlan = packet.vlan()) {
    request.wants |= TxFeature::kVlanInsert;
    request.vlan_tci = *vlan;
  }
  const bool want_l3 = PacketAccess::want_l3(packet);
  const bool want_l4 = PacketAccess::want_l4(packet);
  if (!want_l3 && !want_l4) return request;
  ParseHeaders(packet, headers);
  const bool l3 = want_l3 && headers->l3 == dataplane::L3Kind::kIp4;
  const bool l4 = want_l4 && headers->l4_bytes != 0;
  if (!l3 && !l4) return request;
  // Nothing that does not count: packets of other lengths may ask for the same.
  request.l3 = headers->l3;
  request.l2_header_bytes = headers->l2_bytes;
  request.l3_header_bytes = headers->l3_bytes;
  if (l3) request.wants |= TxFeature::kL3Checksum;
  if (l4) {
    request.wants |= TxFeature::kL4Checksum;
    request.l4 = headers->l4;
  }
  return request;
}

void TxQueueImpl::AskDriver(const TxRequest& asked) {
  asked_ = granted_ = asked;
  if (asked.wants.bits == 0 || driver.Supports(asked)) return;
  granted_.wants.bits &= ~TxFeatures(TxFeature::kL3Checksum).bits;
  if (granted_.wants.bits != 0 && driver.Supports(granted_)) return;
  granted_ = {.wants = asked.wants & TxFeature::kTimestamp};
}

bool TxQueueImpl::Prepare(Packet& packet, TxRequest* request) {
  Headers headers;
  TxRequest asked = AskedBy(packet, &headers);
  asked.wants |= TimeOf(packet);
  *request = Granted(asked);
  PrepareSums(packet, headers, asked.wants, request->wants);
  if (!asked.wants.Has(TxFeature::kVlanInsert) || request->wants.Has(TxFeature::kVlanInsert)) {
    return true;
  }
  if (!InsertVlan(packet, asked.vlan_tci)) {
    // No room around the first segment: a copy has room for it.
    if (!CopyHere(packet, packet.length() + kVlanBytes, kVlanBytes)) return false;
    const uint16_t tci = asked.vlan_tci;
    const std::array<std::byte, kVlanBytes> tag{std::byte{0x81}, std::byte{0x00},
                                                static_cast<std::byte>(tci >> 8),
                                                static_cast<std::byte>(tci)};
    packet.CopyFrom(tag, kMacBytes);
  }
  packet.set_vlan(std::nullopt);
  return true;
}

size_t TxQueueImpl::GatherAsking(std::span<Packet> packets, TxRequest* request) {
  const size_t most = std::min({packets.size(), burst_.size(), size_t{driver.Room()}});
  const Terms terms = terms_;
  TxRequest asked;
  size_t n = 0;
  for (; n < most; ++n) {
    Packet& packet = packets[n];
    if (!PacketAccess::IsWhole(packet) || !terms.Take(packet, &burst_[n])) break;
    Headers headers;
    const TxRequest asks = AskedBy(packet, &headers);
    const bool tagged = asks.wants.Has(TxFeature::kVlanInsert);
    if (tagged && burst_[n].bytes < kEthernetBytes) break;
    if (n == 0) {
      asked = asks;
      *request = Granted(asked);
      // Software would move the packet's beginning; and who has requests in front of packets,
      // there.
      if ((tagged && !request->wants.Has(TxFeature::kVlanInsert)) ||
          (before_ != 0 && request->wants.bits != 0)) {
        break;
      }
    } else if (asks != asked) {
      break;
    }
    PrepareSums(packet, headers, asks.wants, request->wants);
  }
  return n;
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
