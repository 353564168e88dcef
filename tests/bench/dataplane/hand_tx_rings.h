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
    uint32_t done = 0;
    for (; done < most; ++done) {
      const TxPacket& packet = packets[done];
      if (packet.bytes - 1 >= 0x7fffffff) break;
      const uint32_t index = produced_ % kSlots;
      std::byte* slot = slots_ + size_t{index} * kBytes;
      // MLX5_OPCODE_SEND
      last_ = kQueue | __builtin_bswap32((produced_ & 0xffff) << 8 | 0x0a);
      StoreRelaxed<uint64_t>(slot, last_);
      StoreRelaxed<uint64_t>(slot + 8, done + 1 == most ? kReport : 0);
      StoreRelaxed<uint64_t>(slot + 16, kSums);
      StoreRelaxed<uint64_t>(slot + 24, 0);
      StoreRelaxed<uint64_t>(slot + 32, kKey | __builtin_bswap32(packet.bytes));
      StoreRelaxed<uint64_t>(slot + 40, __builtin_bswap64(packet.address.value));
      cookies_[index] = packet.cookie;
      ++produced_;
    }
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
        cookies_(kIds),
        is_out_(kIds),
        is_summed_(kIds),
        free_(kIds) {
    for (uint32_t i = 0; i < kIds; ++i) free_[i] = kIds - 1 - i;
    free_count_ = kIds;
  }

  uint32_t Push(std::span<const TxPacket> packets) {
    const auto most = static_cast<uint32_t>(std::min<size_t>(packets.size(), free_count_));
    uint32_t at = produce_;
    uint64_t flags = Flags(produce_wrap_);
    uint32_t done = 0;
    for (; done < most; ++done) {
      const TxPacket& packet = packets[done];
      if (packet.bytes == 0) break;
      const uint32_t id = free_[--free_count_];
      cookies_[id] = packet.cookie;
      is_out_[id] = 1;
      std::byte* header = headers_ + size_t{id} * 16;
      if (is_summed_[id] == 0) SumUp(id, header);
      const uint64_t tag = uint64_t{id} << 32;
      std::byte* slot = slots_ + size_t{at} * 16;
      StoreRelaxed<uint64_t>(slot, TxRings::kScratchIova + uint64_t{id} * 16);
      const uint64_t first = 12 | tag | flags | kNext;
      if (held_ == nullptr) {
        held_ = slot + 8;
        held_word_ = first;
      } else {
        StoreRelaxed<uint64_t>(slot + 8, first);
      }
      StoreRelaxed<uint64_t>(slot + 16, packet.address.value);
      StoreRelaxed<uint64_t>(slot + 24, packet.bytes | tag | flags);
      at += 2;
      if (at == kSlots) {
        at = 0;
        produce_wrap_ ^= 1;
        flags = Flags(produce_wrap_);
      }
    }
    produce_ = at;
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
    uint32_t count = 0;
    while (count < cookies.size() && outstanding_ != 0) {
      const auto word = LoadAcquire<uint64_t>(slots_ + size_t{consume_} * 16 + 8);
      if ((word >> 48 & 0x8080) != (consume_wrap_ != 0 ? 0x8080 : 0)) break;
      const uint32_t id = word >> 32 & 0xffff;
      if (id >= kIds || is_out_[id] == 0) break;  // a broken device
      is_out_[id] = 0;
      cookies[count++] = cookies_[id];
      free_[free_count_++] = id;
      --outstanding_;
      consume_ += 2;
      if (consume_ == kSlots) {
        consume_ = 0;
        consume_wrap_ ^= 1;
      }
    }
    return count;
  }

 private:
  static constexpr uint32_t kSlots = 2 * TxRings::kSlots;
  static constexpr uint32_t kIds = TxRings::kSlots;
  static constexpr uint64_t kNext = uint64_t{1} << 48;  // VRING_DESC_F_NEXT
  // VRING_PACKED_DESC_F_AVAIL as the wrap counter, VRING_PACKED_DESC_F_USED its inverse.
  static constexpr uint64_t Flags(uint32_t wrap) {
    return (wrap != 0 ? uint64_t{0x80} : uint64_t{0x8000}) << 48;
  }
  void SumUp(uint32_t id, std::byte* header) {
    // VIRTIO_NET_HDR_F_NEEDS_CSUM, from byte 34 on, to 6 bytes behind it.
    const uint16_t words[6] = {1, 0, 0, 34, 6, 0};
    std::memcpy(header, words, sizeof words);
    is_summed_[id] = 1;
  }

  std::byte* slots_;
  std::byte* headers_;
  std::byte* bell_;
  std::byte* no_notify_;
  std::vector<uint32_t> cookies_;   // by number
  std::vector<uint8_t> is_out_;     // by number
  std::vector<uint8_t> is_summed_;  // by number: what its header says
  std::vector<uint32_t> free_;      // numbers, a stack
  uint32_t free_count_ = 0;
  uint32_t published_ = 0;  // packets that will be
  uint32_t outstanding_ = 0;
  uint32_t produce_ = 0;
  uint32_t produce_wrap_ = 1;
  uint32_t consume_ = 0;
  uint32_t consume_wrap_ = 1;
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
    uint32_t done = 0;
    for (; done < most; ++done) {
      const TxPacket& packet = packets[done];
      if (packet.bytes == 0) break;
      const uint32_t index = produced_ % kSlots;
      std::byte* slot = slots_ + size_t{index} * 16;
      StoreRelaxed<uint64_t>(slot, packet.address.value);
      StoreRelaxed<uint64_t>(slot + 8, packet.bytes);
      out_[index] = {packet.address.value, packet.cookie};
      ++produced_;
    }
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
    uint32_t count = 0;
    while (count < cookies.size() && done_count_ != end) {
      const auto address =
          dataplane::LoadRelaxed<uint64_t>(done_ + size_t{done_count_ % kSlots} * 8);
      ++done_count_;
      // veth and most drivers complete in order; another order is not this loop's.
      const Out& oldest = out_[taken_ % kSlots];
      if (oldest.address != address || taken_ == published_) continue;
      ++taken_;
      cookies[count++] = oldest.cookie;
    }
    StoreRelease<uint32_t>(done_consumed_at_, done_count_);
    return count;
  }

 private:
  static constexpr uint32_t kSlots = TxRings::kSlots;
  struct Out {
    uint64_t address = 0;
    uint32_t cookie = 0;
  };

  std::byte* slots_;
  std::byte* done_;
  std::byte* produced_at_;
  std::byte* consumed_at_;
  std::byte* flags_;
  std::byte* done_produced_at_;
  std::byte* done_consumed_at_;
  std::vector<Out> out_;
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
