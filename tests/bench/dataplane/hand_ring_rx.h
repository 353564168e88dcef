// Receive loops written by hand for NICs whose completions do not stand in the slot of their buffer
// by a done bit alone: as hand_rx.h, one for each NIC, each member by member and in words.
#ifndef QSPLIT_TESTS_BENCH_DATAPLANE_HAND_RING_RX_H_
#define QSPLIT_TESTS_BENCH_DATAPLANE_HAND_RING_RX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/prefetch.h"
#include "tests/bench/dataplane/hand_rx.h"

namespace qsplit::bench {

// mellanox.mlx5 (rdma-core providers/mlx5/mlx5dv.h): a cyclic work queue of four data segments in
// an entry, of which one is used, and a ring of 64-byte completions in the same order. Entries are
// written whole once; then only their address is. Both rings have as many slots, a power of two.
class HandMlx5Rx {
 public:
  struct Queue {
    std::byte* entries;
    std::byte* completions;
    uint32_t slot_count;
    std::byte* received;  // doorbell records
    std::byte* completed;
    uint32_t buffer_bytes;
  };
  explicit HandMlx5Rx(const Queue& queue) : q_(queue), cookies_(queue.slot_count) {
    for (uint32_t i = 0; i < q_.slot_count; ++i) {
      std::byte* entry = q_.entries + size_t{i} * 64;
      for (uint32_t w = 0; w < 64; w += 8) StoreRelaxed<uint64_t>(entry + w, 0);
      StoreRelaxed<uint32_t>(entry, __builtin_bswap32(q_.buffer_bytes));
      StoreRelaxed<uint64_t>(q_.completions + size_t{i} * 64 + 56, uint64_t{0xf1} << 56);
    }
  }

  uint32_t Post(std::span<const RxBuffer> buffers) {
    const Queue q = q_;
    const auto most =
        static_cast<uint32_t>(std::min<size_t>(buffers.size(), q.slot_count - outstanding()));
    const RxBuffer* __restrict buffer = buffers.data();
    const uint32_t first = posted_;
    uint32_t done = 0;
    while (done < most) {
      const uint32_t at = (first + done) & (q.slot_count - 1);
      const uint32_t end = done + std::min(most - done, q.slot_count - at);
      std::byte* address = q.entries + size_t{at} * 64 + 8;
      uint32_t* __restrict cookie = cookies_.data() + at;
      for (; done < end && buffer->bytes >= q.buffer_bytes; ++done) {
        // As compiled access does: the line is asked for before it is written.
        dataplane::PrefetchToWrite(address + 8 * 64);
        StoreRelaxed<uint64_t>(address, __builtin_bswap64(buffer->address.value));
        *cookie++ = buffer->cookie;
        address += 64;
        ++buffer;
      }
      if (done < end) break;
    }
    posted_ = first + done;
    return done;
  }
  void Publish() { StoreRelease<uint32_t>(q_.received, __builtin_bswap32(posted_ & 0xffff)); }

  uint32_t Poll(std::span<RxCompletion> out) {
    return Take(out, [](const std::byte* cqe, uint32_t cookie, uint32_t room, RxCompletion* to) {
      const auto hash = LoadRelaxed<uint32_t>(cqe + 12);
      const auto kind = LoadRelaxed<uint8_t>(cqe + 16);
      const auto length = LoadRelaxed<uint32_t>(cqe + 44);
      const auto flags = LoadRelaxed<uint32_t>(cqe + 28);
      RxCompletion& c = *to;
      c.cookie = cookie;
      c.length = std::min(__builtin_bswap32(length), room);
      c.offset = 0;
      c.first = c.last = true;
      // L3_OK, L4_OK and VLAN_STRIPPED
      const FlagMeaning& meaning = kFlags[(flags >> 1 & 3) | (flags >> 6 & 4)];
      const bool hashed = (kind & 0xcc) != 0;
      RxMetadata m;
      m.present.bits = meaning.present | static_cast<uint32_t>(hashed);
      static_assert(static_cast<uint32_t>(RxField::kHash) == 1);
      m.hash = hashed ? __builtin_bswap32(hash) : 0;
      m.l3_checksum = meaning.l3;
      m.l4_checksum = meaning.l4;
      m.vlan_tci = __builtin_bswap16(static_cast<uint16_t>(flags >> 16)) & meaning.vlan_mask;
      c.meta = m;
    });
  }
  // The same, a completion put together as words.
  uint32_t PollInWords(std::span<RxCompletion> out) {
    return Take(out, [](const std::byte* cqe, uint32_t cookie, uint32_t room, RxCompletion* to) {
      const auto hash = LoadRelaxed<uint32_t>(cqe + 12);
      const auto kind = LoadRelaxed<uint8_t>(cqe + 16);
      const auto length = LoadRelaxed<uint32_t>(cqe + 44);
      const uint64_t flags = LoadRelaxed<uint32_t>(cqe + 28);
      const FlagMeaning::Words& meaning = kFlagWords[(flags >> 1 & 3) | (flags >> 6 & 4)];
      const uint64_t bytes = std::min(__builtin_bswap32(length), room);
      const uint64_t hashed = (kind & 0xcc) != 0 ? UINT64_MAX : 0;
      const uint64_t tag = uint64_t{__builtin_bswap16(static_cast<uint16_t>(flags >> 16))} << 48;
      Put(to, cookie | bytes << 32,
          meaning.present | ((uint64_t{__builtin_bswap32(hash)} << 32 | 1) & hashed),
          meaning.states & (tag | kStates));
    });
  }

