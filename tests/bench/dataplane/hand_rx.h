// Receive loops written by hand for one NIC each, as well as C++ can say it: what the compiled
// access of their layouts is measured against. Each in two ways: member by member, as people write
// it, and in words, which leans on how RxCompletion lies in memory. They post buffers and take
// completions of packets of one buffer, with hash, VLAN tag and checksum states; they know their
// NIC's descriptors by heart and nothing else.
//
// The ring is shared with a peer of the same thread here, so loads and stores of slots are those
// that the drivers do: one access for each word, the one with the done bit first, with acquire.
#ifndef QSPLIT_TESTS_BENCH_DATAPLANE_HAND_RX_H_
#define QSPLIT_TESTS_BENCH_DATAPLANE_HAND_RX_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "dataplane/barriers.h"
#include "dataplane/rx_driver.h"

namespace qsplit::bench {

using dataplane::ChecksumState;
using dataplane::LoadAcquire;
using dataplane::LoadRelaxed;
using dataplane::RxBuffer;
using dataplane::RxCompletion;
using dataplane::RxField;
using dataplane::RxMetadata;
using dataplane::StoreRelaxed;
using dataplane::StoreRelease;

struct HandQueue {
  std::byte* slots;
  uint32_t slot_count;
  std::byte* tail;
  uint32_t buffer_bytes;
};

// What both have: slots of so many bytes in a ring with a tail register.
template <uint32_t kSlotBytes>
class HandRing {
 public:
  explicit HandRing(const HandQueue& queue)
      : slots_(queue.slots),
        slot_count_(queue.slot_count),
        tail_(queue.tail),
        buffer_bytes_(queue.buffer_bytes),
        cookies_(queue.slot_count) {}

  // As RxDriver::Post, buffers whose addresses are even and that are long enough.
  uint32_t Post(std::span<const RxBuffer> buffers) {
    const auto most =
        static_cast<uint32_t>(std::min<size_t>(buffers.size(), slot_count_ - 1 - outstanding_));
    uint32_t at = produce_;
    uint32_t done = 0;
    for (; done < most; ++done) {
      const RxBuffer& buffer = buffers[done];
      if (buffer.bytes < buffer_bytes_) break;
      std::byte* slot = slots_ + size_t{at} * kSlotBytes;
      StoreRelaxed<uint64_t>(slot, buffer.address.value);
      for (uint32_t i = 8; i < kSlotBytes; i += 8) StoreRelaxed<uint64_t>(slot + i, 0);
      cookies_[at] = buffer.cookie;
      if (++at == slot_count_) at = 0;
    }
    produce_ = at;
    outstanding_ += done;
    return done;
  }
  void Publish() { StoreRelease<uint32_t>(tail_, produce_); }

 protected:
  // Completions in their order, until one is not there or take(slot, its second word, the buffer's
  // cookie and bytes, where to) says no.
  template <typename F>
  uint32_t Take(std::span<RxCompletion> out, F&& take) {
    const auto most = static_cast<uint32_t>(std::min<size_t>(out.size(), outstanding_));
    uint32_t at = consume_;
    uint32_t count = 0;
    for (; count < most; ++count) {
      const std::byte* slot = slots_ + size_t{at} * kSlotBytes;
      const auto status = LoadAcquire<uint64_t>(slot + 8);
      if ((status & 3) != 3) break;  // DD, EOP
      if (!take(slot, status, cookies_[at], buffer_bytes_, &out[count])) break;
      if (++at == slot_count_) at = 0;
    }
    consume_ = at;
    outstanding_ -= count;
    return count;
  }

 private:
  std::byte* slots_;
  uint32_t slot_count_;
  std::byte* tail_;
  uint32_t buffer_bytes_;
  std::vector<uint32_t> cookies_;
  uint32_t produce_ = 0;
  uint32_t consume_ = 0;
  uint32_t outstanding_ = 0;
};

// A completion as 64-bit words, for loops that know how RxCompletion lies in memory.
inline void Put(RxCompletion* out, uint64_t cookie_length, uint64_t present_hash,
                uint64_t states_tag, uint32_t offset = 0) {
  auto* to = reinterpret_cast<std::byte*>(out);
  const auto put = [&](size_t word, uint64_t value) { std::memcpy(to + 8 * word, &value, 8); };
  put(0, cookie_length);
  put(1, uint64_t{0x101} << 32 | offset);  // first and last
  put(2, present_hash);
  put(3, states_tag);
  std::memset(to + 32, 0, 24);
}
static_assert(offsetof(RxCompletion, length) == 4 && offsetof(RxCompletion, first) == 12 &&
              offsetof(RxCompletion, meta) == 16 && offsetof(RxMetadata, hash) == 4 &&
              offsetof(RxMetadata, l3_checksum) == 11 && offsetof(RxMetadata, l4_checksum) == 12 &&
              offsetof(RxMetadata, vlan_tci) == 14);

// What some flags of a descriptor say; and the same as words of the metadata.
struct FlagMeaning {
  uint32_t present = 0;
  ChecksumState l3 = ChecksumState::kUnknown;
  ChecksumState l4 = ChecksumState::kUnknown;
  uint16_t vlan_mask = 0;

