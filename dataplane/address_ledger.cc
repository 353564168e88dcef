#include "dataplane/address_ledger.h"

#include <algorithm>
#include <bit>

namespace qsplit::dataplane {

// Twice as many places as buffers: half of them at least are gaps when ranks are closed.
AddressLedger::AddressLedger(uint32_t buffers)
    : buffers_(std::bit_ceil(std::max(buffers, 1u)) * 2),
      mask_(static_cast<uint32_t>(buffers_.size()) - 1),
      buckets_(buffers_.size()),
      next_(buffers_.size()),
      bucket_shift_(64 - static_cast<uint32_t>(std::bit_width(mask_))) {}

void AddressLedger::AddEach(std::span<const TxPacket> packets) {
  for (const TxPacket& packet : packets) Add({packet.address.value, packet.bytes, packet.cookie});
}

bool AddressLedger::TakeOutOfOrder(uint64_t address, Buffer* out) {
  if (begin_ == published_) return false;
  if (!chained_) ChainAll();
  uint32_t* link = &buckets_[Bucket(address)];
  while (*link != kNone && buffers_[*link].address != address) link = &next_[*link];
  const uint32_t place = *link;
  // How far behind the oldest one.
  if (place == kNone || ((place - begin_) & mask_) >= published_ - begin_) return false;
  *link = next_[place];
  *out = buffers_[place];
  buffers_[place].id = kNone;
  SkipGap();
  return true;
}

void AddressLedger::CloseRanks() {
  uint32_t to = begin_;
  uint32_t published = begin_;
  for (uint32_t from = begin_; from != end_; ++from) {
    const Buffer buffer = buffers_[from & mask_];
    if (buffer.id == kNone) continue;
    buffers_[to++ & mask_] = buffer;
    if (from - begin_ < published_ - begin_) published = to;
  }
  end_ = to;
  published_ = published;
  if (chained_) ChainAll();
}

void AddressLedger::Chain(uint32_t place) {
  uint32_t* link = &buckets_[Bucket(buffers_[place].address)];
  while (*link != kNone) link = &next_[*link];
  *link = place;
  next_[place] = kNone;
}

void AddressLedger::ChainAll() {
  chained_ = true;
  std::fill(buckets_.begin(), buckets_.end(), kNone);
  for (uint32_t number = begin_; number != end_; ++number) {
    if (buffers_[number & mask_].id != kNone) Chain(number & mask_);
  }
}

}  // namespace qsplit::dataplane
