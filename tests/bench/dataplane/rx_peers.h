// The memory of a receive queue of one layout each, and a device that writes what its layout says:
// what drivers are measured on.
#ifndef QSPLIT_TESTS_BENCH_DATAPLANE_RX_PEERS_H_
#define QSPLIT_TESTS_BENCH_DATAPLANE_RX_PEERS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dataplane/ring_view.h"
#include "tests/bench/dataplane/hand_ring_rx.h"
#include "tests/bench/dataplane/hand_rx.h"
#include "tests/bench/dataplane/rx_contest.h"

namespace qsplit::bench {

// Slots that are completed in place, with a tail register.
template <uint32_t kSlotBytes>
struct OneRing {
  alignas(128) std::byte slots[kSlots * kSlotBytes] = {};
  alignas(64) uint64_t tail = 0;

  dataplane::QueueView View() {
    dataplane::RingView view;
    view.slots = slots;
    view.slot_count = kSlots;
    view.producer_doorbells[0] = reinterpret_cast<std::byte*>(&tail);
    return dataplane::QueueView::Single(view);
  }
  HandQueue ForHand(uint32_t buffer_bytes) {
    return {slots, kSlots, reinterpret_cast<std::byte*>(&tail), buffer_bytes};
  }
};

// Writes what a device would, for the next packet. Packets differ in what they are: TCP and UDP
// over IPv4 and IPv6, one in four with a tag, one in 64 with a bad checksum.
struct IxgbePeer {
  using Rings = OneRing<16>;
  static void Complete(Rings* rings, uint64_t count, std::byte*) {
    const auto number = static_cast<uint32_t>(count % kSlots);
    std::byte* slot = rings->slots + size_t{number} * 16;
    static constexpr uint64_t kTypes[] = {1, 7, 3, 8};
    const uint64_t tag = number % 4 == 0 ? 1 : 0;
    const uint64_t bad = number % 64 == 9 ? 1 : 0;
    const uint64_t info = kTypes[number % 4] | 0x110 | uint64_t{number} * 2654435761u << 32;
    const uint64_t status =
        3 | tag << 3 | 0x60 | bad << 30 | uint64_t{60} << 32 | (tag * number % 4096) << 48;
    std::memcpy(slot, &info, 8);
    std::memcpy(slot + 8, &status, 8);
  }
};
struct IcePeer {
  using Rings = OneRing<32>;
  static void Complete(Rings* rings, uint64_t count, std::byte*) {
    const auto number = static_cast<uint32_t>(count % kSlots);
    std::byte* slot = rings->slots + size_t{number} * 32;
    const uint64_t tag = number % 4 == 0 ? 1 : 0;
    const uint64_t bad = number % 64 == 9 ? 1 : 0;
    const uint64_t words[] = {2 | uint64_t{26} << 16 | uint64_t{60} << 32,
                              3 | 8 | bad << 5 | 1u << 12 | tag << 13 |
                                  (tag * number % 4096) << 16 |
                                  uint64_t{number} * 2654435761u << 32,
                              0, 0};
    std::memcpy(slot, words, sizeof words);
  }
};

struct Mlx5Peer {
  struct Rings {
    alignas(4096) std::byte entries[kSlots * 64] = {};
    alignas(4096) std::byte completions[kSlots * 64] = {};
    alignas(64) uint32_t records[2] = {};

    dataplane::QueueView View() {
      dataplane::QueueView view;
      view.ring_count = 4;  // the last two are of other choices
      view.rings[0].slots = entries;
      view.rings[0].slot_count = kSlots;
      view.rings[0].producer_doorbells[0] = reinterpret_cast<std::byte*>(&records[0]);
      view.rings[1].slots = completions;
      view.rings[1].slot_count = kSlots;
      view.rings[1].consumer_doorbells[0] = reinterpret_cast<std::byte*>(&records[1]);
      return view;
    }
    HandMlx5Rx::Queue ForHand(uint32_t buffer_bytes) {
      return {entries,
              completions,
              kSlots,
              reinterpret_cast<std::byte*>(&records[0]),
              reinterpret_cast<std::byte*>(&records[1]),
              buffer_bytes};
    }
  };
  static void Complete(Rings* rings, uint64_t count, std::byte*) {
    const auto number = static_cast<uint32_t>(count % kSlots);
    const bool tag = number % 4 == 0;
    const bool bad = number % 64 == 9;
    // RSS over TCP and UDP of IPv4 and IPv6, or of none.
    static constexpr uint8_t kTypes[] = {0x44, 0x48, 0x84, 0x00};
    std::byte cqe[64] = {};
    const auto put = [&](size_t at, auto value) { std::memcpy(cqe + at, &value, sizeof value); };
    put(12, __builtin_bswap32(number * 2654435761u));
    put(16, kTypes[number % 4]);
    put(28, static_cast<uint8_t>(bad ? 0x03 : 0x07));
    put(29, static_cast<uint8_t>(0x28 | (tag ? 1 : 0)));
    put(30, __builtin_bswap16(static_cast<uint16_t>(tag ? number : 0)));
    put(44, __builtin_bswap32(60));
    put(60, __builtin_bswap16(static_cast<uint16_t>(count)));
    put(63, static_cast<uint8_t>(0x20 | (count / kSlots & 1)));
    std::memcpy(rings->completions + size_t{number} * 64, cqe, sizeof cqe);
  }
};

struct VirtioPeer {
  struct Rings {
    alignas(128) std::byte slots[kSlots * 16] = {};
    alignas(64) uint16_t no_notify = 0;
    alignas(64) uint16_t no_interrupt = 1;
    alignas(64) uint16_t doorbell = 0;

    dataplane::QueueView View() {
      dataplane::RingView view;
      view.slots = slots;
      view.slot_count = kSlots;
      view.producer_doorbells[0] = reinterpret_cast<std::byte*>(&doorbell);
      view.cells[0] = reinterpret_cast<std::byte*>(&no_notify);
      view.cells[1] = reinterpret_cast<std::byte*>(&no_interrupt);
      return dataplane::QueueView::Single(view);
    }
    HandVirtioRx::Queue ForHand(uint32_t buffer_bytes) {
      return {slots, kSlots, reinterpret_cast<std::byte*>(&no_notify),
              reinterpret_cast<std::byte*>(&doorbell), buffer_bytes};
    }
  };
  static void Complete(Rings* rings, uint64_t count, std::byte* head) {
    const auto number = static_cast<uint32_t>(count % kSlots);
    std::byte* slot = rings->slots + size_t{number} * 16;
    uint64_t offered;
    std::memcpy(&offered, slot + 8, 8);
    const uint64_t turn = count / kSlots % 2 == 0 ? 0x8080 : 0;
    const uint64_t used = (12 + 60) | (offered & uint64_t{0xffff} << 32) | (turn | 2) << 48;
    std::memcpy(slot + 8, &used, 8);
    const uint64_t header[] = {number % kBurst == 9 ? 0u : 2u, uint64_t{1} << 16};
    std::memcpy(head, header, 12);
  }
};

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_DATAPLANE_RX_PEERS_H_
