// Plans of queues of several rings that no spec has, at random: see random_plans.h.
#ifndef QSPLIT_TESTS_UNIT_BURST_RANDOM_RING_PLANS_H_
#define QSPLIT_TESTS_UNIT_BURST_RANDOM_RING_PLANS_H_

#include <vector>

#include "dataplane/burst/rx_ring_burst.h"
#include "dataplane/burst/tx_ring.h"
#include "tests/unit/burst/random_plans.h"

namespace qsplit::dataplane::burst::testing {

RxRingPlan RandomRxRingPlan(Random& random);

// What a poll of such a plan works on.
struct RxRingMemory {
  std::vector<std::byte> ring;
  std::vector<RxBuffer> posted;
  std::vector<uint64_t> prefixes;  // that most of the buffers begin with
};
// Any bits, but for most completions those that the plan asks for, from these on, at this phase.
RxRingMemory RandomMemory(const RxRingPlan& plan, uint32_t slot, uint32_t buffer, uint32_t phase,
                          Random& random);
std::vector<RxBuffer> RandomBuffers(const RxRingPlan& plan, size_t count, Random& random);

TxRingPlan RandomTxRingPlan(Random& random);
TxDonePlan RandomTxDonePlan(Random& random);
// Packets with numbers below 64, mostly; numbers up to 10 bits name most of them.
std::vector<TxRemembered> RandomRemembered(Random& random);
// Buffers, most of which these keys name in order from number `first` on.
std::vector<TxExpected> RandomExpected(const TxDonePlan& plan, const std::vector<uint64_t>& keys,
                                       uint32_t first, Random& random);

// What a push of such a plan works on.
struct TxRingMemory {
  static constexpr uint32_t kIds = 64;

  std::vector<TxPacket> packets;
  TxRingImage image;
  std::vector<uint32_t> cookies;
  std::vector<TxRemembered> remembered = std::vector<TxRemembered>(kIds);
  std::vector<uint32_t> ids;  // the first packet's is the last one
  std::vector<uint32_t> prefixes = std::vector<uint32_t>(kIds);
  std::vector<uint64_t> held = std::vector<uint64_t>(1);
  bool holds = false;
  // But for pointers.
  TxRingCall call;

  TxRingCall Call();
};
TxRingMemory RandomMemory(const TxRingPlan& plan, Random& random);
// Completions, most of them of the common case.
std::vector<std::byte> RandomRing(const TxDonePlan& plan, uint32_t phase, Random& random);

}  // namespace qsplit::dataplane::burst::testing

#endif  // QSPLIT_TESTS_UNIT_BURST_RANDOM_RING_PLANS_H_
