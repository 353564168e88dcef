// NICs whose transmit queues are measured: how a queue stands in a TxRings (cells by name, as
// layouts have them), how many packets have room in it, and what its device does.
#ifndef QSPLIT_TESTS_BENCH_DATAPLANE_TX_PEERS_H_
#define QSPLIT_TESTS_BENCH_DATAPLANE_TX_PEERS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "dataplane/tx_driver.h"
#include "tests/bench/dataplane/hand_tx.h"
#include "tests/bench/dataplane/hand_tx_rings.h"
#include "tests/bench/dataplane/header_tx.h"

namespace qsplit::bench {

// The view's next ring.
inline dataplane::RingView& AddRing(std::byte* slots, uint32_t slot_count,
                                    dataplane::QueueView* view) {
  dataplane::RingView& ring = view->rings[view->ring_count++];
  ring.slots = slots;
  ring.slot_count = slot_count;
  return ring;
}

// A ring of descriptors of 16 bytes that are completed in place, with a tail register: of each
// burst the last one is.
template <typename Nic, typename FromHeader>
class InPlace {
 public:
  static constexpr uint32_t kPackets = 512;
  static constexpr const char* kLayout = Nic::kLayout;
  static constexpr bool kSums = true;
  template <typename Driver>
  class With : public Driver {
   public:
    explicit With(TxRings& rings) : Driver(rings.slots, kPackets, rings.Cell(0)) {}
    uint32_t Push(std::span<const TxPacket> packets) {
      return Driver::Push(packets, kHeaders[0], kHeaders[1]);
    }
  };
  using Hand = With<HandTx<Nic>>;
  using Header = With<HeaderTx<Nic, FromHeader>>;

  static void View(TxRings& rings, dataplane::QueueView* view) {
    AddRing(rings.slots, kPackets, view).producer_doorbells = {rings.Cell(0)};
  }
  void Complete(TxRings& rings, uint32_t packets) {
    at_ = (at_ + packets) % kPackets;
    const uint64_t done = Nic::Done(15) ? 15 : uint64_t{1} << 32;
    std::memcpy(rings.slots + size_t{(at_ + kPackets - 1) % kPackets} * 16 + 8, &done, sizeof done);
  }

 private:
  static_assert(kPackets * 16 <= sizeof TxRings::slots);

  uint32_t at_ = Nic::kContext ? 1 : 0;  // behind the last one that was completed
};

class Mlx5 {
 public:
  using Hand = HandMlx5Tx;
  static constexpr uint32_t kPackets = TxRings::kSlots;
  static constexpr const char* kLayout = "mellanox.mlx5";
  static constexpr bool kSums = true;

  static void View(TxRings& rings, dataplane::QueueView* view) {
    AddRing(rings.slots, kPackets, view).producer_doorbells = {rings.Cell(0), rings.Cell(1)};
    AddRing(rings.done, kPackets, view).consumer_doorbells = {rings.Cell(2)};
  }
  // Of the last packet only, which is reported.
  void Complete(TxRings& rings, uint32_t packets) {
    sent_ += packets;
    const uint64_t counter = __builtin_bswap16(static_cast<uint16_t>(sent_ - 1));
    const uint64_t owner = count_ / TxRings::kSlots % 2;
    const uint64_t word = counter << 32 | owner << 56;
    std::memcpy(rings.done + size_t{count_ % TxRings::kSlots} * 64 + 56, &word, sizeof word);
    ++count_;
  }

 private:
  uint32_t sent_ = 0;
  uint32_t count_ = 0;
};

class VirtioPacked {
 public:
  using Hand = HandVirtioTx;
  static constexpr uint32_t kPackets = TxRings::kSlots;
  static constexpr const char* kLayout = "virtio.packed";
  static constexpr bool kSums = true;

  static void View(TxRings& rings, dataplane::QueueView* view) {
    dataplane::RingView& ring = AddRing(rings.slots, 2 * kPackets, view);
    ring.producer_doorbells = {rings.Cell(0)};
    ring.cells = {rings.Cell(5), rings.Cell(4)};
    view->scratch = rings.scratch;
    view->scratch_iova = dataplane::Iova(TxRings::kScratchIova);
    view->scratch_bytes = sizeof rings.scratch;
  }
  void Complete(TxRings& rings, uint32_t packets) {
    for (uint32_t i = 0; i < packets; ++i) {
      std::byte* at = rings.slots + size_t{slot_} * 16 + 8;
      uint64_t word;
      std::memcpy(&word, at, sizeof word);
      word = (word & (uint64_t{0xffff} << 32)) | (wrap_ != 0 ? uint64_t{0x8080} << 48 : 0);
      std::memcpy(at, &word, sizeof word);
      slot_ += 2;
      if (slot_ < 2 * TxRings::kSlots) continue;
      slot_ = 0;
      wrap_ ^= 1;
    }
  }

 private:
  uint32_t slot_ = 0;
  uint32_t wrap_ = 1;
};

class AfXdp {
 public:
  using Hand = HandXdpTx;
  static constexpr uint32_t kPackets = TxRings::kSlots;
  static constexpr const char* kLayout = "linux.af_xdp";
  static constexpr bool kSums = false;

  static void View(TxRings& rings, dataplane::QueueView* view) {
    AddRing(rings.slots, kPackets, view).cells = {rings.Cell(1), rings.Cell(2), rings.Cell(0)};
    AddRing(rings.done, kPackets, view).cells = {rings.Cell(4), rings.Cell(3)};
  }
  void Complete(TxRings& rings, uint32_t packets) {
    for (uint32_t i = 0; i < packets; ++i, ++count_) {
      std::memcpy(rings.done + size_t{count_ % TxRings::kSlots} * 8,
                  rings.slots + size_t{count_ % TxRings::kSlots} * 16, 8);
    }
    std::memcpy(rings.Cell(1), &count_, sizeof count_);
    std::memcpy(rings.Cell(3), &count_, sizeof count_);
  }

 private:
  uint32_t count_ = 0;
};

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_DATAPLANE_TX_PEERS_H_