  struct Words {
    uint64_t present = 0;
    uint64_t states = 0;
    uint64_t vlan_mask = 0;
  };
  constexpr Words AsWords() const {
    return {present, static_cast<uint64_t>(l3) << 24 | static_cast<uint64_t>(l4) << 32,
            uint64_t{vlan_mask} << 48};
  }
};
template <size_t N>
constexpr std::array<FlagMeaning::Words, N> AsWords(const std::array<FlagMeaning, N>& flags) {
  std::array<FlagMeaning::Words, N> words{};
  for (size_t i = 0; i < N; ++i) words[i] = flags[i].AsWords();
  return words;
}

// intel.ixgbe.advanced (82599 datasheet 7.1.6.2).
class HandIxgbeRx : public HandRing<16> {
 public:
  using HandRing::HandRing;

  uint32_t Poll(std::span<RxCompletion> out) {
    return Take(out, [](const std::byte* slot, uint64_t status, uint32_t cookie, uint32_t room,
                        RxCompletion* to) {
      const auto info = LoadRelaxed<uint64_t>(slot);
      if ((info & 1u << 15) != 0) [[unlikely]] {
        return false;  // an EtherType filter matched: flags mean other things
      }
      RxCompletion& c = *to;
      c.cookie = cookie;
      c.length = std::min<uint32_t>(status >> 32 & 0xffff, room);
      c.offset = 0;
      c.first = c.last = true;
      // VP, UDPCS, L4CS, IPCS and L4E, IPE
      const FlagMeaning& flags = kFlags[(status >> 3 & 15) | (status >> 26 & 0x30)];
      const uint32_t hash_mask = kHashMask[info & 15];
      RxMetadata m;
      m.present.bits = flags.present | (hash_mask & static_cast<uint32_t>(RxField::kHash));
      m.hash = static_cast<uint32_t>(info >> 32) & hash_mask;
      m.l3_checksum = flags.l3;
      m.l4_checksum = flags.l4;
      m.vlan_tci = static_cast<uint16_t>(status >> 48) & flags.vlan_mask;
      c.meta = m;
      return true;
    });
  }

  // The same, a completion put together as words.
  uint32_t PollInWords(std::span<RxCompletion> out) {
    return Take(out, [](const std::byte* slot, uint64_t status, uint32_t cookie, uint32_t room,
                        RxCompletion* to) {
      const auto info = LoadRelaxed<uint64_t>(slot);
      if ((info & 1u << 15) != 0) [[unlikely]] {
        return false;
      }
      const FlagMeaning::Words& flags = kFlagWords[(status >> 3 & 15) | (status >> 26 & 0x30)];
      const uint64_t length = std::min<uint64_t>(status >> 32 & 0xffff, room);
      const uint64_t hash = (info >> 32 << 32 | 1) & kHashWords[info & 15];
      Put(to, cookie | length << 32, flags.present | hash,
          flags.states | (status & flags.vlan_mask));
      return true;
    });
  }

