#include "qsplit/rx_queue.h"

#include <algorithm>
#include <utility>

#include "client-lib/src/headers.h"
#include "client-lib/src/packet_access.h"
#include "client-lib/src/public_access.h"
#include "client-lib/src/rx_queue_impl.h"

namespace qsplit {
namespace internal {
namespace {

using dataplane::RxField;
using dataplane::RxFields;

static_assert(static_cast<int>(HashType::kOther) == static_cast<int>(dataplane::HashType::kOther));
static_assert(static_cast<int>(ChecksumState::kBad) ==
              static_cast<int>(dataplane::ChecksumState::kBad));

}  // namespace

void MergeMetadata(const dataplane::RxMetadata& from, dataplane::RxMetadata* to) {
  const dataplane::RxFields fresh(from.present.bits & ~to->present.bits);
  if (fresh.Has(RxField::kHash)) to->hash = from.hash;
  if (fresh.Has(RxField::kHashType)) to->hash_type = from.hash_type;
  if (fresh.Has(RxField::kVlanTci)) to->vlan_tci = from.vlan_tci;
  if (fresh.Has(RxField::kL3Checksum)) to->l3_checksum = from.l3_checksum;
  if (fresh.Has(RxField::kL4Checksum)) to->l4_checksum = from.l4_checksum;
  if (fresh.Has(RxField::kTimestamp)) to->timestamp = from.timestamp;
  if (fresh.Has(RxField::kQueue)) to->queue = from.queue;
  if (fresh.Has(RxField::kMark)) to->mark = from.mark;
  if (fresh.Has(RxField::kChecksumValue)) to->checksum = from.checksum;
  if (fresh.Has(RxField::kSegment)) {
    to->segment = from.segment;
    to->segment_bytes = from.segment_bytes;
  }
  to->error = to->error || from.error;
  to->present |= fresh;
}

PacketMetadata PublicMetadata(const dataplane::RxMetadata& meta) {
  constexpr uint32_t kNotPublic =
      (RxField::kL3Kind | RxField::kL4Kind | RxField::kChecksumValue | RxField::kSegment).bits;
  return {.present = meta.present.bits & ~kNotPublic,
          .computed = 0,
          .hash = meta.hash,
          .mark = meta.mark,
          .timestamp = meta.timestamp,
          .vlan_tci = meta.vlan_tci,
          .queue = meta.queue,
          .hash_type = static_cast<HashType>(meta.hash_type),
          .l3_checksum = static_cast<ChecksumState>(meta.l3_checksum),
          .l4_checksum = static_cast<ChecksumState>(meta.l4_checksum),
          .error = meta.error};
}

// NOLINTBEGIN(clang-analyzer-cplusplus.NewDelete): a queue's own pool outlives it
RxQueueImpl::RxQueueImpl(dataplane::RxDriver rx_driver, BufferPool* pool, const Setup& with)
    : driver(std::move(rx_driver)),
      setup(with),
      pool_(pool),
      refill_at_(std::max<uint32_t>(1, std::min<uint32_t>(kBurst / 2, with.max_posted / 4))) {
  Refill();
}

RxQueueImpl::~RxQueueImpl() {
  DropPartial();
  pool_->Lose(driver.Outstanding() + (stash_end_ - stash_next_));
}

void RxQueueImpl::Refill() {
  const uint32_t room =
      std::min(driver.Room(), setup.max_posted - std::min(setup.max_posted, driver.Outstanding()));
  if (room < refill_at_) return;
  uint32_t posted = 0;
  while (posted < room) {
    uint32_t n = 0;
    for (const uint32_t buffer : pool_->TakeSome(std::min(kBurst, room - posted))) {
      batch_[n++] = {dataplane::Iova(pool_->iova(buffer)), setup.buffer_bytes, buffer,
                     pool_->data(buffer)};
    }
    const uint32_t taken = n == 0 ? 0 : driver.Post(std::span(batch_).first(n));
    for (uint32_t i = taken; i < n; ++i) pool_->Give(batch_[i].cookie);
    posted += taken;
    if (taken < kBurst) break;
  }
  if (posted > 0 && driver.Publish()) {
    setup.bell.Wakeup();
    ++counters.wakeups;
  }
}

bool RxQueueImpl::Look() {
  if (stash_next_ == stash_end_) {
    stash_next_ = 0;
    stash_end_ = driver.Poll(stash_);
  }
  return stash_next_ != stash_end_;
}

void RxQueueImpl::DropPartial() {
  if (first_ == BufferPool::kNone) return;
  pool_->GiveChain(first_);
  first_ = BufferPool::kNone;
}

size_t RxQueueImpl::TakeWhole(std::span<Packet> out) {
  BufferPool* const pool = pool_;
  const std::span<const dataplane::RxCompletion> came =
      std::span(stash_).first(stash_end_).subspan(stash_next_);
  const size_t most = first_ == BufferPool::kNone ? std::min(came.size(), out.size()) : 0;
  uint64_t bytes = 0;
  size_t n = 0;
  for (; n < most; ++n) {
    const dataplane::RxCompletion& c = came[n];
    if (!c.first || !c.last || c.length == 0 || !Fits(c)) break;
    pool->link(c.cookie) = {BufferPool::kNone, c.offset, c.length};
    const bool bare = c.meta.present == RxFields() && !c.meta.error;
    PacketAccess::Fill(out[n], pool, c.cookie, c.length, 1,
                       bare ? PacketMetadata() : PublicMetadata(c.meta));
    bytes += c.length;
  }
  stash_next_ += static_cast<uint32_t>(n);
  counters.packets += n;
  counters.bytes += bytes;
  if (setup.software.any()) {
    for (Packet& packet : out.first(n)) ComputeMissing(setup.software, packet);
  }
  return n;
}

bool RxQueueImpl::Take(const dataplane::RxCompletion& c, Packet* out) {
  const bool fits = Fits(c);
  if (c.first != (first_ == BufferPool::kNone) || !fits) {
    // The driver never says so of an honest device; whatever it is, it is no packet.
    ++counters.malformed;
    DropPartial();
    if (!c.first || !fits) {
      pool_->Give(c.cookie);
      return false;
    }
  }
  if (c.first) {
    length_ = 0;
    segments_ = 0;
    last_ = BufferPool::kNone;
    meta_ = c.meta;
  } else {
    dataplane::RxMetadata meta = c.meta;  // the last one's word counts most
    MergeMetadata(meta_, &meta);
    meta_ = meta;
  }
  if (c.length == 0 && (!c.first || c.last)) {
    pool_->Give(c.cookie);  // an empty last buffer, or a packet of nothing
  } else {
    pool_->link(c.cookie) = {BufferPool::kNone, c.offset, c.length};
    if (last_ == BufferPool::kNone) {
      first_ = c.cookie;
    } else {
      pool_->link(last_).next = c.cookie;
    }
    last_ = c.cookie;
    length_ += c.length;
    ++segments_;
  }
  if (!c.last) return false;
  if (first_ == BufferPool::kNone || length_ == 0) {
    ++counters.malformed;
    DropPartial();
    return false;
  }
  PacketAccess::Fill(*out, pool_, first_, length_, segments_);
  PacketAccess::meta(*out) = PublicMetadata(meta_);
  first_ = BufferPool::kNone;
  ++counters.packets;
  counters.bytes += length_;
  ComputeMissing(setup.software, *out);
  return true;
}

size_t RxQueueImpl::Receive(std::span<Packet> out) {
  for (Packet& packet : out) packet.Reset();
  size_t n = 0;
  while (n < out.size() && Look()) {
    n += TakeWhole(out.subspan(n));
    if (n == out.size() || stash_next_ == stash_end_) continue;
    if (Take(stash_[stash_next_++], &out[n])) ++n;
  }
  Refill();
  if (n == 0) setup.bell.PollInCall();
  return n;
}

// NOLINTEND(clang-analyzer-cplusplus.NewDelete)

}  // namespace internal

RxQueue::RxQueue(std::unique_ptr<internal::RxQueueImpl> impl) : impl_(std::move(impl)) {}
RxQueue::~RxQueue() = default;

size_t RxQueue::Receive(std::span<Packet> out) { return impl_->Receive(out); }

absl::Status RxQueue::Wait(absl::Duration timeout) {
  impl_->Refill();
  return impl_->setup.bell.WaitUntil([this] { return impl_->Look(); }, timeout);
}

int RxQueue::event_fd() const { return impl_->setup.bell.event_fd; }

bool RxQueue::Arm() {
  impl_->Refill();
  if (impl_->Look()) return false;
  impl_->setup.bell.Arm();
  return !impl_->Look();
}

uint32_t RxQueue::number() const { return impl_->setup.number; }
uint32_t RxQueue::posted() const { return impl_->driver.Outstanding(); }
uint32_t RxQueue::available_fields() const {
  dataplane::RxMetadata all;
  all.present = impl_->driver.Available();
  return internal::PublicMetadata(all).present & impl_->setup.software.fields.bits;
}
QueueAccess RxQueue::access() const { return internal::PublicAccess(impl_->driver.Access()); }
const RxQueue::Counters& RxQueue::counters() const { return impl_->counters; }

}  // namespace qsplit
