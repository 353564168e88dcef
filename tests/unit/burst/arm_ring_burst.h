// The same as arm_burst.h for queues of several rings.
#ifndef QSPLIT_TESTS_UNIT_BURST_ARM_RING_BURST_H_
#define QSPLIT_TESTS_UNIT_BURST_ARM_RING_BURST_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dataplane/burst/generator.h"
#include "tests/unit/burst/arm_machine.h"
#include "tests/unit/burst/random_ring_plans.h"

namespace qsplit::dataplane::burst::testing {

class ArmRxRingBurst {
 public:
  // The plan is kept by who makes it.
  explicit ArmRxRingBurst(const RxRingPlan& plan);

  // What is wrong is a failure of the test; completions, buffers.
  uint32_t PollSame(RxRingMemory& memory, uint32_t slot, uint32_t buffer, uint32_t most,
                    uint32_t phase);
  // Posts into a ring of which each slot was posted with the bytes of `before`.
  uint32_t PostSame(std::vector<RxBuffer>& before, std::vector<RxBuffer>& buffers, uint32_t first,
                    uint32_t phase);
  // Posts them, all but the word that hands the first one over.
  void PostHeldSame(std::vector<RxBuffer>& buffers, uint32_t slot, uint32_t phase);

 private:
  const RxRingPlan& plan_;
  RxRingCode code_;
  ArmMachine machine_;
};

class ArmTxRingBurst {
 public:
  ArmTxRingBurst(const TxRingPlan& plan, const TxDonePlan& done);

  // Packets, completions.
  uint32_t PushSame(TxRingMemory& memory, uint32_t first);
  uint32_t TakeSame(std::vector<std::byte>& ring, uint32_t first, uint32_t most, uint32_t phase);
  uint32_t TakeExpectedSame(std::vector<std::byte>& ring, std::vector<TxExpected>& expected,
                            uint32_t slot, uint32_t most, uint32_t first);
  uint32_t TakeRememberedSame(std::vector<std::byte>& ring,
                              const std::vector<TxRemembered>& remembered, uint64_t published,
                              uint32_t slot, uint32_t most, uint32_t phase);

 private:
  const TxRingPlan& plan_;
  const TxDonePlan& done_;
  TxRingCode code_;
  ArmMachine machine_;
};

}  // namespace qsplit::dataplane::burst::testing

#endif  // QSPLIT_TESTS_UNIT_BURST_ARM_RING_BURST_H_
