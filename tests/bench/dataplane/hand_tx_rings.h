// Transmit loops written by hand for one NIC each whose completions stand in a ring of their own,
// or come back by number: what the compiled access of their layouts is measured against. Packets of
// one segment that ask for the checksums of UDP over IPv4; as many as a burst has are reported by
// one completion where the NIC can say so. What the device writes is checked as a driver must.
#ifndef QSPLIT_TESTS_BENCH_DATAPLANE_HAND_TX_RINGS_H_
#define QSPLIT_TESTS_BENCH_DATAPLANE_HAND_TX_RINGS_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "dataplane/barriers.h"
#include "dataplane/tx_driver.h"
#include "tests/bench/dataplane/two_words.h"
#include "tests/bench/dataplane/tx_rings.h"

namespace qsplit::bench {

using dataplane::LoadAcquire;
using dataplane::StoreRelaxed;
using dataplane::StoreRelease;
using dataplane::TxPacket;

// mellanox.mlx5 (mlx5dv.h: struct mlx5_wqe_ctrl_seg, mlx5_wqe_eth_seg, mlx5_wqe_data_seg,
// mlx5_cqe64).
class HandMlx5Tx {
 public:
  explicit HandMlx5Tx(TxRings& rings)
      : slots_(rings.slots),
        done_(rings.done),
        record_(rings.Cell(0)),
        register_(rings.Cell(1)),
        done_record_(rings.Cell(2)),
        cookies_(kSlots) {
    // MLX5_CQE_INVALID, and nobody's yet.
    for (uint32_t i = 0; i < kSlots; ++i) done_[size_t{i} * kBytes + 63] = std::byte{0xf1};
  }

  uint32_t Push(std::span<const TxPacket> packets) {
    const auto most =
        static_cast<uint32_t>(std::min<size_t>(packets.size(), kSlots - (produced_ - consumed_)));
    // MLX5_ETH_WQE_L4_CSUM, MLX5_ETH_WQE_L3_CSUM.
    constexpr uint64_t kSums = uint64_t{0xc0} << 32;
    constexpr uint64_t kKey = uint64_t{__builtin_bswap32(TxRings::kMemoryKey)} << 32;
    // Three pieces of 16 bytes.
    constexpr uint64_t kQueue = uint64_t{__builtin_bswap32(TxRings::kQueue << 8 | 3)} << 32;
    constexpr uint64_t kReport = 8u << 24;  // MLX5_WQE_CTRL_CQ_UPDATE
    const TxPacket* __restrict packet = packets.data();
    uint32_t produced = produced_;
    uint32_t done = 0;
    std::byte* slot = nullptr;
    uint64_t head = last_;
    while (done < most) {
      const uint32_t at = produced % kSlots;
      const uint32_t end = done + std::min(most - done, kSlots - at);
      std::byte* next = slots_ + size_t{at} * kBytes;
      uint32_t* __restrict cookie = cookies_.data() + at;
      for (; done < end && packet->bytes - 1 < 0x7fffffff; ++done) {
        slot = next;
        // MLX5_OPCODE_SEND
        head = kQueue | __builtin_bswap32((produced & 0xffff) << 8 | 0x0a);
        StoreBoth(slot, head, 0);
        StoreBoth(slot + 16, kSums, 0);
        StoreRelaxed<uint64_t>(slot + 32, kKey | __builtin_bswap32(packet->bytes));
        StoreRelaxed<uint64_t>(slot + 40, __builtin_bswap64(packet->address.value));
        *cookie++ = packet->cookie;
        next += kBytes;
        ++packet;
        ++produced;
      }
      if (done < end) break;
    }
    produced_ = produced;
    last_ = head;
    if (done != 0) StoreRelaxed<uint64_t>(slot + 8, kReport);
    return done;
  }
  void Publish() {
    StoreRelease<uint32_t>(record_, __builtin_bswap32(produced_ & 0xffff));
    StoreRelease<uint64_t>(register_, last_);
  }

  uint32_t Reclaim(std::span<uint32_t> cookies) {
    while (sent_ - consumed_ < cookies.size()) {
      const std::byte* at = done_ + size_t{done_count_ % kSlots} * kBytes;
      const auto word = LoadAcquire<uint64_t>(at + 56);
      const uint32_t phase = done_count_ / kSlots % 2;
      const uint64_t opcode = word >> 60;
      if ((word >> 56 & 1) != phase || opcode == 15) break;
      ++done_count_;
      if (opcode != 0) continue;
      const uint32_t counter = __builtin_bswap16(static_cast<uint16_t>(word >> 32));
      const uint32_t ahead = (counter - sent_) % kSlots;
      if (ahead < produced_ - sent_) sent_ += ahead + 1;
    }
    StoreRelease<uint32_t>(done_record_, __builtin_bswap32(done_count_ & 0xffffff));
    const auto count = static_cast<uint32_t>(std::min<size_t>(cookies.size(), sent_ - consumed_));
    const uint32_t first = std::min(count, kSlots - consumed_ % kSlots);
    std::copy_n(&cookies_[consumed_ % kSlots], first, cookies.data());
    std::copy_n(cookies_.data(), count - first, cookies.data() + first);
    consumed_ += count;
    return count;
  }

