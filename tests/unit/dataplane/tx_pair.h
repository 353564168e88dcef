// Both sides of one transmit ring, and a request that most layouts can carry.
#ifndef QSPLIT_TESTS_UNIT_DATAPLANE_TX_PAIR_H_
#define QSPLIT_TESTS_UNIT_DATAPLANE_TX_PAIR_H_

#include "dataplane/tx_device.h"
#include "dataplane/tx_driver.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::dataplane::testing {

struct TxPair {
  explicit TxPair(const layout::VerifiedLayout& layout, uint32_t slots = 32, TxOptions options = {},
                  bool with_wakeup = false)
      : ring(layout, v1::DIRECTION_TRANSMIT, slots, with_wakeup),
        driver(*TxDriver::Create(layout, ring.View(), options)),
        device(*TxDevice::Create(layout, ring.View(), {})) {}

  // Takes all packets that are there and completes them; returns how many.
  uint32_t SendAll() {
    TxWork work;
    uint32_t count = 0;
    while (device.Fetch(&work) == RingFault::kNone) {
      device.Complete(work.handle);
      ++count;
    }
    return count;
  }
  uint32_t ReclaimAll() {
    uint32_t cookies[64];
    uint32_t count = 0;
    while (const uint32_t some = driver.Reclaim(cookies)) count += some;
    return count;
  }

  TestRing ring;
  TxDriver driver;
  TxDevice device;
};

inline TxRequest ChecksumRequest(uint16_t vlan = 0) {
  TxRequest request;
  request.wants = TxFeature::kL3Checksum | TxFeature::kL4Checksum;
  request.l3 = L3Kind::kIp4;
  request.l4 = L4Kind::kUdp;
  request.l2_header_bytes = 14;
  request.l3_header_bytes = 20;
  if (vlan != 0) {
    request.wants |= TxFeature::kVlanInsert;
    request.vlan_tci = vlan;
  }
  return request;
}

}  // namespace qsplit::dataplane::testing

#endif  // QSPLIT_TESTS_UNIT_DATAPLANE_TX_PAIR_H_
