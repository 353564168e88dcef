#include "qsplit/tx_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "client-lib/src/headers.h"
#include "client-lib/src/packet_access.h"
#include "client-lib/src/tx_queue_impl.h"

namespace qsplit {
namespace internal {

using dataplane::PushResult;
using dataplane::TxFeature;
using dataplane::TxRequest;

TxQueueImpl::TxQueueImpl(dataplane::TxDriver tx_driver, BufferPool* pool, const Setup& with)
    : driver(std::move(tx_driver)),
      setup(with),
      pool_(pool),
      alignment_(driver.AddressAlignment()),
      shortest_(driver.MinPacketBytes()),
      headroom_(pool->buffer_bytes() >= 2 * kHeadroom && kHeadroom % alignment_ == 0 ? kHeadroom
                                                                                     : 0),
      in_flight_(driver.Capacity()) {
  for (size_t i = in_flight_.size(); i > 0; --i) {
    free_cookies_.push_back(static_cast<uint32_t>(i - 1));
  }
}

TxQueueImpl::~TxQueueImpl() {
  // The daemon has stopped the device by now: nothing reads these buffers any more.
  for (InFlight& packet : in_flight_) {
    if (packet.pool != nullptr) packet.pool->GiveChain(packet.first);
  }
}

Packet TxQueueImpl::Allocate(uint32_t bytes) {
  Packet packet = AllocateOnce(bytes);
  if (!packet && Reclaim() > 0) packet = AllocateOnce(bytes);
  return packet;
}

Packet TxQueueImpl::AllocateOnce(uint32_t bytes) {
  if (bytes > pool_->buffer_bytes() - headroom_) [[unlikely]] {
    return AllocateChain(bytes);
  }
  Packet packet;
  const uint32_t buffer = bytes == 0 ? BufferPool::kNone : pool_->Take();
  if (buffer == BufferPool::kNone) return packet;
  pool_->link(buffer) = {BufferPool::kNone, headroom_, bytes};
  PacketAccess::Fill(packet, pool_, buffer, bytes, 1);
  return packet;
}

Packet TxQueueImpl::AllocateChain(uint32_t bytes) {
  Packet packet;
  const uint32_t size = pool_->buffer_bytes();
  if (uint64_t{pool_->free_count()} * size < bytes) return packet;
  uint32_t first = BufferPool::kNone;
  uint32_t last = BufferPool::kNone;
  uint32_t segments = 0;
  for (uint32_t left = bytes; left > 0; ++segments) {
    const uint32_t buffer = pool_->Take();
    if (buffer == BufferPool::kNone) {
      pool_->GiveChain(first);
      return packet;
    }
    const uint32_t offset = first == BufferPool::kNone ? headroom_ : 0;
    const uint32_t n = std::min(left, size - offset);
    pool_->link(buffer) = {BufferPool::kNone, offset, n};
    if (first == BufferPool::kNone) {
      first = buffer;
    } else {
      pool_->link(last).next = buffer;
    }
    last = buffer;
    left -= n;
  }
  PacketAccess::Fill(packet, pool_, first, bytes, segments);
  return packet;
}

bool TxQueueImpl::CopyHere(Packet& packet, uint32_t bytes) {
  Packet copy = Allocate(bytes);
  if (!copy) return false;
  size_t at = 0;
  packet.ForEachSegment([&](std::span<const std::byte> part) { at += copy.CopyFrom(part, at); });
  copy.RequestChecksums(PacketAccess::want_l3(packet), PacketAccess::want_l4(packet));
  copy.RequestSegments(PacketAccess::segment_bytes(packet));
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

bool TxQueueImpl::Prepare(Packet& packet, TxRequest* request) {
  const bool want_l3 = PacketAccess::want_l3(packet);
  const bool want_l4 = PacketAccess::want_l4(packet);
  const std::optional<uint16_t> vlan = packet.vlan();
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
    if (request->wants.bits == 0) *request = TxRequest{};
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
  *request = TxRequest{};
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
  if (alignment_ == 1) return true;
  const BufferPool* pool = PacketAccess::pool(packet);
  for (uint32_t b = PacketAccess::first(packet); b != BufferPool::kNone; b = pool->link(b).next) {
    if ((pool->iova(b) + pool->link(b).offset) % alignment_ != 0) return false;
  }
  return true;
}

TxQueueImpl::Outcome TxQueueImpl::SendOne(Packet& packet) {
  if (!packet) return Outcome::kRefused;
  BufferPool* pool = PacketAccess::pool(packet);
  if (!PacketAccess::IsPlain(packet) || pool->owner() != pool_->owner()) return SendAny(packet);
  const uint32_t buffer = PacketAccess::first(packet);
  const BufferPool::Link& link = pool->link(buffer);
  const uint64_t address = pool->iova(buffer) + link.offset;
  if (link.length < shortest_ || (address & (alignment_ - 1)) != 0) return SendAny(packet);
  static constexpr TxRequest kNothing;
  const dataplane::TxSegment all{dataplane::Iova(address), link.length,
                                 pool->data(buffer) + link.offset};
  return Push(packet, std::span(&all, 1), kNothing);
}

TxQueueImpl::Outcome TxQueueImpl::SendAny(Packet& packet) {
  TxRequest request;
  if (PacketAccess::pool(packet)->owner() != pool_->owner()) {
    const uint64_t all = uint64_t{pool_->count()} * pool_->buffer_bytes();
    if (packet.length() > all) return Outcome::kRefused;
    if (!CopyHere(packet, packet.length())) return Outcome::kLater;
  }
  if (packet.vlan().has_value() && packet.length() < 14) return Outcome::kRefused;
  if (PacketAccess::segment_bytes(packet) != 0) {
    if (!PrepareCut(packet, &request)) return Outcome::kRefused;
  } else if (!Prepare(packet, &request) || !Pad(packet)) {
    return Outcome::kLater;
  }
  if (!Fits(packet)) {
    const uint32_t most = std::min(driver.MaxSegments(), kMaxSegments);
    const uint64_t fits = uint64_t{most} * pool_->buffer_bytes() - headroom_;
    if (packet.length() > fits) return Outcome::kRefused;
    if (!CopyHere(packet, packet.length())) return Outcome::kLater;
  }
  uint32_t n = 0;
  BufferPool* pool = PacketAccess::pool(packet);
  for (uint32_t b = PacketAccess::first(packet); b != BufferPool::kNone; b = pool->link(b).next) {
    const BufferPool::Link& link = pool->link(b);
    if (link.length == 0) continue;
    segments_[n++] = {dataplane::Iova(pool->iova(b) + link.offset), link.length,
                      pool->data(b) + link.offset};
  }
  return Push(packet, std::span(segments_).first(n), request);
}

TxQueueImpl::Outcome TxQueueImpl::Push(Packet& packet,
                                       std::span<const dataplane::TxSegment> segments,
                                       const TxRequest& request) {
  if (free_cookies_.empty()) return Outcome::kLater;  // as many packets as slots are on their way
  const uint32_t cookie = free_cookies_.back();
  switch (driver.Push(segments, request, cookie)) {
    case PushResult::kPushed:
      break;
    case PushResult::kNoRoom:
      return Outcome::kLater;
    case PushResult::kUnsupported:
    case PushResult::kTooLong:
      return Outcome::kRefused;
  }
  ++counters.packets;
  counters.bytes += packet.length();
  in_flight_[cookie] = {PacketAccess::pool(packet), PacketAccess::first(packet)};
  PacketAccess::Release(packet);
  free_cookies_.pop_back();
  return Outcome::kSent;
}

size_t TxQueueImpl::Send(std::span<Packet> packets) {
  size_t sent = 0;
  bool reclaimed = false;
  while (sent < packets.size()) {
    Packet& packet = packets[sent];
    const Outcome outcome = SendOne(packet);
    if (outcome == Outcome::kLater) {
      if (std::exchange(reclaimed, true)) break;
      Publish();  // what is not published never comes back
      setup.bell.WakeupAgain();
      if (Reclaim() == 0) break;
      continue;
    }
    if (outcome == Outcome::kRefused) {
      ++counters.refused;
      packet.Reset();
    }
    reclaimed = false;
    ++sent;
  }
  Publish();
  if (driver.Outstanding() >= reclaim_at_) Reclaim();
  return sent;
}

void TxQueueImpl::Publish() {
  if (!driver.Publish()) return;
  setup.bell.Wakeup();
  ++counters.wakeups;
}

size_t TxQueueImpl::Reclaim() {
  std::array<uint32_t, 64> cookies;
  size_t total = 0;
  while (const uint32_t n = driver.Reclaim(cookies)) {
    for (uint32_t i = 0; i < n; ++i) {
      if (cookies[i] >= in_flight_.size()) continue;
      const InFlight packet = std::exchange(in_flight_[cookies[i]], InFlight{});
      if (packet.pool == nullptr) continue;
      packet.pool->GiveChain(packet.first);
      free_cookies_.push_back(cookies[i]);
    }
    total += n;
    if (n < cookies.size()) break;
  }
  reclaim_at_ = driver.Outstanding() + kReclaimAfter;
  return total;
}

bool TxQueueImpl::CanSend() {
  Reclaim();
  return driver.Room() >= std::min(2u, driver.Capacity()) && pool_->free_count() > 0 &&
         !free_cookies_.empty();
}

}  // namespace internal

TxQueue::TxQueue(std::unique_ptr<internal::TxQueueImpl> impl) : impl_(std::move(impl)) {}
TxQueue::~TxQueue() = default;

Packet TxQueue::Allocate(uint32_t bytes) { return impl_->Allocate(bytes); }
size_t TxQueue::Send(std::span<Packet> packets) { return impl_->Send(packets); }
size_t TxQueue::Reclaim() { return impl_->Reclaim(); }
uint32_t TxQueue::outstanding() const { return impl_->driver.Outstanding(); }

absl::Status TxQueue::Wait(absl::Duration timeout) {
  return impl_->setup.bell.WaitUntil([this] { return impl_->CanSend(); }, timeout);
}

absl::Status TxQueue::Flush(absl::Duration timeout) {
  return impl_->setup.bell.WaitUntil(
      [this] {
        impl_->Reclaim();
        return impl_->driver.Outstanding() == 0;
      },
      timeout);
}

uint32_t TxQueue::number() const { return impl_->setup.number; }
bool TxQueue::offloads_checksum_l3() const {
  return impl_->driver.Supports(dataplane::TxFeature::kL3Checksum);
}
bool TxQueue::offloads_checksum_l4() const {
  return impl_->driver.Supports(dataplane::TxFeature::kL4Checksum);
}
bool TxQueue::offloads_vlan() const {
  return impl_->driver.Supports(dataplane::TxFeature::kVlanInsert);
}
bool TxQueue::offloads_segments() const {
  return impl_->driver.Supports(dataplane::TxFeature::kSegment);
}
const TxQueue::Counters& TxQueue::counters() const { return impl_->counters; }

}  // namespace qsplit
