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
#include "tests/bench/dataplane/two_words.h"

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

// What both have: slots of so many bytes in a ring with a tail register. Loops go to the ring's
// end and on from its begin, with all that they need in locals: a store might change a member.
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
    const uint32_t slot_count = slot_count_;
    const uint32_t buffer_bytes = buffer_bytes_;
    const auto most =
        static_cast<uint32_t>(std::min<size_t>(buffers.size(), slot_count - 1 - outstanding_));
    const RxBuffer* __restrict buffer = buffers.data();
    uint32_t at = produce_;
    uint32_t done = 0;
    while (done < most) {
      const uint32_t end = done + std::min(most - done, slot_count - at);
      std::byte* slot = slots_ + size_t{at} * kSlotBytes;
      uint32_t* __restrict cookie = cookies_.data() + at;
      at -= done;
      for (; done < end && buffer->bytes >= buffer_bytes; ++done) {
        StoreBoth(slot, buffer->address.value, 0);
        if constexpr (kSlotBytes == 32) StoreBoth(slot + 16, 0, 0);
        *cookie++ = buffer->cookie;
        slot += kSlotBytes;
        ++buffer;
      }
      at += done;
      if (at == slot_count) at = 0;
      if (done < end) break;
    }
    static_assert(kSlotBytes == 16 || kSlotBytes == 32);
    produce_ = at;
    outstanding_ += done;
    return done;
  }
  void Publish() { StoreRelease<uint32_t>(tail_, produce_); }

 protected:
  // take(slot, cookie, buffer_bytes, to): false: not complete, or none for this loop.
  template <typename F>
  uint32_t Take(std::span<RxCompletion> out, F&& take) {
    const uint32_t slot_count = slot_count_;
    const uint32_t buffer_bytes = buffer_bytes_;
    const auto most = static_cast<uint32_t>(std::min<size_t>(out.size(), outstanding_));
    RxCompletion* __restrict to = out.data();
    uint32_t at = consume_;
    uint32_t count = 0;
    while (count < most) {
      const uint32_t end = count + std::min(most - count, slot_count - at);
      const std::byte* slot = slots_ + size_t{at} * kSlotBytes;
      const uint32_t* __restrict cookie = cookies_.data() + at;
      at -= count;
      for (; count < end && take(slot, *cookie, buffer_bytes, to); ++count) {
        slot += kSlotBytes;
        ++cookie;
        ++to;
      }
      at += count;
      if (at == slot_count) at = 0;
      if (count < end) break;
    }
    consume_ = at;
    outstanding_ -= count;
    return count;
  }

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

  // `states`: with ones where the tag stands, if there is one.
  struct Words {
    uint64_t present = 0;
    uint64_t states = 0;
  };
  constexpr Words AsWords() const {
    return {present, static_cast<uint64_t>(l3) << 24 | static_cast<uint64_t>(l4) << 32 |
                         uint64_t{vlan_mask} << 48};
  }
};
inline constexpr uint64_t kStates = (uint64_t{1} << 48) - 1;  // and behind them, the tag
inline constexpr uint64_t kNoHash = UINT32_MAX;               // and behind it, the hash

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
    return Take(out, [](const std::byte* slot, uint32_t cookie, uint32_t room, RxCompletion* to) {
      const auto status = LoadAcquire<uint64_t>(slot + 8);
      const auto info = LoadRelaxed<uint64_t>(slot);
      if (!IsOurs(status, info)) return false;
      RxCompletion& c = *to;
      c.cookie = cookie;
      c.length = std::min<uint32_t>(status >> 32 & 0xffff, room);
      c.offset = 0;
      c.first = c.last = true;
      const FlagMeaning& flags = kFlags[FlagsOf(status)];
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
    return Take(out, [](const std::byte* slot, uint32_t cookie, uint64_t room, RxCompletion* to) {
      const auto status = LoadAcquire<uint64_t>(slot + 8);
      const auto info = LoadRelaxed<uint64_t>(slot);
      if (!IsOurs(status, info)) return false;
      const FlagMeaning::Words& flags = kFlagWords[FlagsOf(status)];
      const uint64_t length = std::min<uint64_t>(status >> 32 & 0xffff, room);
      const uint64_t hash = (info | kNoHash) & kHashWords[info & 15];
      Put(to, cookie | length << 32, flags.present | hash, flags.states & (status | kStates));
      return true;
    });
  }

 protected:
  // DD, EOP; not an EtherType filter's, for which flags mean other things.
  static bool IsOurs(uint64_t status, uint64_t info) {
    return (status & 3) == 3 && (info & 1u << 15) == 0;
  }
  // VP, UDPCS, L4CS, IPCS and L4E, IPE
  static uint32_t FlagsOf(uint64_t status) { return (status >> 3 & 15) | (status >> 26 & 0x30); }
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
    for (uint32_t type = 1; type < 15; ++type) mask[type] = ~kNoHash | 1;
    return mask;
  }();
};

// intel.ice.flex, profile 2 (ice_lan_tx_rx.h, struct ice_32b_rx_flex_desc_nic).
class HandIceRx : public HandRing<32> {
 public:
  using HandRing::HandRing;

  uint32_t Poll(std::span<RxCompletion> out) {
    return Take(out, [](const std::byte* slot, uint32_t cookie, uint32_t room, RxCompletion* to) {
      const auto status = LoadAcquire<uint64_t>(slot + 8);
      if ((status & 3) != 3) return false;  // DD, EOF
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

  // The same, a completion put together as words; what the first tag and the hash say of
  // themselves comes from the table too.
  uint32_t PollInWords(std::span<RxCompletion> out) {
    return Take(out, [](const std::byte* slot, uint32_t cookie, uint64_t room, RxCompletion* to) {
      const auto status = LoadAcquire<uint64_t>(slot + 8);
      if ((status & 3) != 3) return false;
      const auto head = LoadRelaxed<uint64_t>(slot);
      const auto status1 = LoadRelaxed<uint64_t>(slot + 16);
      const FlagMeaning::Words& flags = kFlagWords[(status >> 3 & 7) | (status >> 9 & 0x18)];
      const uint64_t length = std::min<uint64_t>(head >> 32 & 0x3fff, room);
      uint64_t present = flags.present & (status | kNoHash);
      uint64_t states = flags.states & (status << 32 | kStates);
      if ((status1 & 1u << 11) != 0) {
        present |= static_cast<uint64_t>(RxField::kVlanTci);
        states = (states & kStates) | (status1 & ~kStates);
      }
      Put(to, cookie | length << 32, present, states);
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
  // By kFlags' bits, RSS_VALID and L2TAG1P; `present` with ones where the hash stands.
  static constexpr auto kFlagWords = [] {
    std::array<FlagMeaning::Words, 32> words{};
    for (uint32_t i = 0; i < 32; ++i) {
      const bool hashed = (i & 8) != 0, tagged = (i & 16) != 0;
      FlagMeaning flags = kFlags[i & 7];
      if (tagged) flags.vlan_mask = 0xffff;
      if (tagged) flags.present |= static_cast<uint32_t>(RxField::kVlanTci);
      words[i] = flags.AsWords();
      if (hashed) words[i].present |= ~kNoHash | static_cast<uint64_t>(RxField::kHash);
    }
    return words;
  }();
};

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_DATAPLANE_HAND_RX_H_
