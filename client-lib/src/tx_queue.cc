#include "qsplit/tx_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "client-lib/src/packet_access.h"
#include "client-lib/src/public_access.h"
#include "client-lib/src/tx_queue_impl.h"
#include "dataplane/prefetch.h"

namespace qsplit {
namespace internal {

using dataplane::PushResult;
using dataplane::TxRequest;

TxQueueImpl::TxQueueImpl(dataplane::TxDriver tx_driver, BufferPool* pool, const Setup& with)
    : driver(std::move(tx_driver)),
      setup(with),
      timestamps(driver, pool->count() + driver.Capacity()),
      pool_(pool),
      alignment_(driver.AddressAlignment()),
      before_(driver.BytesBefore()),
      shortest_(driver.MinPacketBytes()),
      bursts_(!driver.NeedsMemory() && !with.one_by_one),
      headroom_(FindHeadroom(pool->buffer_bytes())),
      most_spread_bytes_(FindMostSpread(pool->buffer_bytes())),
      terms_{pool, shortest_, before_, alignment_ - 1},
      is_away_(pool->count()),
      guests_(driver.Capacity()) {
  for (size_t i = guests_.size(); i > 0; --i) {
    free_guests_.push_back(static_cast<uint32_t>(i - 1));
  }
}

TxQueueImpl::~TxQueueImpl() {
  // The daemon has stopped the device by now: nothing reads these buffers any more.
  for (Guest& packet : guests_) {
    if (packet.pool != nullptr) packet.pool->GiveChain(packet.first);
  }
  for (uint32_t buffer = 0; buffer < is_away_.size(); ++buffer) {
    if (is_away_[buffer] != 0) pool_->GiveChain(buffer);
  }
}

Packet TxQueueImpl::Allocate(uint32_t bytes) {
  Packet packet;
  if (!Fill(&packet, bytes) && Reclaim() > 0) Fill(&packet, bytes);
  return packet;
}

size_t TxQueueImpl::Allocate(std::span<Packet> packets, uint32_t bytes) {
  size_t filled = FillRun(packets, bytes);
  for (; filled < packets.size(); ++filled) {
    Packet& packet = packets[filled];
    if (!packet && !Fill(&packet, bytes) && (Reclaim() == 0 || !Fill(&packet, bytes))) break;
  }
  return filled;
}

size_t TxQueueImpl::FillRun(std::span<Packet> packets, uint32_t bytes) {
  if (bytes == 0 || bytes > pool_->buffer_bytes() - headroom_) return 0;
  size_t empty = 0;
  while (empty < packets.size() && !packets[empty]) ++empty;
  const std::span<const uint32_t> buffers = pool_->TakeSome(empty);
  BufferPool* const pool = pool_;
  const uint32_t spreads = bytes <= most_spread_bytes_ ? kSpreads : 1;
  const uint32_t headroom = headroom_;
  for (size_t i = 0; i < buffers.size(); ++i) {
    const uint32_t buffer = buffers[i];
    const uint32_t offset = headroom + buffer % spreads * kHeadroom;
    // The device read what was there before: the cache lines come from another processor.
    dataplane::PrefetchToWrite(pool->data(buffer) + offset);
    pool->link(buffer) = {BufferPool::kNone, offset, bytes};
    PacketAccess::Fill(packets[i], pool, buffer, bytes, 1);
  }
  return buffers.size();
}

bool TxQueueImpl::Fill(Packet* packet, uint32_t bytes) {
  if (bytes > pool_->buffer_bytes() - headroom_) [[unlikely]] {
    return FillChain(packet, bytes);
  }
  const uint32_t buffer = bytes == 0 ? BufferPool::kNone : pool_->Take();
  if (buffer == BufferPool::kNone) return false;
  // Buffers that begin at the same place of their pages would share few of the cache's sets.
  const uint32_t spread = bytes <= most_spread_bytes_ ? buffer % kSpreads * kHeadroom : 0;
  pool_->link(buffer) = {BufferPool::kNone, headroom_ + spread, bytes};
  PacketAccess::Fill(*packet, pool_, buffer, bytes, 1);
  return true;
}

bool TxQueueImpl::FillChain(Packet* packet, uint32_t bytes) {
  const uint32_t size = pool_->buffer_bytes();
  if (uint64_t{pool_->free_count()} * size < bytes) return false;
  uint32_t first = BufferPool::kNone;
  uint32_t last = BufferPool::kNone;
  uint32_t segments = 0;
  for (uint32_t left = bytes; left > 0; ++segments) {
    const uint32_t buffer = pool_->Take();
    if (buffer == BufferPool::kNone) {
      pool_->GiveChain(first);
      return false;
    }
    const uint32_t offset = first == BufferPool::kNone ? headroom_ : before_;
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
  PacketAccess::Fill(*packet, pool_, first, bytes, segments);
  return true;
}

size_t TxQueueImpl::SendPlain(std::span<Packet> packets) {
  const size_t most = bursts_ ? std::min(packets.size(), burst_.size()) : 0;
  const Terms terms = terms_;
  size_t n = 0;
  while (n < most && PacketAccess::IsPlain(packets[n]) && terms.Take(packets[n], &burst_[n])) ++n;
  static constexpr TxRequest kNothing;
  return n == 0 ? 0 : PushGathered(packets.first(n), kNothing);
}

size_t TxQueueImpl::SendAsking(std::span<Packet> packets) {
  TxRequest request;
  const size_t n = bursts_ ? GatherAsking(packets, &request) : 0;
  return n == 0 ? 0 : PushGathered(packets.first(n), request);
}

size_t TxQueueImpl::PushGathered(std::span<Packet> packets, const TxRequest& request) {
  PushResult why;  // SendOne asks again
  const size_t n = driver.PushBurst(std::span(burst_).first(packets.size()), request, &why);
  uint64_t bytes = 0;
  for (size_t i = 0; i < n; ++i) {
    bytes += burst_[i].bytes;
    is_away_[burst_[i].cookie] = 1;
    PacketAccess::Release(packets[i]);
  }
  counters.bytes += bytes;
  counters.packets += n;
  return n;
}

void TxQueueImpl::GiveAway(Packet& packet, uint32_t cookie) {
  if (cookie < is_away_.size()) {
    is_away_[cookie] = 1;
  } else {
    guests_[free_guests_.back()] = {PacketAccess::pool(packet), PacketAccess::first(packet)};
    free_guests_.pop_back();
  }
  ++counters.packets;
  counters.bytes += packet.length();
  PacketAccess::Release(packet);
}

TxQueueImpl::Outcome TxQueueImpl::SendOne(Packet& packet) {
  if (!packet) return Outcome::kRefused;
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
    const uint64_t fits = uint64_t{most} * (pool_->buffer_bytes() - before_) - headroom_;
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
  uint32_t cookie = PacketAccess::first(packet);
  if (pool != pool_) {
    if (free_guests_.empty()) return Outcome::kLater;  // as many packets as slots are on their way
    cookie = pool_->count() + free_guests_.back();
  }
  switch (driver.Push(std::span(segments_).first(n), request, cookie)) {
    case PushResult::kPushed:
      break;
    case PushResult::kNoRoom:
      return Outcome::kLater;
    case PushResult::kUnsupported:
    case PushResult::kTooLong:
      return Outcome::kRefused;
  }
  if (PacketAccess::want_time(packet)) {
    if (request.wants.Has(dataplane::TxFeature::kTimestamp)) {
      timestamps.Asked(cookie);
    } else {
      LeaveUntold();
    }
  }
  GiveAway(packet, cookie);
  ++counters.sent_alone;
  return Outcome::kSent;
}

size_t TxQueueImpl::Send(std::span<Packet> packets) {
  size_t sent = 0;
  bool reclaimed = false;
  while (sent < packets.size()) {
    size_t n = SendPlain(packets.subspan(sent));
    if (n == 0) n = SendAsking(packets.subspan(sent));
    if (n > 0) {
      sent += n;
      reclaimed = false;
      continue;
    }
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
      if (PacketAccess::want_time(packet)) LeaveUntold();
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

void TxQueueImpl::GiveGuestBack(uint32_t guest) {
  if (guest >= guests_.size() || guests_[guest].pool == nullptr) return;
  const Guest packet = std::exchange(guests_[guest], Guest{});
  packet.pool->GiveChain(packet.first);
  free_guests_.push_back(guest);
}

size_t TxQueueImpl::TakeBackRun(std::span<const uint32_t> cookies) {
  uint8_t* const away = is_away_.data();
  const size_t all = is_away_.size();
  const BufferPool* const pool = pool_;
  size_t n = 0;
  for (; n < cookies.size(); ++n) {
    const uint32_t buffer = cookies[n];
    if (buffer >= all || away[buffer] == 0 || pool->link(buffer).next != BufferPool::kNone) break;
    away[buffer] = 0;
  }
  pool_->GiveAll(cookies.first(n));
  return n;
}

size_t TxQueueImpl::Reclaim() {
  std::array<uint32_t, 64> cookies;
  size_t total = 0;
  while (const uint32_t n = driver.Reclaim(cookies)) {
    // Most are one buffer each, of this pool.
    const size_t plain = TakeBackRun(std::span(cookies).first(n));
    for (const uint32_t cookie : std::span(cookies).subspan(plain, n - plain)) {
      if (cookie >= is_away_.size()) {
        // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): a queue's own pool outlives it
        GiveGuestBack(cookie - pool_->count());
      } else if (std::exchange(is_away_[cookie], uint8_t{0}) == 0) {
        continue;
      } else if (pool_->link(cookie).next == BufferPool::kNone) {
        pool_->Give(cookie);
      } else {
        pool_->GiveChain(cookie);
      }
    }
    total += n;
    if (n < cookies.size()) break;
  }
  if (timestamps.waiting() != 0) [[unlikely]] {
    counters.timestamps_lost += timestamps.Collect(driver);
  }
  reclaim_at_ = driver.Outstanding() + kReclaimAfter;
  return total;
}

bool TxQueueImpl::CanSend() {
  Reclaim();
  return driver.Room() >= std::min(2u, driver.Capacity()) && pool_->free_count() > 0;
}

}  // namespace internal

TxQueue::TxQueue(std::unique_ptr<internal::TxQueueImpl> impl) : impl_(std::move(impl)) {}
TxQueue::~TxQueue() = default;

Packet TxQueue::Allocate(uint32_t bytes) { return impl_->Allocate(bytes); }
size_t TxQueue::Allocate(std::span<Packet> packets, uint32_t bytes) {
  return impl_->Allocate(packets, bytes);
}
size_t TxQueue::Send(std::span<Packet> packets) { return impl_->Send(packets); }
size_t TxQueue::Reclaim() { return impl_->Reclaim(); }
size_t TxQueue::TakeTimestamps(std::span<TxTimestamp> out) {
  // What is there first: what comes back by now needs its room.
  size_t count = impl_->timestamps.Take(out);
  if (count == out.size()) return count;
  impl_->Reclaim();
  count += impl_->timestamps.Take(out.subspan(count));
  return count;
}
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
bool TxQueue::offloads_timestamps() const { return impl_->timestamps.possible(); }
QueueAccess TxQueue::access() const { return internal::PublicAccess(impl_->driver.Access()); }
const TxQueue::Counters& TxQueue::counters() const { return impl_->counters; }

}  // namespace qsplit
