// Plans that no spec has, at random: any pieces, tests and tables that a plan may be made of.
#ifndef QSPLIT_TESTS_UNIT_BURST_RANDOM_PLANS_H_
#define QSPLIT_TESTS_UNIT_BURST_RANDOM_PLANS_H_

#include "dataplane/burst/rx_burst.h"
#include "dataplane/burst/tx_burst.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::dataplane::burst::testing {

using dataplane::testing::Random;

RxBurstPlan RandomRxPlan(Random& random);
TxBurstPlan RandomTxPlan(Random& random);

// A ring for such a plan: any bits, but for most slots those that its tests ask for.
std::vector<std::byte> RandomRing(const RxBurstPlan& plan, Random& random);
std::vector<PostedSlot> RandomPosted(const RxBurstPlan& plan, Random& random);
// Buffers, packets and images, most of which the plan can say.
std::vector<RxBuffer> RandomBuffers(const RxBurstPlan& plan, Random& random);
std::vector<TxPacket> RandomPackets(const TxBurstPlan& plan, Random& random);
TxImage RandomImage(const TxBurstPlan& plan, Random& random);
// Mostly a slot of the ring.
uint32_t RandomSlot(uint32_t slot_count, Random& random);

}  // namespace qsplit::dataplane::burst::testing

#endif  // QSPLIT_TESTS_UNIT_BURST_RANDOM_PLANS_H_