 private:
  uint32_t outstanding() const { return posted_ - taken_; }
  template <typename F>
  uint32_t Take(std::span<RxCompletion> out, F&& take) {
    const auto most = static_cast<uint32_t>(std::min<size_t>(out.size(), outstanding()));
    const Queue q = q_;
    RxCompletion* __restrict to = out.data();
    const uint32_t first = taken_;
    uint32_t count = 0;
    while (count < most) {
      const uint32_t at = (first + count) & (q.slot_count - 1);
      const uint32_t end = count + std::min(most - count, q.slot_count - at);
      // MLX5_CQE_RESP_SEND, and the owner bit of this turn.
      const uint32_t expected = 0x20 | (((first + count) & q.slot_count) != 0 ? 1 : 0);
      const std::byte* cqe = q.completions + size_t{at} * 64;
      const uint32_t* __restrict cookie = cookies_.data() + at;
      for (; count < end && (LoadAcquire<uint8_t>(cqe + 63) & 0xf1) == expected; ++count) {
        take(cqe, *cookie++, q.buffer_bytes, to++);
        cqe += 64;
      }
      if (count < end) break;
    }
    taken_ = first + count;
    if (count != 0) {
      StoreRelease<uint32_t>(q_.completed, __builtin_bswap32(taken_ & 0xffffff));
    }
    return count;
  }

  static constexpr std::array<FlagMeaning, 8> kFlags = [] {
    std::array<FlagMeaning, 8> flags{};
    for (uint32_t i = 0; i < 8; ++i) {
      flags[i].present = (RxField::kL3Checksum | RxField::kL4Checksum).bits;
      if ((i & 1) != 0) flags[i].l3 = ChecksumState::kGood;
      if ((i & 2) != 0) flags[i].l4 = ChecksumState::kGood;
      if ((i & 4) == 0) continue;
      flags[i].vlan_mask = 0xffff;
      flags[i].present |= static_cast<uint32_t>(RxField::kVlanTci);
    }
    return flags;
  }();
  static constexpr auto kFlagWords = AsWords(kFlags);

  Queue q_;
  std::vector<uint32_t> cookies_;
  uint32_t posted_ = 0;  // free-running
  uint32_t taken_ = 0;
};

// virtio.packed (Virtio 1.2, 2.8 and 5.1.6) with a device that uses buffers in order and gives each
// packet one: the id of a buffer is its slot. A batch's first descriptor is made available last.
class HandVirtioRx {
 public:
  struct Queue {
    std::byte* slots;
    uint32_t slot_count;
    const std::byte* no_notify;
    std::byte* doorbell;
    uint32_t buffer_bytes;
  };
  explicit HandVirtioRx(const Queue& queue) : q_(queue), buffers_(queue.slot_count) {}

  uint32_t Post(std::span<const RxBuffer> buffers) {
    const Queue q = q_;
    const auto most =
        static_cast<uint32_t>(std::min<size_t>(buffers.size(), q.slot_count - outstanding_));
    const RxBuffer* __restrict buffer = buffers.data();
    std::byte* held = held_;
    uint64_t available = available_;
    uint32_t at = produce_;
    uint32_t done = 0;
    while (done < most) {
      const uint32_t end = done + std::min(most - done, q.slot_count - at);
      std::byte* slot = q.slots + size_t{at} * 16;
      Buffer* __restrict posted = buffers_.data() + at;
      uint64_t rest = q.buffer_bytes | uint64_t{at} << 32 | available;
      at -= done;
      for (; done < end && buffer->bytes >= q.buffer_bytes; ++done) {
        StoreRelaxed<uint64_t>(slot, buffer->address.value);
        if (held == nullptr) [[unlikely]] {
          held = slot + 8;
          held_word_ = rest;
        } else {
          StoreRelaxed<uint64_t>(slot + 8, rest);
        }
        *posted++ = {buffer->memory, buffer->cookie};
        rest += uint64_t{1} << 32;
        slot += 16;
        ++buffer;
      }
      at += done;
      if (at == q.slot_count) {
        at = 0;
        available ^= kTurn;
      }
      if (done < end) break;
    }
    held_ = held;
    available_ = available;
    produce_ = at;
    outstanding_ += done;
    return done;
  }
  void Publish() {
    if (held_ == nullptr) return;
    StoreRelease<uint64_t>(held_, held_word_);
    held_ = nullptr;
    dataplane::StoresBeforeLoads();
    if ((LoadRelaxed<uint16_t>(q_.no_notify) & 1) == 0) StoreRelease<uint16_t>(q_.doorbell, 0);
  }

