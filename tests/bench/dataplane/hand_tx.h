// Transmit loops written by hand for one NIC each, as well as C++ can say it: what the compiled
// access of their layouts is measured against. Packets of one segment that ask for the checksums of
// UDP over IPv4; the last one of each burst is reported.
#ifndef QSPLIT_TESTS_BENCH_DATAPLANE_HAND_TX_H_
#define QSPLIT_TESTS_BENCH_DATAPLANE_HAND_TX_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/barriers.h"
#include "dataplane/tx_driver.h"

namespace qsplit::bench {

using dataplane::TxPacket;

// Bytes of the packets' headers, of layers 2 and 3.
inline constexpr uint32_t kHeaders[2] = {14, 20};

// What both have. Nic: the second word of a data descriptor, and whether one is written back.
template <typename Nic>
class HandTx {
 public:
  HandTx(std::byte* slots, uint32_t slot_count, std::byte* tail)
      : slots_(slots),
        slot_count_(slot_count),
        tail_(tail),
        cookies_(slot_count),
        reports_(slot_count) {}

  // As TxDriver::PushBurst and Publish. l2, l3: bytes of the headers.
  uint32_t Push(std::span<const TxPacket> packets, uint32_t l2, uint32_t l3) {
    const uint32_t slot_count = slot_count_;
    const auto most =
        static_cast<uint32_t>(std::min<size_t>(packets.size(), slot_count - 1 - in_use_));
    if (most == 0) return 0;
    if (Nic::kContext && (l2 != l2_ || l3 != l3_)) SetContext(l2, l3);
    const uint64_t flags = Nic::Flags(l2, l3);
    const TxPacket* __restrict packet = packets.data();
    uint32_t at = produce_;
    uint32_t done = 0;
    std::byte* slot = nullptr;
    uint64_t word = 0;
    while (done < most) {
      const uint32_t end = done + std::min(most - done, slot_count - at);
      std::byte* next = slots_ + size_t{at} * 16;
      uint32_t* __restrict cookie = cookies_.data() + at;
      at -= done;
      for (; done < end && packet->bytes - 1 < Nic::kMaxBytes; ++done) {
        slot = next;
        word = flags | Nic::Lengths(packet->bytes);
        dataplane::StoreRelaxed<uint64_t>(slot, packet->address.value);
        dataplane::StoreRelaxed<uint64_t>(slot + 8, word);
        *cookie++ = packet->cookie;
        next += 16;
        ++packet;
      }
      at += done;
      if (at == slot_count) at = 0;
      if (done < end) break;
    }
    produce_ = at;
    if (done == 0) return 0;
    // The last one again: it is reported.
    dataplane::StoreRelaxed<uint64_t>(slot + 8, word | Nic::kReport);
    in_use_ += done;
    reports_[report_end_] = at == 0 ? slot_count - 1 : at - 1;
    if (++report_end_ == slot_count) report_end_ = 0;
    return done;
  }
  void Publish() { dataplane::StoreRelease<uint32_t>(tail_, produce_); }

  uint32_t Reclaim(std::span<uint32_t> cookies) {
    uint32_t count = 0;
    while (count < cookies.size()) {
      if (sent_ == 0) {
        if (report_begin_ == report_end_) break;
        const uint32_t slot = reports_[report_begin_];
        const auto word = dataplane::LoadAcquire<uint64_t>(slots_ + size_t{slot} * 16 + 8);
        if (!Nic::Done(word)) break;
        if (++report_begin_ == slot_count_) report_begin_ = 0;
        sent_ = slot + 1 - consume_ + (slot < consume_ ? slot_count_ : 0);
      }
      if (Nic::kContext && consume_ == context_at_) {
        // It holds no packet.
        context_at_ = UINT32_MAX;
        --sent_;
        --in_use_;
        if (++consume_ == slot_count_) consume_ = 0;
        continue;
      }
      const auto run = std::min<uint32_t>(
          {sent_, slot_count_ - consume_, static_cast<uint32_t>(cookies.size()) - count});
      std::copy_n(cookies_.data() + consume_, run, cookies.data() + count);
      count += run;
      sent_ -= run;
      in_use_ -= run;
      consume_ += run;
      if (consume_ == slot_count_) consume_ = 0;
    }
    return count;
  }

 protected:
  void SetContext(uint32_t l2, uint32_t l3) {
    std::byte* slot = slots_ + size_t{produce_} * 16;
    uint64_t words[2];
    Nic::Context(l2, l3, words);
    dataplane::StoreRelaxed<uint64_t>(slot, words[0]);
    dataplane::StoreRelaxed<uint64_t>(slot + 8, words[1]);
    context_at_ = produce_;
    if (++produce_ == slot_count_) produce_ = 0;
    ++in_use_;
    l2_ = l2;
    l3_ = l3;
  }

  std::byte* slots_;
  uint32_t slot_count_;
  std::byte* tail_;
  std::vector<uint32_t> cookies_;
  std::vector<uint32_t> reports_;  // slots that are reported, oldest first
  uint32_t report_begin_ = 0;
  uint32_t report_end_ = 0;
  uint32_t sent_ = 0;
  uint32_t produce_ = 0;
  uint32_t consume_ = 0;
  uint32_t in_use_ = 0;
  uint32_t context_at_ = UINT32_MAX;  // slot of the one that was set last
  uint32_t l2_ = 0;
  uint32_t l3_ = 0;
};

// intel.ixgbe.advanced (82599 datasheet 7.2.3.2.3, 7.2.3.2.4).
struct IxgbeTx {
  static constexpr const char* kLayout = "intel.ixgbe.advanced";
  static constexpr bool kContext = true;
  static constexpr uint32_t kMaxBytes = 16384;
  static constexpr uint64_t kReport = 1u << 27;
  // DTYP 3, EOP, IFCS, DEXT; CC, IXSM, TXSM
  static constexpr uint64_t Flags(uint32_t, uint32_t) {
    return 3u << 20 | 1u << 24 | 1u << 25 | 1u << 29 | uint64_t{0x380} << 32;
  }
  static constexpr uint64_t Lengths(uint64_t bytes) { return bytes | bytes << 46; }
  static constexpr bool Done(uint64_t word) { return (word >> 32 & 1) != 0; }
  // DTYP 2, DEXT, IPV4, L4T UDP
  static void Context(uint32_t l2, uint32_t l3, uint64_t* words) {
    words[0] = l3 | l2 << 9;
    words[1] = 2u << 20 | 1u << 29 | 1u << 10;
  }
};

// intel.ice.flex (ice_lan_tx_rx.h, ICE_TX_DESC_CMD_*, ICE_TXD_QW1_*).
struct IceTx {
  static constexpr const char* kLayout = "intel.ice.flex";
  static constexpr bool kContext = false;
  static constexpr uint32_t kMaxBytes = 16383;
  static constexpr uint64_t kReport = 1u << 5;
  // EOP, IIPT_IPV4_CSUM, L4T_EOFT_UDP; MACLEN, IPLEN
  static constexpr uint64_t Flags(uint32_t l2, uint32_t l3) {
    return 1u << 4 | 3u << 9 | 3u << 12 | uint64_t{l2 / 2} << 16 | uint64_t{l3 / 4} << 23;
  }
  static constexpr uint64_t Lengths(uint64_t bytes) { return bytes << 34; }
  static constexpr bool Done(uint64_t word) { return (word & 15) == 15; }
  static void Context(uint32_t, uint32_t, uint64_t*) {}
};

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_DATAPLANE_HAND_TX_H_
