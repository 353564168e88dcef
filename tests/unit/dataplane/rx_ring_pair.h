// Both sides of one receive ring, which is completed in its own slots.
#ifndef QSPLIT_TESTS_UNIT_DATAPLANE_RX_RING_PAIR_H_
#define QSPLIT_TESTS_UNIT_DATAPLANE_RX_RING_PAIR_H_

#include <cstdint>

#include "dataplane/rx_device.h"
#include "dataplane/rx_driver.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::dataplane::testing {

struct RxRingPair {
  explicit RxRingPair(const layout::VerifiedLayout& layout, uint32_t slots = 16,
                      RxFields wanted = RxFields::All(), bool with_wakeup = false)
      : ring(layout, v1::DIRECTION_RECEIVE, slots, with_wakeup),
        bytes(QueueBufferBytes(layout)),
        driver(*RxDriver::Create(layout, ring.View(), {wanted, bytes})),
        device(*RxDevice::Create(layout, ring.View(), {bytes})) {}

  TestRing ring;
  uint32_t bytes;
  RxDriver driver;
  RxDevice device;
};

}  // namespace qsplit::dataplane::testing

#endif  // QSPLIT_TESTS_UNIT_DATAPLANE_RX_RING_PAIR_H_