 private:
  static constexpr uint32_t kSlots = TxRings::kSlots;
  static constexpr uint32_t kBytes = 64;

  std::byte* slots_;
  std::byte* done_;
  std::byte* record_;
  std::byte* register_;
  std::byte* done_record_;
  std::vector<uint32_t> cookies_;  // by slot
  uint64_t last_ = 0;              // first bytes of the last entry
  // All run freely.
  uint32_t produced_ = 0;
  uint32_t sent_ = 0;
  uint32_t consumed_ = 0;
  uint32_t done_count_ = 0;
};

// virtio.packed (virtio 1.2, 2.8 and 5.1.6.2): a header and a buffer, two descriptors.
class HandVirtioTx {
 public:
  explicit HandVirtioTx(TxRings& rings)
      : slots_(rings.slots),
        headers_(rings.scratch),
        bell_(rings.Cell(0)),
        no_notify_(rings.Cell(4)),
        ids_(kIds),
        free_(kIds) {
    for (uint32_t i = 0; i < kIds; ++i) free_[i] = kIds - 1 - i;
    free_count_ = kIds;
  }

  uint32_t Push(std::span<const TxPacket> packets) {
    const auto most = static_cast<uint32_t>(std::min<size_t>(packets.size(), free_count_));
    const TxPacket* __restrict packet = packets.data();
    Id* const ids = ids_.data();
    const uint32_t* __restrict free = free_.data() + free_count_;
    std::byte* const headers = headers_;
    std::byte* held = held_;
    uint32_t at = produce_;
    uint64_t flags = produce_flags_;
    uint32_t done = 0;
    while (done < most) {
      const uint32_t end = done + std::min(most - done, (kSlots - at) / 2);
      std::byte* slot = slots_ + size_t{at} * 16;
      at -= 2 * done;
      for (; done < end && packet->bytes != 0; ++done) {
        const uint32_t id = *--free;
        if (!ids[id].is_summed) SumUp(headers + size_t{id} * 16);
        ids[id] = {packet->cookie, true, true};
        const uint64_t tagged = uint64_t{id} << 32 | flags;
        const uint64_t first = 12 | tagged | kNext;
        StoreRelaxed<uint64_t>(slot, TxRings::kScratchIova + uint64_t{id} * 16);
        if (held == nullptr) [[unlikely]] {
          held = slot + 8;
          held_word_ = first;
        } else {
          StoreRelaxed<uint64_t>(slot + 8, first);
        }
        StoreRelaxed<uint64_t>(slot + 16, packet->address.value);
        StoreRelaxed<uint64_t>(slot + 24, packet->bytes | tagged);
        slot += 32;
        ++packet;
      }
      at += 2 * done;
      if (at == kSlots) {
        at = 0;
        flags ^= kTurn;
      }
      if (done < end) break;
    }
    held_ = held;
    produce_ = at;
    produce_flags_ = flags;
    free_count_ -= done;
    published_ += done;
    return done;
  }
  void Publish() {
    if (held_ == nullptr) return;
    StoreRelease<uint64_t>(held_, held_word_);
    held_ = nullptr;
    outstanding_ += std::exchange(published_, 0);
    dataplane::StoresBeforeLoads();
    if ((dataplane::LoadRelaxed<uint16_t>(no_notify_) & 1) != 0) return;
    StoreRelease<uint16_t>(bell_, TxRings::kQueue);
  }

  uint32_t Reclaim(std::span<uint32_t> cookies) {
    const auto most = static_cast<uint32_t>(std::min<size_t>(cookies.size(), outstanding_));
    uint32_t* __restrict to = cookies.data();
    Id* const ids = ids_.data();
    uint32_t* __restrict free = free_.data() + free_count_;
    uint32_t at = consume_;
    uint64_t used = consume_flags_;
    uint32_t count = 0;
    while (count < most) {
      const uint32_t end = count + std::min(most - count, (kSlots - at) / 2);
      const std::byte* second = slots_ + size_t{at} * 16 + 8;
      at -= 2 * count;
      for (; count < end; ++count) {
        const auto word = LoadAcquire<uint64_t>(second);
        if ((word & kTurn) != used) break;
        const uint32_t id = word >> 32 & 0xffff;
        if (id >= kIds || !ids[id].is_out) break;  // a broken device
        ids[id].is_out = false;
        *to++ = ids[id].cookie;
        *free++ = id;
        second += 32;
      }
      at += 2 * count;
      if (at == kSlots) {
        at = 0;
        used ^= kTurn;
      }
      if (count < end) break;
    }
    consume_ = at;
    consume_flags_ = used;
    free_count_ += count;
    outstanding_ -= count;
    return count;
  }