 private:
  static constexpr std::array<FlagMeaning, 64> kFlags = [] {
    std::array<FlagMeaning, 64> flags{};
    for (uint32_t i = 0; i < 64; ++i) {
      FlagMeaning& f = flags[i];
      const bool udp_checked = (i & 2) != 0, l4_checked = (i & 4) != 0, l3_checked = (i & 8) != 0;
      const bool l4_bad = l4_checked && (i & 16) != 0, l3_bad = l3_checked && (i & 32) != 0;
      f.present = (RxField::kL3Checksum | RxField::kL4Checksum).bits;
      f.l3 = l3_bad ? ChecksumState::kBad
                    : (l3_checked ? ChecksumState::kGood : ChecksumState::kUnknown);
      f.l4 = l4_bad ? ChecksumState::kBad
                    : (l4_checked || udp_checked ? ChecksumState::kGood : ChecksumState::kUnknown);
      if ((i & 1) == 0) continue;
      f.vlan_mask = 0xffff;
      f.present |= static_cast<uint32_t>(RxField::kVlanTci);
    }
    return flags;
  }();
  static constexpr auto kFlagWords = AsWords(kFlags);
  // By RSS type: none and a flow filter's number are no hash.
  static constexpr std::array<uint32_t, 16> kHashMask = [] {
    std::array<uint32_t, 16> mask{};
    for (uint32_t type = 1; type < 15; ++type) mask[type] = UINT32_MAX;
    return mask;
  }();
  static constexpr std::array<uint64_t, 16> kHashWords = [] {
    std::array<uint64_t, 16> mask{};
    for (uint32_t type = 1; type < 15; ++type) mask[type] = UINT64_MAX;
    return mask;
  }();
};

// intel.ice.flex, profile 2 (ice_lan_tx_rx.h, struct ice_32b_rx_flex_desc_nic).
class HandIceRx : public HandRing<32> {
 public:
  using HandRing::HandRing;

  uint32_t Poll(std::span<RxCompletion> out) {
    return Take(out, [](const std::byte* slot, uint64_t status, uint32_t cookie, uint32_t room,
                        RxCompletion* to) {
      const auto head = LoadRelaxed<uint64_t>(slot);
      const auto status1 = LoadRelaxed<uint64_t>(slot + 16);
      RxCompletion& c = *to;
      c.cookie = cookie;
      c.length = std::min<uint32_t>(head >> 32 & 0x3fff, room);
      c.offset = 0;
      c.first = c.last = true;
      // L3L4P, IPE, L4E
      const FlagMeaning& flags = kFlags[status >> 3 & 7];
      // A tag in either place; the inner one counts.
      const auto first = static_cast<uint32_t>(status >> 13 & 1);
      const auto second = static_cast<uint32_t>(status1 >> 11 & 1);
      const uint32_t valid = static_cast<uint32_t>(status >> 12 & 1);  // RSS_VALID
      RxMetadata m;
      m.present.bits = flags.present | valid | (first | second) << 2;
      static_assert(static_cast<uint32_t>(RxField::kHash) == 1 &&
                    static_cast<uint32_t>(RxField::kVlanTci) == 4);
      m.hash = static_cast<uint32_t>(status >> 32) & (0 - valid);
      m.l3_checksum = flags.l3;
      m.l4_checksum = flags.l4;
      const auto outer = static_cast<uint32_t>(status >> 16 & 0xffff) & (0 - first);
      const auto inner = static_cast<uint32_t>(status1 >> 48);
      m.vlan_tci = static_cast<uint16_t>(second != 0 ? inner : outer);
      c.meta = m;
      return true;
    });
  }

  // The same, a completion put together as words.
  uint32_t PollInWords(std::span<RxCompletion> out) {
    return Take(out, [](const std::byte* slot, uint64_t status, uint32_t cookie, uint32_t room,
                        RxCompletion* to) {
      const auto head = LoadRelaxed<uint64_t>(slot);
      const auto status1 = LoadRelaxed<uint64_t>(slot + 16);
      const FlagMeaning::Words& flags = kFlagWords[status >> 3 & 7];
      const uint64_t first = status >> 13 & 1;
      const uint64_t second = status1 >> 11 & 1;
      const uint64_t valid = status >> 12 & 1;
      const uint64_t length = std::min<uint64_t>(head >> 32 & 0x3fff, room);
      const uint64_t outer = (status << 32 & (0 - first));
      const uint64_t tag = (second != 0 ? status1 : outer) >> 48 << 48;
      const uint64_t hash = (status >> 32 << 32 | 1) & (0 - valid);
      Put(to, cookie | length << 32, flags.present | (first | second) << 2 | hash,
          flags.states | tag);
      return true;
    });
  }

 private:
  static constexpr std::array<FlagMeaning, 8> kFlags = [] {
    std::array<FlagMeaning, 8> flags{};
    for (uint32_t i = 0; i < 8; ++i) {
      flags[i].present = (RxField::kL3Checksum | RxField::kL4Checksum).bits;
      if ((i & 1) == 0) continue;
      flags[i].l3 = (i & 2) != 0 ? ChecksumState::kBad : ChecksumState::kGood;
      flags[i].l4 = (i & 4) != 0 ? ChecksumState::kBad : ChecksumState::kGood;
    }
    return flags;
  }();
  static constexpr auto kFlagWords = AsWords(kFlags);
};

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_DATAPLANE_HAND_RX_H_
