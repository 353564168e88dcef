// Transmit bursts made for aarch64 write what the plan says, over rings of every spec that is
// completed in place, and read no slot.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "dataplane/in_place_tx_driver.h"
#include "tests/unit/burst/arm_ring_burst.h"
#include "tests/unit/burst/random_plans.h"
#include "tests/unit/burst/random_ring_plans.h"
#include "tests/unit/dataplane/tx_rig.h"

namespace qsplit::dataplane::burst::testing {
namespace {

using namespace dataplane::testing;  // NOLINT(google-build-using-namespace)

// Those that are driven in place, in bursts.
std::vector<TxCase> InPlaceCases() {
  std::vector<TxCase> cases = AllTxCases();
  std::erase_if(cases, [](const TxCase& c) {
    QueueMemory memory(*c.layout, c.queue, c.choices, 16);
    const auto driver =
        InPlaceTxDriver::Create(*c.layout, memory.view(), {32, AccessMode::kInterpreted});
    return !driver.ok() || (*driver)->Access().mode != AccessMode::kInterpreted;
  });
  return cases;
}

class ArmTx : public ::testing::TestWithParam<TxCase> {};

TEST_P(ArmTx, WritesWhatThePlanSays) {
  const TxCase& c = GetParam();
  QueueMemory memory(*c.layout, c.queue, c.choices, 16);
  const auto driver =
      InPlaceTxDriver::Create(*c.layout, memory.view(), {32, AccessMode::kInterpreted});
  ASSERT_TRUE(driver.ok()) << driver.status();
  Random random(29);
  uint64_t pushed = 0;
  for (const InPlaceTxDriver::Bursts& bursts : (*driver)->bursts()) {
    for (const std::shared_ptr<const TxRingBurst>& burst : bursts) {
      if (burst == nullptr) continue;
      ArmTxRingBurst arm(burst->plan(), burst->done());
      for (uint32_t step = 0; step < 80 && !HasFailure(); ++step) {
        TxRingMemory packets = RandomMemory(burst->plan(), random);
        pushed += arm.PushSame(packets, RandomSlot(burst->plan().slot_count, random));
      }
    }
  }
  EXPECT_GT(pushed, 0u);
}

INSTANTIATE_TEST_SUITE_P(Specs, ArmTx, ::testing::ValuesIn(InPlaceCases()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace qsplit::dataplane::burst::testing
