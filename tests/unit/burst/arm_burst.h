// One call of a burst's code for aarch64 in an emulator, held against the plan's interpreter: same
// count, same bytes, and of memory that others share no more than is promised.
#ifndef QSPLIT_TESTS_UNIT_BURST_ARM_BURST_H_
#define QSPLIT_TESTS_UNIT_BURST_ARM_BURST_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dataplane/burst/generator.h"
#include "tests/unit/burst/arm_machine.h"

namespace qsplit::dataplane::burst::testing {

class ArmRxBurst {
 public:
  // The plan is kept by who makes it.
  explicit ArmRxBurst(const RxBurstPlan& plan);

  // What is wrong is a failure of the test; completions, buffers.
  uint32_t PollSame(std::vector<std::byte>& ring, std::vector<PostedSlot>& posted, uint32_t first,
                    uint32_t most);
  uint32_t PostSame(std::vector<RxBuffer>& buffers, uint32_t first);

 private:
  const RxBurstPlan& plan_;
  RxCode code_;
  ArmMachine machine_;
};

}  // namespace qsplit::dataplane::burst::testing

#endif  // QSPLIT_TESTS_UNIT_BURST_ARM_BURST_H_