  uint32_t Poll(std::span<RxCompletion> out) {
    return Take(out, [&](const Buffer& buffer, uint32_t length, uint8_t flags, RxCompletion* to) {
      RxCompletion& c = *to;
      c.cookie = buffer.cookie;
      c.length = length;
      c.offset = kHeader;
      c.first = c.last = true;
      RxMetadata m;
      m.present = RxField::kL4Checksum;
      m.l4_checksum = (flags & 2) != 0 ? ChecksumState::kGood : ChecksumState::kUnknown;
      c.meta = m;
    });
  }
  // The same, a completion put together as words.
  uint32_t PollInWords(std::span<RxCompletion> out) {
    return Take(out, [&](const Buffer& buffer, uint64_t length, uint64_t flags, RxCompletion* to) {
      Put(to, buffer.cookie | length << 32, static_cast<uint64_t>(RxField::kL4Checksum),
          (flags & 2) << 31, kHeader);
      static_assert(static_cast<uint64_t>(ChecksumState::kGood) == 1);
    });
  }

 private:
  static constexpr uint32_t kHeader = 12;
  // VRING_PACKED_DESC_F_AVAIL and _USED, where the flags stand in a slot's second word.
  static constexpr uint64_t kAvailable = uint64_t{1} << 7 << 48;
  static constexpr uint64_t kUsed = uint64_t{1} << 15 << 48;
  static constexpr uint64_t kTurn = kAvailable | kUsed;
  static constexpr uint64_t kWrite = uint64_t{2} << 48;  // VRING_DESC_F_WRITE
  struct Buffer {
    const std::byte* memory;
    uint32_t cookie;
  };

  template <typename F>
  uint32_t Take(std::span<RxCompletion> out, F&& take) {
    const auto most = static_cast<uint32_t>(std::min<size_t>(out.size(), outstanding_));
    const Queue q = q_;
    RxCompletion* __restrict to = out.data();
    uint64_t turn = used_;
    uint32_t at = consume_;
    uint32_t count = 0;
    while (count < most) {
      const uint32_t end = count + std::min(most - count, q.slot_count - at);
      const std::byte* word = q.slots + size_t{at} * 16 + 8;
      const Buffer* __restrict posted = buffers_.data() + at;
      // The turn's bits and the number.
      auto expected = static_cast<uint32_t>(turn >> 32 | at);
      at -= count;
      for (; count < end; ++count) {
        const auto used = LoadAcquire<uint64_t>(word);
        if ((used >> 32 & (kTurn >> 32 | 0xffff)) != expected) break;
        const Buffer buffer = *posted;
        const auto head = LoadRelaxed<uint8_t>(buffer.memory);
        const auto buffers = LoadRelaxed<uint16_t>(buffer.memory + 10);
        const uint32_t bytes = std::min(static_cast<uint32_t>(used), q.buffer_bytes);
        if (buffers != 1 || bytes < kHeader) [[unlikely]] {
          break;  // a packet of several buffers
        }
        take(buffer, bytes - kHeader, head, to++);
        ++posted;
        ++expected;
        word += 16;
      }
      at += count;
      if (at == q.slot_count) {
        at = 0;
        turn ^= kTurn;
      }
      if (count < end) break;
    }
    used_ = turn;
    consume_ = at;
    outstanding_ -= count;
    return count;
  }

  Queue q_;
  std::vector<Buffer> buffers_;
  uint64_t available_ = kAvailable | kWrite;  // of a descriptor that is offered in this turn
  uint64_t used_ = kTurn;                     // both bits of one that is used in this turn
  std::byte* held_ = nullptr;
  uint64_t held_word_ = 0;
  uint32_t produce_ = 0;
  uint32_t consume_ = 0;
  uint32_t outstanding_ = 0;
};

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_DATAPLANE_HAND_RING_RX_H_