 private:
  static constexpr uint32_t kSlots = 2 * TxRings::kSlots;
  static constexpr uint32_t kIds = TxRings::kSlots;
  static constexpr uint64_t kNext = uint64_t{1} << 48;  // VRING_DESC_F_NEXT
  // VRING_PACKED_DESC_F_AVAIL and _USED.
  static constexpr uint64_t kAvailable = uint64_t{1} << 7 << 48;
  static constexpr uint64_t kTurn = kAvailable | uint64_t{1} << 15 << 48;
  // A packet that is under way by its number, and what the header of that number says.
  struct Id {
    uint32_t cookie = 0;
    bool is_out = false;
    bool is_summed = false;
  };
  static void SumUp(std::byte* header) {
    // VIRTIO_NET_HDR_F_NEEDS_CSUM, from byte 34 on, to 6 bytes behind it.
    const uint16_t words[6] = {1, 0, 0, 34, 6, 0};
    std::memcpy(header, words, sizeof words);
  }

  std::byte* slots_;
  std::byte* headers_;
  std::byte* bell_;
  std::byte* no_notify_;
  std::vector<Id> ids_;
  std::vector<uint32_t> free_;  // numbers, a stack
  uint32_t free_count_ = 0;
  uint32_t published_ = 0;  // packets that will be
  uint32_t outstanding_ = 0;
  uint32_t produce_ = 0;
  uint32_t consume_ = 0;
  uint64_t produce_flags_ = kAvailable;  // of a descriptor that is offered in this turn
  uint64_t consume_flags_ = kTurn;       // of one that is used in this turn
  // The word that hands over all of a burst.
  std::byte* held_ = nullptr;
  uint64_t held_word_ = 0;
};

// linux.af_xdp (if_xdp.h: struct xdp_desc), without any checksum, which its plain queues lack.
class HandXdpTx {
 public:
  explicit HandXdpTx(TxRings& rings)
      : slots_(rings.slots),
        done_(rings.done),
        produced_at_(rings.Cell(0)),
        consumed_at_(rings.Cell(1)),
        flags_(rings.Cell(2)),
        done_produced_at_(rings.Cell(3)),
        done_consumed_at_(rings.Cell(4)),
        out_(kSlots) {}

  uint32_t Push(std::span<const TxPacket> packets) {
    if (kSlots - (produced_ - consumed_) < packets.size()) {
      consumed_ = LoadAcquire<uint32_t>(consumed_at_);
    }
    const auto most = static_cast<uint32_t>(std::min<size_t>(
        {packets.size(), kSlots - (produced_ - consumed_), kSlots - 1 - (published_ - taken_)}));
    const TxPacket* __restrict packet = packets.data();
    const uint32_t first = produced_;
    uint32_t done = 0;
    while (done < most) {
      const uint32_t at = (first + done) % kSlots;
      const uint32_t end = done + std::min(most - done, kSlots - at);
      std::byte* slot = slots_ + size_t{at} * 16;
      TxPacket* __restrict out = out_.data() + at;
      for (; done < end && packet->bytes != 0; ++done) {
        StoreRelaxed<uint64_t>(slot, packet->address.value);
        StoreRelaxed<uint64_t>(slot + 8, packet->bytes);
        *out++ = *packet++;
        slot += 16;
      }
      if (done < end) break;
    }
    produced_ = first + done;
    return done;
  }
  void Publish() {
    published_ = produced_;
    StoreRelease<uint32_t>(produced_at_, produced_);
    dataplane::StoresBeforeLoads();
    wakes_ += dataplane::LoadRelaxed<uint32_t>(flags_) & 1;
  }
  uint32_t Reclaim(std::span<uint32_t> cookies) {
    const auto end = LoadAcquire<uint32_t>(done_produced_at_);
    const std::byte* const ring = done_;
    const TxPacket* const out = out_.data();
    const uint32_t published = published_;
    uint32_t* __restrict to = cookies.data();
    uint32_t* const to_end = to + cookies.size();
    uint32_t done = done_count_;
    uint32_t taken = taken_;
    while (to != to_end && done != end) {
      const auto address = dataplane::LoadRelaxed<uint64_t>(ring + size_t{done++ % kSlots} * 8);
      // veth and most drivers complete in order; another order is not this loop's.
      const TxPacket& oldest = out[taken % kSlots];
      if (oldest.address.value != address || taken == published) [[unlikely]]
        continue;
      ++taken;
      *to++ = oldest.cookie;
    }
    done_count_ = done;
    taken_ = taken;
    StoreRelease<uint32_t>(done_consumed_at_, done);
    return static_cast<uint32_t>(to - cookies.data());
  }

 private:
  static constexpr uint32_t kSlots = TxRings::kSlots;

  std::byte* slots_;
  std::byte* done_;
  std::byte* produced_at_;
  std::byte* consumed_at_;
  std::byte* flags_;
  std::byte* done_produced_at_;
  std::byte* done_consumed_at_;
  std::vector<TxPacket> out_;
  // All run freely.
  uint32_t produced_ = 0;
  uint32_t published_ = 0;
  uint32_t consumed_ = 0;
  uint32_t taken_ = 0;
  uint32_t done_count_ = 0;
  uint32_t wakes_ = 0;
};

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_DATAPLANE_HAND_TX_RINGS_H_
