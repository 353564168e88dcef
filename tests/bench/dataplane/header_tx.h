// Transmit loops out of emitted headers (qdlc --emit c++) for one NIC each, as the loops of
// hand_tx.h; what is sent comes back as it does there.
#ifndef QSPLIT_TESTS_BENCH_DATAPLANE_HEADER_TX_H_
#define QSPLIT_TESTS_BENCH_DATAPLANE_HEADER_TX_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "intel.ice.flex.h"
#include "intel.ixgbe.advanced.h"
#include "tests/bench/dataplane/hand_tx.h"

namespace qsplit::bench {

// UDP over IPv4, both checksums.
struct HeaderIxgbe {
  using Ring = qsplit_layout::intel_ixgbe_advanced::transmit_descriptors_ring;
  static void Context(std::byte* slots, uint32_t slot_count, Ring::Position& at, uint32_t l2,
                      uint32_t l3) {
    using Form = qsplit_layout::intel_ixgbe_advanced::TxContext;
    Ring::post_TxContext(slots, slot_count, at, [=](uint8_t* d) {
      Form::set_mac_length(d, l2);
      Form::set_ip_length(d, l3);
      Form::set_ip4(d, 1);
    });
  }
  static void Ask(uint8_t* d, uint32_t, uint32_t) {
    using Form = qsplit_layout::intel_ixgbe_advanced::TxData;
    Form::set_check_context(d, 1);
    Form::set_ixsm(d, 1);
    Form::set_txsm(d, 1);
  }
};
struct HeaderIce {
  using Ring = qsplit_layout::intel_ice_flex::transmit_descriptors_ring;
  static void Context(std::byte*, uint32_t, Ring::Position&, uint32_t, uint32_t) {}
  static void Ask(uint8_t* d, uint32_t l2, uint32_t l3) {
    using namespace qsplit_layout::intel_ice_flex;  // NOLINT
    TxData::set_ip(d, static_cast<uint64_t>(IpOffload::ip4_checksum));
    TxData::set_l4(d, static_cast<uint64_t>(L4Offload::udp));
    TxData::set_mac_length(d, l2);
    TxData::set_ip_length(d, l3);
  }
};

template <typename Nic, typename Header>
class HeaderTx : public HandTx<Nic> {
 public:
  using Ring = typename Header::Ring;
  using HandTx<Nic>::HandTx;

  uint32_t Push(std::span<const TxPacket> packets, uint32_t l2, uint32_t l3) {
    const auto most =
        static_cast<uint32_t>(std::min<size_t>(packets.size(), slot_count_ - 1 - in_use_));
    if (most == 0) return 0;
    if (Nic::kContext && (l2 != l2_ || l3 != l3_)) {
      context_at_ = at_.slot;
      Header::Context(slots_, slot_count_, at_, l2, l3);
      ++in_use_;
      l2_ = l2;
      l3_ = l3;
    }
    const uint32_t done = Ring::transmit(
        slots_, slot_count_, most, at_, [=](uint8_t* d) { Header::Ask(d, l2, l3); },
        [from = packets.data(), cookies = cookies_.data()](size_t i, size_t slot,
                                                           qsplit_layout::Packet& p) {
          cookies[slot] = from[i].cookie;
          p = {.address = from[i].address.value, .bytes = from[i].bytes};
          return true;
        });
    if (done == 0) return 0;
    in_use_ += done;
    reports_[report_end_] = at_.slot == 0 ? slot_count_ - 1 : at_.slot - 1;
    if (++report_end_ == slot_count_) report_end_ = 0;
    return done;
  }
  void Publish() { Ring::ring_producer_doorbell_0(tail_, at_, 0, 0); }

 private:
  using HandTx<Nic>::slots_;
  using HandTx<Nic>::slot_count_;
  using HandTx<Nic>::tail_;
  using HandTx<Nic>::cookies_;
  using HandTx<Nic>::reports_;
  using HandTx<Nic>::report_end_;
  using HandTx<Nic>::in_use_;
  using HandTx<Nic>::context_at_;
  using HandTx<Nic>::l2_;
  using HandTx<Nic>::l3_;

  typename Ring::Position at_;
};

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_DATAPLANE_HEADER_TX_H_
