// Buffers that are on their way to a device, found by their addresses when it is done with them:
// next to free as long as they come back in the order in which they went.
//
//   Add ──► ours ──Publish──► the device's ──Take──► forgotten
//
// Private memory: nothing here is shared; addresses come from a device that may say anything. All
// memory is taken at construction. One thread at a time.
#ifndef QSPLIT_DATAPLANE_ADDRESS_LEDGER_H_
#define QSPLIT_DATAPLANE_ADDRESS_LEDGER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "dataplane/burst/tx_ring.h"
#include "dataplane/cache_line.h"
#include "dataplane/tx_driver.h"

namespace qsplit::dataplane {

class AddressLedger {
 public:
  // `id` and `cookie` are its owner's words, given back with it; `id` is kFirstId or more, and not
  // kNone, or else the bytes of a packet of which nothing else need be known.
  using Buffer = burst::TxExpected;
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kFirstId = Buffer::kNotPackets;
  static_assert(sizeof(Buffer) == sizeof(TxPacket));

  // For so many buffers at once.
  explicit AddressLedger(uint32_t buffers = 0);

  void Add(const Buffer& buffer) {
    if (end_ - begin_ == buffers_.size()) [[unlikely]] {
      CloseRanks();
    }
    buffers_[end_ & mask_] = buffer;
    if (chained_) [[unlikely]] {
      Chain(end_ & mask_);
    }
    ++end_;
  }
  // Packets, each a buffer of fewer bytes than kFirstId.
  void Add(std::span<const TxPacket> packets) {
    const uint32_t first = end_ & mask_;
    if (chained_ || packets.size() > buffers_.size() - (end_ - begin_) ||
        packets.size() > buffers_.size() - first) [[unlikely]] {
      return AddEach(packets);
    }
    // The same members in the same order.
    std::memcpy(static_cast<void*>(&buffers_[first]), packets.data(), packets.size_bytes());
    end_ += static_cast<uint32_t>(packets.size());
  }
  // What was added so far is the device's.
  void Publish() { published_ = end_; }
  // The oldest of the device's buffers there, each once. False: there is none.
  bool Take(uint64_t address, Buffer* out) {
    const Buffer& oldest = buffers_[begin_ & mask_];
    if (oldest.address != address || begin_ == published_ || chained_) [[unlikely]] {
      return TakeOutOfOrder(address, out);
    }
    *out = oldest;
    ++begin_;
    SkipGap();
    return true;
  }
  // For who takes buffers in the order of Add by itself: how many are the device's, up to the
  // array's end; 0 where some came in another order. Where they stand, which is the first, and that
  // so many were taken, all of them packets.
  uint32_t InOrder() const {
    if (chained_) return 0;
    return std::min(published_ - begin_, slot_count() - First());
  }
  const Buffer* buffers() const { return buffers_.data(); }
  uint32_t slot_count() const { return mask_ + 1; }
  uint32_t First() const { return begin_ & mask_; }
  void TookInOrder(uint32_t count) {
    begin_ += count;
    SkipGap();
  }
  // Once for each burst of Take: if all came back, begins anew, where memory is in the cache.
  void Rewind() {
    if (begin_ != end_) return;
    begin_ = end_ = published_ = 0;
    chained_ = false;
  }

 private:
  uint32_t Bucket(uint64_t address) const {
    return static_cast<uint32_t>((address * 0x9e3779b97f4a7c15u) >> bucket_shift_);
  }
  void SkipGap() {
    while (begin_ != end_ && buffers_[begin_ & mask_].id == kNone) ++begin_;
  }
  void AddEach(std::span<const TxPacket> packets);
  bool TakeOutOfOrder(uint64_t address, Buffer* out);
  // Makes room at the end where buffers came back.
  void CloseRanks();
  // Puts a place at the end of its bucket's chain; all of them.
  void Chain(uint32_t place);
  void ChainAll();

  // A ring in the order of Add, with gaps (kNone) where buffers came back; numbers run freely.
  CacheLineVector<Buffer> buffers_;
  uint32_t mask_ = 0;
  uint32_t begin_ = 0;
  uint32_t end_ = 0;
  uint32_t published_ = 0;
  // Places in the ring by bucket, the oldest first. Kept from when a buffer comes out of order
  // until all came back.
  bool chained_ = false;
  CacheLineVector<uint32_t> buckets_;
  CacheLineVector<uint32_t> next_;
  uint32_t bucket_shift_ = 63;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_ADDRESS_LEDGER_H_
